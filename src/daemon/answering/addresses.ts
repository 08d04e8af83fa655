import { type AddressRange, formatIpv4 } from "../../config/address-range.ts";

/** Who had which address is remembered for so many users. */
const MOST_REMEMBERED = 10_000;

/** The IPv4 addresses that callers have, each of them once. */
export class Addresses {
  readonly #taken = new Set<string>();
  /** When an address was given back, as a number that grows. */
  readonly #returned = new Map<string, number>();
  /** By user, the one who called last at the end. */
  readonly #remembered = new Map<string, string>();
  #returns = 0;

  /** @returns false: somebody has it */
  claim(address: string): boolean {
    if (this.#taken.has(address)) return false;
    this.#taken.add(address);
    return true;
  }

  /** A free address out of ranges: the one that the user had before, else one that nobody had for the longest time. @returns null: there is none */
  take(user: string, ranges: readonly AddressRange[]): string | null {
    const before = this.#remembered.get(user);
    let found: string | null = null;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { first, last } of ranges) {
      for (let number = first; number <= last; number++) {
        const address = formatIpv4(number);
        if (this.#taken.has(address)) continue;
        const returned = address === before ? -1 : (this.#returned.get(address) ?? 0);
        if (returned >= oldest) continue;
        found = address;
        oldest = returned;
      }
    }
    if (found === null) return null;
    this.#taken.add(found);
    this.#remember(user, found);
    return found;
  }

  release(address: string): void {
    this.#taken.delete(address);
    this.#returned.set(address, ++this.#returns);
  }

  #remember(user: string, address: string): void {
    this.#remembered.delete(user);
    this.#remembered.set(user, address);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MOST_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
  }
}
