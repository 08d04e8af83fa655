import { forEachPiece } from "./transfer-data.ts";

/** IPv4 and TCP without options: 20 + 20 octets on each segment. */
const TCP_IP_HEADER = 40;
const IP_UDP_HEADER = 28;
const SLIP_END = 0xc0;
const SLIP_ESC = 0xdb;

export interface LimitInput {
  readonly bytes: number;
  readonly mtu: number;
  /** Speeds of the lines in bits per second; an 8N1 line moves a tenth of that in octets. */
  readonly speeds: readonly number[];
  /** Of the transfer's data: its escapes count. */
  readonly seed: number;
}

export interface TransferLimit {
  /** What has to pass the lines: data, headers, escapes of the data, one END a packet. */
  readonly lineOctets: number;
  readonly seconds: number;
  /** Octets of data a second that no scheduler can exceed. */
  readonly octetsPerSecond: number;
}

/** Octets a second that lines of these speeds move together. */
const lineOctetsPerSecond = (speeds: readonly number[]): number =>
  speeds.reduce((sum, bps) => sum + bps, 0) / 10;

/** How many octets of the transfer's data SLIP has to send as two (RFC 1055). */
export function countEscapes(bytes: number, seed: number): number {
  let count = 0;
  forEachPiece(bytes, seed, (piece) => {
    for (const octet of piece) if (octet === SLIP_END || octet === SLIP_ESC) count++;
  });
  return count;
}

/**
 * What the lines and the framing leave of a TCP transfer in one direction, computed from the data alone, never from
 * counters. Escapes in headers, acknowledgements and the connection's set-up are left out: they are ours to lose.
 */
export function transferLimit({ bytes, mtu, speeds, seed }: LimitInput): TransferLimit {
  const packets = Math.ceil(bytes / (mtu - TCP_IP_HEADER));
  const lineOctets = bytes + TCP_IP_HEADER * packets + countEscapes(bytes, seed) + packets;
  const seconds = lineOctets / lineOctetsPerSecond(speeds);
  return { lineOctets, seconds, octetsPerSecond: bytes / seconds };
}

/** UDP packets of a full MTU a second that fill the lines, with 2 octets in 256 of random payload escaped. */
export function datagramLimitPerSecond(mtu: number, speeds: readonly number[]): number {
  const payload = mtu - IP_UDP_HEADER;
  return lineOctetsPerSecond(speeds) / (mtu + 1 + (payload * 2) / 256);
}
