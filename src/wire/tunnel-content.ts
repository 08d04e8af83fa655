/**
 * What stands in a transport datagram of a tunnel once it is opened (docs/tunnel-format.md). Numbers are big-endian.
 *
 * Content is either a part of a packet, mostly all of it, or a control message. The lowest bit of the first octet tells which.
 *
 *     data      B E L L L L V 0 | number (24 bits) | offset (16 bits, unless B and E) | the octets
 *     control   0 0 0 0 0 0 0 1 | kind (8 bits)    | what belongs to the kind
 *
 * As in RFC 2686, B and E stand for the first and the last part, and L is the class here called a lane: each lane is numbered by itself, and
 * what one waits for does not hold up the others. V: the transport checksum within is left partial.
 */
export const CONTROL = 0x01;
const VOUCHED = 0x02;
const LAST = 0x40;
const FIRST = 0x80;
const LANE_SHIFT = 2;

/** Lanes of a bundle. */
export const LANES = 16;
/** Numbers of a lane: 0 to one less. */
export const LANE_NUMBERS: number = 2 ** 24;
/** Octets before a whole packet. */
export const DATA_HEADER = 4;
/** Octets before a part of one. */
export const PART_HEADER = 6;

export const CONTROL_KINDS = {
  /** What has come by a link. */
  report: 1,
  /** Asks for a report of the link it comes by. */
  probe: 2,
  /** Who is at that address must answer with the token. */
  challenge: 3,
  proof: 4,
  /** Padded to a size that is tried. */
  sizeProbe: 5,
  sizeProof: 6,
  /** Numbers of a lane that will not come any more. */
  skip: 7,
  /** The link ends here. */
  farewell: 8,
} as const;

/** Writes the header of a data content. @returns its length */
export function writeDataHeader(
  octets: Uint8Array,
  at: number,
  lane: number,
  number: number,
  vouched: boolean,
): number {
  octets[at] = FIRST | LAST | (lane << LANE_SHIFT) | (vouched ? VOUCHED : 0);
  octets[at + 1] = number >>> 16;
  octets[at + 2] = number >>> 8;
  octets[at + 3] = number;
  return DATA_HEADER;
}

/** Writes the header of a part of a packet, `octets` from `offset` on of it. @returns its length */
export function writePartHeader(
  octets: Uint8Array,
  at: number,
  lane: number,
  number: number,
  vouched: boolean,
  offset: number,
  isLast: boolean,
): number {
  writeDataHeader(octets, at, lane, number, vouched);
  octets[at] = ((octets[at] as number) & ~(FIRST | LAST)) | (offset === 0 ? FIRST : 0) | (isLast ? LAST : 0);
  octets[at + 4] = offset >>> 8;
  octets[at + 5] = offset;
  return PART_HEADER;
}

export const isControl = (octets: Uint8Array, at: number): boolean =>
  ((octets[at] as number) & CONTROL) !== 0;
export const isWhole = (octets: Uint8Array, at: number): boolean =>
  ((octets[at] as number) & (FIRST | LAST)) === (FIRST | LAST);
export const isFirstPart = (octets: Uint8Array, at: number): boolean =>
  ((octets[at] as number) & FIRST) !== 0;
export const isLastPart = (octets: Uint8Array, at: number): boolean => ((octets[at] as number) & LAST) !== 0;
export const isVouched = (octets: Uint8Array, at: number): boolean =>
  ((octets[at] as number) & VOUCHED) !== 0;
export const laneOf = (octets: Uint8Array, at: number): number =>
  ((octets[at] as number) >> LANE_SHIFT) & (LANES - 1);
export const numberOf = (octets: Uint8Array, at: number): number =>
  ((octets[at + 1] as number) << 16) | ((octets[at + 2] as number) << 8) | (octets[at + 3] as number);
export const partOffset = (octets: Uint8Array, at: number): number =>
  ((octets[at + 4] as number) << 8) | (octets[at + 5] as number);

/** How far `number` is ahead of `other`; negative: behind. Both of one lane, less than half of its numbers apart. */
export const numbersAhead = (number: number, other: number): number => ((number - other) << 8) >> 8;
