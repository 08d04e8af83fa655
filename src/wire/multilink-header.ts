/*
 * long:   B E 0 0 0 0 0 0   number (24 bits)
 * short:  B E 0 0           number (12 bits)
 */

/** Octets of a multilink header (RFC 1990, section 3), with long and with short numbers. */
export const MULTILINK_LONG_OCTETS = 4;
export const MULTILINK_SHORT_OCTETS = 2;

const FIRST = 0x80;
const LAST = 0x40;

/** Reads what is in front of a fragment, one after the other, without allocating. */
export class MultilinkHeader {
  /** The fragment's place in the bundle's order: 24 bits, or 12 when numbers are short. */
  number = 0;
  /** Whether a packet begins with this fragment. */
  first = false;
  /** Whether a packet ends with this fragment. */
  last = false;
  /** Where the fragment begins in the octets that were read. */
  dataFrom = 0;

  /** Reads the header in `octets[from, to)`; reserved bits are ignored. @returns false: cut short */
  read(octets: Uint8Array, from: number, to: number, short: boolean): boolean {
    const dataFrom = from + (short ? MULTILINK_SHORT_OCTETS : MULTILINK_LONG_OCTETS);
    if (dataFrom > to) return false;
    const flags = octets[from] as number;
    const second = octets[from + 1] as number;
    this.first = (flags & FIRST) !== 0;
    this.last = (flags & LAST) !== 0;
    this.number = short
      ? ((flags & 0x0f) << 8) | second
      : (second << 16) | ((octets[from + 2] as number) << 8) | (octets[from + 3] as number);
    this.dataFrom = dataFrom;
    return true;
  }
}

/**
 * Writes a header to `into` from `at` on.
 * @param number taken modulo 2^24, or 2^12 when short
 * @returns the position after it
 */
export function writeMultilinkHeader(
  into: Uint8Array,
  at: number,
  number: number,
  first: boolean,
  last: boolean,
  short: boolean,
): number {
  const flags = (first ? FIRST : 0) | (last ? LAST : 0);
  let out = at;
  if (short) into[out++] = flags | ((number >>> 8) & 0x0f);
  else {
    into[out++] = flags;
    into[out++] = (number >>> 16) & 0xff;
    into[out++] = (number >>> 8) & 0xff;
  }
  into[out++] = number & 0xff;
  return out;
}
