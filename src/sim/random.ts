/** Numbers that look random and are the same for the same seed (the generator mulberry32): for models, never for secrets. */
export class Random {
  #state: number;

  /** @param seed an unsigned 32-bit number */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, but not, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  /** How long something lasts that may end at any moment alike. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}
