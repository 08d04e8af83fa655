/** The names of code points that have one, as the registry of IANA has them (RFC 2474, RFC 2597, RFC 3246, RFC 5865, RFC 8622). */
export const DSCP_NAMES: ReadonlyMap<string, number> = new Map([
  ...Array.from({ length: 8 }, (_, i): [string, number] => [`cs${i}`, 8 * i]),
  ...[1, 2, 3, 4].flatMap((group) =>
    [1, 2, 3].map((drop): [string, number] => [`af${group}${drop}`, 8 * group + 2 * drop]),
  ),
  ["ef", 46],
  ["voice-admit", 44],
  ["le", 1],
]);

/** The code point of the IP packet at `octets[at]`, which has 20 octets at least: 0 to 63. */
export function dscpOf(octets: Uint8Array, at: number): number {
  const first = octets[at] as number;
  const second = octets[at + 1] as number;
  return first >>> 4 === 6 ? ((first & 0x0f) << 2) | (second >>> 6) : second >>> 2;
}
