/**
 * Where what stands in a datagram of a tunnel (docs/tunnel-format.md). All numbers are big-endian.
 *
 * The first octet says what it is. Indices stand for keys at the end that receives; here they are signed 32-bit numbers, which
 * cost no memory as keys of a map.
 */
export const INITIATION_TYPE = 0xe1;
export const RESPONSE_TYPE = 0xe2;
export const COOKIE_TYPE = 0xe3;
export const TRANSPORT_TYPE = 0xe4;

export const MAC_LENGTH = 16;
export const TAG_LENGTH = 16;

/** Type, mark, sender, ephemeral, sealed static, sealed payload of 16, MAC 1, MAC 2. */
export const INITIATION = {
  mark: 1,
  sender: 4,
  noise: 8,
  noiseLength: 112,
  payloadLength: 16,
  mac1: 120,
  mac2: 136,
  length: 152,
} as const;

/** Type, three zeros, sender, receiver, ephemeral, sealed payload of 4, MAC 1. */
export const RESPONSE = {
  sender: 4,
  receiver: 8,
  noise: 12,
  noiseLength: 52,
  payloadLength: 4,
  mac1: 64,
  length: 80,
} as const;

/** Type, three zeros, receiver, salt, sealed cookie. */
export const COOKIE = { receiver: 4, salt: 8, sealed: 24, length: 56 } as const;

/** Type, link, receiver, counter, sealed packets. */
export const TRANSPORT = { link: 1, receiver: 2, counter: 6, sealed: 10, overhead: 26 } as const;

/** Links that a session can have: their numbers are below. */
export const MOST_LINKS = 32;
/** In place of a link's number: a datagram about the session itself, no data. */
export const KEY_LINK = 255;

/** Signed. */
export const readIndex = (octets: Uint8Array, at: number): number =>
  ((octets[at] ?? 0) << 24) |
  ((octets[at + 1] ?? 0) << 16) |
  ((octets[at + 2] ?? 0) << 8) |
  (octets[at + 3] ?? 0);

/** Not signed. */
export const readCounter = (octets: Uint8Array, at: number): number => readIndex(octets, at) >>> 0;

/** @param value signed or not */
export function writeWord(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 24;
  octets[at + 1] = value >>> 16;
  octets[at + 2] = value >>> 8;
  octets[at + 3] = value;
}

/** The three octets after the type are zero, as they are in responses and cookie replies. */
export const isReservedZero = (octets: Uint8Array): boolean =>
  octets[1] === 0 && octets[2] === 0 && octets[3] === 0;
