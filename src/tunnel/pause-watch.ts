const INITIAL_MS = 25;
/** So many intervals, and so long, is no pause. */
const USUAL_INTERVALS = 2;
const LEAST_MS = 5;
const UP = 1.2;
const DOWN = 0.92;

/**
 * Tells reports that the receiver made later than it usually does though something was sent: one of the two programs did not get the
 * processor, or the way stood still. What came meanwhile may have been seen late, by so much.
 */
export class PauseWatch {
  /** Before the last report. 0: there was none. */
  pauseMs = 0;
  /** Most intervals are no longer. */
  #usualMs = INITIAL_MS;

  /** @param gapMs from the last report to this one, by the receiver's clock; 0: unknown. @param quantumMs that a datagram takes */
  handleReport(gapMs: number, quantumMs: number): void {
    this.pauseMs = 0;
    if (gapMs <= 0) return;
    const excessMs = gapMs - this.#usualMs;
    if (gapMs > USUAL_INTERVALS * (this.#usualMs + quantumMs) + LEAST_MS) this.pauseMs = excessMs;
    this.#usualMs =
      excessMs > 0 ? Math.min(gapMs, this.#usualMs * UP) : Math.max(gapMs, this.#usualMs * DOWN);
  }
}
