/** A hold begins with so little less than what gets through that a policer takes nothing of it. */
export const HOLD_GAIN = 0.97;
/** How often it is tried whether less is lost of less. */
const MOST_CUTS = 3;
const FIRST_HOLD_MS = 500;
const LONGEST_HOLD_MS = 8000;
const MARGIN = 0.03;
const LITTLE = 0.01;
/** So much may be lost by chance without a proof, and with one. */
const USUAL_MOST = 0.1;
const MOST_BY_CHANCE = 0.5;
const EPOCH_MS = 200;
/** A trial that has taken so long has seen enough with so much. */
const LONG_MS = 1000;
const LEAST_DATAGRAMS = 30;
const HOLD_DATAGRAMS = 400;
const KNOWN_MS = 5;
const TRIAL_MS = 100;
const EPOCH_DATAGRAMS = 100;
/** Enough to see that much is lost. */
const BAD_DATAGRAMS = 40;
/** What a policer let through is little more later: so long after a hold the rate climbs in small steps. */
const CAREFUL_MS = 20_000;
export const CAREFUL_STEP = 0.125;

/**
 * Tells what is lost by chance, whatever is sent, from what a policer takes, which is what was sent too much. Where a queue
 * stands no policer is in the way, so it is chance. Else it is tried: a hold sends what got through, then what got
 * through of that; a policer takes nothing of it, chance as large a share as before.
 */
export class LossWatch {
  /** Share of what is sent that is lost by chance. */
  floor = 0;
  /** That was lost lately, which was more. */
  share = 0;
  #mostFloor = USUAL_MOST;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #holdMs = FIRST_HOLD_MS;
  #carefulUntil = Number.NEGATIVE_INFINITY;
  /** How often less was sent to see what is lost of that; 0: no trial is under way. */
  #cuts = 0;
  /** Of before the trial, and of each cut. */
  readonly #shares = new Float64Array(MOST_CUTS + 1);
  readonly #throughs = new Float64Array(MOST_CUTS + 1);
  /** What is counted was sent from here on. */
  #from = Number.NEGATIVE_INFINITY;
  #sentAt = Number.NEGATIVE_INFINITY;
  /** When reports of it began to come. */
  #since = Number.NaN;
  #octets = 0;
  #ms = 0;
  #lost = 0;

  /** No more is to be sent than is known to get through. */
  isHolding(now: number): boolean {
    return now < this.#holdUntil;
  }

