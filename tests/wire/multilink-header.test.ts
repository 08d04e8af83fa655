import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ipTotalLength } from "../../src/wire/ip-packet.ts";
import {
  MULTILINK_LONG_OCTETS,
  MULTILINK_SHORT_OCTETS,
  MultilinkHeader,
  writeMultilinkHeader,
} from "../../src/wire/multilink-header.ts";
import { PPP_IP, PPP_IPCP } from "../../src/wire/ppp-packet.ts";
import { type Fragment, goldenFragments, type PppPacket, reassemble } from "./golden.ts";

const VJ_COMPRESSED = 0x002d;
/** An IP packet with all of its header (RFC 1332, section 4). */
const VJ_UNCOMPRESSED = 0x002f;

function written(number: number, first: boolean, last: boolean, short: boolean): number[] {
  const into = new Uint8Array(8);
  return [...into.subarray(1, writeMultilinkHeader(into, 1, number, first, last, short))];
}

describe("the multilink header (RFC 1990, section 3)", () => {
  it("is written as the RFC draws it", () => {
    assert.deepEqual(written(0x123456, true, false, false), [0x80, 0x12, 0x34, 0x56]);
    assert.deepEqual(written(0, false, true, false), [0x40, 0, 0, 0]);
    assert.deepEqual(written(0xabc, true, true, true), [0xca, 0xbc]);
    assert.deepEqual(written(1, false, false, true), [0x00, 0x01]);
  });

  it("is read as it was written, numbers wrapped to their bits", () => {
    const header = new MultilinkHeader();
    const number = fc.nat({ max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(number, fc.boolean(), fc.boolean(), fc.boolean(), (value, first, last, short) => {
        const octets = Uint8Array.of(9, 9, ...written(value, first, last, short), 9);
        assert.ok(header.read(octets, 2, octets.length, short));
        assert.equal(header.number, value & (short ? 0xfff : 0xffffff));
        assert.deepEqual([header.first, header.last], [first, last]);
        assert.equal(header.dataFrom, 2 + (short ? MULTILINK_SHORT_OCTETS : MULTILINK_LONG_OCTETS));
      }),
    );
  });

  it("may have reserved bits set by a peer that knows better", () => {
    const header = new MultilinkHeader();
    assert.ok(header.read(Uint8Array.of(0xbf, 0, 0, 1), 0, 4, false));
    assert.deepEqual([header.number, header.first, header.last], [1, true, false]);
    assert.ok(header.read(Uint8Array.of(0x70, 1), 0, 2, true));
    assert.deepEqual([header.number, header.first, header.last], [1, false, true]);
  });

  it("is not there in what is cut short, and may have nothing behind it", () => {
    const header = new MultilinkHeader();
    const octets = new Uint8Array(8);
    assert.equal(header.read(octets, 1, 4, false), false);
    assert.equal(header.read(octets, 1, 5, false), true);
    assert.equal(header.read(octets, 1, 2, true), false);
    assert.equal(header.read(octets, 1, 3, true), true);
    assert.equal(header.dataFrom, 3);
  });
});

describe("fragments that Linux sent", () => {
  const SESSIONS = [
    { what: "long numbers, three lines", names: ["mlppp-line0.ba", "mlppp-line1.ba", "mlppp-line2.ba"] },
    { what: "short numbers, two lines", names: ["mlppp-shortseq-line0.ab", "mlppp-shortseq-line1.ab"] },
    { what: "short numbers, the other way", names: ["mlppp-shortseq-line0.ba", "mlppp-shortseq-line1.ba"] },
  ];

  for (const { what, names } of SESSIONS) {
    it(`are numbered in order and make whole packets: ${what}`, () => {
      const short = what.startsWith("short");
      const lines = names.map((name) => goldenFragments(name, short));
      for (const line of lines) {
        assert.ok(line.length > 20);
        for (const [i, { number }] of line.entries()) {
          assert.ok(i === 0 || number > (line[i - 1] as Fragment).number, `${number}`);
        }
      }
      const all = lines.flat().toSorted((a, b) => a.number - b.number);
      for (const [i, { number }] of all.entries()) assert.equal(number, i);
      const packets = reassemble(all);
      const ip = packets.filter(({ protocol }) => [PPP_IP, VJ_UNCOMPRESSED].includes(protocol));
      assert.ok(ip.length > 0 && packets.length > 5, `${ip.length} of ${packets.length}`);
      for (const { octets } of ip) assert.equal(ipTotalLength(octets, 0, octets.length), octets.length);
      assert.deepEqual(strange(packets), []);
    });
  }

  /** Neither IP, compressed or not, nor its control protocol. */
  const strange = (packets: readonly PppPacket[]): PppPacket[] =>
    packets.filter(({ protocol }) => ![PPP_IP, VJ_COMPRESSED, VJ_UNCOMPRESSED, PPP_IPCP].includes(protocol));
});
