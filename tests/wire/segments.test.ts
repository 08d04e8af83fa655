import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { finishChecksum } from "../../src/wire/checksum.ts";
import { SEGMENT_LIMIT, Segments } from "../../src/wire/segments.ts";
import { ipv4, ipv6, slowChecksum } from "./packets.ts";
import { headLengthOf, packetOf, runs, segmentsOf, tcpRun, virtioHeaderOf } from "./runs.ts";

const FROM = 64;
const PLAIN = new Uint8Array(10);

interface Placed {
  readonly octets: Uint8Array;
  readonly view: DataView;
}

/** A packet behind its virtio-net header; after it, `room` octets. */
function place(header: Uint8Array, packet: Uint8Array, room = 0): Placed {
  const octets = new Uint8Array(FROM + packet.length + room);
  octets.set(header, FROM - 10);
  octets.set(packet, FROM);
  return { octets, view: new DataView(octets.buffer) };
}

interface Found {
  readonly count: number;
  readonly headLength: number;
  readonly segmentOctets: number;
  readonly vouched: boolean;
  /** As it is afterwards. */
  readonly packet: Uint8Array;
}

/** @returns null: it was refused */
function read(header: Uint8Array, packet: Uint8Array): Found | null {
  const memory = place(header, packet);
  const segments = new Segments();
  if (!segments.read(memory, FROM, packet.length)) return null;
  const { count, headLength, segmentOctets, vouched } = segments;
  return { count, headLength, segmentOctets, vouched, packet: memory.octets.slice(FROM) };
}

const whole = (packet: Uint8Array, vouched: boolean): Found => ({
  count: 1,
  headLength: 0,
  segmentOctets: packet.length,
  vouched,
  packet,
});

