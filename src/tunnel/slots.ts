/** Of so many slots one is kept for what comes. */
const RESERVE = 16;
/** Who holds no more than this never holds too many. */
const FEW = 2;

/**
 * Pieces of the memory, all of one size and counted by reference. The one that was released last is taken next. A slot that is released
 * more often than it was held is a bug, and throws.
 */
export class Slots {
  /** Octets of each. */
  readonly size: number;
  /** Number of the first one. */
  readonly first: number;
  readonly #from: number;
  readonly #references: Uint16Array;
  /** A stack of those that nobody has. */
  readonly #unused: Int32Array;
  #unusedCount: number;
  /** So many are kept for what comes. */
  readonly #reserve: number;

  /**
   * @param first number of the first slot; the others follow
   * @param from offset of the first slot
   */
  constructor(first: number, from: number, size: number, count: number) {
    this.size = size;
    this.first = first;
    this.#from = from;
    this.#references = new Uint16Array(count);
    this.#unused = Int32Array.from({ length: count }, (_, i) => first + count - 1 - i);
    this.#unusedCount = count;
    this.#reserve = count / RESERVE;
  }

  /** How many nobody has. */
  get free(): number {
    return this.#unusedCount;
  }

  get count(): number {
    return this.#references.length;
  }

  /** There are hardly any for what comes. */
  get isScarce(): boolean {
    return this.#unusedCount < this.#reserve;
  }

  /**
   * Whether who has so many of them has too many: more than twice what is left for all. One alone gets two thirds, and each of several that want all gets
   * the same (dynamic thresholds: Choudhury and Hahne, 1998).
   */
  isTooMuch(held: number): boolean {
    return held > FEW && held > 2 * (this.#unusedCount - this.#reserve);
  }

  owns(slot: number): boolean {
    return slot >= this.first && slot < this.first + this.#references.length;
  }

  /** @returns a slot with one reference; -1: there is none */
  take(): number {
    if (this.#unusedCount === 0) return -1;
    const slot = this.#unused[--this.#unusedCount] as number;
    this.#references[slot - this.first] = 1;
    return slot;
  }

  hold(slot: number): void {
    const index = slot - this.first;
    const references = this.#references[index] as number;
    // Of a slot that is not of these it is undefined.
    if (!(references > 0 && references < 0xffff))
      throw new Error(`slot ${slot} cannot be held: ${references} have it`);
    this.#references[index] = references + 1;
  }

  release(slot: number): void {
    const index = slot - this.first;
    const references = this.#references[index] as number;
    if (!(references > 0)) throw new Error(`slot ${slot} was released once too often`);
    this.#references[index] = references - 1;
    if (references === 1) this.#unused[this.#unusedCount++] = slot;
  }

  /** Offset in the memory of its first octet. */
  offsetOf(slot: number): number {
    return this.#from + (slot - this.first) * this.size;
  }
}

/** Slots of two sizes: big ones for what the system hands over or takes at once, small ones for a packet. Their numbers do not overlap. */
export class SlotPools {
  readonly big: Slots;
  readonly small: Slots;

  constructor(big: Slots, small: Slots) {
    this.big = big;
    this.small = small;
  }

  hold(slot: number): void {
    this.#poolOf(slot).hold(slot);
  }

  release(slot: number): void {
    this.#poolOf(slot).release(slot);
  }

  offsetOf(slot: number): number {
    return this.#poolOf(slot).offsetOf(slot);
  }

  #poolOf(slot: number): Slots {
    return this.big.owns(slot) ? this.big : this.small;
  }
}
