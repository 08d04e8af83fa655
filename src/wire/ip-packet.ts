/**
 * What a bundle needs to know of an IP packet (RFC 791, RFC 8200). Every function takes a buffer, where the packet begins and its
 * length, and reads nothing beyond; none allocates.
 */

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;

const word = (octets: Uint8Array, at: number): number =>
  ((octets[at] as number) << 8) | (octets[at + 1] as number);

/** 4 or 6; 0 when it is neither, or shorter than its header or its own length field says. */
export function ipVersion(octets: Uint8Array, at: number, length: number): 0 | 4 | 6 {
  if (length < 20) return 0;
  const version = (octets[at] as number) >> 4;
  if (version === 4) {
    const headerLength = ((octets[at] as number) & 15) * 4;
    const total = word(octets, at + 2);
    return headerLength >= 20 && total >= headerLength && total <= length ? 4 : 0;
  }
  if (version === 6) return length >= 40 && word(octets, at + 4) + 40 <= length ? 6 : 0;
  return 0;
}

/** Length of the packet as its header says, in octets; 0 when it is no IP packet, or cut short. */
export function ipTotalLength(octets: Uint8Array, at: number, length: number): number {
  const version = ipVersion(octets, at, length);
  if (version === 0) return 0;
  return version === 4 ? word(octets, at + 2) : word(octets, at + 4) + 40;
}

/** Where the transport header begins, relative to `at`; 0 when there is none here: a later fragment, an unknown version. */
export function transportOffset(octets: Uint8Array, at: number, length: number): number {
  const version = ipVersion(octets, at, length);
  if (version === 6) return 40;
  if (version !== 4 || (word(octets, at + 6) & 0x1fff) !== 0) return 0;
  return ((octets[at] as number) & 15) * 4;
}

/** The protocol of the payload; for IPv6 the next header, extension headers are not followed. */
export const ipProtocol = (octets: Uint8Array, at: number): number =>
  (octets[at] as number) >> 4 === 4 ? (octets[at + 9] as number) : (octets[at + 6] as number);

const mix = (hash: number, value: number): number => {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
};

/**
 * A hash of what makes a flow: addresses, protocol, and ports or the ICMP identifier where the packet has them. All
 * fragments of a datagram hash without ports, as only the first has them.
 * @param seed makes collisions unpredictable to a sender; also the hash of what is not IP
 * @param reverse hash as the opposite direction would
 * @returns an unsigned 32-bit integer
 */
export function flowHash(
  octets: Uint8Array,
  at: number,
  length: number,
  seed: number,
  reverse = false,
): number {
  const version = ipVersion(octets, at, length);
  if (version === 0) return seed >>> 0;
  const size = version === 4 ? 4 : 16;
  const source = at + (version === 4 ? 12 : 8);
  const first = reverse ? source + size : source;
  const second = reverse ? source : source + size;
  let hash = mix(seed, ipProtocol(octets, at));
  for (let i = 0; i < size; i += 2) hash = mix(hash, word(octets, first + i));
  for (let i = 0; i < size; i += 2) hash = mix(hash, word(octets, second + i));
  return mixPorts(hash, octets, at, length, reverse) >>> 0;
}

function mixPorts(hash: number, octets: Uint8Array, at: number, length: number, reverse: boolean): number {
  const offset = transportOffset(octets, at, length);
  if (offset === 0 || length < offset + 8) return hash;
  // A first fragment has ports and its followers have not: one flow without ports for all of them.
  if ((octets[at] as number) >> 4 === 4 && (word(octets, at + 6) & 0x2000) !== 0) return hash;
  const protocol = ipProtocol(octets, at);
  const ports = at + offset;
  if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) {
    const source = word(octets, reverse ? ports + 2 : ports);
    return mix(mix(hash, source), word(octets, reverse ? ports : ports + 2));
  }
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMPV6) return mix(hash, word(octets, ports + 4));
  return hash;
}

/** The Internet checksum (RFC 1071) of an even or odd number of octets, `initial` added in. */
export function internetChecksum(octets: Uint8Array, at: number, length: number, initial = 0): number {
  let sum = initial;
  const even = at + (length & ~1);
  for (let i = at; i < even; i += 2) sum += word(octets, i);
  if (length & 1) sum += (octets[even] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * What a VJ-compressing peer (CSLIP, RFC 1144) sends where an IP packet should be: `uncompressed` is recognised by its header, with the
 * protocol replaced by a connection number; `compressed` only by its first bit, so it may be noise.
 */
export function vanJacobsonKind(
  octets: Uint8Array,
  at: number,
  length: number,
): "uncompressed" | "compressed" | null {
  if (length < 3) return null;
  const first = octets[at] as number;
  if (first & 0x80) return "compressed";
  if (first >> 4 !== 7 || length < 40) return null;
  const headerLength = (first & 15) * 4;
  const total = word(octets, at + 2);
  return headerLength >= 20 && total === length && (octets[at + 9] as number) < 64 ? "uncompressed" : null;
}

/**
 * Sets Congestion Experienced (RFC 3168) on a packet whose sender understands it, and mends the IPv4 header checksum.
 * @returns false: the sender does not, so the packet has to be dropped to tell it
 */
export function markCongestion(octets: Uint8Array, at: number, length: number): boolean {
  const version = ipVersion(octets, at, length);
  if (version === 0) return false;
  const ecn = version === 4 ? (octets[at + 1] as number) & 3 : ((octets[at + 1] as number) >> 4) & 3;
  if (ecn === 0) return false;
  if (version === 6) octets[at + 1] = (octets[at + 1] as number) | 0x30;
  else if (ecn !== 3) {
    octets[at + 1] = (octets[at + 1] as number) | 3;
    octets[at + 10] = 0;
    octets[at + 11] = 0;
    const sum = internetChecksum(octets, at, ((octets[at] as number) & 15) * 4);
    octets[at + 10] = sum >> 8;
    octets[at + 11] = sum & 0xff;
  }
  return true;
}
