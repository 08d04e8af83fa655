/** A hold begins with so little less than what gets through that a policer takes nothing of it. */
export const HOLD_GAIN = 0.97;
/** So much may be lost of what is not too much. */
export const LITTLE = 0.01;
/** Shares that differ by less are the same. */
export const MARGIN = 0.03;
/** How often it is tried whether less is lost of less. */
const MOST_CUTS = 3;

/**
 * Finds out why something is lost: what got through is sent, and then what got through of that. A policer takes nothing of
 * it, chance as large a share as before.
 */
export class LossTrial {
  /** What gets through, octets a millisecond: of the latest cut, or at the end what may be sent. */
  through = 0;
  /** Of what is sent, lost by chance; known at its end. */
  share = 0;
  /** It was nothing but chance; known at its end. */
  isChance = false;
  /** How often less was sent; 0: no trial is under way. */
  #cuts = 0;
  /** Of before the trial, and of each cut. */
  readonly #shares = new Float64Array(MOST_CUTS + 1);
  readonly #throughs = new Float64Array(MOST_CUTS + 1);

  get isUnderWay(): boolean {
    return this.#cuts > 0;
  }

  /** @param share that was lost. @param through octets a millisecond that came */
  begin(share: number, through: number): void {
    this.#shares[0] = share;
    this.#throughs[0] = through;
    this.#cuts = 1;
  }

  stop(): void {
    this.#cuts = 0;
  }

  /** @param latest share that was lost of less. @param chance may have made it so much more. @returns whether all is known */
  handle(latest: number, chance: number): boolean {
    const cuts = this.#cuts;
    const before = this.#shares[cuts - 1] as number;
    this.#shares[cuts] = latest;
    // What is sent is known better than when it came.
    this.through = (this.#throughs[cuts - 1] as number) * HOLD_GAIN * (1 - latest);
    this.#throughs[cuts] = this.through;
    // Of the first one a policer may have let through what it had saved up.
    const isSame = cuts > 1 && latest > before / 2 && latest < 1.3 * before + chance;
    const isMuch = latest > LITTLE + chance;
    if (isMuch && !isSame && cuts < MOST_CUTS) {
      this.#cuts++;
      return false;
    }
    this.#cuts = 0;
    this.share = isSame ? (latest + before) / 2 : latest;
    // The most that was sent of which no more was lost.
    let best = 0;
    while (best < cuts && (this.#shares[best] as number) > 1.5 * this.share + MARGIN) best++;
    this.isChance = best === 0;
    // Of too much came what a policer lets through; little loss may be a rest of it.
    const isSure = this.share < LITTLE / 2 || this.share > LITTLE + chance;
    this.through = this.#throughs[isSure && best > 0 ? best - 1 : best] as number;
    return true;
  }
}
