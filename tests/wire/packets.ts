/** IP packets for tests, built field by field; the code under test is not used. */

export interface PacketFields {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly protocol?: number;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Whole packet, octets. */
  readonly length?: number;
  /** Last two bits of the traffic class (RFC 3168). */
  readonly ecn?: number;
  /** IPv4: flags and fragment offset. */
  readonly fragment?: number;
}

/** The one's complement of the one's complement sum of 16-bit words, as RFC 1071 defines it, in the slow way. */
export function slowChecksum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += (octets[i] ?? 0) * 256 + (octets[i + 1] ?? 0);
    if (sum >= 0x10000) sum = sum - 0x10000 + 1;
  }
  return 0xffff - sum;
}

/** UDP over IPv4, or what `protocol` says, with a right header checksum. */
export function ipv4(fields: PacketFields = {}): Uint8Array {
  const packet = new Uint8Array(fields.length ?? 48);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint8(1, 0x28 | (fields.ecn ?? 0));
  view.setUint16(2, packet.length);
  view.setUint16(4, 0x1234);
  view.setUint16(6, fields.fragment ?? 0);
  view.setUint8(8, 64);
  view.setUint8(9, fields.protocol ?? 17);
  packet.set(fields.source ?? [10, 1, 2, 3], 12);
  packet.set(fields.destination ?? [192, 168, 7, 9], 16);
  view.setUint16(10, slowChecksum(packet.subarray(0, 20)));
  setPorts(view, 20, fields);
  return packet;
}

const ADDRESS_A = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ADDRESS_B = [0xfd, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 2];

/** UDP over IPv6, or what `protocol` says. */
export function ipv6(fields: PacketFields = {}): Uint8Array {
  const packet = new Uint8Array(fields.length ?? 64);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x6a);
  view.setUint8(1, ((fields.ecn ?? 0) << 4) | 0x85);
  view.setUint16(4, packet.length - 40);
  view.setUint8(6, fields.protocol ?? 17);
  view.setUint8(7, 64);
  packet.set(fields.source ?? ADDRESS_A, 8);
  packet.set(fields.destination ?? ADDRESS_B, 24);
  setPorts(view, 40, fields);
  return packet;
}

function setPorts(view: DataView, at: number, { sourcePort, destinationPort }: PacketFields): void {
  if (view.byteLength < at + 4) return;
  view.setUint16(at, sourcePort ?? 4000);
  view.setUint16(at + 2, destinationPort ?? 53);
}
