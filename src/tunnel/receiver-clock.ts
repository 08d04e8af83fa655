import type { Instant } from "../time.ts";

/** Beyond what a report can have been under way: a clock was set, stood still, or began anew. */
const MOST_DRIFT_MS = 10_000;

/**
 * The clock of a reports' sender, of which they tell microseconds modulo 2^32 (72 minutes), as milliseconds that go on. The clock here tells
 * how often it went round in between.
 */
export class ReceiverClock {
  /** When the last one came that was handled, by that clock. */
  arrivalMs = 0;
  /** That clock less the one here, when the last report came. */
  #aheadMs = 0;
  #based = false;

  /** @returns whether times before are not comparable with this one */
  handleArrival(arrivalUs: number, holdMs: number, now: Instant): boolean {
    const expected = now + this.#aheadMs - holdMs;
    // ToInt32 is the modulus, and chooses the nearest of what it may mean.
    const off = ((arrivalUs - Math.floor(expected * 1000)) | 0) / 1000;
    const rebased = !this.#based || off > MOST_DRIFT_MS || off < -MOST_DRIFT_MS;
    this.#based = true;
    this.arrivalMs = rebased ? arrivalUs / 1000 : Math.floor(expected * 1000) / 1000 + off;
    this.#aheadMs = this.arrivalMs + holdMs - now;
    return rebased;
  }
}
