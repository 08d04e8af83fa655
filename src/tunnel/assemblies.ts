import type { Holding } from "./holding.ts";
import type { Memory } from "./memory.ts";
import type { SlotPools } from "./slots.ts";

/** Free octets before each packet that is copied. */
export const HEADROOM = 16;

/** Packets that are put together at once. */
const MOST = 256;
/** Stretches of a packet that are apart. */
const MOST_STRETCHES = 8;
const LONGEST_PACKET = 65_535;
const UNKNOWN = LONGEST_PACKET + 1;

/** What became of a part. `full`: there is no room for it. */
type PartOutcome = "taken" | "completed" | "bad" | "full";

/**
 * Packets that come in parts, in any order. Parts may overlap: what was lost is sent again, perhaps by a path that takes more of it at once. Each
 * packet lies in a slot of its own, which is a small one as long as it fits.
 */
export class Assemblies {
  readonly #slots: SlotPools;
  readonly #memory: Memory;
  readonly #holding: Holding;
  readonly #unused: number[] = [];
  readonly #slotOf = new Int32Array(MOST);
  readonly #total = new Int32Array(MOST);
  /** Beginnings and ends of what is there: apart from each other, in no order. */
  readonly #stretches = new Int32Array(MOST * MOST_STRETCHES * 2);
  readonly #counts = new Uint8Array(MOST);

  constructor(slots: SlotPools, memory: Memory, holding: Holding) {
    this.#slots = slots;
    this.#holding = holding;
    this.#memory = memory;
    for (let i = MOST - 1; i >= 0; i--) this.#unused.push(i);
  }

  /** @returns a number for a packet; -1: there are too many, or no slot */
  begin(): number {
    if (this.#unused.length === 0) return -1;
    const small = this.#holding.takeSmall();
    const slot = small >= 0 ? small : this.#holding.takeBig();
    if (slot < 0) return -1;
    const assembly = this.#unused.pop() as number;
    this.#slotOf[assembly] = slot;
    this.#total[assembly] = UNKNOWN;
    this.#counts[assembly] = 0;
    return assembly;
  }

  /** Where a packet lies; the slot passes to the caller if it calls `leave`. */
  slotOf(assembly: number): number {
    return this.#slotOf[assembly] as number;
  }

  /** Of a packet that is completed. */
  lengthOf(assembly: number): number {
    return this.#total[assembly] as number;
  }

  /** Ends an assembly whose slot somebody else has now. */
  leave(assembly: number): void {
    this.#unused.push(assembly);
  }

  giveUp(assembly: number): void {
    this.#holding.release(this.#slotOf[assembly] as number);
    this.leave(assembly);
  }

  /** Copies a part, `octets[from, from + length)`, to its place. */
  add(assembly: number, from: number, length: number, offset: number, isLast: boolean): PartOutcome {
    const end = offset + length;
    const total = this.#total[assembly] as number;
    if (end > (total === UNKNOWN ? LONGEST_PACKET : total)) return "bad";
    if (isLast && (total === UNKNOWN ? end < this.#extentOf(assembly) : end !== total)) return "bad";
    if (!this.#makeRoom(assembly, end) || !this.#cover(assembly, offset, end)) return "full";
    if (isLast) this.#total[assembly] = end;
    const to = this.#slots.offsetOf(this.#slotOf[assembly] as number) + HEADROOM + offset;
    this.#memory.octets.copyWithin(to, from, from + length);
    return this.#isComplete(assembly) ? "completed" : "taken";
  }

  /** Adds a stretch to what is there. @returns false: they would be too many */
  #cover(assembly: number, from: number, to: number): boolean {
    const stretches = this.#stretches;
    const base = assembly * MOST_STRETCHES * 2;
    let count = this.#counts[assembly] as number;
    let start = from;
    let end = to;
    for (let i = 0; i < count; ) {
      const at = base + 2 * i;
      const otherStart = stretches[at] as number;
      const otherEnd = stretches[at + 1] as number;
      if (otherStart > end || otherEnd < start) {
        i++;
        continue;
      }
      start = Math.min(start, otherStart);
      end = Math.max(end, otherEnd);
      count--;
      stretches[at] = stretches[base + 2 * count] as number;
      stretches[at + 1] = stretches[base + 2 * count + 1] as number;
    }
    if (count === MOST_STRETCHES) return false;
    stretches[base + 2 * count] = start;
    stretches[base + 2 * count + 1] = end;
    this.#counts[assembly] = count + 1;
    return true;
  }

  #isComplete(assembly: number): boolean {
    const base = assembly * MOST_STRETCHES * 2;
    return (
      this.#counts[assembly] === 1 &&
      this.#stretches[base] === 0 &&
      this.#stretches[base + 1] === this.#total[assembly]
    );
  }

  #extentOf(assembly: number): number {
    const base = assembly * MOST_STRETCHES * 2;
    let extent = 0;
    for (let i = 0; i < (this.#counts[assembly] as number); i++) {
      extent = Math.max(extent, this.#stretches[base + 2 * i + 1] as number);
    }
    return extent;
  }

  /** Moves a packet to a big slot when it is too long for a small one. @returns false: there is none */
  #makeRoom(assembly: number, end: number): boolean {
    const { big, small } = this.#slots;
    const slot = this.#slotOf[assembly] as number;
    if (HEADROOM + end <= small.size || big.owns(slot)) return true;
    const larger = this.#holding.takeBig();
    if (larger < 0) return false;
    const from = small.offsetOf(slot);
    this.#memory.octets.copyWithin(big.offsetOf(larger), from, from + small.size);
    this.#holding.release(slot);
    this.#slotOf[assembly] = larger;
    return true;
  }
}
