import { Lowest } from "./lowest.ts";

const BASE_SPAN_MS = 10_000;
const RING = 32;
const NOISE_GAIN = 1 / 16;
/** The mean of |x - 2y + z| over the standard deviation of independent samples. */
const BEND = 1.95;

/** How long the queue of a path is, from relative one-way delays: of full datagrams, and with noise in them. */
export class DelayGauge {
  /** Milliseconds above the base: the least of the last round trip, or what is surely more now. */
  queueMs = 0;
  /** The last sample. */
  sampleMs: number = Number.NaN;
  /** It alone, above the base. */
  latestMs = 0;
  /** The standard deviation of samples, milliseconds. */
  noiseMs = 0;
  readonly #base = new Lowest(BASE_SPAN_MS);
  readonly #times = new Float64Array(RING).fill(Number.NEGATIVE_INFINITY);
  readonly #samples = new Float64Array(RING);
  #next = 0;
  #last = Number.NaN;
  #beforeLast = Number.NaN;

  get baseMs(): number {
    return this.#base.value;
  }

  handle(now: number, oneWayMs: number, spanMs: number): void {
    this.#base.handle(now, oneWayMs);
    this.#times[this.#next] = now;
    this.#samples[this.#next] = oneWayMs;
    const bend = Math.abs(oneWayMs - 2 * this.#last + this.#beforeLast) / BEND;
    // A step of the queue is no noise: one sample counts for little more than what is usual.
    if (bend >= 0) this.noiseMs += (Math.min(bend, 3 * this.noiseMs + 0.5) - this.noiseMs) * NOISE_GAIN;
    this.#beforeLast = this.#last;
    this.#last = oneWayMs;

    this.sampleMs = oneWayMs;
    this.latestMs = oneWayMs - this.#base.value;
    let least = oneWayMs;
    for (let i = 1; i < RING; i++) {
      const at = (this.#next - i) & (RING - 1);
      if ((this.#times[at] as number) < now - spanMs) break;
      if ((this.#samples[at] as number) < least) least = this.#samples[at] as number;
    }
    this.#next = (this.#next + 1) & (RING - 1);
    this.queueMs = Math.max(least - this.#base.value, this.latestMs - 3 * this.noiseMs);
  }

  /** The way itself has become longer: what was seen last is the base now. */
  rebase(now: number, oneWayMs: number): void {
    this.#base.reset(now, oneWayMs);
  }

  /** Samples of before are not comparable with those to come. */
  reset(): void {
    this.forget();
    this.#base.reset(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  }

  /** The path was away: what it was like counts no more, but for the base. */
  forget(): void {
    this.#times.fill(Number.NEGATIVE_INFINITY);
    this.#last = Number.NaN;
    this.#beforeLast = Number.NaN;
    this.queueMs = 0;
    this.latestMs = 0;
  }
}
