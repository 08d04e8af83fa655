import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Coalescer } from "../../src/wire/coalescer.ts";
import { Segments } from "../../src/wire/segments.ts";
import { packetOf, type RunFields, runs, segmentsOf, tcpRun, virtioHeaderOf } from "./runs.ts";

const SLOT = 2048;
const SLOTS = 300;
const CWR = 0x80;

/** A coalescer with a slot for each packet, and what it wrote. */
class Bench {
  readonly octets: Uint8Array = new Uint8Array(SLOT * SLOTS);
  readonly written: Uint8Array[] = [];
  readonly held: Set<number> = new Set();
  readonly coalescer: Coalescer;
  #slot = 0;

  constructor(options: { hasHeader?: boolean; mergeUdp?: boolean } = {}) {
    const { octets, written, held } = this;
    this.coalescer = new Coalescer(
      { octets, view: new DataView(octets.buffer) },
      {
        writeRun(pieces, count): void {
          const parts = Array.from({ length: count }, (_, i) => {
            const at = pieces[2 * i] as number;
            return [...octets.subarray(at, at + (pieces[2 * i + 1] as number))];
          });
          written.push(Uint8Array.from(parts.flat()));
        },
      },
      {
        hold(slot): void {
          assert.ok(!held.has(slot));
          held.add(slot);
        },
        release(slot): void {
          assert.ok(held.delete(slot));
        },
      },
      { hasHeader: true, mergeUdp: true, ...options },
    );
  }

  get drops(): Coalescer["drops"] {
    return this.coalescer.drops;
  }

  take(packet: Uint8Array, vouched = true): void {
    const slot = this.#slot++ % SLOTS;
    assert.ok(!this.held.has(slot));
    const from = slot * SLOT + 14;
    this.octets.set(packet, from);
    this.coalescer.take(slot, from, packet.length, vouched);
  }

  /** What was written since the last time. */
  flush(): Uint8Array[] {
    this.coalescer.flush();
    assert.equal(this.held.size, 0);
    return this.written.splice(0);
  }
}

const withHeader = (header: Uint8Array, packet: Uint8Array): Uint8Array =>
  Uint8Array.of(...header, ...packet);
const plain = (packet: Uint8Array): Uint8Array => withHeader(new Uint8Array(10), packet);

/** A run of flow `port`, as it is written. */
const written = (fields: RunFields): Uint8Array =>
  withHeader(
    virtioHeaderOf(fields, fields.payload.length > fields.size),
    packetOf(fields, fields.payload, "partial"),
  );
/** The segments from `first` to before `end` of a run, as a run. */
const partOf = (fields: RunFields, first: number, end: number): RunFields => ({
  ...fields,
  identification: fields.identification + first,
  sequence: fields.sequence + first * fields.size,
  payload: fields.payload.subarray(first * fields.size, end * fields.size),
});

/** The packets that a kernel would make of what was written. */
function packetsIn(octets: Uint8Array): Uint8Array[] {
  const segments = new Segments();
  const memory = { octets, view: new DataView(octets.buffer) };
  const length = octets.length - 10;
  assert.ok(segments.read(memory, 10, length));
  const { count, headLength, segmentOctets } = segments;
  if (headLength === 0) return [octets.slice(10)];
  return Array.from({ length: count }, (_, i) => {
    const body = 10 + headLength + i * segmentOctets;
    const packet = Uint8Array.of(
      ...new Uint8Array(headLength),
      ...octets.subarray(body, body + segmentOctets),
    );
    const joined = Uint8Array.of(...octets, ...packet);
    segments.writeHead(
      joined,
      new DataView(joined.buffer),
      10,
      length,
      headLength,
      segmentOctets,
      i,
      octets.length,
    );
    return joined.slice(octets.length);
  });
}

