import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FCS16_GOOD, FCS16_INITIAL, fcs16, fcs16Octet } from "../../src/wire/fcs16.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Bit by bit, as the polynomial is defined (RFC 1662, section C.1). */
function slow(octets: Uint8Array): number {
  let check = FCS16_INITIAL;
  for (const octet of octets) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = (check ^ (octet >> bit)) & 1;
      check = (check >> 1) ^ (odd === 1 ? 0x8408 : 0);
    }
  }
  return check;
}

describe("FCS-16 (RFC 1662, appendix C)", () => {
  it("has the check value of its kind, CRC-16/X-25", () => {
    assert.equal(fcs16(FCS16_INITIAL, ascii("123456789"), 0, 9) ^ 0xffff, 0x906e);
  });

  it("comes to the good value over octets and their complemented check, low octet first", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (octets) => {
        const check = fcs16(FCS16_INITIAL, octets, 0, octets.length) ^ 0xffff;
        const frame = Uint8Array.of(...octets, check & 0xff, check >> 8);
        assert.equal(fcs16(FCS16_INITIAL, frame, 0, frame.length), FCS16_GOOD);
      }),
    );
  });

  it("agrees with the slow way, whole, in two parts and octet by octet", () => {
    const anywhere = fc.nat({ max: 70 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), anywhere, anywhere, anywhere, (octets, a, b, c) => {
        const [from, middle, to] = [a, b, c]
          .map((at) => Math.min(at, octets.length))
          .toSorted((x, y) => x - y);
        assert.ok(from !== undefined && middle !== undefined && to !== undefined);
        const part = octets.subarray(from, to);
        assert.equal(fcs16(FCS16_INITIAL, octets, from, to), slow(part));
        assert.equal(fcs16(fcs16(FCS16_INITIAL, octets, from, middle), octets, middle, to), slow(part));
        assert.equal(part.reduce(fcs16Octet, FCS16_INITIAL), slow(part));
      }),
    );
  });
});
