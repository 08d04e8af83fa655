/** A buffer of fixed size: octets leave in the order in which they came. */
export class OctetQueue {
  readonly #octets: Uint8Array;
  #from = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#octets = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.#octets.length - this.#length;
  }

  /** @returns how many of them, from the first on, there was room for */
  give(octets: Uint8Array, from: number, to: number): number {
    const count = Math.min(to - from, this.room);
    for (let i = 0; i < count; i++) this.push(octets[from + i] as number);
    return count;
  }

  /** Takes as many as there are and fit. */
  take(into: Uint8Array, from: number, to: number): number {
    const count = Math.min(to - from, this.#length);
    for (let i = 0; i < count; i++) into[from + i] = this.shift();
    return count;
  }

  /** @returns false: no room */
  push(octet: number): boolean {
    if (this.room === 0) return false;
    this.#octets[(this.#from + this.#length) % this.#octets.length] = octet;
    this.#length += 1;
    return true;
  }

  /** @returns -1: there is none */
  shift(): number {
    if (this.#length === 0) return -1;
    const octet = this.#octets[this.#from] as number;
    this.#from = (this.#from + 1) % this.#octets.length;
    this.#length -= 1;
    return octet;
  }

  clear(): void {
    this.#length = 0;
  }
}
