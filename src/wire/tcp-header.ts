import { ipProtocol, ipTotalLength, PROTOCOL_TCP, transportOffset } from "./ip-packet.ts";

const long = (octets: Uint8Array, at: number): number =>
  (((octets[at] as number) << 24) |
    ((octets[at + 1] as number) << 16) |
    ((octets[at + 2] as number) << 8) |
    (octets[at + 3] as number)) >>>
  0;

/** Signed distance from sequence number `b` to `a`, modulo 2^32. */
export const sequenceDistance = (a: number, b: number): number => (a - b) | 0;

/** A TCP segment's header (RFC 9293, SACK: RFC 2018), read into fields that are used again for the next one. */
export class TcpHeader {
  sequence = 0;
  acknowledgement = 0;
  hasAcknowledgement = false;
  /** Octets of payload, SYN and FIN not counted. */
  payload = 0;
  /** The first SACK block: the segment that caused this acknowledgement. Both 0 when there is none. */
  sackLeft = 0;
  sackRight = 0;

  get hasSack(): boolean {
    return this.sackLeft !== this.sackRight;
  }

  /** @returns whether the packet at `at` is a TCP segment with a complete header */
  read(octets: Uint8Array, at: number, length: number): boolean {
    const ipLength = ipTotalLength(octets, at, length);
    if (ipLength === 0 || ipProtocol(octets, at) !== PROTOCOL_TCP) return false;
    const offset = transportOffset(octets, at, length);
    const tcp = at + offset;
    const end = at + ipLength;
    if (offset === 0 || tcp + 20 > end) return false;
    const headerLength = ((octets[tcp + 12] as number) >> 4) * 4;
    if (headerLength < 20 || tcp + headerLength > end) return false;
    this.sequence = long(octets, tcp + 4);
    this.acknowledgement = long(octets, tcp + 8);
    this.hasAcknowledgement = ((octets[tcp + 13] as number) & 0x10) !== 0;
    this.payload = ipLength - offset - headerLength;
    this.#readSack(octets, tcp + 20, tcp + headerLength);
    return true;
  }

  #readSack(octets: Uint8Array, from: number, to: number): void {
    this.sackLeft = 0;
    this.sackRight = 0;
    for (let at = from; at < to; ) {
      const kind = octets[at] as number;
      if (kind === 0) return;
      if (kind === 1) {
        at++;
        continue;
      }
      if (at + 1 >= to) return;
      const size = octets[at + 1] as number;
      if (size < 2 || at + size > to) return;
      if (kind === 5 && size >= 10) {
        this.sackLeft = long(octets, at + 2);
        this.sackRight = long(octets, at + 6);
        return;
      }
      at += size;
    }
  }
}
