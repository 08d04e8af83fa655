import { PROTOCOL_TCP, PROTOCOL_UDP } from "./ip-packet.ts";

/** Octets of IP and transport headers together, at most: packets with more are rare, and passed on as they are. */
const HEAD_LIMIT = 256;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const DESTINATION_OPTIONS = 60;
const FRAGMENTED = 0x3fff;
const TCP_HEADER = 20;
const UDP_HEADER = 8;

/**
 * Where the TCP or UDP header of a whole packet is, IPv6 extension headers passed over.
 * @param total its length as `ipTotalLength` found it, not 0
 * @returns from `at`: start << 16 | octets of all headers up to the payload << 1 | 1 if UDP; 0: there is none, or not all of it (a fragment,
 * another protocol, a packet cut short, more than {@link HEAD_LIMIT})
 */
export function findTransport(octets: Uint8Array, at: number, total: number): number {
  let protocol: number;
  let start: number;
  if ((octets[at] as number) >> 4 === 4) {
    if (((((octets[at + 6] as number) << 8) | (octets[at + 7] as number)) & FRAGMENTED) !== 0) return 0;
    protocol = octets[at + 9] as number;
    start = ((octets[at] as number) & 15) * 4;
  } else {
    protocol = octets[at + 6] as number;
    start = 40;
    while (protocol === HOP_BY_HOP || protocol === ROUTING || protocol === DESTINATION_OPTIONS) {
      if (start + 8 > total || start > HEAD_LIMIT) return 0;
      protocol = octets[at + start] as number;
      start += ((octets[at + start + 1] as number) + 1) * 8;
    }
  }
  let head = start;
  if (protocol === PROTOCOL_TCP) {
    if (start + TCP_HEADER > total) return 0;
    const size = ((octets[at + start + 12] as number) >> 4) * 4;
    if (size < TCP_HEADER) return 0;
    head += size;
  } else if (protocol === PROTOCOL_UDP) head += UDP_HEADER;
  else return 0;
  if (head > total || head > HEAD_LIMIT) return 0;
  return (start << 16) | (head << 1) | (protocol === PROTOCOL_UDP ? 1 : 0);
}

export const transportStart = (found: number): number => found >> 16;
export const headLengthOf = (found: number): number => (found >> 1) & 0x7fff;
export const isUdp = (found: number): boolean => (found & 1) !== 0;
/** Where the checksum lies in the transport header. */
export const checksumField = (found: number): number => ((found & 1) !== 0 ? 6 : 16);
