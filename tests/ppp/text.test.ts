import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isPlainText, printable, utf8Octets, utf8Text, utf16Octets } from "../../src/ppp/text.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

describe("text and octets", () => {
  it("are UTF-8, as elsewhere", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.deepEqual(utf8Octets(text), Uint8Array.from(Buffer.from(text, "utf8")));
        assert.equal(utf8Text(utf8Octets(text)), text);
      }),
    );
  });

  it("give any octets back as they were", () => {
    const likely = fc.constantFrom(
      0x41,
      0x80,
      0xbf,
      0xc0,
      0xc2,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
      0xf8,
      0xff,
      0xa0,
      0x9f,
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(likely, fc.nat(255)), { maxLength: 12 }), (any) => {
        assert.deepEqual([...utf8Octets(utf8Text(Uint8Array.from(any)))], any);
      }),
      { numRuns: 2000 },
    );
  });

  it("take for UTF-8 what is UTF-8, and nothing else", () => {
    assert.equal(utf8Text(octets("6dc3bc6c")), "mül");
    // Latin-1, too long a form, half a pair of UTF-16, above Unicode, and one that ends early.
    for (const bad of ["6dfc6c", "c0af", "e08080", "eda080", "f4908080", "f0808080", "e282"]) {
      assert.match(utf8Text(octets(bad)), /[\udc80-\udcff]/, bad);
    }
  });

  it("are UTF-16 for Microsoft, low octet first", () => {
    assert.deepEqual(utf16Octets("aü€"), octets("6100fc00ac20"));
    assert.equal(utf16Octets("😀").length, 4);
  });

  it("are shown in one line that no terminal obeys, and not without end", () => {
    assert.equal(printable("a\x1b[2J\nb"), "a\\u{1b}[2J\\u{a}b");
    assert.equal(printable(utf8Text(octets("6dfc"))), "m\\u{dcfc}");
    assert.equal(printable("x\u202ey\u2028z"), "x\\u{202e}y\\u{2028}z");
    assert.equal(printable("x".repeat(500)).length, 120);
  });

  it("are plain without control characters", () => {
    assert.ok(isPlainText("DOMAIN\\müller"));
    assert.ok(isPlainText(utf8Text(octets("6dfc"))));
    for (const text of ["a\0", "a\nb", "\x1b", "\x7f", "\x85", "\u2028"]) assert.ok(!isPlainText(text));
  });
});
