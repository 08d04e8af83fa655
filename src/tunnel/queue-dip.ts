import type { LoopTimes } from "./loop-times.ts";

const FIRST_MS = 300;
const EVERY_MS = 3000;
const GAIN = 0.5;
/** For so long the queue is empty. */
const MORE_MS = 3;

/**
 * Empties the queue that is kept standing for an instant, and fills it again, so that one sees what the way takes
 * without a queue: who always sees one takes it for the way after a time.
 */
export class QueueDip {
  /** Less is sent until, as much as arrives until, more until. */
  #lessUntil = Number.NEGATIVE_INFINITY;
  #evenUntil = Number.NEGATIVE_INFINITY;
  #moreUntil = Number.NEGATIVE_INFINITY;
  #nextAt = Number.NEGATIVE_INFINITY;
  /** Reports tell of it from here to there. */
  #seenFrom = Number.POSITIVE_INFINITY;
  #seenUntil = Number.POSITIVE_INFINITY;
  #leastMs = Number.POSITIVE_INFINITY;

  /** The next one is soon. */
  plan(now: number, loopMs: number): void {
    this.#nextAt = now + FIRST_MS + 4 * loopMs;
  }

  isDue(now: number): boolean {
    return now >= this.#nextAt && this.#seenFrom === Number.POSITIVE_INFINITY;
  }

  postpone(now: number): void {
    this.#nextAt = now + EVERY_MS;
  }

  /**
   * @param queueMs that there is, and that there is to be again
   * @param leastMs for so long it is to be empty at least: one datagram, or what is doubted of the base
   * @returns when all of it has been seen
   */
  begin(now: number, queueMs: number, targetMs: number, leastMs: number, times: LoopTimes): number {
    const moreMs = Math.max(MORE_MS, leastMs);
    this.#lessUntil = now + (queueMs + moreMs) / (1 - GAIN);
    // As long as it takes until a report tells of it.
    this.#evenUntil = this.#lessUntil + 1.2 * times.intervalMs;
    this.#moreUntil = this.#evenUntil + (targetMs + moreMs) / (1 - GAIN);
    this.#seenFrom = now + times.roundTripMs;
    this.#seenUntil = this.#moreUntil + times.loopMs;
    this.#leastMs = Number.POSITIVE_INFINITY;
    return this.#seenUntil;
  }

  isSeen(now: number): boolean {
    return now >= this.#seenFrom && now <= this.#seenUntil;
  }

  /** @returns the least delay seen of the dip, once after its end; else Infinity */
  handle(now: number, sampleMs: number): number {
    if (now < this.#seenFrom) return Number.POSITIVE_INFINITY;
    if (now <= this.#seenUntil) {
      if (sampleMs < this.#leastMs) this.#leastMs = sampleMs;
      return Number.POSITIVE_INFINITY;
    }
    this.#seenFrom = Number.POSITIVE_INFINITY;
    return this.#leastMs;
  }

  /** What the rate is multiplied by; 0: that is not the dip's affair. */
  gainAt(now: number): number {
    if (now < this.#lessUntil) return GAIN;
    if (now < this.#evenUntil) return 1;
    if (now < this.#moreUntil) return 2 - GAIN;
    return this.isSeen(now) ? 1 : 0;
  }

  /** When that changes by itself. */
  changeAt(now: number): number {
    if (now < this.#lessUntil) return this.#lessUntil;
    if (now < this.#evenUntil) return this.#evenUntil;
    return now < this.#moreUntil ? this.#moreUntil : Number.POSITIVE_INFINITY;
  }
}
