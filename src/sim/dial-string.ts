import type { Millis } from "../time.ts";
import { millis } from "../time.ts";
import { type ModemProfile, S } from "./modem-registers.ts";

/** What ATD is told: digits `0-9*#A-D`, and letters and signs that say how to dial them. */
export interface Dialing {
  readonly number: string;
  /** From the first digit to the last, with pauses. */
  readonly durationMs: Millis;
  /** `;`: back to commands when it is dialed, for a person who speaks. */
  readonly staysInCommands: boolean;
  /** T or P was said, which holds for the next calls too. */
  readonly pulse: boolean;
}

const PULSE_MS = 100;
const BETWEEN_PULSED_MS = 800;
const FLASH_MS = 500;
/** How soon a second dial tone comes. */
const SECOND_TONE_MS = 1000;

/**
 * Reads a dial string. `@` (wait for silence) and what means nothing take no time.
 * @param text in capital letters
 */
export function parseDialString(text: string, profile: ModemProfile, pulseBefore: boolean): Dialing {
  let number = "";
  let durationMs = 0;
  let pulse = pulseBefore;
  let staysInCommands = false;
  for (const sign of text) {
    if (sign === ";") {
      staysInCommands = true;
      break;
    }
    if (sign === "T") pulse = false;
    else if (sign === "P") pulse = true;
    else if (sign === ",") durationMs += profile.get(S.comma) * 1000;
    else if (sign === "W") durationMs += SECOND_TONE_MS;
    else if (sign === "!") durationMs += FLASH_MS;
    else if (/[0-9*#A-D]/.test(sign)) {
      number += sign;
      durationMs += pulse ? pulsedMs(sign) : 2 * profile.get(S.tone);
    }
  }
  return { number, durationMs: millis(durationMs), staysInCommands, pulse };
}

const pulsedMs = (digit: string): number =>
  (digit === "0" ? 10 : Number(digit) || 0) * PULSE_MS + BETWEEN_PULSED_MS;
