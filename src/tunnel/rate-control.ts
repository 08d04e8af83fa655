import type { Instant } from "../time.ts";
import { DelayGauge } from "./delay-gauge.ts";
import { Lowest } from "./lowest.ts";

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
  /** One-way delays of before are not comparable with those from here on. */
  readonly clockRebased: boolean;
  /** Without the time the receiver held the report back; -1: unknown. */
  readonly roundTripMs: number;
  /** Of datagrams found lost since the report before. */
  readonly lostOctets: number;
}

export interface RateOptions {
  /** Octets a millisecond to begin with; what 4 datagrams may go at before anything is known. */
  readonly initialRate?: number;
  /** Octets a millisecond never to exceed. */
  readonly ceiling?: number;
}

const INITIAL_RATE = 500;
const INITIAL_DATAGRAMS = 4;
const FULL_OCTETS = 1500;
/** Longer pauses between the first datagrams are the sender's. */
const FIRST_MS = 150;
const LOWEST_RATE = 4;
/** The queue that is kept standing at the bottleneck, without noise and quanta. */
const QUEUE_MS = 4;
/** A queue that ends the start-up. */
const START_QUEUE_MS = 8;
/** What a climb may add to the queue if there is nothing to be found, in milliseconds of the rate. */
const START_EXCESS_MS = 40;
const CLIMB_EXCESS_MS = 24;
const FIRST_CLIMB = 0.0625;
const LONG_LOOP_MS = 100;
const FIRST_PULSE = 0.25;
/** What a step may find beyond what was delivered in it. */
const STEP_CREDIT = 1.25;
const LOSS_MARGIN = 0.03;
const HOLD_GAIN = 0.97;
/** How often a hold may find that even less gets through. */
const HOLD_CUTS = 3;
const LOSS_FLOOR_MOST = 0.1;
const DIP_GAIN = 0.5;
/** For so long the queue is empty. */
const DIP_MORE_MS = 3;
const FIRST_DIP_MS = 300;
const DIP_EVERY_MS = 3000;
const LONGEST_INTERVAL_MS = 200;
const STUCK_MS = 200;
/** A datagram that would have taken so much longer had it been a full one tells too little. */
const SHORTER_MOST_MS = 8;
const IDLE_MS = 10_000;
const HISTORY = 64;

