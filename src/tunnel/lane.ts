import type { Instant } from "../time.ts";
import { LANE_NUMBERS, numbersAhead } from "../wire/tunnel-content.ts";

/** In place of a slot. */
export const MISSING = -1;
/** It will not come. */
export const SKIPPED = -2;
/** Parts of it have come: so much less the number of the assembly. */
export const ASSEMBLING = -3;

/** When something is first waited for. */
const LEAST_ROOM = 64;
const NO_WORDS = new Int32Array(0);
const NO_TIMES = new Float64Array(0);
/** Numbers that may be waited in at once. */
export const MOST_ROOM = 16_384;

/** One lane at the receiving end: the number that is next, and what is known of those behind it. */
export class Lane {
  next = 0;
  /** How many numbers from the next one on are known of; the last of them has come, or parts of it. 0: nothing is waited for. */
  known = 0;
  /* By the lowest bits of the number. */
  #mask = -1;
  #slots = NO_WORDS;
  #froms = NO_WORDS;
  /** Twice the length, and 1 if it is vouched for. */
  #lengths = NO_WORDS;
  /** Of what is missing: when the first one behind it came. */
  #since = NO_TIMES;

  /** Makes a number known that is less than `MOST_ROOM` ahead. */
  extend(number: number, now: Instant): void {
    const known = numbersAhead(number, this.next) + 1;
    if (known <= this.known) return;
    if (known > this.#slots.length) this.#grow(known);
    for (let ahead = this.known; ahead < known; ahead++) {
      const i = (this.next + ahead) & this.#mask;
      this.#slots[i] = MISSING;
      this.#since[i] = now;
    }
    this.known = known;
  }

  /** The slot that has it, or what there is in place of one. */
  slotOf(number: number): number {
    return this.#slots[number & this.#mask] as number;
  }

  fromOf(number: number): number {
    return this.#froms[number & this.#mask] as number;
  }

  lengthOf(number: number): number {
    return (this.#lengths[number & this.#mask] as number) >> 1;
  }

  isVouched(number: number): boolean {
    return ((this.#lengths[number & this.#mask] as number) & 1) !== 0;
  }

  /** Of one that is known: since when it is waited for. */
  sinceOf(number: number): number {
    return this.#since[number & this.#mask] as number;
  }

  set(number: number, slot: number, from: number, length: number, vouched: boolean): void {
    const i = number & this.#mask;
    this.#slots[i] = slot;
    this.#froms[i] = from;
    this.#lengths[i] = 2 * length + (vouched ? 1 : 0);
  }

  setMark(number: number, mark: number): void {
    this.#slots[number & this.#mask] = mark;
  }

  /** Numbers that there is memory for. */
  get room(): number {
    return this.#slots.length;
  }

  /** Gives that back, if nothing is waited for and there is much. */
  shrink(): void {
    if (this.known > 0 || this.#slots.length <= LEAST_ROOM) return;
    this.#mask = -1;
    this.#slots = NO_WORDS;
    this.#froms = NO_WORDS;
    this.#lengths = NO_WORDS;
    this.#since = NO_TIMES;
  }

  /** Goes on to another number, which is so many further. */
  advance(numbers = 1): void {
    this.next = (this.next + numbers) & (LANE_NUMBERS - 1);
    this.known = this.known > numbers ? this.known - numbers : 0;
  }

  #grow(room: number): void {
    let size = Math.max(LEAST_ROOM, this.#slots.length);
    while (size < room) size *= 2;
    const slots = new Int32Array(size);
    const froms = new Int32Array(size);
    const lengths = new Int32Array(size);
    const since = new Float64Array(size);
    for (let ahead = 0; ahead < this.known; ahead++) {
      const from = (this.next + ahead) & this.#mask;
      const to = (this.next + ahead) & (size - 1);
      slots[to] = this.#slots[from] as number;
      froms[to] = this.#froms[from] as number;
      lengths[to] = this.#lengths[from] as number;
      since[to] = this.#since[from] as number;
    }
    this.#slots = slots;
    this.#froms = froms;
    this.#lengths = lengths;
    this.#since = since;
    this.#mask = size - 1;
  }
}
