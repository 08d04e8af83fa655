import { Lowest } from "./lowest.ts";

const SPAN_MS = 10_000;
const SPAN_QUANTA = 64;
/** Longer pauses are no interval of reports. */
const LONGEST_INTERVAL_MS = 400;
const INITIAL_LOOP_MS = 100;
/** A measure below the clocks' grain is one all the same: the receiver may say that it held the report for as long as it took. */
const LEAST_MS = 0.01;

/** How long it takes until what was done to a path shows in reports of it. */
export class LoopTimes {
  /** Between two reports. */
  intervalMs = 10;
  /** Until a report tells of a datagram sent now, were there no queue. */
  waitMs: number = INITIAL_LOOP_MS;
  /** Until reports have told of all that was done now. */
  loopMs: number = INITIAL_LOOP_MS;
  /** As it was lately, with the queue; 0: unknown. */
  latestRoundTripMs = 0;
  readonly #roundTrip = new Lowest(SPAN_MS);
  #reportAt = Number.NEGATIVE_INFINITY;

  /** The least of some time; Infinity: unknown. */
  get roundTripMs(): number {
    return this.#roundTrip.value;
  }

  /** @param roundTripMs -1: no measure. @param limited pauses are the sender's */
  handleReport(now: number, roundTripMs: number, limited: boolean): void {
    const gapMs = now - this.#reportAt;
    this.#reportAt = now;
    if (!limited && gapMs < LONGEST_INTERVAL_MS) this.intervalMs += (gapMs - this.intervalMs) / 8;
    if (roundTripMs < 0) return;
    const tripMs = Math.max(roundTripMs, LEAST_MS);
    this.#roundTrip.handle(now, tripMs);
    const part = this.latestRoundTripMs > 0 ? 4 : 1;
    this.latestRoundTripMs += (tripMs - this.latestRoundTripMs) / part;
  }

  /** @param quantumMs a datagram takes at the bottleneck: at a low rate what was sent shows only when it is through */
  update(queueMs: number, quantumMs: number): void {
    this.#roundTrip.spanMs = Math.max(SPAN_MS, SPAN_QUANTA * quantumMs);
    this.waitMs = Math.max(this.#roundTrip.value, this.latestRoundTripMs - queueMs);
    this.loopMs = this.waitMs + this.intervalMs + 2 * quantumMs;
  }

  /** The way has become longer. */
  adopt(now: number, roundTripMs: number): void {
    this.#roundTrip.reset(now, roundTripMs);
    this.latestRoundTripMs = roundTripMs;
  }
}
