import type { Instant } from "../time.ts";
import { Bottleneck, FULL_OCTETS, LOWEST_RATE, QUEUE_MS } from "./bottleneck.ts";
import { FirstDatagrams, INITIAL_DATAGRAMS } from "./first-datagrams.ts";
import { HOLD_GAIN } from "./loss-trial.ts";
import { LossWatch } from "./loss-watch.ts";
import type { PathFigures } from "./path-figures.ts";
import { QueueDip } from "./queue-dip.ts";
import { RateClimb } from "./rate-climb.ts";
import { StuckWatch } from "./stuck-watch.ts";

export interface RateOptions {
  /** Octets a millisecond to begin with. */
  readonly initialRate?: number;
  /** Octets a millisecond never to exceed. */
  readonly ceiling?: number;
}

const INITIAL_RATE = 750;
/** What may be in flight at any time: as much as at first, but no more than a slow line takes in so long, or two datagrams. */
const LEAST_WINDOW_MS = 250;
const LEAST_DATAGRAMS = 2;
/** On a path that takes longer for a datagram the rate is not doubled at first. */
const SLOW_QUANTUM_MS = 50;
/** So much longer is the next dip at most, to see whether what was taken for a longer way is one. */
const DOUBT_MOST_MS = 30;
const IDLE_MS = 10_000;
const LEAST_GAIN = 0.6;
const MOST_GAIN = 1.1;

/**
 * How fast one path may be sent on, found from the receiver's reports alone.
 *
 * 1. Where a queue stands at the bottleneck, what arrives is its capacity: measured, up and down (`Bottleneck`).
 * 2. A small queue is kept standing: more of it slows, less of it hastens, over some round trips.
 * 3. Where none stands for a round trip, the rate climbs in steps that double; each is short enough that it
 *    cannot fill much of a queue if there is nothing to be found. Start-up is climbing with great steps (`RateClimb`).
 * 4. Loss alone does not lower the rate; a step that brought loss in place of delivery is taken back (`LossWatch`).
 * 5. Now and then the queue is emptied for an instant, to see what the way takes without one (`QueueDip`).
 * 6. A queue that does not yield to sending less is taken for a longer way (`StuckWatch`).
 */
export class RateControl {
  /** Octets a millisecond that may be sent. */
  rate: number;
  /** Octets in flight at most. */
  window: number = INITIAL_DATAGRAMS * FULL_OCTETS;
  /** Octets a millisecond never to exceed; Infinity: none. May be set at any time. */
  ceiling: number;

  readonly #path: Bottleneck;
  readonly #first: FirstDatagrams;
  readonly #loss: LossWatch;
  readonly #climb: RateClimb;
  readonly #dip = new QueueDip();
  readonly #stuck = new StuckWatch();
  /** It was starting before a hold. */
  #wasStarting = false;
  /** What was taken for a longer way, and may be a queue for all that. */
  #doubtMs = 0;
  /** No queue stands since. */
  #quietSince = Number.NEGATIVE_INFINITY;
  /** The rate was tried last. */
  #testedAt = Number.POSITIVE_INFINITY;
  /** When the rate changes by itself. */
  #changeAt = Number.POSITIVE_INFINITY;

  constructor(options: RateOptions = {}) {
    const { initialRate = INITIAL_RATE, ceiling = Number.POSITIVE_INFINITY } = options;
    this.#path = new Bottleneck(initialRate);
    this.#first = new FirstDatagrams(this.#path);
    this.#loss = new LossWatch(this.#path);
    this.#climb = new RateClimb(this.#path, this.#loss);
    this.ceiling = ceiling;
    this.rate = Math.min(initialRate, ceiling);
  }

  /** Nothing has been in the way yet: there may be much more, and it may be used. */
  get isStarting(): boolean {
    return this.#climb.isStarting && this.#path.capacity < this.ceiling;
  }

  /** Octets a millisecond that arrive. */
  get deliveryRate(): number {
    return this.#path.deliveryRate;
  }

  /** Share of the octets sent that is lost, lately. */
  get lossRate(): number {
    return this.#path.lossRate;
  }

