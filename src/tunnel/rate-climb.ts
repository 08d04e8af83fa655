import type { Instant } from "../time.ts";
import { type Bottleneck, QUEUE_MS } from "./bottleneck.ts";
import { CAREFUL_STEP, type LossWatch } from "./loss-watch.ts";
import type { PathFigures } from "./path-figures.ts";
import { RateStep } from "./rate-step.ts";

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

/** A queue that stands for so long without a step ends the start-up, in milliseconds and in times until one knows. */
const STANDING_MS = 200;
const STANDING_LOOPS = 4;

/** What a step came to. */
export type ClimbResult = "goesOn" | "metQueue" | "lost";

/**
 * Climbs in steps that double, as long as nothing is in the way; each is short enough that it cannot fill much of a queue
 * if there is nothing to be found. Start-up is climbing with great steps.
 */
export class RateClimb {
  /** Nothing has been in the way yet: there may be much more. */
  isStarting = true;
  /** Of its start-up a queue has stood for so long. */
  #stoodMs = 0;
  readonly #step = new RateStep();
  readonly #path: Bottleneck;
  readonly #loss: LossWatch;

  constructor(path: Bottleneck, loss: LossWatch) {
    this.#path = path;
    this.#loss = loss;
  }

  /** A step is under way. */
  get isUnderWay(): boolean {
    return this.#step.gain > 0;
  }

  /** Nothing great is tried, so that it is not that which gets lost. */
  get isSteady(): boolean {
    return this.#step.gain <= CAREFUL_STEP;
  }

  get isPulse(): boolean {
    return this.#step.isPulse;
  }

  /** Share of what was sent in the step that was lost. */
  get lostShare(): number {
    return this.#step.lost / (this.#step.lost + this.#step.octets);
  }

  /** Octets a millisecond that came of the step. */
  get through(): number {
    return Math.min(this.#step.delivered, this.#path.capacity * (1 + this.#step.gain));
  }

  stop(): void {
    this.#step.gain = 0;
    this.#stoodMs = 0;
  }

  /** @param ceiling octets a millisecond that are enough */
  begin(now: Instant, ceiling: number): void {
    this.#stoodMs = 0;
    this.#begin(now, this.isStarting ? 1 : FIRST_STEP, ceiling);
  }

  #begin(now: Instant, wish: number, ceiling: number): void {
    if (this.#path.capacity >= ceiling) {
      this.#step.gain = 0;
      return;
    }
    const { loopMs } = this.#path.times;
    const pulse = loopMs > LONG_LOOP_MS ? Math.max(wish, FIRST_PULSE) : wish;
    const gain = Math.min(pulse, this.#loss.mostStep(now));
    const usualMs = this.isStarting ? START_EXCESS_MS : Math.min(8 + 16 * gain, STEP_EXCESS_MS);
    // Less than two datagrams say nothing.
    const excessMs = Math.max(usualMs, 2 * this.#path.quantumMs);
    this.#step.begin(now, gain, excessMs, loopMs, this.#path.gauge.queueMs);
  }

  /** No step is under way, and a queue stands: what arrives is all that there is. @param ms that it has stood */
  handleStanding(ms: number): void {
    this.#stoodMs += ms;
    if (this.#stoodMs >= Math.max(STANDING_MS, STANDING_LOOPS * this.#path.times.loopMs))
      this.isStarting = false;
  }

  /** @param isMeasure what was delivered, and in what time, is one */
  handle(
    now: Instant,
    figures: PathFigures,
    limited: boolean,
    isMeasure: boolean,
    ceiling: number,
  ): ClimbResult {
    const step = this.#step;
    const path = this.#path;
    if (limited && !this.isStarting) {
      step.gain = 0;
      return "goesOn";
    }
    if (!step.isSeen(now, path.times.roundTripMs)) return "goesOn";
    const { latestMs, noiseMs } = path.gauge;
    const limitMs = (this.isStarting ? START_QUEUE_MS : path.targetMs) + 2 * noiseMs + path.quantumMs;
    const ms = isMeasure ? figures.deliveredMs : 0;
    step.handle(figures.deliveredOctets, ms, figures.lostOctets, latestMs, limitMs);
    const isJudged = now >= step.judgeAt;
    if (step.isCrowded || (isJudged && (this.isStarting ? this.#isFlat() : path.isPressed))) {
      path.capacity *= step.isPulse ? this.#pulsedGain() : 1 + step.gain;
      return "metQueue";
    }
    // Something may be there, but too little to be sure.
    if (!isJudged || (path.isPressed && now < step.judgeAt + path.times.loopMs)) return "goesOn";
    if (step.ms > 0 && this.#loss.isTaken(step.lost, step.octets, step.gain)) return "lost";
    if (limited || step.ms === 0) step.gain = 0;
    else this.#take(now, ceiling);
    return "goesOn";
  }

  /** It found nothing in the way. */
  #take(now: Instant, ceiling: number): void {
    const step = this.#step;
    const path = this.#path;
    if (step.gain > 0.5 && step.octets > 30 * path.fullOctets) this.#loss.learn(this.lostShare);
    if (step.isPulse) path.capacity *= this.#pulsedGain();
    else {
      const most = Math.max(path.capacity, step.delivered * STEP_CREDIT);
      path.capacity = Math.min(path.capacity * (1 + step.gain), most);
    }
    this.#begin(now, step.gain * 2, ceiling);
  }

  #pulsedGain(): number {
    return this.#step.pulsedGain(2 * this.#path.gauge.noiseMs + this.#path.quantumMs);
  }

  /** What was sent more did not come more, and waits. */
  #isFlat(): boolean {
    const step = this.#step;
    const { gauge, capacity } = this.#path;
    return (
      gauge.queueMs > QUEUE_MS + gauge.noiseMs &&
      step.gain >= 0.5 &&
      !step.isPulse &&
      step.octets + step.lost < step.ms * capacity * (1 + step.gain / 2)
    );
  }

  /** What the capacity is multiplied by while a step is under way. */
  gainAt(now: Instant): number {
    const step = this.#step;
    // A step that lasts until it is judged goes on until a report comes.
    return now < step.until || !step.isPulse ? 1 + step.gain : 1;
  }

  /** When that changes by itself. */
  changeAt(now: Instant): number {
    return now < this.#step.until ? this.#step.until : Number.POSITIVE_INFINITY;
  }
}
