import type { Instant } from "../time.ts";
import { DelayGauge } from "./delay-gauge.ts";
import { LoopTimes } from "./loop-times.ts";
import { CAREFUL_STEP, HOLD_GAIN, LossWatch } from "./loss-watch.ts";
import { PauseWatch } from "./pause-watch.ts";
import { QueueDip } from "./queue-dip.ts";
import { RateStep } from "./rate-step.ts";
import { SentRates } from "./sent-rates.ts";
import { StuckWatch } from "./stuck-watch.ts";
import { Throughput } from "./throughput.ts";

/** What one report of the receiver brought; a path's `SentLog` tells it as it is. */
export interface PathFigures {
  /** What came at the receiver since the report before, octets of IP packets, and in what time by its clock; both 0: unknown. */
  readonly deliveredOctets: number;
  readonly deliveredMs: number;
  /** `oneWayMs` is a new measure. */
  readonly hasSample: boolean;
  /** Of the highest datagram, relative. */
  readonly oneWayMs: number;
  /** Octets of that datagram: a short one is sooner through a slow line. */
  readonly sampleOctets: number;
  /** From when the report before was made to when this one was, by the receiver's clock; 0: unknown. */
  readonly reportGapMs: number;
  /** One-way delays of before are not comparable with those from here on. */
  readonly clockRebased: boolean;
  /** Without the time the receiver held the report back; -1: unknown. */
  readonly roundTripMs: number;
  /** Of datagrams found lost since the report before. */
  readonly lostOctets: number;
}

export interface RateOptions {
  /** Octets a millisecond to begin with. */
  readonly initialRate?: number;
  /** Octets a millisecond never to exceed. */
  readonly ceiling?: number;
}

const INITIAL_RATE = 750;
/** What may be in flight before anything is known. */
const INITIAL_DATAGRAMS = 8;
const FULL_OCTETS = 1500;
/** What may be in flight at any time: as much as at first, but no more than a slow line takes in so long, or two datagrams. */
const LEAST_WINDOW_MS = 250;
const LEAST_DATAGRAMS = 2;
/** On a path that takes longer for a datagram the rate is not doubled at first. */
const SLOW_QUANTUM_MS = 50;
/** The receivers' clocks tell no less. */
const TICK_MS = 0.001;
/** Longer pauses between the first datagrams are the sender's. */
const FIRST_MS = 150;
const LOWEST_RATE = 1;
/** The queue that is kept standing at the bottleneck, without noise and quanta. */
const QUEUE_MS = 4;
/** A queue that ends the start-up. */
const START_QUEUE_MS = 8;
/** What a step may add to the queue if there is nothing to be found, in milliseconds of the rate. */
const START_EXCESS_MS = 40;
const STEP_EXCESS_MS = 24;
const FIRST_STEP = 0.0625;
/** Where answers take longer, the first step is a short one rather than a small one. */
const LONG_LOOP_MS = 100;
const FIRST_PULSE = 0.25;
/** What a step may find, as a multiple of what was delivered in it: it may be that less was sent than could be. */
const STEP_CREDIT = 1.25;
/** So much of a queue shows what the path carries even if there was too little to send. */
const SURE_QUEUE_MS = 15;
/** A datagram that would have taken so much longer had it been a full one tells too little. */
const SHORTER_MOST_MS = 8;
/** So much longer is the next dip at most, to see whether what was taken for a longer way is one. */
const DOUBT_MOST_MS = 30;
/** What is less than this share of what the rate allowed was sent by a program that did not get the processor, or under a full window. */
const LEAST_SENT = 0.8;
const IDLE_MS = 10_000;
const LEAST_GAIN = 0.6;
const MOST_GAIN = 1.1;

/**
 * How fast one path may be sent on, found from the receiver's reports alone.
 *
 * 1. Where a queue stands at the bottleneck, what arrives is its capacity: measured, up and down.
 * 2. A small queue is kept standing: more of it slows, less of it hastens, over some round trips.
 * 3. Where none stands for a round trip, the rate climbs in steps that double; each is short enough that it
 *    cannot fill much of a queue if there is nothing to be found. Start-up is climbing with great steps.
 * 4. Loss alone does not lower the rate; a step that brought loss in place of delivery is taken back (`LossWatch`).
 * 5. Now and then the queue is emptied for an instant, to see what the way takes without one (`QueueDip`).
 * 6. A queue that does not yield to sending less is taken for a longer way (`StuckWatch`).
 */