describe("the coalescer", () => {
  it("makes the run again that was cut", () => {
    const bench = new Bench();
    fc.assert(
      fc.property(runs, (cut) => {
        const fields: RunFields = { ...cut, flags: cut.flags & ~CWR };
        for (const segment of segmentsOf(fields, "partial")) bench.take(segment);
        assert.deepEqual(bench.flush(), [written(fields)]);
      }),
    );
  });

  it("takes nothing away, adds nothing, and keeps the order of each flow", () => {
    const change = fc.record({ which: fc.nat(300), at: fc.nat(70), value: fc.nat(255) });
    const scene = fc.record({
      all: fc.array(runs, { minLength: 1, maxLength: 11 }),
      changes: fc.array(change, { maxLength: 12 }),
      unvouched: fc.array(fc.nat(300), { maxLength: 4 }),
      order: fc.array(fc.nat(10), { minLength: 250, maxLength: 250 }),
    });
    fc.assert(
      fc.property(scene, ({ all, changes, unvouched, order }) => {
        // Flows differ by their first port.
        const flows = all.map((fields, i) =>
          segmentsOf({ ...fields, ports: [i, 9] as const }, "partial").slice(0, 25),
        );
        const sent: Uint8Array[] = [];
        for (const turn of order) {
          const next = flows[turn % flows.length]?.shift();
          if (next !== undefined) sent.push(next);
        }
        for (const { which, at, value } of changes) {
          const packet = sent[which % Math.max(sent.length, 1)];
          // What is the kernel's to make again, and what tells the flow here, stays.
          if (packet !== undefined && at < packet.length && isFree(packet, at)) packet[at] = value;
        }
        const bench = new Bench();
        for (const [i, packet] of sent.entries()) bench.take(packet, !unvouched.includes(i));
        const flowOf = (packet: Uint8Array): string => {
          const port = portAt(packet);
          return `${packet[port]} ${packet[port + 1]}`;
        };
        const byFlow = (packets: readonly Uint8Array[]): unknown => {
          const found = new Map<string, string[]>();
          for (const packet of packets) {
            const text = Buffer.from(packet).toString("hex");
            const flow = flowOf(packet);
            found.set(flow, [...(found.get(flow) ?? []), text]);
          }
          return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
        };
        assert.deepEqual(byFlow(bench.flush().flatMap(packetsIn)), byFlow(sent));
      }),
      { numRuns: 40 },
    );
  });

  describe("leaves apart what differs in", () => {
    const four = tcpRun({ count: 2 });
    const six: RunFields = {
      ...four,
      version: 6,
      source: new Uint8Array(16).fill(7),
      destination: new Uint8Array(16).fill(9),
    };
    const udp: RunFields = { ...four, protocol: "udp" };
    const tcpOptions = Uint8Array.of(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8);
    const cases: readonly (readonly [string, RunFields, (second: Uint8Array) => void])[] = [
      ["the type of service", four, (octets) => set(octets, 1, 3)],
      ["the time to live", four, (octets) => set(octets, 8, 63)],
      ["the flag that forbids fragments", four, (octets) => set(octets, 6, 0)],
      ["the source", four, (octets) => set(octets, 15, 99)],
      ["the destination", four, (octets) => set(octets, 19, 99)],
      ["a port", four, (octets) => set(octets, 23, 99)],
      ["an option of IP", { ...four, ipOptions: new Uint8Array(4) }, (octets) => set(octets, 23, 1)],
      ["the sequence number", four, (octets) => set(octets, 24, 99)],
      ["the acknowledgement", four, (octets) => set(octets, 31, 99)],
      ["the window", four, (octets) => set(octets, 34, 99)],
      ["a reserved flag", four, (octets) => set(octets, 32, 0x51)],
      ["ECE", four, (octets) => set(octets, 33, 0x50)],
      ["CWR", four, (octets) => set(octets, 33, 0x90)],
      ["URG", four, (octets) => set(octets, 33, 0x30)],
      ["RST", four, (octets) => set(octets, 33, 0x14)],
      ["SYN", four, (octets) => set(octets, 33, 0x12)],
      ["the lack of ACK", four, (octets) => set(octets, 33, 0)],
      ["an option of TCP", { ...four, tcpOptions }, (octets) => set(octets, 47, 99)],
      ["the traffic class", six, (octets) => set(octets, 1, 0x17)],
      ["the flow label", six, (octets) => set(octets, 3, 1)],
      ["the hop limit", six, (octets) => set(octets, 7, 63)],
      ["the source, IPv6", six, (octets) => set(octets, 23, 99)],
      ["the destination, IPv6", six, (octets) => set(octets, 39, 99)],
      ["an extension header", { ...six, ipOptions: new Uint8Array(8) }, (octets) => set(octets, 45, 1)],
      ["a port of UDP", udp, (octets) => set(octets, 23, 99)],
      ["a length of UDP that is not IP's", udp, (octets) => set(octets, 25, 50)],
    ];
    for (const [name, fields, change] of cases) {
      it(name, () => {
        const segments = segmentsOf(fields, "partial");
        const [first, second] = segments as [Uint8Array, Uint8Array];
        const bench = new Bench();
        for (const segment of segments) bench.take(segment);
        assert.equal(bench.flush().length, 1);
        change(second);
        for (const segment of segments) bench.take(segment);
        const apart = bench.flush().map((octets) => octets.slice(10));
        assert.deepEqual(new Set(apart), new Set([first, second]));
      });
    }

    it("its length, being longer", () => {
      const segments = [partOf({ ...four, size: 50 }, 0, 1), { ...partOf(four, 0, 1), sequence: 1_000_050 }];
      const bench = new Bench();
      for (const each of segments) bench.take(packetOf(each, each.payload, "partial"));
      assert.deepEqual(bench.flush(), segments.map(written));
    });

    it("the version, where all else is alike", () => {
      const addresses = { source: six.source, destination: new Uint8Array(16).fill(7) };
      const both = [
        { ...six, ...addresses },
        { ...four, source: Uint8Array.of(7, 7, 7, 7), destination: Uint8Array.of(7, 7, 7, 7) },
      ];
      const bench = new Bench();
      for (const each of both) for (const segment of segmentsOf(each, "partial")) bench.take(segment);
      assert.deepEqual(new Set(bench.flush()), new Set(both.map(written)));
    });
  });

  it("leaves segments apart that are not of a stream under way, alike or not", () => {
    for (const flags of [0x00, 0x12, 0x14, 0x30, 0x90]) {
      const fields = { ...tcpRun({ count: 1 }), flags };
      const bench = new Bench();
      for (const sequence of [fields.sequence, fields.sequence + fields.size]) {
        bench.take(packetOf({ ...fields, sequence }, fields.payload, "partial"));
      }
      assert.equal(bench.written.length, 2);
    }
  });

  it("writes the oldest run when there are too many flows", () => {
    const bench = new Bench();
    const all = Array.from({ length: 20 }, (_, i) => tcpRun({ count: 2, port: 5000 + i }));
    for (const fields of all) for (const segment of segmentsOf(fields, "partial")) bench.take(segment);
    assert.deepEqual(bench.written, all.slice(0, 12).map(written));
    assert.deepEqual(new Set(bench.flush()), new Set(all.map(written)));
  });

  it("writes what is not vouched for by itself, behind what came before it in its flow", () => {
    const fields = tcpRun({ count: 5 });
    const bench = new Bench();
    for (const [i, segment] of segmentsOf(fields, "partial").entries()) bench.take(segment, i !== 2);
    assert.deepEqual(bench.flush(), [
      written(partOf(fields, 0, 2)),
      plain(packetOf(partOf(fields, 2, 3), partOf(fields, 2, 3).payload, "partial")),
      written(partOf(fields, 3, 5)),
    ]);
  });

  it("ends a run with what nothing may follow", () => {
    for (const flag of [0x08, 0x01]) {
      const bench = new Bench();
      const fields = tcpRun({ count: 4 });
      const pushed = { ...partOf(fields, 0, 2), flags: 0x10 | flag };
      for (const part of [pushed, partOf(fields, 2, 4)]) {
        for (const segment of segmentsOf(part, "partial")) bench.take(segment);
      }
      assert.deepEqual(bench.written, [written(pushed)]);
      assert.deepEqual(bench.flush(), [written(pushed), written(partOf(fields, 2, 4))]);
    }
    const bench = new Bench();
    const alone = { ...tcpRun({ count: 1 }), flags: 0x18 };
    bench.take(packetOf(alone, alone.payload, "partial"));
    assert.deepEqual(bench.written.splice(0), [written(alone)]);
    const short = { ...tcpRun({ count: 2 }), payload: new Uint8Array(150) };
    for (const segment of segmentsOf(short, "partial")) bench.take(segment);
    assert.deepEqual(bench.written, [written(short)]);
    bench.flush();
  });

  it("writes a bare acknowledgement at once, behind its flow's run, and leaves other flows alone", () => {
    const fields = tcpRun({ count: 2 });
    const other = tcpRun({ count: 2, port: 4001 });
    const acknowledgement = { ...partOf(fields, 2, 3), payload: new Uint8Array() };
    const bench = new Bench();
    for (const run of [fields, other]) for (const each of segmentsOf(run, "partial")) bench.take(each);
    bench.take(packetOf(acknowledgement, acknowledgement.payload, "partial"));
    assert.deepEqual(bench.written.splice(0), [written(fields), written(acknowledgement)]);
    assert.deepEqual(bench.flush(), [written(other)]);
  });

  it("keeps fragments and messages between two addresses behind the runs between them", () => {
    const fields = tcpRun({ count: 2 });
    const other = { ...tcpRun({ count: 2, port: 4001 }), source: Uint8Array.of(10, 9, 9, 9) };
    const bench = new Bench();
    const fragment = packetOf({ ...fields, protocol: "udp" }, new Uint8Array(50), "complete");
    fragment[6] = 0x20;
    const beside = [tcpRun({ count: 2, port: 4002 }), tcpRun({ count: 2, port: 4003 })];
    for (const run of [fields, other, ...beside]) {
      for (const each of segmentsOf(run, "partial")) bench.take(each);
    }
    // That it is said to be vouched for changes nothing.
    bench.take(fragment);
    const before = bench.written.splice(0);
    assert.deepEqual(before.pop(), plain(fragment));
    assert.deepEqual(new Set(before), new Set([fields, ...beside].map(written)));
    assert.deepEqual(bench.flush(), [written(other)]);
  });

  it("makes no run longer than IP can say, nor of more than 64 packets", () => {
    const bench = new Bench();
    const long = { ...tcpRun({ count: 1 }), size: 1400, payload: new Uint8Array(120 * 1400) };
    for (const segment of segmentsOf(long, "partial")) bench.take(segment);
    const most = Math.floor((65_535 - 40) / 1400);
    assert.deepEqual(bench.flush(), [
      written(partOf(long, 0, most)),
      written(partOf(long, most, 2 * most)),
      written(partOf(long, 2 * most, 120)),
    ]);
    const small = tcpRun({ count: 100 });
    for (const segment of segmentsOf(small, "partial")) bench.take(segment);
    assert.deepEqual(bench.flush(), [written(partOf(small, 0, 64)), written(partOf(small, 64, 100))]);
  });

  it("puts datagrams together only for an interface that takes such runs", () => {
    const fields: RunFields = { ...tcpRun({ count: 3 }), protocol: "udp" };
    const bench = new Bench({ mergeUdp: false });
    for (const segment of segmentsOf(fields, "partial")) bench.take(segment);
    assert.deepEqual(
      bench.written,
      [0, 1, 2].map((i) => written(partOf(fields, i, i + 1))),
    );
    assert.equal(bench.held.size, 0);
  });

  it("writes each packet by itself, its checksum complete, where there is no header", () => {
    const bench = new Bench({ hasHeader: false });
    const fields = tcpRun({ count: 3 });
    const [first, second, third] = segmentsOf(fields, "partial") as [Uint8Array, Uint8Array, Uint8Array];
    bench.take(first);
    bench.take(second, false);
    bench.take(third);
    const complete = segmentsOf(fields, "complete");
    assert.deepEqual(bench.written, [complete[0], second, complete[2]]);
    assert.equal(bench.held.size, 0);
  });

  it("drops and counts what is no IP packet or cut short, and cuts off what is too much", () => {
    const bench = new Bench();
    const fields = tcpRun({ count: 1 });
    const packet = packetOf(fields, fields.payload, "partial");
    for (const each of [packet.subarray(0, -1), new Uint8Array(60), new Uint8Array(0)]) bench.take(each);
    assert.deepEqual(bench.drops, { malformed: 3 });
    bench.take(Uint8Array.of(...packet, 1, 2, 3));
    assert.deepEqual(bench.flush(), [written(fields)]);
  });

  it("touches nothing but the packet and the ten octets before it, whatever comes", () => {
    const likely = fc
      .tuple(runs, fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }))
      .map(([fields, changes]) => {
        const [packet = new Uint8Array()] = segmentsOf(fields, "partial");
        for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
        return packet;
      });
    const packets = fc.array(fc.tuple(fc.oneof(likely, fc.uint8Array({ maxLength: 100 })), fc.boolean()), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(packets, fc.boolean(), (all, hasHeader) => {
        const bench = new Bench({ hasHeader });
        bench.octets.fill(0xaa);
        const lengths = all.map(([packet]) => packet.length);
        for (const [packet, vouched] of all) bench.take(packet, vouched);
        bench.flush();
        for (const [i, length] of lengths.entries()) {
          const slot = bench.octets.subarray(i * SLOT, (i + 1) * SLOT);
          const outside = [...slot.subarray(0, 4), ...slot.subarray(14 + length)];
          assert.ok(outside.every((octet) => octet === 0xaa));
        }
      }),
    );
  });
});

