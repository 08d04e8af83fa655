import type { Instant } from "../time.ts";

/** So many a second, and so many at once. It may be asked with any time, also an earlier one. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #most: number;
  #tokens: number;
  #filledAt: Instant | null = null;

  constructor(perSecond: number, most: number) {
    this.#perMs = perSecond / 1000;
    this.#most = most;
    this.#tokens = most;
  }

  take(now: Instant, count = 1): boolean {
    const passedMs = Math.max(0, now - (this.#filledAt ?? now));
    this.#filledAt = now;
    this.#tokens = Math.min(this.#most, this.#tokens + passedMs * this.#perMs);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
