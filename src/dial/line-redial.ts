import type { DialFailure } from "./dialogue.ts";

export interface RedialSettings {
  /** A hunt group, tried in turn; empty: there is nothing to choose. */
  readonly numbers: readonly string[];
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  readonly pauseGrowth: number;
  /** Failures in a row after which it gives up; null: never. */
  readonly attempts: number | null;
}

/** Why an attempt failed, or a link ended that was to stay. */
export type LineFailure =
  | DialFailure
  /** The device could not be opened. */
  | "open"
  /** It took too long. */
  | "limit"
  /** The link was lost. */
  | "lost";

interface Consequence {
  /** By how many powers of the growth the next pause is longer. */
  readonly steps: number;
  /** Which number is next, and whether it is tried at once. */
  readonly number: "same" | "next" | "nextAtOnce";
}

const CONSEQUENCES: Readonly<Record<LineFailure, Consequence>> = {
  busy: { steps: 0.5, number: "nextAtOnce" },
  "no-answer": { steps: 1, number: "nextAtOnce" },
  "no-carrier": { steps: 1, number: "nextAtOnce" },
  // Somebody was called who is not a modem: that is not to happen often.
  voice: { steps: 3, number: "nextAtOnce" },
  refused: { steps: 3, number: "next" },
  timeout: { steps: 1, number: "next" },
  aborted: { steps: 1, number: "next" },
  command: { steps: 1, number: "next" },
  limit: { steps: 1, number: "next" },
  "no-dialtone": { steps: 1, number: "same" },
  modem: { steps: 1, number: "same" },
  broken: { steps: 1, number: "same" },
  open: { steps: 1, number: "same" },
  lost: { steps: 1, number: "same" },
};

/** A pause is longer or shorter by up to this share, so that lines do not go in step. */
const JITTER = 0.2;
/** Powers of the growth; what is beyond is the longest pause in any case. */
const MOST_GROWTH = 100;

/** Which number is called next, and after which pause. */
export class LineRedial {
  readonly #settings: RedialSettings;
  readonly #random: () => number;
  #index = 0;
  /** Numbers that were tried one after the other without a pause. */
  #round = 0;
  /** Of the round: its worst failure counts. */
  #steps = 0;
  #level = 0;
  #failures = 0;
  #pauseMs = 0;

  /** @param random from 0 up to, but not, 1 */
  constructor(settings: RedialSettings, random: () => number) {
    this.#settings = settings;
    this.#random = random;
  }

  /** The next one to call; null: there is none to choose. */
  get number(): string | null {
    return this.#settings.numbers[this.#index] ?? null;
  }

  /** Attempts that failed since the last one that did not. */
  get failures(): number {
    return this.#failures;
  }

  get isSpent(): boolean {
    return this.#settings.attempts !== null && this.#failures >= this.#settings.attempts;
  }

  /** The pause that failures since the last call of this asked for; 0: there were none, or another number can be tried at once. */
  takePause(): number {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = 0;
    return pauseMs;
  }

  fail(failure: LineFailure): void {
    const { steps, number } = CONSEQUENCES[failure];
    const count = this.#settings.numbers.length;
    // A device that is missing, or in other hands, costs nobody a call: it may come back at any time.
    if (failure !== "open") this.#failures += 1;
    if (number !== "same" && count > 1) {
      this.#index = (this.#index + 1) % count;
      this.#round += 1;
    }
    this.#steps = Math.max(this.#steps, steps);
    if (number === "nextAtOnce" && this.#round > 0 && this.#round < count) return;
    this.#level += this.#steps;
    this.#round = 0;
    this.#steps = 0;
    this.#pauseMs = this.#nextPause();
  }

  /** All attempts may be made again. */
  forgiveAttempts(): void {
    this.#failures = 0;
  }

  /** As if nothing had ever failed. */
  forgive(): void {
    this.#failures = 0;
    this.#level = 0;
    this.#round = 0;
    this.#steps = 0;
    this.#pauseMs = 0;
  }

  #nextPause(): number {
    const { firstPauseMs, longestPauseMs, pauseGrowth } = this.#settings;
    const power = Math.min(Math.max(0, this.#level - 1), MOST_GROWTH);
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * pauseGrowth ** power);
    return Math.round(pauseMs * (1 + JITTER * (2 * this.#random() - 1)));
  }
}
