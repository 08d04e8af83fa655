/** Numbers that may come ahead of the next one; a power of two, and less than half of the 12-bit ones. */
export const WINDOW = 1024;
/** Parts that may wait for others before them. */
export const SLOTS = 256;

/** In place of a slot: the number has not come; it has, and none of its octets are kept. */
const MISSING = -1;
const NO_OCTETS = -2;
const FIRST = 1;
const LAST = 2;

/** The parts of packets that wait for others before them, by their numbers: copies in slots that are allocated once. */
export class FragmentWindow {
  /** Parts that wait. */
  count = 0;
  readonly memory: Uint8Array;
  readonly #slotOctets: number;
  readonly #freeSlots = new Int16Array(SLOTS);
  #freeCount = 0;
  /** By the number modulo the window: slot, flags, octets, and when it came. */
  readonly #slot = new Int16Array(WINDOW);
  readonly #flags = new Uint8Array(WINDOW);
  readonly #length = new Int32Array(WINDOW);
  readonly #arrivedAt = new Float64Array(WINDOW);

  /** @param memory of at least as many slots as there are, of `slotOctets` each */
  constructor(memory: Uint8Array, slotOctets: number) {
    this.memory = memory;
    this.#slotOctets = slotOctets;
    this.clear();
  }

  clear(): void {
    this.count = 0;
    this.#slot.fill(MISSING);
    for (let i = 0; i < SLOTS; i++) this.#freeSlots[i] = i;
    this.#freeCount = SLOTS;
  }

  has(number: number): boolean {
    return this.#slot[number & (WINDOW - 1)] !== MISSING;
  }

  /** Whether a part of so many octets finds room. None of those of one that is longer than a slot are kept, so it does. */
  hasRoom(length: number): boolean {
    return this.#freeCount > 0 || !this.#isKept(length);
  }

  /** Keeps a part, for which there has to be room, and whose number must not be here. */
  put(
    octets: Uint8Array,
    from: number,
    to: number,
    number: number,
    first: boolean,
    last: boolean,
    at: number,
  ): void {
    const index = number & (WINDOW - 1);
    const length = to - from;
    this.#flags[index] = (first ? FIRST : 0) | (last ? LAST : 0);
    this.#length[index] = length;
    this.#arrivedAt[index] = at;
    this.count++;
    if (!this.#isKept(length)) {
      this.#slot[index] = NO_OCTETS;
      return;
    }
    const slot = this.#freeSlots[--this.#freeCount] as number;
    const base = slot * this.#slotOctets;
    for (let i = 0; i < length; i++) this.memory[base + i] = octets[from + i] as number;
    this.#slot[index] = slot;
  }

  /** Lets a part go. Its octets stay where they are in `memory` until another is put. @returns where they begin */
  remove(number: number): number {
    const index = number & (WINDOW - 1);
    const slot = this.#slot[index] as number;
    this.#slot[index] = MISSING;
    this.count--;
    if (slot === NO_OCTETS) return 0;
    this.#freeSlots[this.#freeCount++] = slot;
    return slot * this.#slotOctets;
  }

  /** Octets of a part, also of one whose octets were not kept. */
  length(number: number): number {
    return this.#length[number & (WINDOW - 1)] as number;
  }

  isFirst(number: number): boolean {
    return ((this.#flags[number & (WINDOW - 1)] as number) & FIRST) !== 0;
  }

  isLast(number: number): boolean {
    return ((this.#flags[number & (WINDOW - 1)] as number) & LAST) !== 0;
  }

  arrivedAt(number: number): number {
    return this.#arrivedAt[number & (WINDOW - 1)] as number;
  }

  #isKept(length: number): boolean {
    return length > 0 && length <= this.#slotOctets;
  }
}
