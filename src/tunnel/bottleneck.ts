import type { Instant } from "../time.ts";
import { DelayGauge } from "./delay-gauge.ts";
import { LoopTimes } from "./loop-times.ts";
import type { PathFigures } from "./path-figures.ts";
import { PauseWatch } from "./pause-watch.ts";
import { SentRates } from "./sent-rates.ts";
import { Throughput } from "./throughput.ts";

export const FULL_OCTETS = 1500;
export const LOWEST_RATE = 1;
/** The queue that is kept standing, without noise and quanta. */
export const QUEUE_MS = 4;
/** The receivers' clocks tell no less. */
export const TICK_MS = 0.001;
/** So much of a queue shows what the path carries even if there was too little to send. */
const SURE_QUEUE_MS = 15;
/** A datagram that would have taken so much longer had it been a full one tells too little. */
const SHORTER_MOST_MS = 8;
/** What is less than this share of what the rate allowed was sent by a program that did not get the processor, or under a full window. */
const LEAST_SENT = 0.8;
/** So many pauses in a row are none: that is how long it takes until something new is reported. */
const PAUSES_IN_A_ROW = 3;

/** What is known of a path's bottleneck: what it carries, how long its queue is, and how long it takes until one knows. */
export class Bottleneck {
  /** What it carries, octets a millisecond. */
  capacity: number;
  /** Octets a millisecond that arrive. */
  deliveryRate = 0;
  /** Share of the octets sent that is lost, lately. */
  lossRate = 0;
  /** Of the longest datagram. */
  fullOctets: number = FULL_OCTETS;
  /** The queue that is kept standing. */
  targetMs: number = QUEUE_MS;
  /** So much longer than the sample before took the last report's; 0: it has none. */
  riseMs = 0;
  /** A queue stands. */
  isPressed = false;
  readonly gauge: DelayGauge = new DelayGauge();
  readonly times: LoopTimes = new LoopTimes();
  readonly #pauses = new PauseWatch();
  readonly #sent = new SentRates();
  readonly #pressed = new Throughput();
  /** Reports in a row that told of a pause, though there was enough to send. */
  #pauseCount = 0;
  #oneWayMs = Number.NaN;
  /** In so long was sent what came since the last report; not above 0: unknown. */
  #sentMs = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** How long it takes for one datagram. */
  get quantumMs(): number {
    return this.fullOctets / this.capacity;
  }

  /** @returns false: nothing is known yet */
  handleReport(now: Instant, figures: PathFigures, limited: boolean): boolean {
    const { times, gauge } = this;
    times.handleReport(now, figures.roundTripMs, limited);
    if (times.roundTripMs === Number.POSITIVE_INFINITY) return false;
    this.#pauses.handleReport(figures.reportGapMs, this.quantumMs);
    if (figures.clockRebased) gauge.reset();
    this.#sentMs = 0;
    this.riseMs = 0;
    if (figures.hasSample) this.#handleSample(now, figures, limited);
    times.update(gauge.queueMs, this.quantumMs);
    gauge.handleQuantum(this.quantumMs);
    this.targetMs = QUEUE_MS + gauge.noiseMs + 0.5 * this.quantumMs;
    return true;
  }

  #handleSample(now: Instant, figures: PathFigures, limited: boolean): void {
    const { sampleOctets, oneWayMs } = figures;
    const { gauge, times } = this;
    this.riseMs = oneWayMs - this.#oneWayMs;
    this.#sentMs = figures.deliveredMs - this.riseMs;
    this.#oneWayMs = oneWayMs;
    if (sampleOctets > this.fullOctets) this.fullOctets = sampleOctets;
    // As a full datagram would have fared.
    const shorterMs = (this.fullOctets - sampleOctets) / this.capacity;
    // Without any delay it could not be compared with other paths.
    if (shorterMs > SHORTER_MOST_MS && gauge.baseMs !== Number.POSITIVE_INFINITY) return;
    gauge.handle(now, oneWayMs + shorterMs, times.loopMs, limited ? 0 : this.#pauses.pauseMs);
  }

  /** @returns whether what was delivered, and in what time, is a measure */
  average({ deliveredOctets, deliveredMs, lostOctets }: PathFigures, limited: boolean): boolean {
    const { intervalMs, loopMs } = this.times;
    if (!(deliveredMs >= TICK_MS)) return false;
    const isPause = deliveredMs >= 8 * intervalMs + 4 * this.quantumMs;
    this.#pauseCount = isPause && !limited ? this.#pauseCount + 1 : 0;
    if (isPause && this.#pauseCount < PAUSES_IN_A_ROW) return false;
    const part = deliveredMs / (deliveredMs + loopMs + 20);
    this.deliveryRate += (deliveredOctets / deliveredMs - this.deliveryRate) * part;
    const total = deliveredOctets + lostOctets;
    if (total > 0) this.lossRate += (lostOctets / total - this.lossRate) * part;
    return true;
  }

  /** A queue stood all the time, so this is what it carries. */
  measure(now: Instant, figures: PathFigures, limited: boolean): void {
    const { deliveredOctets, deliveredMs: ms, roundTripMs } = figures;
    const { noiseMs, queueMs } = this.gauge;
    const sentAt = now - (roundTripMs > 0 ? roundTripMs : this.times.latestRoundTripMs);
    const sentMs = this.#sentMs > 0 ? this.#sentMs : ms;
    const sentRate = this.#sent.mean(sentAt - sentMs, sentAt);
    const sent = deliveredOctets / (1 - this.lossRate);
    const isShort = limited || this.#pauses.pauseMs > 0 || sent < LEAST_SENT * sentRate * sentMs;
    if (isShort && queueMs <= this.targetMs + SURE_QUEUE_MS) return;
    const spanMs = Math.max(this.times.loopMs, 30, 16 * noiseMs, 8 * this.quantumMs);
    this.#pressed.handle(deliveredOctets, ms, sentRate, spanMs);
    let found = this.#pressed.after(this.capacity, 4 * noiseMs + this.quantumMs);
    // Too long a queue, but no less arrives than was sent: it may be none of ours, and says little of the capacity.
    const isForeign = queueMs > this.targetMs + QUEUE_MS && this.#pressed.isEven;
    if (isForeign && found < this.capacity)
      found = this.capacity + ((found - this.capacity) * ms) / (8 * spanMs);
    // The receiver's figures are bounded by nothing else.
    this.capacity = Math.min(Math.max(found, LOWEST_RATE), 2 * this.capacity);
  }

  /** What came while a queue stood tells no more of the capacity. */
  clearMeasures(): void {
    this.#pressed.clear();
  }

  /** From now on this rate is sent. */
  handleRate(now: Instant, rate: number): void {
    this.#sent.add(now, rate);
  }
}
