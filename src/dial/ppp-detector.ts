/** With which octets a peer's first LCP packet begins: control escaped, as it has to be at first, or as it is. */
const BEGINNINGS = [
  [0x7e, 0xff, 0x7d, 0x23, 0xc0, 0x21],
  [0x7e, 0xff, 0x03, 0xc0, 0x21],
] as const;
/** The eighth bit may be one of parity, or be lost. */
const SEVEN_BITS = 0x7f;

const NOTHING: readonly number[] = [];

/** Finds a peer's first PPP frame among what somebody types, and holds its octets back, so that they are taken for nothing else. */
export class PppDetector {
  #held: number[] = [];
  #found = false;

  /** Whether PPP has begun. */
  get found(): boolean {
    return this.#found;
  }

  /** What is held back: once PPP is found, its frame so far, as it came. */
  get held(): readonly number[] {
    return this.#held;
  }

  /** @returns octets that are no beginning of PPP, in the order in which they came; often this one */
  handleOctet(octet: number): readonly number[] {
    if (this.#found) return NOTHING;
    const held = [...this.#held, octet];
    const beginning = BEGINNINGS.find((octets) => startsWith(octets, held));
    if (beginning !== undefined) {
      this.#held = held;
      this.#found = held.length === beginning.length;
      return NOTHING;
    }
    // Only the first octet of a beginning is a flag, so nothing shorter of what is held can begin one; this octet can.
    const released = this.#held;
    this.#held = [];
    return released.length === 0 ? [octet] : [...released, ...this.handleOctet(octet)];
  }
}

const startsWith = (octets: readonly number[], start: readonly number[]): boolean =>
  start.every(
    (octet, at) => at < octets.length && ((octets[at] as number) & SEVEN_BITS) === (octet & SEVEN_BITS),
  );
