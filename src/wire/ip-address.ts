/** IPv4 and IPv6 addresses as text and as octets in network order: 4 or 16 of them. */

/** A network: an address and how many of its leading bits count. The bits behind them are kept as they were given. */
export interface IpPrefix {
  readonly octets: Uint8Array;
  /** 0 to 32 or 0 to 128. */
  readonly length: number;
}

/**
 * Reads dotted decimal (four numbers, no leading zeros) or an IPv6 address (RFC 4291 §2.2, all three forms).
 * @returns 4 or 16 octets; null: not an address. A zone (`%eth0`) is not part of one.
 */
export function parseIpAddress(text: string): Uint8Array | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Writes 4 octets as dotted decimal, 16 in the canonical form of RFC 5952. */
export function formatIpAddress(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) throw new RangeError(`an IP address has 4 or 16 octets, not ${octets.length}`);
  const mapped = octets.subarray(0, 12).every((octet, at) => octet === (at < 10 ? 0 : 0xff));
  if (mapped) return `::ffff:${octets.subarray(12).join(".")}`; // RFC 5952 §5
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((octets[at] as number) << 8) | (octets[at + 1] as number));
  const hex = (from: number, to?: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  const zeros = longestZeroRun(groups);
  return zeros.length < 2 ? hex(0) : `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length)}`;
}

/**
 * Reads `address/bits`; without `/bits`, every bit counts.
 * @returns null: not an address, or more bits than it has
 */
export function parsePrefix(text: string): IpPrefix | null {
  const slash = text.indexOf("/");
  const octets = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (octets === null) return null;
  const bits = octets.length * 8;
  if (slash < 0) return { octets, length: bits };
  const digits = text.slice(slash + 1);
  const length = /^(0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Number.NaN;
  return length <= bits ? { octets, length } : null;
}

function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const octets = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    octets[at] = Number(part);
  }
  return octets;
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const last = halves.length - 1;
  const parsed = halves.map((half, at) => parseGroups(half, at === last));
  const [head, tail] = parsed;
  if (head === null || tail === null || head === undefined) return null;
  const octets = new Uint8Array(16);
  if (tail === undefined) {
    if (head.length !== 16) return null;
  } else if (head.length + tail.length > 14) {
    return null; // "::" stands for at least one group
  } else {
    octets.set(tail, 16 - tail.length);
  }
  octets.set(head);
  return octets;
}

/** Groups of up to four hexadecimal digits; where the text ends with them, the last two may be dotted decimal. */
function parseGroups(text: string, last: boolean): number[] | null {
  if (text === "") return [];
  const octets: number[] = [];
  const groups = text.split(":");
  for (const [at, group] of groups.entries()) {
    if (/^[\da-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = last && at === groups.length - 1 ? parseIpv4(group) : null;
    if (dotted === null) return null;
    octets.push(...dotted);
  }
  return octets;
}

/** The first of the longest runs, as RFC 5952 §4.2.3 wants. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [at, group] of groups.entries()) {
    if (group !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  }
  return best;
}
