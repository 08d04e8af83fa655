import type { Instant } from "../time.ts";
import type { Bottleneck } from "./bottleneck.ts";
import { LITTLE, LossTrial, MARGIN } from "./loss-trial.ts";
import type { PathFigures } from "./path-figures.ts";

const FIRST_HOLD_MS = 500;
const LONGEST_HOLD_MS = 8000;
/** So much may be lost by chance without a trial, and with one. */
const USUAL_MOST = 0.1;
const MOST_BY_CHANCE = 0.5;
const EPOCH_MS = 200;
const EPOCH_DATAGRAMS = 100;
/** In a hold it is told exactly whether something is lost. */
const HOLD_DATAGRAMS = 400;
/** What was sent so long after is not what was lost before. */
const KNOWN_MS = 5;
const TRIAL_MS = 100;
/** A trial that has taken so long has seen enough with so much. */
const LONG_TRIAL_MS = 1000;
const LEAST_DATAGRAMS = 30;
/** Enough to see that much is lost. */
const BAD_DATAGRAMS = 40;
const BAD_SHARE = 0.15;
/** What a policer let through is little more later: for so long after a hold the rate climbs in small steps. */
const CAREFUL_MS = 20_000;
export const CAREFUL_STEP = 0.125;

/**
 * Tells what is lost by chance, whatever is sent, from what a policer takes, which is what was sent too much. Where a queue
 * stands no policer is in the way, so it is chance. Else it is tried (`LossTrial`), and what a policer lets through is
 * held for some time.
 */
export class LossWatch {
  /** Share of what is sent that is lost by chance. */
  floor = 0;
  /** What was lost of what was too much, and what came of it, octets a millisecond. */
  share = 0;
  through = 0;
  readonly #path: Bottleneck;
  readonly #trial = new LossTrial();
  #mostFloor = USUAL_MOST;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #holdMs = FIRST_HOLD_MS;
  #carefulUntil = Number.NEGATIVE_INFINITY;
  /** What is counted was sent from here on. */
  #from = Number.NEGATIVE_INFINITY;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** When reports of it began to come. */
  #since = Number.NaN;
  #octets = 0;
  #ms = 0;
  #lost = 0;

  constructor(path: Bottleneck) {
    this.#path = path;
  }

  /** No more is to be sent than is known to get through. */
  isHolding(now: number): boolean {
    return now < this.#holdUntil;
  }

  /** It is being tried what is lost of less, whatever was lost by chance before. */
  get isTrial(): boolean {
    return this.#trial.isUnderWay;
  }

  /** By how much more a step may send, as a share. */
  mostStep(now: number): number {
    return now < this.#carefulUntil ? CAREFUL_STEP : 1;
  }

  /** More was sent and more came: what was lost was lost by chance. */
  learn(share: number): void {
    this.#learn(share, 1 / 4);
  }