  /** Milliseconds that datagrams wait at the bottleneck. */
  get queueMs(): number {
    return Math.max(0, this.#path.gauge.queueMs);
  }

  /** NaN: not yet known. */
  get minRoundTripMs(): number {
    const { roundTripMs } = this.#path.times;
    return roundTripMs === Number.POSITIVE_INFINITY ? Number.NaN : roundTripMs;
  }

  /** Of a full datagram without a queue; relative, as the samples are. Infinity: not yet known. */
  get baseOneWayMs(): number {
    return this.#path.gauge.baseMs;
  }

  /**
   * @param limited there was too little to send since the report before: the rate was not tried
   * @param full the window kept something from being sent
   */
  handleReport(now: Instant, figures: PathFigures, limited: boolean, full = false): void {
    const path = this.#path;
    if (!path.handleReport(now, figures, limited)) return;
    if (!limited) this.#testedAt = now;
    else this.handleIdle(now);
    const isMeasure = path.average(figures, limited);

    const wasPressed = path.isPressed;
    path.isPressed = path.gauge.queueMs > 0.5 * path.targetMs;
    if (path.isPressed || limited) this.#quietSince = Math.max(this.#quietSince, now);
    if (this.#first.isUnknown) this.#handleFirst(now, figures, limited, full);
    else if (this.#climb.isUnderWay) this.#handleStep(now, figures, limited, isMeasure);
    else if (path.isPressed && isMeasure && !this.#dip.isSeen(now)) {
      if (!wasPressed) path.clearMeasures();
      else path.measure(now, figures, limited);
      if (wasPressed && !limited) this.#climb.handleStanding(figures.deliveredMs);
    }
    this.#handleLoss(now, figures, limited, isMeasure);
    this.#handleDip(now, limited);
    this.#handleStuck(now, figures);
    const isQuiet = (!limited || full) && now - this.#quietSince >= path.times.loopMs;
    const isFree = !this.#first.isUnknown && !this.#climb.isUnderWay && !this.#loss.isHolding(now);
    if (isQuiet && isFree) this.#climb.begin(now, this.ceiling);
    this.#setRate(now);
  }

  /** Steps and dips end by themselves: to be called when something is about to be sent. */
  handleTimeout(now: Instant): void {
    if (now >= this.#changeAt) this.#setRate(now);
  }

  /** It sends again after a time with nothing to send. Costs nothing when called without need. */
  handleIdle(now: Instant): void {
    if (now - this.#testedAt <= IDLE_MS) return;
    const path = this.#path;
    const before = path.capacity;
    this.#restart(now);
    // What it carries lately is sure.
    path.capacity = Math.max(path.capacity, Math.min(before, path.deliveryRate));
    this.#setRate(now);
  }

  /** What is known may be too little: it is to be found anew, from there on up. */
  handleTrial(now: Instant): void {
    this.#climb.isStarting = true;
    this.#climb.stop();
    this.#path.clearMeasures();
    this.#quietSince = now;
    this.#testedAt = now;
  }

  /** Before anything was carried a long datagram was seen to take long: it carries about so much. @param rate octets a millisecond */
  handleSlow(rate: number, now: Instant): void {
    const path = this.#path;
    if (!this.#first.isUnknown || rate >= path.capacity) return;
    this.#first.isUnknown = false;
    path.capacity = Math.max(rate, LOWEST_RATE);
    this.#climb.isStarting = !this.#isSlow;
    this.#setRate(now);
  }

  /** The path carries again after it had been found dead. */
  handleRestored(now: Instant): void {
    this.#path.gauge.forget();
    this.#restart(now);
    this.#setRate(now);
  }

  /** With half of what was, and as fast up as at first. */
  #restart(now: Instant): void {
    const path = this.#path;
    this.#testedAt = now;
    path.capacity = Math.max(Math.min(path.capacity, INITIAL_RATE), path.capacity / 2);
    this.#climb.isStarting = !this.#isSlow;
    path.isPressed = false;
    path.clearMeasures();
    this.#climb.stop();
    this.#quietSince = now;
    this.#loss.release();
    this.#stuck.clear();
  }

  /** Great steps would fill a queue long before anything is seen of them. */
  get #isSlow(): boolean {
    return this.#path.quantumMs > SLOW_QUANTUM_MS;
  }

  #handleFirst(now: Instant, figures: PathFigures, limited: boolean, full: boolean): void {
    if (!this.#first.handle(now, figures, limited, full)) return;
    this.#path.clearMeasures();
    this.#quietSince = Number.NEGATIVE_INFINITY;
    if (this.#path.gauge.latestMs > QUEUE_MS) this.#endSteps(now);
  }

  #handleStep(now: Instant, figures: PathFigures, limited: boolean, isMeasure: boolean): void {
    const climb = this.#climb;
    const result = climb.handle(now, figures, limited, isMeasure, this.ceiling);
    if (result === "lost") this.#hold(now, climb.lostShare, climb.through);
    if (result !== "metQueue") return;
    this.#endSteps(now);
    if (isMeasure && !climb.isPulse) this.#path.measure(now, figures, limited);
  }

  #endSteps(now: Instant): void {
    this.#climb.stop();
    this.#path.clearMeasures();
    if (this.#climb.isStarting) this.#dip.plan(now, this.#path.times.loopMs);
    this.#climb.isStarting = false;
    this.#path.isPressed = true;
    this.#quietSince = now;
  }

  /** More was lost in place of delivered: no climbing until it is known why, and for some time. */
  #hold(now: Instant, share: number, through: number): void {
    this.#wasStarting = this.#climb.isStarting;
    this.#endSteps(now);
    this.#path.capacity = Math.max(through, LOWEST_RATE);
    this.#loss.hold(now, share, through);
  }

  #handleLoss(now: Instant, figures: PathFigures, limited: boolean, isMeasure: boolean): void {
    const path = this.#path;
    const loss = this.#loss;
    const wasTrial = loss.isTrial;
    if (!loss.handle(now, figures, isMeasure, !limited && this.#climb.isSteady)) return;
    if (!wasTrial) this.#hold(now, loss.share, Math.min(path.capacity, loss.through));
    else {
      path.capacity = Math.max(loss.through, LOWEST_RATE);
      if (!loss.isHolding(now)) this.#climb.isStarting = this.#wasStarting;
    }
  }

  #handleDip(now: Instant, limited: boolean): void {
    const path = this.#path;
    const { gauge, targetMs } = path;
    const seenMs = this.#dip.handle(now, gauge.sampleMs);
    if (seenMs < Number.POSITIVE_INFINITY) {
      const rise = seenMs - gauge.baseMs;
      if (Math.abs(rise) < 2 * targetMs) gauge.rebase(now, seenMs);
      path.clearMeasures();
      return;
    }
    if (!this.#dip.isDue(now) || this.#climb.isUnderWay || !path.isPressed || limited) return;
    if (this.#loss.isHolding(now)) return;
    this.#dip.postpone(now);
    if (gauge.queueMs > 2 * targetMs) return;
    const moreMs = Math.max(this.#doubtMs, path.quantumMs);
    this.#doubtMs = 0;
    this.#quietSince = this.#dip.begin(now, gauge.queueMs, targetMs, moreMs, path.times);
  }

  #handleStuck(now: Instant, { deliveredOctets, deliveredMs, roundTripMs }: PathFigures): void {
    const stuck = this.#stuck;
    const path = this.#path;
    const { gauge, times } = path;
    const { queueMs, sampleMs } = gauge;
    if (queueMs <= path.targetMs + QUEUE_MS) {
      stuck.clear();
      return;
    }
    stuck.begin(now, queueMs);
    if (sampleMs < stuck.oneWayMs) stuck.oneWayMs = sampleMs;
    if (roundTripMs > 0 && roundTripMs < stuck.roundTripMs) stuck.roundTripMs = roundTripMs;
    // If the capacity is right.
    const drainMs = Math.max(0, deliveredMs - deliveredOctets / path.capacity);
    if (!stuck.handle(now, queueMs, drainMs, times.loopMs)) return;
    this.#doubtMs = Math.min(stuck.oneWayMs - gauge.baseMs, DOUBT_MOST_MS);
    this.#dip.plan(now, times.loopMs);
    gauge.rebase(now, stuck.oneWayMs);
    if (stuck.roundTripMs < Number.POSITIVE_INFINITY) times.adopt(now, stuck.roundTripMs);
    stuck.clear();
    path.clearMeasures();
  }

  #setRate(now: Instant): void {
    const path = this.#path;
    const { waitMs, loopMs, intervalMs } = path.times;
    if (path.capacity > this.ceiling) path.capacity = this.ceiling;
    const spare = this.#loss.isTrial ? 1 : 1 - this.#loss.floor;
    const wish = (path.capacity * this.#gain(now, loopMs)) / spare;
    this.rate = Math.max(Math.min(wish, this.ceiling), LOWEST_RATE);
    this.#changeAt = this.#climb.isUnderWay ? this.#climb.changeAt(now) : this.#dip.changeAt(now);
    // Until it is known that reports have stopped.
    const spanMs = waitMs + path.targetMs + 2 * path.gauge.noiseMs + 2 * intervalMs + 10;
    const pace = Math.max(this.rate, path.capacity);
    const first = this.#first.most * path.fullOctets;
    const least = Math.max(LEAST_DATAGRAMS * path.fullOctets, pace * LEAST_WINDOW_MS);
    this.window = this.#first.isUnknown ? first : Math.max(Math.min(first, least), pace * spanMs);
    path.handleRate(now, this.rate);
  }

  /** What the capacity is multiplied by. */
  #gain(now: Instant, loopMs: number): number {
    if (this.#climb.isUnderWay) return this.#climb.gainAt(now);
    const dip = this.#dip.gainAt(now);
    if (dip > 0) return dip;
    const { gauge, targetMs } = this.#path;
    const wish = 1 + (targetMs - gauge.queueMs) / Math.max(2.5 * loopMs, 25);
    return Math.min(Math.max(wish, LEAST_GAIN), this.#loss.isHolding(now) ? HOLD_GAIN : MOST_GAIN);
  }
}