  /** It is being tried what is lost of less, whatever was lost by chance before. */
  get isTrial(): boolean {
    return this.#cuts > 0;
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
  isTaken(lost: number, delivered: number, step: number, fullOctets: number): boolean {
    if (lost < 3 * fullOctets) return false;
    const bound = this.floor + Math.max(MARGIN, step / 8) + this.#chance(delivered, fullOctets);
    return lost / (lost + delivered + 1) > bound;
  }

  /** @param share that was lost. @param through octets a millisecond that came */
  hold(now: number, loopMs: number, share: number, through: number): void {
    this.#shares[0] = share;
    this.#throughs[0] = through;
    this.#cuts = 1;
    this.#holdUntil = Number.POSITIVE_INFINITY;
    this.#beginTrial(now, loopMs);
  }

  /** What was known of the path counts no more. */
  release(): void {
    this.#cuts = 0;
    this.#holdUntil = Number.NEGATIVE_INFINITY;
  }

  /**
   * @param sentAt the last of what came. @param octets that came in `ms`; `ms` 0: unknown
   * @param hasQueue one stands at the bottleneck, so no policer is in the way. @param isSteady the rate is tried, and nothing else is
   * @returns octets a millisecond that get through where more was sent; -1: nothing new
   */
  handle(
    now: number,
    sentAt: number,
    octets: number,
    ms: number,
    lostOctets: number,
    fullOctets: number,
    loopMs: number,
    hasQueue: boolean,
    isSteady: boolean,
  ): number {
    const isCounted = this.#sentAt >= this.#from;
    this.#sentAt = sentAt;
    if (!isCounted) return -1;
    if (Number.isNaN(this.#since)) this.#since = now;
    this.#octets += octets;
    this.#ms += ms;
    this.#lost += lostOctets;
    const total = this.#octets + this.#lost;
    const isBad = this.#cuts > 0 && total > BAD_DATAGRAMS * fullOctets && this.#lost > 0.15 * total;
    const isHolding = this.isHolding(now);
    const leastMs = this.#cuts > 0 ? TRIAL_MS : Math.max(EPOCH_MS, 4 * loopMs);
    const spanMs = now - this.#since;
    const trialDatagrams = spanMs < LONG_MS ? EPOCH_DATAGRAMS : LEAST_DATAGRAMS;
    const datagrams = this.#cuts > 0 ? trialDatagrams : isHolding ? HOLD_DATAGRAMS : EPOCH_DATAGRAMS;
    const isOver = spanMs >= leastMs && total >= datagrams * fullOctets;
    if ((!isOver && !isBad) || (this.#ms <= 0 && this.#cuts === 0)) return -1;
    const share = this.#lost / total;
    const through = this.#octets / this.#ms;
    this.#begin(now);
    const chance = this.#chance(total, fullOctets);
    if (this.#cuts > 0) return this.#judge(now, loopMs, share, chance);
    if (hasQueue || share < this.floor + (isHolding ? LITTLE + chance : 0)) {
      this.#learn(share, 1 / 2);
      if (hasQueue && !isHolding) {
        this.#holdMs = FIRST_HOLD_MS;
        this.#carefulUntil = now;
      }
    } else if (isSteady && share > this.floor + Math.min(this.floor, 0.1) + MARGIN + chance) {
      this.share = share;
      return through;
    }
    return -1;
  }

  #begin(now: number): void {
    this.#since = now;
    this.#octets = 0;
    this.#ms = 0;
    this.#lost = 0;
  }

  /** What was lost before is known some time after the first that was not. */
  #beginTrial(now: number, loopMs: number): void {
    this.#begin(Number.NaN);
    this.#from = now + KNOWN_MS + loopMs / 8;
  }

  /** So much was lost of less. */
  #judge(now: number, loopMs: number, latest: number, chance: number): number {
    const cuts = this.#cuts;
    const before = this.#shares[cuts - 1] as number;
    this.#shares[cuts] = latest;
    const through = (this.#throughs[cuts - 1] as number) * HOLD_GAIN * (1 - latest);
    this.#throughs[cuts] = through;
    // Of the first one a policer may have let through what it had saved up.
    const isSame = cuts > 1 && latest > before / 2 && latest < 1.3 * before + chance;
    const share = isSame ? (latest + before) / 2 : latest;
    if (latest > LITTLE + chance && !isSame && cuts < MOST_CUTS) {
      this.#cuts++;
      this.#beginTrial(now, loopMs);
      return through;
    }
    this.#cuts = 0;
    this.floor = Math.min(share, MOST_BY_CHANCE);
    this.#mostFloor = Math.max(USUAL_MOST, Math.min(1.25 * share, MOST_BY_CHANCE));
    // The most that was sent of which no more was lost.
    let best = 0;
    while (best < cuts && (this.#shares[best] as number) > 1.5 * share + MARGIN) best++;
    if (best === 0) {
      this.#holdUntil = now;
      return this.#throughs[0] as number;
    }
    this.#holdUntil = now + this.#holdMs;
    this.#holdMs = Math.min(2 * this.#holdMs, LONGEST_HOLD_MS);
    this.#carefulUntil = this.#holdUntil + CAREFUL_MS;
    // Of too much came what the policer lets through; little loss may be a rest of it.
    const isSure = share < LITTLE / 2 || share > LITTLE + chance;
    return this.#throughs[isSure ? best - 1 : best] as number;
  }

  #learn(share: number, part: number): void {
    this.floor += (Math.min(share, this.#mostFloor) - this.floor) * part;
    this.#mostFloor = Math.max(USUAL_MOST, Math.min(this.#mostFloor, 1.25 * this.floor + 0.1));
  }

  /** How much more than its share chance may take of so much. */
  #chance(octets: number, fullOctets: number): number {
    return 2 * Math.sqrt(((this.floor + 0.01) * fullOctets) / octets);
  }
}
