import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { finishChecksum, rewriteWord, sumOf } from "../../src/wire/checksum.ts";
import { ipv4, ipv6, slowChecksum } from "./packets.ts";

const viewOf = (octets: Uint8Array): DataView => new DataView(octets.buffer);
/** One's complement has two zeros. */
const isSame = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;

describe("the Internet checksum", () => {
  it("sums what RFC 1071 says, wherever it begins and however long it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 99 }), fc.nat(5), (octets, at) => {
        const memory = Uint8Array.of(...new Uint8Array(at).fill(7), ...octets);
        const sum = sumOf(memory, viewOf(memory), at, octets.length);
        assert.ok(isSame(sum, 0xffff - slowChecksum(octets)), `${sum}`);
        assert.ok(sum >= 0 && sum <= 0xffff);
      }),
    );
  });

  it("does not overflow with the longest packet of the largest words", () => {
    const octets = new Uint8Array(65_535).fill(255);
    octets[65_534] = 1;
    const sum = sumOf(octets, viewOf(octets), 0, octets.length);
    assert.ok(isSame(sum, 0xffff - slowChecksum(octets)));
  });

  it("stays right when a word is changed", () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.integer({ min: 2, max: 9 }), (value, word) => {
        const packet = ipv4();
        const at = word === 5 ? 2 : 2 * word;
        rewriteWord(viewOf(packet), at, value, 10);
        assert.equal(viewOf(packet).getUint16(at), value);
        assert.equal(slowChecksum(packet.subarray(0, 20)), 0);
      }),
    );
  });
});

describe("a vouched packet's checksum", () => {
  it("is left alone where there is no whole TCP or UDP header", () => {
    for (const packet of [
      ipv4({ protocol: 1 }),
      ipv4({ fragment: 0x2000 }),
      ipv4({ fragment: 7 }),
      ipv4({ protocol: 6, length: 39 }),
      ipv4({ length: 27 }),
      ipv4({ length: 20 }),
      ipv6({ protocol: 44 }),
      ipv6({ protocol: 60, length: 44 }),
      ipv6({ protocol: 0, length: 47 }),
      ipv6({ protocol: 6, length: 59 }),
      muchExtended(),
      new Uint8Array(60),
      new Uint8Array(0),
    ]) {
      const before = packet.slice();
      assert.equal(finishChecksum(packet, viewOf(packet), 0, packet.length), false);
      assert.deepEqual(packet, before);
    }
  });

  it("of UDP is never 0, which stands for none", () => {
    const packet = ipv4({ length: 30 });
    const view = viewOf(packet);
    // All words of the transport add up to 0xffff.
    view.setUint16(24, 0);
    view.setUint16(26, 0);
    view.setUint16(28, 0);
    view.setUint16(26, slowChecksum(packet.subarray(20)));
    assert.ok(finishChecksum(packet, view, 0, packet.length));
    assert.equal(view.getUint16(26), 0xffff);
  });
});

/** UDP behind an extension header of 256 octets. */
function muchExtended(): Uint8Array {
  const packet = ipv6({ protocol: 60, length: 400 });
  packet[40] = 17;
  packet[41] = 31;
  return packet;
}
