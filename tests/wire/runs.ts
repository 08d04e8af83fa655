import fc from "fast-check";
import { randomOctets } from "../../bench/packets.ts";
import { slowChecksum } from "./packets.ts";

/** Runs of segments as a kernel hands them over, and what they stand for, made by the definitions: the code under test is not used. */

export interface RunFields {
  readonly version: 4 | 6;
  readonly protocol: "tcp" | "udp";
  /** Of the IPv4 header, or IPv6 extension headers (a whole number of 8 octets each, from the second octet on). */
  readonly ipOptions: Uint8Array;
  readonly tcpOptions: Uint8Array;
  readonly identification: number;
  /** Type of service, or traffic class. */
  readonly service: number;
  /** Time to live, or hop limit. */
  readonly hops: number;
  readonly sequence: number;
  /** TCP flags. */
  readonly flags: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly ports: readonly [number, number];
  readonly payload: Uint8Array;
  readonly size: number;
}

/** How a checksum is left: partial as the sender's kernel does, or complete. */
export type ChecksumKind = "partial" | "complete";

const CWR = 0x80;
const PSH_FIN = 0x09;

function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const two = (value: number): number[] => [(value >> 8) & 255, value & 255];
const four = (value: number): number[] => [...two((value / 65_536) & 0xffff), ...two(value & 0xffff)];

function transportHeader(fields: RunFields, bodyLength: number): Uint8Array {
  const ports = [...two(fields.ports[0]), ...two(fields.ports[1])];
  if (fields.protocol === "udp") return join(ports, two(8 + bodyLength), [0, 0]);
  const words = 5 + fields.tcpOptions.length / 4;
  const fixed = [words << 4, fields.flags, 0x12, 0x34, 0, 0, 0, 0];
  return join(ports, four(fields.sequence), four(0x01020304), fixed, fields.tcpOptions);
}

function ipHeader(fields: RunFields, behind: number): Uint8Array {
  const { version, ipOptions, source, destination } = fields;
  const protocol = fields.protocol === "udp" ? 17 : 6;
  if (version === 6) {
    const extension =
      ipOptions.length === 0 ? [] : join([protocol, ipOptions.length / 8 - 1], ipOptions.subarray(2));
    const next = ipOptions.length === 0 ? protocol : 60;
    const first = [0x60 | (fields.service >> 4), ((fields.service & 15) << 4) | 7, 0xab, 0xcd];
    return join(first, two(extension.length + behind), [next, fields.hops], source, destination, extension);
  }
  const length = 20 + ipOptions.length;
  const header = join(
    [0x40 | (length / 4), fields.service],
    two(length + behind),
    two(fields.identification),
    [0x40, 0, fields.hops, protocol, 0, 0],
    source,
    destination,
    ipOptions,
  );
  header.set(two(slowChecksum(header)), 10);
  return header;
}

/** Of the transport header: where the checksum lies in it. */
const fieldOf = (fields: RunFields): number => (fields.protocol === "udp" ? 6 : 16);

/** One whole packet. */
export function packetOf(fields: RunFields, body: Uint8Array, checksum: ChecksumKind): Uint8Array {
  const transport = join(transportHeader(fields, body.length), body);
  const protocol = fields.protocol === "udp" ? 17 : 6;
  const pseudo = join(fields.source, fields.destination, [0, protocol], two(transport.length));
  const whole = slowChecksum(join(pseudo, transport, transport.length % 2 === 1 ? [0] : []));
  const sum = checksum === "partial" ? 0xffff - slowChecksum(pseudo) : whole || 0xffff;
  transport.set(two(sum), fieldOf(fields));
  return join(ipHeader(fields, transport.length), transport);
}

/** What the run stands for. */
export function segmentsOf(fields: RunFields, checksum: ChecksumKind): Uint8Array[] {
  const { payload, size } = fields;
  const count = Math.ceil(payload.length / size);
  return Array.from({ length: count }, (_, i) => {
    const sequence = (fields.sequence + i * size) % 2 ** 32;
    const identification = (fields.identification + i) % 65_536;
    const flags = fields.flags & (i > 0 ? ~CWR : ~0) & (i < count - 1 ? ~PSH_FIN : ~0);
    return packetOf(
      { ...fields, sequence, identification, flags },
      payload.subarray(i * size, (i + 1) * size),
      checksum,
    );
  });
}

export const headLengthOf = (fields: RunFields): number =>
  (fields.version === 4 ? 20 : 40) +
  fields.ipOptions.length +
  (fields.protocol === "udp" ? 8 : 20 + fields.tcpOptions.length);

/** The header that the kernel gives it, and expects. */
export function virtioHeaderOf(fields: RunFields, isRun: boolean): Uint8Array {
  const header = new DataView(new ArrayBuffer(10));
  const tcp = fields.version === 4 ? 1 : 4;
  header.setUint8(0, 1);
  if (isRun) {
    header.setUint8(1, fields.protocol === "udp" ? 5 : tcp);
    header.setUint16(2, headLengthOf(fields), true);
    header.setUint16(4, fields.size, true);
  }
  header.setUint16(6, (fields.version === 4 ? 20 : 40) + fields.ipOptions.length, true);
  header.setUint16(8, fieldOf(fields), true);
  return new Uint8Array(header.buffer);
}

/** TCP over IPv4 without options, 100 octets a segment. */
export function tcpRun({ count, port = 4000 }: { count: number; port?: number }): RunFields {
  return {
    version: 4,
    protocol: "tcp",
    ipOptions: new Uint8Array(),
    tcpOptions: new Uint8Array(),
    identification: 0x1234,
    service: 0,
    hops: 64,
    sequence: 1_000_000,
    flags: 0x10,
    source: Uint8Array.of(10, 0, 0, 1),
    destination: Uint8Array.of(10, 0, 0, 2),
    ports: [port, 80],
    payload: Uint8Array.from({ length: 100 * count }, (_, i) => (i * 7) >> 3),
    size: 100,
  };
}

/** Octets whose number is a multiple of `unit`. */
const words = (unit: number, most: number): fc.Arbitrary<Uint8Array> =>
  fc.nat(most).chain((count) => fc.uint8Array({ minLength: unit * count, maxLength: unit * count }));

/** At least two segments, and at most 64. */
export const runs: fc.Arbitrary<RunFields> = fc
  .record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    size: fc.integer({ min: 1, max: 200 }),
    count: fc.integer({ min: 2, max: 64 }),
    missing: fc.nat(),
    flags: fc.constantFrom(0x10, 0x18, 0x11, 0x19, 0x90, 0x98, 0x50),
  })
  .chain(({ version, protocol, size, count, missing, flags }) => {
    const address = fc.uint8Array({ minLength: version === 4 ? 4 : 16, maxLength: version === 4 ? 4 : 16 });
    const length = size * count - (missing % size);
    return fc.record({
      version: fc.constant(version),
      protocol: fc.constant(protocol),
      ipOptions: version === 4 ? words(4, 10) : words(8, 3),
      tcpOptions: words(4, 10),
      identification: fc.nat(65_535),
      service: fc.nat(255),
      hops: fc.constant(64),
      sequence: fc.nat(2 ** 32 - 1),
      flags: fc.constant(flags),
      source: address,
      destination: address,
      ports: fc.tuple(fc.nat(65_535), fc.nat(65_535)),
      payload: fc.nat().map((seed) => randomOctets(length, seed)),
      size: fc.constant(size),
    });
  });
