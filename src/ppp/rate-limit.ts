import { type Instant, instant } from "../time.ts";

/** So much at once, and then one each time that a while has passed: for what a hostile peer could cause without end. */
export class RateLimit {
  readonly #most: number;
  readonly #eachMs: number;
  /** When all will be there again. */
  #fullAt: Instant = instant(Number.NEGATIVE_INFINITY);

  constructor(most: number, eachMs: number) {
    this.#most = most;
    this.#eachMs = eachMs;
  }

  /** Whether one more may be. */
  take(now: Instant): boolean {
    const fullAt = Math.max(now, this.#fullAt) + this.#eachMs;
    if (fullAt - now > this.#most * this.#eachMs) return false;
    this.#fullAt = instant(fullAt);
    return true;
  }
}
