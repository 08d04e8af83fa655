import { after, type Instant } from "../time.ts";
import { TokenBucket } from "./token-bucket.ts";

const SHARES = 256;
/** Leaves that many values of 32 bits. */
const SHARE_SHIFT = 24;
/** Where addresses begin in a source, and how much of them: a port may be chosen at will, and of an IPv6 address the second half. */
const IPV4_AT = 2;
const IPV4_END = 6;
const IPV6_AT = 6;
const IPV6_END = 14;
const CHANGE_MS = 10_000;

/**
 * A bucket of which each network has a small part for itself, and whoever comes first the other half: a flood leaves others their part. Networks share
 * parts by chance, with others every ten seconds.
 */
export class SharedBucket {
  readonly #fillRandom: (into: Uint8Array) => void;
  readonly #common: TokenBucket;
  readonly #shares: readonly TokenBucket[];
  readonly #salt: Uint32Array = new Uint32Array(1);
  #changeAt: Instant | null = null;

  /** Limits are for all together; at once each may have one, however many that is. */
  constructor(
    [perSecond, most]: readonly [perSecond: number, most: number],
    fillRandom: (into: Uint8Array) => void,
  ) {
    this.#fillRandom = fillRandom;
    this.#common = new TokenBucket(perSecond / 2, most / 2);
    const shareMost = Math.max(1, most / 2 / SHARES);
    this.#shares = Array.from({ length: SHARES }, () => new TokenBucket(perSecond / 2 / SHARES, shareMost));
  }

  /** @param source as of `Endpoint.handleDatagram` */
  take(source: Uint8Array, now: Instant): boolean {
    if (this.#changeAt === null || now >= this.#changeAt) {
      this.#fillRandom(new Uint8Array(this.#salt.buffer));
      this.#changeAt = after(now, CHANGE_MS);
    }
    return this.#shares[this.#shareOf(source)]?.take(now) === true || this.#common.take(now);
  }

  #shareOf(source: Uint8Array): number {
    const isIpv4 = source.length <= IPV4_END;
    const end = isIpv4 ? source.length : IPV6_END;
    let hash = this.#salt[0] ?? 0;
    for (let at = isIpv4 ? IPV4_AT : IPV6_AT; at < end; at++) {
      hash = Math.imul(hash ^ (source[at] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return Math.imul(hash, 0x85ebca6b) >>> SHARE_SHIFT;
  }
}