  /** @param step by how much more than before was sent, as a share. @returns whether that was what got lost */
  isTaken(lost: number, delivered: number, step: number): boolean {
    if (lost < 3 * this.#path.fullOctets) return false;
    const bound = this.floor + Math.max(MARGIN, step / 8) + this.#chance(delivered);
    return lost / (lost + delivered + 1) > bound;
  }

  /** @param share that was lost. @param through octets a millisecond that came */
  hold(now: Instant, share: number, through: number): void {
    this.#trial.begin(share, through);
    this.#holdUntil = Number.POSITIVE_INFINITY;
    this.#beginTrial(now);
  }

  /** What was known of the path counts no more. */
  release(): void {
    this.#trial.stop();
    this.#holdUntil = Number.NEGATIVE_INFINITY;
  }

  /**
   * @param isMeasure what was delivered, and in what time, is one. @param isSteady the rate is tried, and nothing else is
   * @returns whether more was sent than gets through; `through` does
   */
  handle(now: Instant, figures: PathFigures, isMeasure: boolean, isSteady: boolean): boolean {
    const { times, fullOctets, isPressed: hasQueue } = this.#path;
    const isCounted = this.#sentAt >= this.#from;
    this.#sentAt = now - (figures.roundTripMs > 0 ? figures.roundTripMs : times.latestRoundTripMs);
    if (!isCounted) return false;
    if (Number.isNaN(this.#since)) this.#since = now;
    this.#octets += figures.deliveredOctets;
    this.#lost += figures.lostOctets;
    if (isMeasure) this.#ms += figures.deliveredMs;
    const total = this.#octets + this.#lost;
    const isHolding = this.isHolding(now);
    const datagrams = total / fullOctets;
    const { isTrial } = this;
    if (isTrial ? !this.#isTried(now, datagrams) : !this.#isOver(now, datagrams, isHolding)) return false;
    const share = this.#lost / total;
    const through = this.#octets / this.#ms;
    this.#begin(now);
    const chance = this.#chance(total);
    if (isTrial) return this.#judge(now, share, chance);
    if (hasQueue || share < this.floor + (isHolding ? LITTLE + chance : 0)) {
      this.#learn(share, 1 / 2);
      if (hasQueue && !isHolding) {
        this.#holdMs = FIRST_HOLD_MS;
        this.#carefulUntil = now;
      }
      return false;
    }
    if (!isSteady || share <= this.floor + Math.min(this.floor, USUAL_MOST) + MARGIN + chance) return false;
    this.share = share;
    this.through = through;
    return true;
  }

  #isOver(now: Instant, datagrams: number, isHolding: boolean): boolean {
    const leastMs = Math.max(EPOCH_MS, 4 * this.#path.times.loopMs);
    const least = isHolding ? HOLD_DATAGRAMS : EPOCH_DATAGRAMS;
    return now - this.#since >= leastMs && datagrams >= least && this.#ms > 0;
  }

  #isTried(now: Instant, datagrams: number): boolean {
    const spanMs = now - this.#since;
    if (datagrams > BAD_DATAGRAMS && this.#lost > BAD_SHARE * (this.#octets + this.#lost)) return true;
    return spanMs >= TRIAL_MS && datagrams >= (spanMs < LONG_TRIAL_MS ? EPOCH_DATAGRAMS : LEAST_DATAGRAMS);
  }

  #begin(now: number): void {
    this.#since = now;
    this.#octets = 0;
    this.#ms = 0;
    this.#lost = 0;
  }

  /** What was lost before is known some time after the first that was not. */
  #beginTrial(now: number): void {
    this.#begin(Number.NaN);
    this.#from = now + KNOWN_MS + this.#path.times.loopMs / 8;
  }

  /** So much was lost of less. */
  #judge(now: number, share: number, chance: number): boolean {
    const trial = this.#trial;
    const isOver = trial.handle(share, chance);
    this.through = trial.through;
    if (!isOver) {
      this.#beginTrial(now);
      return true;
    }
    this.floor = Math.min(trial.share, MOST_BY_CHANCE);
    this.#mostFloor = Math.max(USUAL_MOST, Math.min(1.25 * trial.share, MOST_BY_CHANCE));
    if (trial.isChance) {
      this.#holdUntil = now;
      return true;
    }
    this.#holdUntil = now + this.#holdMs;
    this.#holdMs = Math.min(2 * this.#holdMs, LONGEST_HOLD_MS);
    this.#carefulUntil = this.#holdUntil + CAREFUL_MS;
    return true;
  }

  #learn(share: number, part: number): void {
    this.floor += (Math.min(share, this.#mostFloor) - this.floor) * part;
    this.#mostFloor = Math.max(USUAL_MOST, Math.min(this.#mostFloor, 1.25 * this.floor + 0.1));
  }

  /** How much more than its share chance may take of so much. */
  #chance(octets: number): number {
    return 2 * Math.sqrt(((this.floor + 0.01) * this.#path.fullOctets) / octets);
  }
}
