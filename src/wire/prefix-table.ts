import type { IpPrefix } from "./ip-address.ts";

const NONE = -1;

/**
 * Which of many networks an address belongs to: the longest prefix that matches (a binary trie). Looking up allocates nothing and takes a
 * step for each bit of that prefix.
 */
export class PrefixTable {
  /** Two children a node, then what it stands for. The first two nodes are the roots of IPv4 and IPv6. */
  #children = new Int32Array(256).fill(NONE);
  #values = new Int32Array(128).fill(NONE);
  #count = 2;

  /** @param value 0 and more; in place of what the prefix stood for before */
  set({ octets, length }: IpPrefix, value: number): void {
    let node = octets.length === 4 ? 0 : 1;
    for (let bit = 0; bit < length; bit++) {
      const at = 2 * node + (((octets[bit >> 3] as number) >> (7 - (bit & 7))) & 1);
      const child = this.#children[at] as number;
      node = child === NONE ? this.#grow(at) : child;
    }
    this.#values[node] = value;
  }

  /** Takes out all prefixes that stand for a value. */
  remove(value: number): void {
    for (let node = 0; node < this.#count; node++) {
      if (this.#values[node] === value) this.#values[node] = NONE;
    }
  }

  /** What the address at `octets[at]` belongs to; -1: nothing. @param length of the address, 4 or 16 */
  lookup(octets: Uint8Array, at: number, length: number): number {
    let node = length === 4 ? 0 : 1;
    let found = this.#values[node] as number;
    const end = 8 * length;
    for (let bit = 0; bit < end; bit++) {
      node = this.#children[
        2 * node + (((octets[at + (bit >> 3)] as number) >> (7 - (bit & 7))) & 1)
      ] as number;
      if (node === NONE) break;
      const value = this.#values[node] as number;
      if (value !== NONE) found = value;
    }
    return found;
  }

  #grow(at: number): number {
    const node = this.#count++;
    if (node === this.#values.length) {
      const children = new Int32Array(4 * node).fill(NONE);
      children.set(this.#children);
      this.#children = children;
      const values = new Int32Array(2 * node).fill(NONE);
      values.set(this.#values);
      this.#values = values;
    }
    this.#children[at] = node;
    return node;
  }
}
