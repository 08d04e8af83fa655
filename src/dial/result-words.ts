import type { DialFailure } from "./dialogue.ts";

/** What a line of a modem says. */
export type ModemWord =
  | { readonly type: "ok" | "ring" }
  | { readonly type: "connect"; readonly bps: number | null }
  /** The carrier's speed, told before CONNECT, which then tells the port's. */
  | { readonly type: "carrier"; readonly bps: number }
  | { readonly type: "failure"; readonly failure: DialFailure };

const failure = (name: DialFailure): ModemWord => ({ type: "failure", failure: name });
const OK: ModemWord = { type: "ok" };
const RING: ModemWord = { type: "ring" };

/** Above 8 vendors differ. */
const DIGITS: Readonly<Record<string, ModemWord>> = {
  0: OK,
  1: { type: "connect", bps: null },
  2: RING,
  3: failure("no-carrier"),
  4: failure("modem"),
  5: { type: "connect", bps: 1200 },
  6: failure("no-dialtone"),
  7: failure("busy"),
  8: failure("no-answer"),
};

const WORDS: readonly (readonly [pattern: RegExp, word: ModemWord])[] = [
  [/^OK$/, OK],
  [/^RING/, RING],
  [/^BUSY/, failure("busy")],
  [/^NO ANSWER/, failure("no-answer")],
  [/^NO CARRIER/, failure("no-carrier")],
  [/^(NO DIAL ?TONE|LINE IN USE)/, failure("no-dialtone")],
  [/^VOICE/, failure("voice")],
  [/^(ERROR|DELAYED|BLACK ?LISTED)/, failure("modem")],
];
/** A speed in bits per second; the figures of V.34 or V42BIS are shorter. */
const SPEED = /(?<!\d)\d{3,7}(?!\d)/;

/** @param line without its end @returns null: nothing that a modem says, such as an echo or noise */
export function readModemWord(line: string): ModemWord | null {
  const text = line.trim().toUpperCase();
  const found = DIGITS[text] ?? WORDS.find(([pattern]) => pattern.test(text))?.[1];
  if (found !== undefined) return found;
  const carrier = /^(?:CONNECT.*\b)?(?:CARRIER|\+MRR)\b(.*)/.exec(text);
  const carrierBps = readSpeed(carrier?.[1] ?? "");
  if (text.startsWith("CONNECT")) return { type: "connect", bps: carrierBps ?? readSpeed(text) };
  return carrierBps === null ? null : { type: "carrier", bps: carrierBps };
}

function readSpeed(text: string): number | null {
  const [digits] = SPEED.exec(text) ?? [];
  return digits === undefined ? null : Number(digits);
}

const LONGEST = 128;
/** The eighth bit may be one of parity. */
const ASCII = 0x7f;
const CR = 0x0d;
const LF = 0x0a;

/** Finds lines in octets, however they are split; of longer ones the beginning. */
export class LineReader {
  #text = "";

  /** The line that has not ended. */
  get pending(): string {
    return this.#text;
  }

  /** @returns a line that has ended; null: none, or an empty one */
  handleOctet(octet: number): string | null {
    const sign = octet & ASCII;
    if (sign === CR || sign === LF) {
      const text = this.#text;
      this.#text = "";
      return text === "" ? null : text;
    }
    if (sign >= 0x20 && sign < 0x7f && this.#text.length < LONGEST) this.#text += String.fromCharCode(sign);
    return null;
  }
}
