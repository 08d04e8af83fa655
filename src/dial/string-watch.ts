/**
 * Looks for several strings at once in a stream of octets, however it is split (Knuth, Morris, Pratt: for each string, how
 * much of it the stream ends with).
 */
export class StringWatch {
  readonly #searches: readonly Search[];

  /** @param strings an empty one is found at every octet */
  constructor(strings: readonly Uint8Array[]) {
    this.#searches = strings.map((string) => new Search(string));
  }

  /** @returns the first in the list of those that end with this octet; -1: none does */
  handleOctet(octet: number): number {
    let found = -1;
    for (const [index, search] of this.#searches.entries()) {
      if (search.handleOctet(octet) && found < 0) found = index;
    }
    return found;
  }
}

class Search {
  readonly #string: Uint8Array;
  /** How much is still matched when the octet after so many does not follow. */
  readonly #borders: Uint32Array;
  #matched = 0;

  constructor(string: Uint8Array) {
    this.#string = string;
    this.#borders = new Uint32Array(string.length + 1);
    for (let i = 1, border = 0; i < string.length; i++) {
      border = this.#follow(border, string[i] as number);
      this.#borders[i + 1] = border;
    }
  }

  handleOctet(octet: number): boolean {
    if (this.#string.length === 0) return true;
    if (this.#matched === this.#string.length) this.#matched = this.#borders[this.#matched] as number;
    this.#matched = this.#follow(this.#matched, octet);
    return this.#matched === this.#string.length;
  }

  #follow(matched: number, octet: number): number {
    let now = matched;
    while (now > 0 && this.#string[now] !== octet) now = this.#borders[now] as number;
    return this.#string[now] === octet ? now + 1 : 0;
  }
}
