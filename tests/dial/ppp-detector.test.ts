import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { PppDetector } from "../../src/dial/ppp-detector.ts";
import { asText, latin1 } from "./dialogue.ts";

/** What was let through, and what was held back at the end. */
function hear(text: string): { readonly typed: string; readonly held: string; readonly found: boolean } {
  const detector = new PppDetector();
  const typed = [...latin1(text)].flatMap((octet) => detector.handleOctet(octet));
  return {
    typed: asText(Uint8Array.from(typed)),
    held: asText(Uint8Array.from(detector.held)),
    found: detector.found,
  };
}

describe("PppDetector", () => {
  it("knows both ways in which a first frame begins", () => {
    for (const beginning of ["~\xff}#\xc0!", "~\xff\x03\xc0!"]) {
      assert.deepEqual(hear(`joe${beginning}`), { typed: "joe", held: beginning, found: true });
      assert.deepEqual(hear(`~~\xff~${beginning}`), { typed: "~~\xff~", held: beginning, found: true });
    }
  });

  it("does not mind what becomes of the eighth bit", () => {
    for (const beginning of ["~\x7f}#@!", "\xfe\xff\xfd#\xc0\xa1", "~\x7f\x03@!"]) {
      assert.deepEqual(hear(beginning), { typed: "", held: beginning, found: true });
    }
  });

  it("gives back what was no frame after all", () => {
    assert.deepEqual(hear("~\xff}#joe"), { typed: "~\xff}#joe", held: "", found: false });
    assert.deepEqual(hear("a~"), { typed: "a", held: "~", found: false });
    assert.deepEqual(hear("~\xff}\x03\xc0!"), { typed: "~\xff}\x03\xc0!", held: "", found: false });
  });

  it("changes neither order nor octets, and finds what a plain search finds", () => {
    const octet = fc.constantFrom("~", "\xff", "}", "#", "\xc0", "!", "\x03", "a");
    fc.assert(
      fc.property(fc.string({ unit: octet, maxLength: 40 }), (text) => {
        const { typed, held, found } = hear(text);
        const starts = ["~\xff}#\xc0!", "~\xff\x03\xc0!"].map((beginning) => text.indexOf(beginning));
        const at = Math.min(...starts.map((start) => (start < 0 ? Number.POSITIVE_INFINITY : start)));
        assert.equal(found, Number.isFinite(at));
        if (found) assert.equal(typed, text.slice(0, at));
        else assert.equal(typed + held, text);
      }),
      { numRuns: 500 },
    );
  });
});