export class RateControl {
  /** Octets a millisecond that may be sent. */
  rate: number;
  /** Octets in flight at most. */
  window: number = INITIAL_DATAGRAMS * FULL_OCTETS;
  /** Octets a millisecond that arrive. */
  deliveryRate = 0;
  /** Share of the octets sent that is lost, lately. */
  lossRate = 0;
  /** Octets a millisecond never to exceed; Infinity: none. May be set at any time. */
  ceiling: number;
  /** Nothing has been in the way yet: there may be much more. */
  isStarting = true;

  readonly #gauge = new DelayGauge();
  readonly #times = new LoopTimes();
  readonly #pauses = new PauseWatch();
  readonly #step = new RateStep();
  readonly #loss = new LossWatch();
  readonly #dip = new QueueDip();
  readonly #stuck = new StuckWatch();
  readonly #sent = new SentRates();
  readonly #pressed = new Throughput();
  /** What the bottleneck carries, octets a millisecond. */
  #capacity: number;
  #fullOctets = FULL_OCTETS;
  #oneWayMs = Number.NaN;
  /** In so long was sent what came since the last report; not above 0: unknown. */
  #sentMs = 0;
  #targetMs = QUEUE_MS;
  /** Nothing is known but the initial rate. */
  #isUnknown = true;
  /** It was before a hold. */
  #wasStarting = false;
  #firstDatagrams = INITIAL_DATAGRAMS;
  #firstUntil = Number.NEGATIVE_INFINITY;
  #firstOctets = 0;
  #firstMs = 0;
  /** A queue stands. */
  #isPressed = false;
  /** The queue is too long since, and what was known before. */
  #longSince = Number.POSITIVE_INFINITY;
  #capacityBefore = 0;
  #latestMs = 0;
  /** What was taken for a longer way, and may be a queue for all that. */
  #doubtMs = 0;
  /** No queue stands since. */
  #quietSince = Number.NEGATIVE_INFINITY;
  /** The rate was tried last. */
  #testedAt = Number.POSITIVE_INFINITY;
  /** When the rate changes by itself. */
  #changeAt = Number.POSITIVE_INFINITY;

