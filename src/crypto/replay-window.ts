const WORDS = 512;
/** How far behind the greatest counter one may be: a word of the ring is always being cleared. */
export const REPLAY_WINDOW: number = (WORDS - 1) * 32;

/**
 * Which counters have come, of those that are not too old (RFC 6479). Counters are integers from 0 to 2^53 - 1.
 *
 * First `isFresh`, then authenticate, then `add`: what is forged must not move it.
 */
export class ReplayWindow {
  readonly #bits: Uint32Array = new Uint32Array(WORDS);
  #greatest = -1;

  /** -1: none has come. */
  get greatest(): number {
    return this.#greatest;
  }

  isFresh(counter: number): boolean {
    if (counter > this.#greatest) return true;
    if (this.#greatest - counter >= REPLAY_WINDOW) return false;
    return ((this.#bits[Math.floor(counter / 32) % WORDS] ?? 0) & (1 << (counter % 32))) === 0;
  }

  /** @returns false: it was not fresh, and nothing changes */
  add(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    const word = Math.floor(counter / 32);
    if (counter > this.#greatest) {
      const last = this.#greatest < 0 ? -1 : Math.floor(this.#greatest / 32);
      if (word - last >= WORDS) this.#bits.fill(0);
      else for (let next = last + 1; next <= word; next++) this.#bits[next % WORDS] = 0;
      this.#greatest = counter;
    }
    const at = word % WORDS;
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (counter % 32));
    return true;
  }
}
