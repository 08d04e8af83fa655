const LEAST_MS = 200;

/**
 * A queue that does not go away though less is sent than the path carries is none of ours: the way has become longer, or others
 * keep the queue full, and who gave way to them would give way for ever.
 */
export class StuckWatch {
  /** The least since it is there. */
  oneWayMs: number = Number.POSITIVE_INFINITY;
  roundTripMs: number = Number.POSITIVE_INFINITY;
  #since = Number.POSITIVE_INFINITY;
  #queueMs = 0;
  #drainMs = 0;

  clear(): void {
    this.#since = Number.POSITIVE_INFINITY;
  }

  /** A queue is there that is too long. */
  begin(now: number, queueMs: number): void {
    if (this.#since !== Number.POSITIVE_INFINITY && queueMs >= 0.7 * this.#queueMs) return;
    this.#since = now;
    this.#queueMs = queueMs;
    this.#drainMs = 0;
    this.oneWayMs = Number.POSITIVE_INFINITY;
    this.roundTripMs = Number.POSITIVE_INFINITY;
  }

  /**
   * @param drainMs that the queue should have become shorter by since the last report
   * @returns whether it is none
   */
  handle(now: number, queueMs: number, drainMs: number, loopMs: number): boolean {
    this.#drainMs += drainMs;
    return now - this.#since >= LEAST_MS + 3 * loopMs && this.#drainMs >= 2 * queueMs + 50;
  }
}
