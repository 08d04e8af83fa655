/** Octets of a stranger as text for a log: printable, and of bounded length. */

/** Octets that are shown in hex before the rest is left out. */
const SHOWN = 32;

/** ` 0a 1b 2c`, each octet after a space; what is more than 32 of them as ` ...`. */
export function hexOctets(octets: Uint8Array, from: number, to: number): string {
  const end = Math.min(to, from + SHOWN);
  let text = "";
  for (let at = from; at < end; at++) text += ` ${hexOctet(octets, at)}`;
  return end < to ? `${text} ...` : text;
}

/** Two digits for each octet, with nothing between: for what is compared by eye. */
export function hexDigits(octets: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at++) text += hexOctet(octets, at);
  return text;
}

/** The octets as a quoted string of printable ASCII; the others, the quote and the backslash are escaped. */
export function quotedOctets(octets: Uint8Array, from: number, to: number): string {
  let text = '"';
  for (let at = from; at < to; at++) text += quotedOctet(octets[at] as number);
  return `${text}"`;
}

export const isPrintable = (octet: number): boolean => octet >= 0x20 && octet <= 0x7e;

/** 16 bits in network order. */
export const wordAt = (octets: Uint8Array, at: number): number =>
  ((octets[at] as number) << 8) | (octets[at + 1] as number);

/** 32 bits in network order. */
export const longAt = (octets: Uint8Array, at: number): number =>
  ((wordAt(octets, at) << 16) | wordAt(octets, at + 2)) >>> 0;

export const hexNumber = (value: number): string => `0x${value.toString(16)}`;

const hexOctet = (octets: Uint8Array, at: number): string =>
  (octets[at] as number).toString(16).padStart(2, "0");

function quotedOctet(octet: number): string {
  if (octet === 0x22 || octet === 0x5c) return `\\${String.fromCharCode(octet)}`;
  if (isPrintable(octet)) return String.fromCharCode(octet);
  if (octet === 0x0a) return "\\n";
  if (octet === 0x0d) return "\\r";
  if (octet === 0x09) return "\\t";
  return `\\${octet.toString(8).padStart(3, "0")}`;
}
