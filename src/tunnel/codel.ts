import type { Instant } from "../time.ts";

/** An interval is so many targets: RFC 8289 has 20, for targets that are far below a round trip; here they are near it. */
const TARGETS = 4;
const RECENT_INTERVALS = 16;

/** When a queue has to tell its sender to slow down (RFC 8289 §5): its delay has not once been below the target for an interval. */
export class CoDel {
  /** Since when, plus an interval; 0: the delay is not above the target. */
  #aboveUntil = 0;
  #isSignalling = false;
  #nextAt = 0;
  #count = 0;
  #countBefore = 0;

  /**
   * Asked about what is next to leave, after each signal again.
   * @param isShort so little waits that it cannot be less
   */
  shouldSignal(sojournMs: number, isShort: boolean, targetMs: number, now: Instant): boolean {
    const intervalMs = TARGETS * targetMs;
    if (!this.#isAbove(sojournMs, isShort, targetMs, now)) {
      this.#isSignalling = false;
      return false;
    }
    if (!this.#isSignalling) this.#begin(intervalMs, now);
    else if (now >= this.#nextAt) this.#nextAt += intervalMs / Math.sqrt(++this.#count);
    else return false;
    return true;
  }

  #isAbove(sojournMs: number, isShort: boolean, targetMs: number, now: Instant): boolean {
    if (sojournMs < targetMs || isShort) {
      this.#aboveUntil = 0;
      return false;
    }
    if (this.#aboveUntil === 0) this.#aboveUntil = now + TARGETS * targetMs;
    return now >= this.#aboveUntil;
  }

  #begin(intervalMs: number, now: Instant): void {
    this.#isSignalling = true;
    const added = this.#count - this.#countBefore;
    const isRecent = added > 1 && now - this.#nextAt < RECENT_INTERVALS * intervalMs;
    this.#count = isRecent ? added : 1;
    this.#countBefore = this.#count;
    this.#nextAt = now + intervalMs / Math.sqrt(this.#count);
  }
}
