import { after, type Instant, instant, NEVER } from "../time.ts";
import {
  internetChecksum,
  ipProtocol,
  ipVersion,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  transportOffset,
} from "../wire/ip-packet.ts";

/** After this many times the failures, what still comes in does not save a link that answers nothing. */
const PATIENCE = 3;
const COOKIE_OCTETS = 4;
/** Octets of an echo: ICMP header, then the cookie. */
const ICMP_OCTETS = 8 + COOKIE_OCTETS;

export interface EchoOptions {
  /** Both ends, of 4 or of 16 octets. */
  readonly local: Uint8Array;
  readonly peer: Uint8Array;
  readonly intervalMs: number;
  /** Echoes in a row without an answer after which the link is silent. */
  readonly failures: number;
  /** An unsigned 32-bit random number, this link's own: what tells its answers from others'. */
  readonly cookie: number;
}

/**
 * Asks the peer by one link whether it is there (ICMP echo, RFC 792, RFC 4443): plain SLIP notices no pulled cable by itself.
 *
 * The answer may come by any link, so it shows that this one carries packets out. A link by which packets still come in is given
 * longer: answers get lost as long as the peer sends a part of them by a dead link.
 */
export class Echo {
  /** The peer does not answer. */
  silent = false;
  /** Round trip of the last echo that was answered. */
  roundTripMs: number | null = null;
  readonly #options: EchoOptions;
  readonly #isV6: boolean;
  #sequence = 0;
  #sentAt: Instant | null = null;
  #missed = 0;
  #receivedAt: Instant = instant(0);
  #nextAt: Instant = NEVER;

  constructor(options: EchoOptions) {
    this.#options = options;
    this.#isV6 = options.peer.length === 16;
  }

  /** The line is up: begin to ask. A silent one goes on being silent until it answers. */
  handleUp(now: Instant): void {
    this.#sentAt = null;
    this.#missed = 0;
    this.#receivedAt = now;
    this.#nextAt = now;
  }

  handleDown(): void {
    this.#nextAt = NEVER;
    this.#sentAt = null;
    this.silent = false;
  }

  /** Something came in by this link. */
  handleReceived(now: Instant): void {
    this.#receivedAt = now;
  }

  pollTimeout(): Instant {
    return this.#nextAt;
  }

  /** Writes the next request, when it is due, to `into` from `at` on. @returns its length in octets; 0: not yet */
  pollRequest(into: Uint8Array, at: number, now: Instant): number {
    if (now < this.#nextAt) return 0;
    if (this.#sentAt !== null) this.#countMissed(now);
    this.#nextAt = after(now, this.#options.intervalMs);
    this.#sentAt = now;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    return this.#isV6 ? this.#writeV6(into, at) : this.#writeV4(into, at);
  }

  /** @returns whether the packet is the answer to this link's request, which is nobody else's to see */
  handlePacket(octets: Uint8Array, at: number, length: number, now: Instant): boolean {
    const version = ipVersion(octets, at, length);
    if (version !== (this.#isV6 ? 6 : 4)) return false;
    const icmp = at + transportOffset(octets, at, length);
    if (icmp === at || icmp + ICMP_OCTETS > at + length) return false;
    if (ipProtocol(octets, at) !== (this.#isV6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP)) return false;
    if (octets[icmp] !== (this.#isV6 ? 129 : 0)) return false;
    for (let i = 0; i < COOKIE_OCTETS; i++) {
      if (octets[icmp + 8 + i] !== ((this.#options.cookie >>> (24 - 8 * i)) & 0xff)) return false;
    }
    const sequence = ((octets[icmp + 6] as number) << 8) | (octets[icmp + 7] as number);
    if (this.#sentAt !== null && sequence === this.#sequence) {
      this.roundTripMs = now - this.#sentAt;
      this.#sentAt = null;
    }
    this.#missed = 0;
    this.silent = false;
    return true;
  }

  #countMissed(now: Instant): void {
    const { failures, intervalMs } = this.#options;
    this.#missed++;
    const quiet = now - this.#receivedAt >= failures * intervalMs;
    if (this.#missed >= (quiet ? failures : PATIENCE * failures)) this.silent = true;
  }

  #writeIcmp(into: Uint8Array, at: number, type: number, pseudo: number): void {
    const { cookie } = this.#options;
    into.fill(0, at, at + ICMP_OCTETS);
    into[at] = type;
    into[at + 4] = (cookie >>> 8) & 0xff;
    into[at + 5] = cookie & 0xff;
    into[at + 6] = this.#sequence >> 8;
    into[at + 7] = this.#sequence & 0xff;
    for (let i = 0; i < COOKIE_OCTETS; i++) into[at + 8 + i] = (cookie >>> (24 - 8 * i)) & 0xff;
    putWord(into, at + 2, internetChecksum(into, at, ICMP_OCTETS, pseudo));
  }

  #writeV4(into: Uint8Array, at: number): number {
    const length = 20 + ICMP_OCTETS;
    into.fill(0, at, at + 20);
    into[at] = 0x45;
    putWord(into, at + 2, length);
    putWord(into, at + 4, this.#sequence);
    into[at + 8] = 64;
    into[at + 9] = PROTOCOL_ICMP;
    into.set(this.#options.local, at + 12);
    into.set(this.#options.peer, at + 16);
    putWord(into, at + 10, internetChecksum(into, at, 20));
    this.#writeIcmp(into, at + 20, 8, 0);
    return length;
  }

  #writeV6(into: Uint8Array, at: number): number {
    into.fill(0, at, at + 40);
    into[at] = 0x60;
    putWord(into, at + 4, ICMP_OCTETS);
    into[at + 6] = PROTOCOL_ICMPV6;
    into[at + 7] = 64;
    into.set(this.#options.local, at + 8);
    into.set(this.#options.peer, at + 24);
    // The pseudo-header (RFC 8200, section 8.1): addresses, length, next header.
    const addresses = ~internetChecksum(into, at + 8, 32) & 0xffff;
    this.#writeIcmp(into, at + 40, 128, addresses + ICMP_OCTETS + PROTOCOL_ICMPV6);
    return 40 + ICMP_OCTETS;
  }
}

function putWord(into: Uint8Array, at: number, value: number): void {
  into[at] = value >> 8;
  into[at + 1] = value & 0xff;
}
