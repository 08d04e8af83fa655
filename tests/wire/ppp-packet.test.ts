import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PPP_IP, PPP_LCP, PppHeader } from "../../src/wire/ppp-packet.ts";

function headerOf(...octets: number[]): [protocol: number, dataFrom: number] | null {
  const header = new PppHeader();
  return header.read(Uint8Array.from(octets), 0, octets.length) ? [header.protocol, header.dataFrom] : null;
}

describe("the header of a PPP frame (RFC 1661, RFC 1662)", () => {
  it("is read compressed or not, in all four ways", () => {
    assert.deepEqual(headerOf(0xff, 0x03, 0x00, 0x21, 0x45), [PPP_IP, 4]);
    assert.deepEqual(headerOf(0xff, 0x03, 0x21, 0x45), [PPP_IP, 3]);
    assert.deepEqual(headerOf(0x00, 0x21, 0x45), [PPP_IP, 2]);
    assert.deepEqual(headerOf(0x21, 0x45), [PPP_IP, 1]);
    assert.deepEqual(headerOf(0xff, 0x03, 0xc0, 0x21, 1), [PPP_LCP, 4]);
    assert.deepEqual(headerOf(0xc0, 0x21), [PPP_LCP, 2]);
  });

  it("has a protocol to be rejected where the last octet is even", () => {
    assert.deepEqual(headerOf(0xc0, 0x22, 1), [0xc022, 2]);
  });

  it("is not there in what is cut short or has another control octet", () => {
    for (const octets of [[], [0xff], [0xff, 0x03], [0xff, 0x03, 0x00], [0xc0], [0xff, 0x13, 0x00, 0x21]]) {
      assert.equal(headerOf(...octets), null, octets.join(" "));
    }
  });

  it("never reads outside of what is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 8 }), fc.nat({ max: 8 }), (octets, end) => {
        const to = Math.min(octets.length, 1 + end);
        const inside = new PppHeader();
        const alone = new PppHeader();
        const found = inside.read(octets, 1, to);
        assert.equal(alone.read(octets.slice(1, to), 0, to - 1), found);
        if (!found) return;
        assert.ok(inside.dataFrom <= to);
        assert.deepEqual([inside.protocol, inside.dataFrom], [alone.protocol, alone.dataFrom + 1]);
      }),
    );
  });
});
