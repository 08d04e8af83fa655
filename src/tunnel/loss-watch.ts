/** A hold begins with so little less than what gets through that a policer takes nothing of it. */
export const HOLD_GAIN = 0.97;
/** How often a hold may find that even less gets through. */
const HOLD_CUTS = 3;
const FIRST_HOLD_MS = 500;
const LONGEST_HOLD_MS = 8000;
const MARGIN = 0.03;
const MOST_BY_CHANCE = 0.1;
const EPOCH_MS = 200;
const EPOCH_DATAGRAMS = 100;

/**
 * Tells what is lost by chance, whatever is sent, from what a policer takes, which is what was sent too much: during a hold
 * no more is sent than gets through, and what is lost all the same is chance. So it is where a queue stands.
 */
export class LossWatch {
  /** Share of what is sent that is lost by chance. */
  floor = 0;
  #holdUntil = Number.NEGATIVE_INFINITY;
  #holdMs = FIRST_HOLD_MS;
  #cuts = 0;
  #from = Number.NaN;
  #octets = 0;
  #lost = 0;

  isHolding(now: number): boolean {
    return now < this.#holdUntil;
  }

  /** More was sent and more came: what was lost was lost by chance. */
  learn(share: number): void {
    this.floor += (Math.min(share, MOST_BY_CHANCE) - this.floor) / 4;
  }

  /** @param step by how much more than before was sent, as a share. @returns whether that was what got lost */
  isTaken(lost: number, delivered: number, step: number, fullOctets: number): boolean {
    if (lost < 3 * fullOctets) return false;
    const bound = this.floor + Math.max(MARGIN, step / 8) + this.#chance(delivered, fullOctets);
    return lost / (lost + delivered + 1) > bound;
  }

  hold(now: number, loopMs: number): void {
    this.#cuts = HOLD_CUTS;
    this.#holdUntil = now + this.#holdMs + 4 * loopMs;
    this.#holdMs = Math.min(2 * this.#holdMs, LONGEST_HOLD_MS);
    this.#from = now + loopMs;
    this.#octets = 0;
    this.#lost = 0;
  }

  /**
   * @param hasQueue one stands at the bottleneck, so no policer is in the way. @param isSteady the rate is tried, and nothing else is
   * @returns octets a millisecond that get through where more was sent; -1: nothing new
   */
  handle(
    now: number,
    octets: number,
    lostOctets: number,
    fullOctets: number,
    loopMs: number,
    hasQueue: boolean,
    isSteady: boolean,
  ): number {
    if (Number.isNaN(this.#from)) this.#from = now;
    if (now < this.#from) return -1;
    this.#octets += octets;
    this.#lost += lostOctets;
    const total = this.#octets + this.#lost;
    const isBad = this.#cuts > 0 && total > 20 * fullOctets && this.#lost > 0.15 * total;
    const isOver =
      now >= this.#from + Math.max(EPOCH_MS, 4 * loopMs) && total >= EPOCH_DATAGRAMS * fullOctets;
    if (!isOver && !isBad) return -1;
    const share = this.#lost / total;
    const through = (total - share * total) / (now - this.#from);
    const isHolding = this.isHolding(now);
    this.#from = now;
    this.#octets = 0;
    this.#lost = 0;
    if (isHolding && this.#cuts > 0) {
      this.#from = now + loopMs;
      this.#cuts--;
      if (share > this.floor + 0.01) return through;
      this.#cuts = 0;
    } else if (isHolding || hasQueue || share < this.floor) {
      this.floor += (Math.min(share, MOST_BY_CHANCE) - this.floor) / 2;
      if (hasQueue && !isHolding) this.#holdMs = FIRST_HOLD_MS;
    } else if (isSteady && share > 2 * this.floor + MARGIN + this.#chance(total, fullOctets)) {
      return through;
    }
    return -1;
  }

  /** How much more than its share chance may take of so much. */
  #chance(octets: number, fullOctets: number): number {
    return 2 * Math.sqrt(((this.floor + 0.01) * fullOctets) / octets);
  }
}
