import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sequenceDistance, TcpHeader } from "../../src/wire/tcp-header.ts";
import { segment } from "../sim/tcp-model.ts";
import { ipv4, ipv6 } from "./packets.ts";

const read = (packet: Uint8Array): TcpHeader => {
  const header = new TcpHeader();
  assert.ok(header.read(packet, 0, packet.length));
  return header;
};

/** A segment with these octets as its options. */
function withOptions(...options: number[]): Uint8Array {
  const packet = ipv4({ protocol: 6, length: 40 + options.length });
  packet[32] = ((20 + options.length) / 4) << 4;
  packet.set(options, 40);
  return packet;
}

const fieldsOf = (header: TcpHeader): (number | boolean)[] => [
  header.sequence,
  header.acknowledgement,
  header.hasAcknowledgement,
  header.payload,
  header.sackLeft,
  header.sackRight,
];

describe("a TCP header (RFC 9293)", () => {
  it("gives numbers, acknowledgement and payload", () => {
    const header = read(segment(0xfffffff0, 100, { ack: 0x80000001 }));
    assert.equal(header.sequence, 0xfffffff0);
    assert.equal(header.acknowledgement, 0x80000001);
    assert.equal(header.hasAcknowledgement, true);
    assert.equal(header.payload, 100);
    assert.equal(header.hasSack, false);
  });

  it("is read over IPv6 too", () => {
    const packet = ipv6({ protocol: 6, length: 80 });
    packet.set(segment(77, 20).subarray(20), 40);
    const header = read(packet);
    assert.equal(header.sequence, 77);
    assert.equal(header.payload, 20);
  });

  it("takes nothing over from the segment read before", () => {
    const header = new TcpHeader();
    const sack = segment(1, 0, { ack: 5, sack: [10, 20] });
    assert.ok(header.read(sack, 0, sack.length));
    assert.ok(header.hasSack);
    const syn = segment(9, 0);
    syn[33] = 0x02;
    assert.ok(header.read(syn, 0, syn.length));
    assert.equal(header.hasSack, false);
    assert.equal(header.hasAcknowledgement, false);
  });

  it("is none where there is no whole one", () => {
    const header = new TcpHeader();
    const refuse = (packet: Uint8Array): void => assert.equal(header.read(packet, 0, packet.length), false);
    refuse(ipv4());
    refuse(ipv4({ protocol: 6, fragment: 9, length: 60 }));
    refuse(ipv4({ protocol: 6, length: 39 }));
    const long = segment(1, 0);
    long[32] = 0x60;
    refuse(long);
    const short = segment(1, 0);
    short[32] = 0x40;
    refuse(short);
  });

  it("ends where its packet ends, whatever octets follow", () => {
    const cut = segment(1, 0, { sack: [10, 20] });
    new DataView(cut.buffer).setUint16(2, 40);
    assert.equal(new TcpHeader().read(cut, 0, cut.length), false);
  });

  it("gives the first SACK block (RFC 2018), wherever the option stands", () => {
    const block = [5, 10, 0, 0, 1, 0, 0, 0, 2, 0];
    for (const options of [
      [1, 1, ...block],
      [...block, 1, 0],
      [8, 10, 9, 9, 9, 9, 7, 7, 7, 7, 1, 1, 5, 18, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 9, 0, 0, 9, 0, 1, 1],
    ]) {
      const header = read(withOptions(...options));
      assert.deepEqual([header.sackLeft, header.sackRight], [0x100, 0x200]);
    }
  });

  it("has no SACK block behind the end of the options, or in a broken one", () => {
    const block = [5, 10, 0, 0, 1, 0, 0, 0, 2, 0];
    for (const options of [
      [0, 1, ...block],
      [5, 12, 0, 0, 1, 0, 0, 0],
      [9, 0, ...block],
      [9, 1, ...block],
      [5, 2, 1, 1],
      [1, 1, 1, 5],
    ]) {
      assert.equal(read(withOptions(...options)).hasSack, false, options.join(" "));
    }
  });

  it("never throws, and reads within the packet only", () => {
    const header = new TcpHeader();
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.boolean(), (tail, isV6) => {
        const packet = (isV6 ? ipv6 : ipv4)({ protocol: 6, length: (isV6 ? 40 : 20) + tail.length });
        packet.set(tail, isV6 ? 40 : 20);
        const placed = Uint8Array.of(...packet, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2);
        const alone = header.read(packet, 0, packet.length) ? fieldsOf(header) : null;
        const amongOthers = header.read(placed, 0, packet.length) ? fieldsOf(header) : null;
        assert.deepEqual(amongOthers, alone);
      }),
    );
  });
});

describe("distances between sequence numbers", () => {
  it("go over the wrap at 2^32", () => {
    assert.equal(sequenceDistance(5, 0xfffffffb), 10);
    assert.equal(sequenceDistance(0xfffffffb, 5), -10);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: -0x7fffffff, max: 0x7fffffff }),
        (from, by) => assert.equal(sequenceDistance((from + by) >>> 0, from), by),
      ),
    );
  });
});