const set = (octets: Uint8Array, at: number, value: number): void => void octets.fill(value, at, at + 1);

/** Where the ports of a packet with or without options and extension headers are. */
function portAt(packet: Uint8Array): number {
  if ((packet[0] as number) >> 4 === 4) return ((packet[0] as number) & 15) * 4;
  return packet[6] === 60 ? 40 + ((packet[41] as number) + 1) * 8 : 40;
}

/** Whether an octet says nothing of the flow, of a length or the place in a run, nor is of a checksum or an urgent pointer without URG. */
function isFree(packet: Uint8Array, at: number): boolean {
  const isVersion4 = (packet[0] as number) >> 4 === 4;
  const port = portAt(packet);
  const protocol = isVersion4 ? packet[9] : packet[port === 40 ? 6 : 40];
  const fixed = isVersion4 ? [0, 2, 3, 4, 5, 6, 7, 9, 10, 11] : [0, 4, 5, 6, 40, 41];
  const inTransport = protocol === 6 ? [12, 16, 17, 18, 19] : [4, 5, 6, 7];
  const isAddress = at >= (isVersion4 ? 12 : 8) && at < (isVersion4 ? 20 : 40);
  return (
    !fixed.includes(at) && !isAddress && (at < port || at >= port + 4) && !inTransport.includes(at - port)
  );
}
