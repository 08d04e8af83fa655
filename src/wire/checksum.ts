import { ipTotalLength } from "./ip-packet.ts";
import { checksumField, findTransport, transportStart } from "./transport-header.ts";

/** One's complement arithmetic (RFC 1071, RFC 1624) on checksums, whole and partial. None of it allocates. */

function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** A sum, not inverted, in which one word has changed. */
export const replaceInSum = (sum: number, before: number, after: number): number =>
  fold(sum + (~before & 0xffff) + after);

/** Changes a word, and mends the (whole) checksum of the header that it is in (RFC 1624, equation 3). */
export function rewriteWord(view: DataView, at: number, value: number, checksumAt: number): void {
  const sum = replaceInSum(~view.getUint16(checksumAt) & 0xffff, view.getUint16(at), value);
  view.setUint16(at, value);
  view.setUint16(checksumAt, ~sum);
}

/** The sum of an IP packet or less, folded and not inverted. */
export function sumOf(octets: Uint8Array, view: DataView, at: number, length: number): number {
  const end = at + length;
  let even = 0;
  let odd = 0;
  let i = at;
  // Little-endian words cost no turning of octets; the sum is turned once instead (RFC 1071 §2 B).
  for (; i + 4 <= end; i += 4) {
    const word = view.getInt32(i, true);
    even += word & 0xffff;
    odd += word >>> 16;
  }
  for (; i < end; i++) even += (octets[i] as number) << (((i - at) & 1) * 8);
  const sum = fold(fold(even) + fold(odd));
  return ((sum & 0xff) << 8) | (sum >> 8);
}

/** Completes the checksum at `field` over all from `start` to `end`; what stands in the field is the part of the pseudo-header. */
export function completeChecksum(
  octets: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  field: number,
): void {
  const sum = ~sumOf(octets, view, start, end - start) & 0xffff;
  // UDP's 0 stands for no checksum; the two are equal in one's complement.
  view.setUint16(field, sum === 0 ? 0xffff : sum);
}

/**
 * Completes a vouched packet's transport checksum.
 * @returns false: there is no whole TCP or UDP header in it, it is left as it is
 */
export function finishChecksum(octets: Uint8Array, view: DataView, from: number, length: number): boolean {
  const total = ipTotalLength(octets, from, length);
  const found = total === 0 ? 0 : findTransport(octets, from, total);
  if (found === 0) return false;
  const start = from + transportStart(found);
  completeChecksum(octets, view, start, from + total, start + checksumField(found));
  return true;
}
