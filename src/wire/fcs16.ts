/** What the check begins with, over a frame's octets after the opening flag (RFC 1662, section C.2). */
export const FCS16_INITIAL = 0xffff;
/** What the check over a good frame comes to, its own check sequence included. */
export const FCS16_GOOD = 0xf0b8;

/** x^16 + x^12 + x^5 + 1, least significant bit first. */
const POLYNOMIAL = 0x8408;
/** Octets done at once. */
const SLICE = 4;

/** `[256 * n + octet]`: what an octet does to the check that n more octets follow. */
const TABLE: Uint16Array = makeTable();

function makeTable(): Uint16Array {
  const table = new Uint16Array(SLICE * 256);
  for (let octet = 0; octet < 256; octet++) {
    let check = octet;
    for (let bit = 0; bit < 8; bit++) check = (check >>> 1) ^ ((check & 1) === 0 ? 0 : POLYNOMIAL);
    table[octet] = check;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256] as number;
    table[i] = (before >>> 8) ^ (table[before & 0xff] as number);
  }
  return table;
}

/** The check after one more octet. */
export const fcs16Octet = (check: number, octet: number): number =>
  (check >>> 8) ^ (TABLE[(check ^ octet) & 0xff] as number);

/** The check after `octets[from, to)`. @param check {@link FCS16_INITIAL}, or what the octets before came to */
export function fcs16(check: number, octets: Uint8Array, from: number, to: number): number {
  const table = TABLE;
  const whole = to - ((to - from) % SLICE);
  let fcs = check;
  let at = from;
  for (; at < whole; at += SLICE) {
    fcs =
      (table[768 + ((fcs ^ (octets[at] as number)) & 0xff)] as number) ^
      (table[512 + ((fcs >>> 8) ^ (octets[at + 1] as number))] as number) ^
      (table[256 + (octets[at + 2] as number)] as number) ^
      (table[octets[at + 3] as number] as number);
  }
  for (; at < to; at++) fcs = (fcs >>> 8) ^ (table[(fcs ^ (octets[at] as number)) & 0xff] as number);
  return fcs;
}