/** A virtio-net header with some of its octets changed. */
function changed(header: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array {
  const copy = header.slice();
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

describe("a run of segments", () => {
  it("is cut into what the sender's kernel would have cut, in any order and again", () => {
    fc.assert(
      fc.property(runs, (fields) => {
        const run = packetOf(fields, fields.payload, "partial");
        const into = FROM + run.length;
        const memory = place(virtioHeaderOf(fields, true), run, 1024);
        const { octets, view } = memory;
        const segments = new Segments();
        assert.ok(segments.read(memory, FROM, run.length));
        const complete = segmentsOf(fields, "complete");
        const partial = segmentsOf(fields, "partial");
        const { count, headLength: head, segmentOctets, vouched } = segments;
        assert.deepEqual(
          [count, head, segmentOctets, vouched],
          [complete.length, headLengthOf(fields), fields.size, true],
        );
        // The header before the packet is not needed any more.
        octets.fill(0xee, 0, FROM);
        for (let i = count - 1; i >= 0; i--) {
          segments.writeHead(octets, view, FROM, run.length, head, segmentOctets, i, into);
          const body = FROM + head + i * segmentOctets;
          const end = Math.min(body + segmentOctets, FROM + run.length);
          octets.copyWithin(into + head, body, end);
          const segment = octets.subarray(into, into + head + end - body);
          assert.deepEqual(segment, partial[i]);
          assert.ok(finishChecksum(octets, view, into, segment.length));
          assert.deepEqual(segment, complete[i]);
        }
        assert.deepEqual(octets.subarray(FROM, into), run);
      }),
    );
  });

  it("of a single segment goes as it is", () => {
    const fields = tcpRun({ count: 1 });
    const packet = packetOf(fields, fields.payload, "partial");
    assert.deepEqual(read(virtioHeaderOf(fields, true), packet), whole(packet, true));
    const bare = packetOf(fields, new Uint8Array(), "partial");
    assert.deepEqual(read(virtioHeaderOf(fields, true), bare), whole(bare, true));
  });

  it("is cut whatever its header says of the head's length", () => {
    const fields = tcpRun({ count: 3 });
    const packet = packetOf(fields, fields.payload, "partial");
    const header = changed(virtioHeaderOf(fields, true), { 2: 255, 3: 255 });
    assert.equal(read(header, packet)?.headLength, 40);
  });

  describe("is refused when", () => {
    const fields = tcpRun({ count: 3 });
    const packet = packetOf(fields, fields.payload, "partial");
    const header = virtioHeaderOf(fields, true);
    const cases: Readonly<Record<string, () => [Uint8Array, Uint8Array]>> = {
      "its segments have no payload": () => [changed(header, { 4: 0, 5: 0 }), packet],
      "it is of a kind that is not known": () => [changed(header, { 1: 3 }), packet],
      "it is not of the version that is said": () => [changed(header, { 1: 4 }), packet],
      "it is not of the protocol that is said": () => [changed(header, { 1: 5 }), packet],
      "its checksum is not partial": () => [changed(header, { 0: 0 }), packet],
      "its checksum begins behind its end": () => [changed(header, { 7: 255 }), packet],
      "its checksum lies behind its end": () => [changed(header, { 9: 255 }), packet],
      "its checksum is not that of its transport": () => [changed(header, { 6: 24 }), packet],
      "its TCP header is longer than all of it": () => {
        const cut = packetOf({ ...fields, payload: new Uint8Array(1) }, new Uint8Array(1), "partial");
        cut[32] = 0xf0;
        return [header, cut];
      },
      "its TCP header is too short": () => {
        const cut = packet.slice();
        cut[32] = 0x40;
        return [header, cut];
      },
      "octets follow that are not its own": () => [header, Uint8Array.of(...packet, 0)],
      "it is a fragment": () => {
        const fragment = packet.slice();
        fragment[6] = 0x20;
        return [header, fragment];
      },
      "it has too many segments": () => {
        const long = tcpRun({ count: SEGMENT_LIMIT + 1 });
        return [virtioHeaderOf(long, true), packetOf(long, long.payload, "partial")];
      },
    };
    for (const [name, make] of Object.entries(cases)) {
      it(name, () => {
        assert.equal(read(...make()), null);
        assert.equal(read(header, packet)?.count, 3);
      });
    }
  });

  it("may have as many segments as the limit says", () => {
    const long = tcpRun({ count: SEGMENT_LIMIT });
    assert.equal(
      read(virtioHeaderOf(long, true), packetOf(long, long.payload, "partial"))?.count,
      SEGMENT_LIMIT,
    );
  });
});

describe("a packet", () => {
  const fields = tcpRun({ count: 1 });

  it("with a whole checksum goes as it is, whatever it is", () => {
    const packets = [
      ipv4(),
      ipv6(),
      ipv4({ protocol: 1 }),
      ipv4({ fragment: 0x2000 }),
      ipv4({ fragment: 9 }),
    ];
    for (const packet of packets) assert.deepEqual(read(PLAIN, packet), whole(packet, false));
  });

  it("with a partial checksum is vouched for, and goes as it is", () => {
    for (const protocol of ["tcp", "udp"] as const) {
      const packet = packetOf({ ...fields, protocol }, fields.payload, "partial");
      assert.deepEqual(read(virtioHeaderOf({ ...fields, protocol }, false), packet), whole(packet, true));
    }
  });

  it("with a partial checksum that is not right behind the IP header gets it completed", () => {
    const inner = packetOf(fields, fields.payload, "partial");
    const tunnelled = Uint8Array.of(...ipv4({ length: 20, protocol: 4 }), ...inner);
    tunnelled[3] = tunnelled.length;
    const header = changed(virtioHeaderOf(fields, false), { 6: 40 });
    const complete = Uint8Array.of(
      ...tunnelled.subarray(0, 20),
      ...packetOf(fields, fields.payload, "complete"),
    );
    assert.deepEqual(read(header, tunnelled), whole(complete, false));
  });

  it("with a partial checksum that is elsewhere in its transport header gets it completed there", () => {
    const packet = packetOf(fields, fields.payload, "partial");
    const found = read(changed(virtioHeaderOf(fields, false), { 8: 18 }), packet);
    assert.equal(found?.vouched, false);
    const partial = (packet[38] as number) * 256 + (packet[39] as number);
    const sum = slowChecksum(packet.subarray(20));
    assert.equal(partial, 0);
    assert.deepEqual([...found.packet.subarray(38, 40)], [sum >> 8, sum & 255]);
  });

  it("with a partial checksum half behind its end is refused", () => {
    const packet = ipv4({ protocol: 50, length: 48 });
    const header = changed(virtioHeaderOf(fields, false), { 8: 27 });
    assert.equal(read(header, packet), null);
    assert.equal(read(changed(header, { 8: 26 }), packet)?.vouched, false);
  });

  it("with a partial checksum that is no IP packet, or not as long as it says, is refused", () => {
    const packet = packetOf(fields, fields.payload, "partial");
    const header = virtioHeaderOf(fields, false);
    assert.equal(read(header, packet.subarray(0, -1)), null);
    assert.equal(read(header, new Uint8Array(60)), null);
    assert.equal(read(header, new Uint8Array(0)), null);
    assert.equal(read(PLAIN, packet.subarray(0, -1)), null);
    const padded = read(header, Uint8Array.of(...packet, 0, 0));
    assert.equal(padded?.vouched, false);
  });
});

describe("whatever the interface hands over", () => {
  /** A good run with some octets changed, or any octets at all. */
  const handed: fc.Arbitrary<[Uint8Array, Uint8Array]> = fc.oneof(
    fc
      .tuple(runs, fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 4 }), fc.nat(100))
      .map(([fields, changes, cut]) => {
        const packet = packetOf(fields, fields.payload, "partial");
        const both = Uint8Array.of(...virtioHeaderOf(fields, true), ...packet);
        for (const [at, value] of changes) if (at < both.length) both[at] = value;
        return [both.slice(0, 10), both.slice(10, cut > 70 ? cut : both.length)] as [Uint8Array, Uint8Array];
      }),
    fc.tuple(fc.uint8Array({ minLength: 10, maxLength: 10 }), fc.uint8Array({ maxLength: 120 })),
  );

  it("nothing outside of it is read or written", () => {
    fc.assert(
      fc.property(handed, ([header, packet]) => {
        const alone = place(header, packet);
        const around = place(header, packet, 1000);
        around.octets.fill(0xaa, 0, FROM - 10).fill(0xaa, FROM + packet.length);
        const segments = new Segments();
        const again = new Segments();
        const isGood = segments.read(alone, FROM, packet.length);
        assert.equal(again.read(around, FROM, packet.length), isGood);
        assert.deepEqual(again, segments);
        const outside = (): unknown => [
          around.octets.slice(0, FROM),
          around.octets.slice(FROM + packet.length),
        ];
        const before = place(header, packet, 1000);
        before.octets.fill(0xaa, 0, FROM - 10).fill(0xaa, FROM + packet.length);
        assert.deepEqual(outside(), [
          before.octets.slice(0, FROM),
          before.octets.slice(FROM + packet.length),
        ]);
        if (!isGood || segments.headLength === 0) return;
        const { count, headLength, segmentOctets } = segments;
        assert.ok(headLength + (count - 1) * segmentOctets < packet.length && count <= SEGMENT_LIMIT);
        const into = FROM + packet.length + 100;
        const { octets, view } = around;
        segments.writeHead(octets, view, FROM, packet.length, headLength, segmentOctets, count - 1, into);
        octets.fill(0xaa, into, into + headLength);
        assert.deepEqual(outside(), [
          before.octets.slice(0, FROM),
          before.octets.slice(FROM + packet.length),
        ]);
      }),
      { numRuns: 200 },
    );
  });
});