  constructor(options: RateOptions = {}) {
    this.#capacity = options.initialRate ?? INITIAL_RATE;
    this.ceiling = options.ceiling ?? Number.POSITIVE_INFINITY;
    this.rate = Math.min(this.#capacity, this.ceiling);
  }

  /** Milliseconds that datagrams wait at the bottleneck. */
  get queueMs(): number {
    return this.#gauge.queueMs;
  }

  /** NaN: not yet known. */
  get minRoundTripMs(): number {
    const { roundTripMs } = this.#times;
    return roundTripMs === Number.POSITIVE_INFINITY ? Number.NaN : roundTripMs;
  }

  /** Of a full datagram without a queue; relative, as the samples are. Infinity: not yet known. */
  get baseOneWayMs(): number {
    return this.#gauge.baseMs;
  }

  /**
   * @param limited there was too little to send since the report before: the rate was not tried
   * @param full the window kept something from being sent
   */
  handleReport(now: Instant, figures: PathFigures, limited: boolean, full = false): void {
    this.#times.handleReport(now, figures.roundTripMs, limited);
    if (this.#times.roundTripMs === Number.POSITIVE_INFINITY) return;
    this.#pauses.handleReport(figures.reportGapMs, this.#quantumMs);
    this.#handleDelay(now, figures, limited);
    if (!limited) this.#testedAt = now;
    else this.handleIdle(now);
    const isMeasure =
      figures.deliveredMs >= TICK_MS &&
      figures.deliveredMs < 8 * this.#times.intervalMs + 4 * this.#quantumMs;
    if (isMeasure) this.#average(figures);

    this.#handleStall(now, figures);
    const wasPressed = this.#isPressed;
    this.#isPressed = this.#gauge.queueMs > 0.5 * this.#targetMs;
    if (this.#isPressed || limited) this.#quietSince = Math.max(this.#quietSince, now);
    if (this.#isUnknown) this.#handleFirst(now, figures, limited, full);
    else if (this.#step.gain > 0) this.#handleStep(now, figures, limited, isMeasure);
    else if (this.#isPressed && isMeasure && !this.#dip.isSeen(now)) {
      if (!wasPressed) this.#pressed.clear();
      else this.#measure(now, figures, limited);
    }
    this.#handleLoss(now, figures, limited, isMeasure);
    this.#handleDip(now, limited);
    this.#handleStuck(now, figures);
    const isQuiet = (!limited || full) && now - this.#quietSince >= this.#times.loopMs;
    if (isQuiet && !this.#isUnknown && this.#step.gain === 0 && !this.#loss.isHolding(now)) {
      this.#climb(now, this.isStarting ? 1 : FIRST_STEP);
    }
    this.#setRate(now);
  }

  /** Steps and dips end by themselves: to be called when something is about to be sent. */
  handleTimeout(now: Instant): void {
    if (now >= this.#changeAt) this.#setRate(now);
  }

  /** It sends again after a time with nothing to send. Costs nothing when called without need. */
  handleIdle(now: Instant): void {
    if (now - this.#testedAt <= IDLE_MS) return;
    const before = this.#capacity;
    this.#restart(now);
    // What it carries lately is sure.
    this.#capacity = Math.max(this.#capacity, Math.min(before, this.deliveryRate));
    this.#setRate(now);
  }

  /** What is known may be too little: it is to be found anew, from there on up. */
  handleTrial(now: Instant): void {
    this.isStarting = true;
    this.#step.gain = 0;
    this.#pressed.clear();
    this.#quietSince = now;
    this.#testedAt = now;
  }

  /** Before anything was carried a long datagram was seen to take long: it carries about so much. @param rate octets a millisecond */
  handleSlow(rate: number, now: Instant): void {
    if (!this.#isUnknown || rate >= this.#capacity) return;
    this.#isUnknown = false;
    this.#capacity = Math.max(rate, LOWEST_RATE);
    this.isStarting = !this.#isSlow;
    this.#setRate(now);
  }

  /** The path carries again after it had been found dead. */
  handleRestored(now: Instant): void {
    this.#gauge.forget();
    this.#restart(now);
    this.#setRate(now);
  }

  /** With half of what was, and as fast up as at first. */
  #restart(now: Instant): void {
    this.#testedAt = now;
    this.#capacity = Math.max(Math.min(this.#capacity, INITIAL_RATE), this.#capacity / 2);
    this.isStarting = !this.#isSlow;
    this.#isPressed = false;
    this.#pressed.clear();
    this.#step.gain = 0;
    this.#quietSince = now;
    this.#loss.release();
    this.#stuck.clear();
  }

  /** Great steps would fill a queue long before anything is seen of them. */
  get #isSlow(): boolean {
    return this.#quantumMs > SLOW_QUANTUM_MS;
  }

  /** How long the bottleneck takes for one datagram. */
  get #quantumMs(): number {
    return this.#fullOctets / this.#capacity;
  }

  #handleDelay(now: Instant, figures: PathFigures, limited: boolean): void {
    const { sampleOctets } = figures;
    if (figures.clockRebased) this.#gauge.reset();
    this.#sentMs = 0;
    if (figures.hasSample) {
      this.#sentMs = figures.deliveredMs - (figures.oneWayMs - this.#oneWayMs);
      this.#oneWayMs = figures.oneWayMs;
      if (sampleOctets > this.#fullOctets) this.#fullOctets = sampleOctets;
      // As a full datagram would have fared.
      const shorterMs = (this.#fullOctets - sampleOctets) / this.#capacity;
      // Without any delay it could not be compared with other paths.
      if (shorterMs <= SHORTER_MOST_MS || this.#gauge.baseMs === Number.POSITIVE_INFINITY)
        this.#gauge.handle(
          now,
          figures.oneWayMs + shorterMs,
          this.#times.loopMs,
          limited ? 0 : this.#pauses.pauseMs,
        );
    }
    this.#times.update(this.#gauge.queueMs, this.#quantumMs);
    this.#targetMs = QUEUE_MS + this.#gauge.noiseMs + 0.5 * this.#quantumMs;
  }

  /** A queue that came out all at once was a pause on the way: what was found in it is not the capacity. */
  #handleStall(now: Instant, { deliveredOctets, deliveredMs }: PathFigures): void {
    const { latestMs, queueMs } = this.#gauge;
    const longMs = this.#targetMs + QUEUE_MS;
    const before = this.#capacityBefore;
    if (this.#longSince < Number.POSITIVE_INFINITY && latestMs < longMs) {
      const isBrief = now - this.#longSince < 4 * this.#times.loopMs + 100;
      const goneMs = this.#latestMs - latestMs;
      const aheadMs = deliveredOctets / before - deliveredMs;
      if (isBrief && goneMs > QUEUE_MS && aheadMs > 0.5 * goneMs && this.#capacity < before) {
        this.#capacity = before;
        this.#pressed.clear();
      }
      this.#longSince = Number.POSITIVE_INFINITY;
    } else if (queueMs > longMs && this.#longSince === Number.POSITIVE_INFINITY) {
      this.#longSince = now;
      this.#capacityBefore = this.#capacity;
    }
    this.#latestMs = latestMs;
  }

  #average({ deliveredOctets, deliveredMs, lostOctets }: PathFigures): void {
    const part = deliveredMs / (deliveredMs + this.#times.loopMs + 20);
    this.deliveryRate += (deliveredOctets / deliveredMs - this.deliveryRate) * part;
    const total = deliveredOctets + lostOctets;
    if (total > 0) this.lossRate += (lostOctets / total - this.lossRate) * part;
  }

  /** The first datagrams have come: how far apart? */
  #handleFirst(now: Instant, figures: PathFigures, limited: boolean, full: boolean): void {
    const { deliveredOctets, deliveredMs } = figures;
    const { roundTripMs, loopMs, intervalMs } = this.#times;
    if (limited) {
      // With rests between them datagrams tell nothing of the rate, but so many at once are no more than the path takes.
      if (!full || now < this.#firstUntil) return;
      if (this.#gauge.latestMs <= QUEUE_MS) this.#firstDatagrams *= 2;
      this.#firstUntil = now + Math.max(loopMs, FIRST_MS);
      return;
    }
    // A pause in which the window was full measures nothing.
    if (deliveredMs >= TICK_MS && deliveredMs < Math.max(FIRST_MS, roundTripMs / 2, 1.25 * intervalMs)) {
      this.#firstOctets += deliveredOctets;
      this.#firstMs += deliveredMs;
    }
    if (this.#firstOctets < 1.5 * this.#fullOctets) {
      if (now < this.#firstUntil) return;
      if (this.#firstUntil > 0) this.#firstDatagrams *= 2;
      this.#firstUntil = now + Math.max(loopMs, FIRST_MS);
      return;
    }
    const found = this.#firstOctets / this.#firstMs;
    this.#isUnknown = false;
    this.#firstDatagrams = INITIAL_DATAGRAMS;
    if (found < 0.7 * this.#capacity && this.#gauge.latestMs > QUEUE_MS)
      this.#capacity = Math.max(found, LOWEST_RATE);
    this.#pressed.clear();
    this.#quietSince = Number.NEGATIVE_INFINITY;
    if (this.#gauge.latestMs > QUEUE_MS) this.#endSteps(now);
  }

  /** A queue stood all the time, so this is what the bottleneck carries. */
  #measure(now: Instant, figures: PathFigures, limited: boolean): void {
    const { deliveredOctets, deliveredMs: ms, roundTripMs } = figures;
    const { noiseMs, queueMs } = this.#gauge;
    const sentAt = now - (roundTripMs > 0 ? roundTripMs : this.#times.latestRoundTripMs);
    const sentMs = this.#sentMs > 0 ? this.#sentMs : ms;
    const sentRate = this.#sent.mean(sentAt - sentMs, sentAt);
    const sent = deliveredOctets / (1 - this.lossRate);
    const isShort = limited || this.#pauses.pauseMs > 0 || sent < LEAST_SENT * sentRate * sentMs;
    if (isShort && queueMs <= this.#targetMs + SURE_QUEUE_MS) return;
    const spanMs = Math.max(this.#times.loopMs, 30, 16 * noiseMs, 8 * this.#quantumMs);
    this.#pressed.handle(deliveredOctets, ms, sentRate, spanMs);
    let found = this.#pressed.after(this.#capacity, 4 * noiseMs + this.#quantumMs);
    // Too long a queue, but no less arrives than was sent: it may be none of ours, and says little of the capacity.
    const isForeign = queueMs > this.#targetMs + QUEUE_MS && this.#pressed.isEven;
    if (isForeign && found < this.#capacity)
      found = this.#capacity + ((found - this.#capacity) * ms) / (8 * spanMs);
    // The receiver's figures are bounded by nothing else.
    this.#capacity = Math.min(Math.max(found, LOWEST_RATE), 2 * this.#capacity);
  }

  #climb(now: Instant, wish: number): void {
    if (this.#capacity >= this.ceiling) {
      this.#step.gain = 0;
      return;
    }
    const { loopMs } = this.#times;
    const pulse = loopMs > LONG_LOOP_MS ? Math.max(wish, FIRST_PULSE) : wish;
    const gain = Math.min(pulse, this.#loss.mostStep(now));
    const usualMs = this.isStarting ? START_EXCESS_MS : Math.min(8 + 16 * gain, STEP_EXCESS_MS);
    // Less than two datagrams say nothing.
    const excessMs = Math.max(usualMs, 2 * this.#quantumMs);
    this.#step.begin(now, gain, excessMs, loopMs, this.#gauge.queueMs);
  }

  #handleStep(now: Instant, figures: PathFigures, limited: boolean, isMeasure: boolean): void {
    const step = this.#step;
    if (limited && !this.isStarting) {
      step.gain = 0;
      return;
    }
    if (!step.isSeen(now, this.#times.roundTripMs)) return;
    const { latestMs, noiseMs } = this.#gauge;
    const limitMs = (this.isStarting ? START_QUEUE_MS : this.#targetMs) + 2 * noiseMs + this.#quantumMs;
    const ms = isMeasure ? figures.deliveredMs : 0;
    step.handle(figures.deliveredOctets, ms, figures.lostOctets, latestMs, limitMs);
    const isJudged = now >= step.judgeAt;
    if (step.isCrowded || (isJudged && (this.isStarting ? this.#isFlat() : this.#isPressed))) {
      this.#capacity *= step.isPulse ? this.#pulsedGain() : 1 + step.gain;
      const { isPulse } = step;
      this.#endSteps(now);
      if (isMeasure && !isPulse) this.#measure(now, figures, limited);
      return;
    }
    // Something may be there, but too little to be sure.
    if (!isJudged || (this.#isPressed && now < step.judgeAt + this.#times.loopMs)) return;
    if (step.ms > 0 && this.#loss.isTaken(step.lost, step.octets, step.gain, this.#fullOctets)) {
      const most = this.#capacity * (1 + step.gain);
      this.#hold(now, step.lost / (step.lost + step.octets), Math.min(step.delivered, most));
    } else if (limited || step.ms === 0) step.gain = 0;
    else this.#takeStep(now);
  }

  /** It found nothing in the way. */
  #takeStep(now: Instant): void {
    const step = this.#step;
    if (step.gain > 0.5 && step.octets > 30 * this.#fullOctets)
      this.#loss.learn(step.lost / (step.lost + step.octets));
    if (step.isPulse) this.#capacity *= this.#pulsedGain();
    else {
      const most = Math.max(this.#capacity, step.delivered * STEP_CREDIT);
      this.#capacity = Math.min(this.#capacity * (1 + step.gain), most);
    }
    this.#climb(now, step.gain * 2);
  }

  #pulsedGain(): number {
    return this.#step.pulsedGain(2 * this.#gauge.noiseMs + this.#quantumMs);
  }

  /** What was sent more did not come more, and waits. */
  #isFlat(): boolean {
    const step = this.#step;
    return (
      this.#gauge.queueMs > QUEUE_MS + this.#gauge.noiseMs &&
      step.gain >= 0.5 &&
      !step.isPulse &&
      step.octets + step.lost < step.ms * this.#capacity * (1 + step.gain / 2)
    );
  }

  #endSteps(now: Instant): void {
    this.#step.gain = 0;
    this.#pressed.clear();
    if (this.isStarting) this.#dip.plan(now, this.#times.loopMs);
    this.isStarting = false;
    this.#isPressed = true;
    this.#quietSince = now;
  }

  /** More was lost in place of delivered: no climbing until it is known why, and for some time. */
  #hold(now: Instant, share: number, through: number): void {
    this.#wasStarting = this.isStarting;
    this.#endSteps(now);
    this.#capacity = Math.max(through, LOWEST_RATE);
    this.#loss.hold(now, this.#times.loopMs, share, through);
  }

  #handleLoss(now: Instant, figures: PathFigures, limited: boolean, isMeasure: boolean): void {
    const loss = this.#loss;
    const wasTrial = loss.isTrial;
    const { roundTripMs } = figures;
    const found = loss.handle(
      now,
      now - (roundTripMs > 0 ? roundTripMs : this.#times.latestRoundTripMs),
      figures.deliveredOctets,
      isMeasure ? figures.deliveredMs : 0,
      figures.lostOctets,
      this.#fullOctets,
      this.#times.loopMs,
      this.#isPressed,
      !limited && this.#step.gain <= CAREFUL_STEP,
    );
    if (found < 0) return;
    if (!wasTrial) this.#hold(now, loss.share, Math.min(this.#capacity, found));
    else {
      this.#capacity = Math.max(found, LOWEST_RATE);
      if (!loss.isHolding(now)) this.isStarting = this.#wasStarting;
    }
  }

  #handleDip(now: Instant, limited: boolean): void {
    const seenMs = this.#dip.handle(now, this.#gauge.sampleMs);
    if (seenMs < Number.POSITIVE_INFINITY) {
      const rise = seenMs - this.#gauge.baseMs;
      if (Math.abs(rise) < 2 * this.#targetMs) this.#gauge.rebase(now, seenMs);
      this.#pressed.clear();
      return;
    }
    if (!this.#dip.isDue(now) || this.#step.gain > 0 || !this.#isPressed || limited) return;
    if (this.#loss.isHolding(now)) return;
    this.#dip.postpone(now);
    const { queueMs } = this.#gauge;
    if (queueMs > 2 * this.#targetMs) return;
    const moreMs = Math.max(this.#doubtMs, this.#quantumMs);
    this.#doubtMs = 0;
    this.#quietSince = this.#dip.begin(now, queueMs, this.#targetMs, moreMs, this.#times);
  }

  #handleStuck(now: Instant, { deliveredOctets, deliveredMs, roundTripMs }: PathFigures): void {
    const stuck = this.#stuck;
    const { queueMs, sampleMs } = this.#gauge;
    if (queueMs <= this.#targetMs + QUEUE_MS) {
      stuck.clear();
      return;
    }
    stuck.begin(now, queueMs);
    if (sampleMs < stuck.oneWayMs) stuck.oneWayMs = sampleMs;
    if (roundTripMs > 0 && roundTripMs < stuck.roundTripMs) stuck.roundTripMs = roundTripMs;
    // If the capacity is right.
    const drainMs = Math.max(0, deliveredMs - deliveredOctets / this.#capacity);
    if (!stuck.handle(now, queueMs, drainMs, this.#times.loopMs)) return;
    this.#doubtMs = Math.min(stuck.oneWayMs - this.#gauge.baseMs, DOUBT_MOST_MS);
    this.#dip.plan(now, this.#times.loopMs);
    this.#gauge.rebase(now, stuck.oneWayMs);
    if (stuck.roundTripMs < Number.POSITIVE_INFINITY) this.#times.adopt(now, stuck.roundTripMs);
    stuck.clear();
    this.#pressed.clear();
  }

  #setRate(now: Instant): void {
    const { waitMs, loopMs, intervalMs } = this.#times;
    const { noiseMs } = this.#gauge;
    if (this.#capacity > this.ceiling) this.#capacity = this.ceiling;
    const spare = this.#loss.isTrial ? 1 : 1 - this.#loss.floor;
    this.rate = Math.max(
      Math.min((this.#capacity * this.#gain(now, loopMs)) / spare, this.ceiling),
      LOWEST_RATE,
    );
    this.#changeAt = this.#step.gain > 0 ? Number.POSITIVE_INFINITY : this.#dip.changeAt(now);
    if (this.#step.gain > 0 && now < this.#step.until) this.#changeAt = this.#step.until;
    // Until it is known that reports have stopped.
    const spanMs = waitMs + this.#targetMs + 2 * noiseMs + 2 * intervalMs + 10;
    const pace = Math.max(this.rate, this.#capacity);
    const first = this.#firstDatagrams * this.#fullOctets;
    const least = Math.max(LEAST_DATAGRAMS * this.#fullOctets, pace * LEAST_WINDOW_MS);
    this.window = this.#isUnknown ? first : Math.max(Math.min(first, least), pace * spanMs);
    this.#sent.add(now, this.rate);
  }

  /** What the capacity is multiplied by. */
  #gain(now: Instant, loopMs: number): number {
    const step = this.#step;
    // A step that lasts until it is judged goes on until a report comes.
    if (step.gain > 0) return now < step.until || !step.isPulse ? 1 + step.gain : 1;
    const dip = this.#dip.gainAt(now);
    if (dip > 0) return dip;
    const wish = 1 + (this.#targetMs - this.#gauge.queueMs) / Math.max(2.5 * loopMs, 25);
    return Math.min(Math.max(wish, LEAST_GAIN), this.#loss.isHolding(now) ? HOLD_GAIN : MOST_GAIN);
  }
}
