import type { SlotPools } from "./slots.ts";

/** What one bundle holds of slots for what is not in order yet: each counts once, however many packets lie in it. */
export class Holding {
  /** Big slots. */
  big = 0;
  /** Small ones. */
  small = 0;
  readonly #slots: SlotPools;
  /** How often each big slot is held. Null: none has been. */
  #references: Uint16Array | null = null;

  constructor(slots: SlotPools) {
    this.#slots = slots;
  }

  /** There is hardly a big slot for what comes, or it has too many of them. */
  get isTooBig(): boolean {
    return this.big > 0 && (this.#slots.big.isScarce || this.#slots.big.isTooMuch(this.big));
  }

  /** @returns a small slot; -1: there is none for it */
  takeSmall(): number {
    const { small } = this.#slots;
    const slot = small.isTooMuch(this.small) ? -1 : small.take();
    if (slot >= 0) this.small++;
    return slot;
  }

  /** @returns a big slot; -1: there is none for it */
  takeBig(): number {
    const slot = this.#slots.big.take();
    if (slot < 0) return -1;
    this.#add(slot);
    if (!this.isTooBig) return slot;
    this.release(slot);
    return -1;
  }

  hold(slot: number): void {
    this.#slots.hold(slot);
    if (this.#slots.big.owns(slot)) this.#add(slot);
    else this.small++;
  }

  release(slot: number): void {
    const { big } = this.#slots;
    this.#slots.release(slot);
    if (!big.owns(slot)) {
      this.small--;
      return;
    }
    const references = this.#references as Uint16Array;
    const left = (references[slot - big.first] as number) - 1;
    references[slot - big.first] = left;
    if (left === 0) this.big--;
  }

  #add(slot: number): void {
    const { big } = this.#slots;
    this.#references ??= new Uint16Array(big.count);
    const before = this.#references[slot - big.first] as number;
    this.#references[slot - big.first] = before + 1;
    if (before === 0) this.big++;
  }
}
