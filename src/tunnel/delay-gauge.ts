import { Lowest } from "./lowest.ts";

const BASE_SPAN_MS = 10_000;
const BASE_QUANTA = 64;
const RING = 32;
const NOISE_GAIN = 1 / 16;
/** The mean of |x - 2y + z| over the standard deviation of independent samples. */
const BEND = 1.95;
/** So much less than any before is believed at once; more only of so many samples in a row: clocks are looked at too soon at times. */
const SURE_MS = 0.5;
const SOON_SAMPLES = 3;

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
  /** Samples in a row that are much less than the base, and the greatest of them. */
  #soonCount = 0;
  #soonMs = 0;

  get baseMs(): number {
    return this.#base.value;
  }

  /** @param seenMs that was seen. @param lateMs it may have come so much sooner */
  handle(now: number, seenMs: number, spanMs: number, lateMs: number = 0): void {
    this.sampleMs = seenMs;
    if (!this.#handleBase(now, seenMs)) return;
    const oneWayMs = Math.max(seenMs - lateMs, Math.min(seenMs, this.#base.value));
    this.#times[this.#next] = now;
    this.#samples[this.#next] = oneWayMs;
    const bend = Math.abs(oneWayMs - 2 * this.#last + this.#beforeLast) / BEND;
    // A step of the queue is no noise: one sample counts for little more than what is usual.
    if (bend >= 0) this.noiseMs += (Math.min(bend, 3 * this.noiseMs + 0.5) - this.noiseMs) * NOISE_GAIN;
    this.#beforeLast = this.#last;
    this.#last = oneWayMs;

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

  /** @param quantumMs that a datagram takes: a queue of some of them does not go away sooner */
  handleQuantum(quantumMs: number): void {
    this.#base.spanMs = Math.max(BASE_SPAN_MS, BASE_QUANTA * quantumMs);
  }

  /** @returns false: it is too soon to be believed */
  #handleBase(now: number, oneWayMs: number): boolean {
    if (oneWayMs >= this.#base.value - SURE_MS - this.noiseMs / 4) {
      this.#soonCount = 0;
      this.#base.handle(now, oneWayMs);
      return true;
    }
    this.#soonMs = this.#soonCount === 0 ? oneWayMs : Math.max(this.#soonMs, oneWayMs);
    this.#soonCount++;
    if (this.#base.value < Number.POSITIVE_INFINITY && this.#soonCount < SOON_SAMPLES) return false;
    this.#base.handle(now, this.#soonMs);
    return true;
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
