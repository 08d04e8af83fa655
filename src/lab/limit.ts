import type { BondProtocol } from "./bond-config.ts";
import { forEachPiece } from "./transfer-data.ts";

/** IPv4 and TCP without options: 20 + 20 octets on each segment. */
const TCP_IP_HEADER = 40;
const IP_UDP_HEADER = 28;

interface Framing {
  /** Octets that the line carries as two; of HDLC, flag and escape alone, for an ACCM of 0. */
  readonly escaped: readonly [number, number];
  /** What one packet takes beyond its own octets, carried whole. */
  readonly frameOctets: number;
}

/** Protocol (compressed, and without address and control), check, flag. */
const PPP_FRAME = 1 + 2 + 1;
const HDLC_ESCAPED = [0x7d, 0x7e] as const;

/** Of RFC 1055, RFC 1662 and RFC 1990, written down here once more: the limit must not follow an error of ours. */
function framingOf(protocol: BondProtocol, shortNumbers: boolean): Framing {
  if (protocol === "slip") return { escaped: [0xc0, 0xdb], frameOctets: 1 };
  if (protocol === "ppp") return { escaped: HDLC_ESCAPED, frameOctets: PPP_FRAME };
  const multilinkOctets = 1 + (shortNumbers ? 2 : 4);
  return { escaped: HDLC_ESCAPED, frameOctets: PPP_FRAME + multilinkOctets };
}

export interface LimitInput {
  readonly bytes: number;
  readonly mtu: number;
  /** Speeds of the lines in bits per second; an 8N1 line moves a tenth of that in octets. */
  readonly speeds: readonly number[];
  /** Of the transfer's data: its escapes count. */
  readonly seed: number;
  /** SLIP without it. */
  readonly protocol?: BondProtocol;
  /** Of multilink: numbers of 12 bits. */
  readonly shortNumbers?: boolean;
}

export interface TransferLimit {
  /** What has to pass the lines: data, headers, escapes of the data, one frame a packet. */
  readonly lineOctets: number;
  readonly seconds: number;
  /** Octets of data a second that no scheduler can exceed. */
  readonly octetsPerSecond: number;
}

/** Octets a second that lines of these speeds move together. */
const lineOctetsPerSecond = (speeds: readonly number[]): number =>
  speeds.reduce((sum, bps) => sum + bps, 0) / 10;

/** How many octets of the transfer's data the line has to carry as two. */
export function countEscapes(bytes: number, seed: number, protocol: BondProtocol = "slip"): number {
  const [one, other] = framingOf(protocol, false).escaped;
  let count = 0;
  forEachPiece(bytes, seed, (piece) => {
    for (const octet of piece) if (octet === one || octet === other) count++;
  });
  return count;
}

/**
 * What the lines and the framing leave of a TCP transfer in one direction, computed from the data alone, never from
 * counters. Escapes in headers, acknowledgements, the connection's set-up and what cutting packets takes are left out: they are ours
 * to lose.
 */
export function transferLimit(input: LimitInput): TransferLimit {
  const { bytes, mtu, speeds, seed, protocol = "slip", shortNumbers = false } = input;
  const packets = Math.ceil(bytes / (mtu - TCP_IP_HEADER));
  const overhead = TCP_IP_HEADER + framingOf(protocol, shortNumbers).frameOctets;
  const lineOctets = bytes + overhead * packets + countEscapes(bytes, seed, protocol);
  const seconds = lineOctets / lineOctetsPerSecond(speeds);
  return { lineOctets, seconds, octetsPerSecond: bytes / seconds };
}

/** UDP packets of a full MTU a second that fill lines of SLIP, with 2 octets in 256 of random payload escaped. */
export function datagramLimitPerSecond(mtu: number, speeds: readonly number[]): number {
  const payload = mtu - IP_UDP_HEADER;
  return lineOctetsPerSecond(speeds) / (mtu + 1 + (payload * 2) / 256);
}