/**
 * How fast one path may be sent on, found from the receiver's reports alone.
 *
 * 1. Where a queue stands at the bottleneck, what arrives is its capacity: measured, up and down.
 * 2. A small queue is kept standing: more of it slows, less of it hastens, over some round trips.
 * 3. Where none stands for a round trip, the rate climbs in steps that double; each is short enough that it
 *    cannot fill much of a queue if there is nothing to be found. Start-up is climbing with great steps.
 * 4. Loss alone does not lower the rate; a step that brought loss in place of delivery is taken back (a policer).
 * 5. Now and then the queue is emptied for an instant, to see what the way takes without one.
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
  ceiling: number;

  readonly #gauge = new DelayGauge();
  readonly #roundTrip = new Lowest(10_000);
  /** What the bottleneck carries, octets a millisecond. */
  #capacity: number;
  #latestRoundTripMs = 0;
  #fullOctets = FULL_OCTETS;
  #reportAt = Number.NEGATIVE_INFINITY;
  #intervalMs = 10;
  #waitMs = 100;
  #loopMs = 100;
  #targetMs = QUEUE_MS;

  // What was delivered, and what had been sent for it, while a queue stood.
  #isPressed = false;
  #pressedOctets = 0;
  #pressedMs = 0;
  #pressedSent = 0;
  #quietSince = Number.NEGATIVE_INFINITY;

  // The step that is being tried; 0: none.
  #isStarting = true;
  #isUnknown = true;
  #firstDatagrams = INITIAL_DATAGRAMS;
  #step = 0;
  #stepFrom = Number.NEGATIVE_INFINITY;
  #stepUntil = Number.NEGATIVE_INFINITY;
  #judgeAt = Number.NEGATIVE_INFINITY;
  #stepOctets = 0;
  #stepMs = 0;
  #stepLost = 0;
  #crowded = 0;
  #stepPeak = 0;
  #stepBefore = 0;

  // Loss without a queue.
  #lossFloor = 0;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #holdMs = 500;
  #holdCuts = 0;
  #epochFrom = Number.NaN;
  #epochOctets = 0;
  #epochLost = 0;

  #dipAt = Number.NEGATIVE_INFINITY;
  #dipUntil = Number.NEGATIVE_INFINITY;
  #restUntil = Number.NEGATIVE_INFINITY;
  #refillUntil = Number.NEGATIVE_INFINITY;
  /** When the rate changes by itself. */
  #changeAt = Number.POSITIVE_INFINITY;
  #dipSeenFrom = Number.POSITIVE_INFINITY;
  #dipSeenUntil = Number.POSITIVE_INFINITY;
  #dipLeast = Number.POSITIVE_INFINITY;
  #stuckSince = Number.POSITIVE_INFINITY;
  #stuckQueue = 0;
  #stuckDrain = 0;
  #stuckRoundTrip = Number.POSITIVE_INFINITY;
  #stuckLeast = Number.POSITIVE_INFINITY;
  #testedAt = Number.POSITIVE_INFINITY;

  readonly #sentTimes = new Float64Array(HISTORY).fill(Number.NEGATIVE_INFINITY);
  readonly #sentRates = new Float64Array(HISTORY);
  #sentNext = 0;

  constructor(options: RateOptions = {}) {
    this.#capacity = options.initialRate ?? INITIAL_RATE;
    this.ceiling = options.ceiling ?? Number.POSITIVE_INFINITY;
    this.rate = Math.min(this.#capacity, this.ceiling);
  }

  /** Milliseconds that datagrams wait at the bottleneck. */
  get queueMs(): number {
    return this.#gauge.queueMs;
  }

  /** Nothing has been in the way yet: there may be much more. */
  get isStarting(): boolean {
    return this.#isStarting;
  }

  /** NaN: not yet known. */
  get minRoundTripMs(): number {
    return this.#roundTrip.value === Number.POSITIVE_INFINITY ? Number.NaN : this.#roundTrip.value;
  }

  /** Without a queue; relative, as the samples are. */
  get baseOneWayMs(): number {
    return this.#gauge.baseMs;
  }

  /** @param limited there was too little to send since the report before: the rate was not tried */
  handleReport(now: Instant, figures: PathFigures, limited: boolean): void {
    const { deliveredOctets, deliveredMs, lostOctets } = figures;
    const gapMs = now - this.#reportAt;
    this.#reportAt = now;
    if (!limited && gapMs < LONGEST_INTERVAL_MS) this.#intervalMs += (gapMs - this.#intervalMs) / 8;
    if (figures.roundTripMs > 0) {
      this.#roundTrip.handle(now, figures.roundTripMs);
      this.#latestRoundTripMs +=
        (figures.roundTripMs - this.#latestRoundTripMs) / (this.#latestRoundTripMs > 0 ? 4 : 1);
    }
    if (this.#roundTrip.value === Number.POSITIVE_INFINITY) return;
    if (figures.clockRebased) this.#gauge.reset();
    if (figures.hasSample) this.#handleSample(now, figures.oneWayMs, figures.sampleOctets);
    // At a low rate what was sent shows only when it is through.
    this.#waitMs = Math.max(this.#roundTrip.value, this.#latestRoundTripMs - this.#gauge.queueMs);
    this.#loopMs = this.#waitMs + this.#intervalMs + (2 * this.#fullOctets) / this.#capacity;
    this.#targetMs = QUEUE_MS + this.#gauge.noiseMs + (0.5 * this.#fullOctets) / this.#capacity;

    if (limited) {
      if (now - this.#testedAt > IDLE_MS) this.handleIdle(now);
    } else this.#testedAt = now;
    const isUsable =
      deliveredMs > 0 && deliveredMs < 8 * this.#intervalMs + (4 * this.#fullOctets) / this.#capacity;
    if (isUsable) {
      const part = deliveredMs / (deliveredMs + this.#loopMs + 20);
      this.deliveryRate += (deliveredOctets / deliveredMs - this.deliveryRate) * part;
      if (deliveredOctets + lostOctets > 0)
        this.lossRate += (lostOctets / (deliveredOctets + lostOctets) - this.lossRate) * part;
    }

    const queue = this.#gauge.queueMs;
    const wasPressed = this.#isPressed;
    this.#isPressed = queue > 0.5 * this.#targetMs;
    if (this.#isPressed || limited) this.#quietSince = Math.max(this.#quietSince, now);
    if (this.#isUnknown) this.#handleFirst(now, figures, limited);
    else if (this.#step > 0) this.#handleStep(now, figures, limited, isUsable);
    else if (this.#isPressed && isUsable && !this.#isDipSeen(now)) {
      if (!wasPressed) this.#forgetPressed();
      else if (!limited || queue > this.#targetMs + 15) this.#measure(now, deliveredOctets, deliveredMs);
    }
    this.#handleLoss(now, deliveredOctets, lostOctets, limited);
    this.#handleDip(now, limited);
    this.#handleStuck(now, figures);
    if (
      !this.#isUnknown &&
      this.#step === 0 &&
      !limited &&
      now - this.#quietSince >= this.#loopMs &&
      now >= this.#holdUntil
    ) {
      this.#climb(now, this.#isStarting ? 1 : FIRST_CLIMB);
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
    this.#testedAt = now;
    this.#restart(now, 0.5);
    // What it carries is no secret.
    this.#capacity = Math.max(this.#capacity, this.deliveryRate);
    this.#setRate(now);
  }

  /** The path carries again after it had been found dead. */
  handleRestored(now: Instant): void {
    this.#gauge.forget();
    this.#testedAt = now;
    this.#restart(now, 0.5);
  }

  #restart(now: Instant, share: number): void {
    this.#capacity = Math.max(Math.min(this.#capacity, INITIAL_RATE), this.#capacity * share);
    this.#isStarting = true;
    this.#isPressed = false;
    this.#forgetPressed();
    this.#step = 0;
    this.#quietSince = now;
    this.#stuckSince = Number.POSITIVE_INFINITY;
    this.#setRate(now);
  }

  #handleSample(now: Instant, oneWayMs: number, octets: number): void {
    if (octets > this.#fullOctets) this.#fullOctets = octets;
    // As a full datagram would have fared.
    const shorterMs = (this.#fullOctets - octets) / this.#capacity;
    if (shorterMs > SHORTER_MOST_MS) return;
    this.#gauge.handle(now, oneWayMs + shorterMs, this.#loopMs);
  }

  #forgetPressed(): void {
    this.#pressedOctets = 0;
    this.#pressedMs = 0;
    this.#pressedSent = 0;
  }

  /** A queue stood all the time, so this is what the bottleneck carries. */
  #measure(now: Instant, octets: number, ms: number): void {
    const noise = this.#gauge.noiseMs;
    const quantumMs = this.#fullOctets / this.#capacity;
    const spanMs = Math.max(this.#loopMs, 30, 16 * noise, 8 * quantumMs);
    const keep = spanMs / (spanMs + ms);
    this.#pressedOctets = this.#pressedOctets * keep + octets;
    this.#pressedMs = this.#pressedMs * keep + ms;
    this.#pressedSent =
      this.#pressedSent * keep + ms * this.#rateSentAt(now - this.#latestRoundTripMs - ms / 2);
    const priorMs = 4 * noise + quantumMs;
    const found = (this.#pressedOctets + priorMs * this.#capacity) / (this.#pressedMs + priorMs);
    // Too long a queue, but no less arrives than was sent: it is not ours, and says nothing of the capacity.
    if (
      found < this.#capacity &&
      this.#gauge.queueMs > this.#targetMs + QUEUE_MS &&
      this.#pressedOctets >= 0.98 * this.#pressedSent
    ) {
      return;
    }
    this.#capacity = Math.max(found, LOWEST_RATE);
  }

  /** The first datagrams have come: how far apart? */
  #handleFirst(now: Instant, figures: PathFigures, limited: boolean): void {
    const { deliveredOctets, deliveredMs } = figures;
    if (limited) return;
    // A pause in which the window was full measures nothing.
    if (deliveredMs > 0 && deliveredMs < Math.max(FIRST_MS, this.#roundTrip.value / 2)) {
      this.#stepOctets += deliveredOctets;
      this.#stepMs += deliveredMs;
    }
    if (this.#stepOctets < 1.5 * this.#fullOctets) {
      if (now < this.#judgeAt) return;
      if (this.#judgeAt > 0) this.#firstDatagrams *= 2;
      this.#judgeAt = now + Math.max(this.#loopMs, FIRST_MS);
      return;
    }
    const found = this.#stepOctets / this.#stepMs;
    this.#isUnknown = false;
    this.#firstDatagrams = INITIAL_DATAGRAMS;
    const hasQueue = this.#gauge.latestMs > QUEUE_MS;
    if (found < 0.7 * this.#capacity) this.#capacity = Math.max(found, LOWEST_RATE);
    this.#quietSince = Number.NEGATIVE_INFINITY;
    if (hasQueue) this.#endSteps(now);
  }

  #climb(now: Instant, wish: number): void {
    let step = wish;
    if (this.#capacity >= this.ceiling) return;
    // Where answers take long, the first step is a short one rather than a small one.
    if (this.#loopMs > LONG_LOOP_MS && step < FIRST_PULSE) step = FIRST_PULSE;
    this.#step = Math.min(step, 1);
    const usualMs = this.#isStarting ? START_EXCESS_MS : Math.min(8 + 16 * this.#step, CLIMB_EXCESS_MS);
    // Less than two datagrams say nothing.
    const excessMs = Math.max(usualMs, (2 * this.#fullOctets) / this.#capacity);
    this.#stepFrom = now;
    const spanMs = excessMs / this.#step;
    if (spanMs >= this.#loopMs) {
      this.#judgeAt = now + this.#loopMs;
      this.#stepUntil = this.#judgeAt;
    } else {
      this.#stepUntil = now + spanMs;
      this.#judgeAt = this.#stepUntil + this.#loopMs;
    }
    this.#stepOctets = 0;
    this.#stepMs = 0;
    this.#stepLost = 0;
    this.#crowded = 0;
    this.#stepPeak = 0;
    this.#stepBefore = this.#gauge.queueMs;
  }

  #handleStep(now: Instant, figures: PathFigures, limited: boolean, isUsable: boolean): void {
    if (limited && !this.#isStarting) {
      this.#step = 0;
      return;
    }
    if (now < this.#stepFrom + this.#roundTrip.value) return;
    this.#stepLost += figures.lostOctets;
    if (isUsable) {
      this.#stepOctets += figures.deliveredOctets;
      this.#stepMs += figures.deliveredMs;
    }
    const { latestMs, noiseMs } = this.#gauge;
    const quantumMs = this.#fullOctets / this.#capacity;
    const limitMs = (this.#isStarting ? START_QUEUE_MS : this.#targetMs) + 2 * noiseMs + quantumMs;
    if (latestMs > limitMs) this.#crowded += latestMs > 2 * limitMs ? 2 : 1;
    const isJudged = now >= this.#judgeAt;
    if (latestMs > this.#stepPeak) this.#stepPeak = latestMs;
    if (
      this.#crowded >= 2 ||
      (isJudged && this.#isPressed && !this.#isStarting) ||
      (isJudged && this.#isFlat())
    ) {
      const isPulse = this.#judgeAt !== this.#stepUntil;
      this.#capacity = isPulse ? this.#pulsed() : Math.min(this.#capacity * (1 + this.#step), this.ceiling);
      this.#endSteps(now);
      if (isUsable && !isPulse) this.#measure(now, figures.deliveredOctets, figures.deliveredMs);
      return;
    }
    if (!isJudged) return;
    // Something is there, but too little to be sure.
    if (this.#isPressed && now < this.#judgeAt + this.#loopMs) return;
    const lost = this.#stepLost / (this.#stepLost + this.#stepOctets + 1);
    if (
      this.#stepLost >= 3 * this.#fullOctets &&
      lost > this.#lossFloor + Math.max(LOSS_MARGIN, this.#step / 8) + this.#chance(this.#stepOctets) &&
      this.#stepMs > 0
    ) {
      this.#hold(now, Math.min(this.#stepOctets / this.#stepMs, this.#capacity * (1 + this.#step)));
      return;
    }
    if (limited || this.#stepMs === 0) {
      this.#step = 0;
      return;
    }
    // More was sent, and more came: what was lost was lost by chance.
    if (this.#step > 0.5 && this.#stepOctets > 30 * this.#fullOctets) {
      this.#lossFloor += (Math.min(lost, LOSS_FLOOR_MOST) - this.#lossFloor) / 4;
    }
    if (this.#judgeAt === this.#stepUntil) {
      // It may be that less was sent than could be.
      const most = Math.max(this.#capacity, (this.#stepOctets / this.#stepMs) * STEP_CREDIT);
      this.#capacity = Math.min(this.#capacity * (1 + this.#step), most, this.ceiling);
    } else this.#capacity = this.#pulsed();
    this.#climb(now, this.#step * 2);
  }

  /** The capacity by the queue that a pulse left behind. */
  #pulsed(): number {
    const { noiseMs } = this.#gauge;
    const rise = this.#stepPeak - this.#stepBefore - 2 * noiseMs - this.#fullOctets / this.#capacity;
    const found =
      (this.#capacity * (1 + this.#step)) / (1 + Math.max(0, rise) / (this.#stepUntil - this.#stepFrom));
    return Math.min(Math.max(this.#capacity, found), this.ceiling);
  }

  /** What was sent more did not come more, and waits. */
  #isFlat(): boolean {
    return (
      this.#gauge.queueMs > QUEUE_MS + this.#gauge.noiseMs &&
      this.#step >= 0.5 &&
      this.#judgeAt === this.#stepUntil &&
      this.#stepOctets + this.#stepLost < this.#stepMs * this.#capacity * (1 + this.#step / 2)
    );
  }

  #endSteps(now: Instant): void {
    this.#step = 0;
    this.#forgetPressed();
    if (this.#isStarting) this.#dipAt = now + FIRST_DIP_MS + 4 * this.#loopMs;
    this.#isStarting = false;
    this.#isPressed = true;
    this.#quietSince = now;
  }

  /** More was lost in place of delivered: no climbing for some time. */
  #hold(now: Instant, capacity: number): void {
    this.#endSteps(now);
    this.#capacity = Math.max(capacity, LOWEST_RATE);
    this.#holdCuts = HOLD_CUTS;
    this.#holdUntil = now + this.#holdMs + 4 * this.#loopMs;
    this.#holdMs = Math.min(2 * this.#holdMs, 8000);
    this.#epochFrom = now + this.#loopMs;
    this.#epochOctets = 0;
    this.#epochLost = 0;
  }

  /** Tells loss by chance (which stays whatever is sent) from a policer's. */
  #handleLoss(now: Instant, octets: number, lostOctets: number, limited: boolean): void {
    if (Number.isNaN(this.#epochFrom)) this.#epochFrom = now;
    if (now < this.#epochFrom) return;
    this.#epochOctets += octets;
    this.#epochLost += lostOctets;
    const total = this.#epochOctets + this.#epochLost;
    const isBad = this.#holdCuts > 0 && total > 20 * this.#fullOctets && this.#epochLost > 0.15 * total;
    const isOver =
      now >= this.#epochFrom + Math.max(200, 4 * this.#loopMs) && total >= 100 * this.#fullOctets;
    if (!isOver && !isBad) return;
    const share = this.#epochLost / total;
    const isHolding = now < this.#holdUntil;
    const ms = now - this.#epochFrom;
    this.#epochFrom = now;
    this.#epochOctets = 0;
    this.#epochLost = 0;
    const delivered = (total - share * total) / ms;
    if (isHolding && this.#holdCuts > 0) {
      this.#epochFrom = now + this.#loopMs;
      this.#holdCuts--;
      if (share > this.#lossFloor + 0.01) this.#capacity = Math.min(this.#capacity, delivered / HOLD_GAIN);
      else this.#holdCuts = 0;
    } else if (isHolding || this.#isPressed || share < this.#lossFloor) {
      this.#lossFloor += (Math.min(share, LOSS_FLOOR_MOST) - this.#lossFloor) / 2;
      if (this.#isPressed && !isHolding) this.#holdMs = 500;
    } else if (
      this.#step === 0 &&
      !limited &&
      share > 2 * this.#lossFloor + LOSS_MARGIN + this.#chance(total)
    ) {
      this.#hold(now, Math.min(this.#capacity, Math.max(delivered, this.deliveryRate)));
    }
  }

  /** How much more than its share may be lost of so much by chance. */
  #chance(octets: number): number {
    return 2 * Math.sqrt(((this.#lossFloor + 0.01) * this.#fullOctets) / octets);
  }

  #isDipSeen(now: Instant): boolean {
    return now >= this.#dipSeenFrom && now <= this.#dipSeenUntil;
  }

  /** Empties the queue for an instant; the least delay seen of it is the base. */
  #handleDip(now: Instant, limited: boolean): void {
    if (now >= this.#dipSeenFrom) {
      if (now > this.#dipSeenUntil) {
        const rise = this.#dipLeast - this.#gauge.baseMs;
        if (rise > 0 && rise < 2 * this.#targetMs) this.#gauge.rebase(now, this.#dipLeast);
        this.#dipSeenFrom = Number.POSITIVE_INFINITY;
        this.#forgetPressed();
      } else if (this.#gauge.sampleMs < this.#dipLeast) this.#dipLeast = this.#gauge.sampleMs;
      return;
    }
    if (now < this.#dipAt || this.#step > 0 || !this.#isPressed || limited) return;
    this.#dipAt = now + DIP_EVERY_MS;
    const queue = this.#gauge.queueMs;
    if (queue > 2 * this.#targetMs) return;
    const moreMs = Math.max(DIP_MORE_MS, this.#fullOctets / this.#capacity);
    this.#dipUntil = now + (queue + moreMs) / (1 - DIP_GAIN);
    // As long as it takes until a report tells of it.
    this.#restUntil = this.#dipUntil + 1.2 * this.#intervalMs;
    this.#refillUntil = this.#restUntil + (this.#targetMs + moreMs) / (1 - DIP_GAIN);
    this.#dipSeenFrom = now + this.#roundTrip.value;
    this.#dipSeenUntil = this.#refillUntil + this.#loopMs;
    this.#quietSince = this.#dipSeenUntil;
    this.#dipLeast = Number.POSITIVE_INFINITY;
  }

  /** A queue that does not go away though less is sent than is carried is none: the way is longer, or others fill it. */
  #handleStuck(now: Instant, figures: PathFigures): void {
    const queue = this.#gauge.queueMs;
    if (queue <= this.#targetMs + QUEUE_MS) {
      this.#stuckSince = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#stuckSince === Number.POSITIVE_INFINITY || queue < 0.7 * this.#stuckQueue) {
      this.#stuckSince = now;
      this.#stuckQueue = queue;
      this.#stuckDrain = 0;
      this.#stuckLeast = Number.POSITIVE_INFINITY;
      this.#stuckRoundTrip = Number.POSITIVE_INFINITY;
    }
    if (this.#gauge.sampleMs < this.#stuckLeast) this.#stuckLeast = this.#gauge.sampleMs;
    if (figures.roundTripMs > 0) this.#stuckRoundTrip = Math.min(this.#stuckRoundTrip, figures.roundTripMs);
    const delivered =
      figures.deliveredMs > 0 ? figures.deliveredOctets / figures.deliveredMs : this.#capacity;
    // As if the capacity were right: what the queue should have lost by now.
    this.#stuckDrain += figures.deliveredMs * Math.max(0, 1 - delivered / this.#capacity);
    const forMs = now - this.#stuckSince;
    if (forMs < STUCK_MS + 3 * this.#loopMs || this.#stuckDrain < 2 * queue + 50) return;
    this.#gauge.rebase(now, this.#stuckLeast);
    this.#roundTrip.reset(now, this.#stuckRoundTrip);
    this.#latestRoundTripMs = this.#stuckRoundTrip;
    this.#stuckSince = Number.POSITIVE_INFINITY;
    this.#forgetPressed();
  }

  #setRate(now: Instant): void {
    if (this.#capacity > this.ceiling) this.#capacity = this.ceiling;
    const queue = this.#gauge.queueMs;
    const tauMs = Math.max(2.5 * this.#loopMs, 25);
    let gain = Math.min(1 + (this.#targetMs - queue) / tauMs, 1.1);
    if (gain < 0.6) gain = 0.6;
    this.#changeAt = Number.POSITIVE_INFINITY;
    if (this.#step > 0) {
      gain = 1;
      // A step that lasts until it is judged goes on until a report comes.
      if (now < this.#stepUntil || this.#judgeAt === this.#stepUntil) gain = 1 + this.#step;
      if (now < this.#stepUntil) this.#changeAt = this.#stepUntil;
    } else if (now < this.#dipUntil) {
      gain = DIP_GAIN;
      this.#changeAt = this.#dipUntil;
    } else if (now < this.#restUntil) {
      gain = 1;
      this.#changeAt = this.#restUntil;
    } else if (now < this.#refillUntil) {
      gain = 2 - DIP_GAIN;
      this.#changeAt = this.#refillUntil;
    } else if (this.#isDipSeen(now)) gain = 1;
    else if (now < this.#holdUntil) gain = Math.min(gain, HOLD_GAIN);
    const rate = (this.#capacity * gain) / (now < this.#holdUntil ? 1 : 1 - this.#lossFloor);
    this.rate = Math.max(Math.min(rate, this.ceiling), LOWEST_RATE);
    const spanMs = this.#waitMs + this.#targetMs + 2 * this.#gauge.noiseMs + 2 * this.#intervalMs + 10;
    const most = this.#isUnknown ? 0 : Math.max(this.rate, this.#capacity) * spanMs;
    this.window = Math.max(this.#firstDatagrams * this.#fullOctets, most);
    this.#sentTimes[this.#sentNext] = now;
    this.#sentRates[this.#sentNext] = this.rate;
    this.#sentNext = (this.#sentNext + 1) & (HISTORY - 1);
  }

  #rateSentAt(at: number): number {
    let i = this.#sentNext;
    for (let n = 0; n < HISTORY; n++) {
      i = (i - 1) & (HISTORY - 1);
      if ((this.#sentTimes[i] as number) <= at) return this.#sentRates[i] as number;
    }
    return this.#sentRates[i] as number;
  }
}
