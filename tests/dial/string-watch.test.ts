import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { StringWatch } from "../../src/dial/string-watch.ts";
import { latin1 } from "./dialogue.ts";

/** Where strings end in a text, and which. */
function found(strings: readonly string[], text: string): [number, number][] {
  const watch = new StringWatch(strings.map(latin1));
  return [...latin1(text)].flatMap((octet, at): [number, number][] => {
    const index = watch.handleOctet(octet);
    return index < 0 ? [] : [[at, index]];
  });
}

describe("StringWatch", () => {
  it("finds strings that begin within themselves", () => {
    assert.deepEqual(found(["aab"], "aaabaab"), [
      [3, 0],
      [6, 0],
    ]);
    assert.deepEqual(found(["aba"], "ababa"), [
      [2, 0],
      [4, 0],
    ]);
  });

  it("tells the first in its list when several end together", () => {
    assert.deepEqual(found(["BC", "ABC"], "ABC"), [[2, 0]]);
    assert.deepEqual(found(["ABC", "BC"], "ABC"), [[2, 0]]);
  });

  it("finds an empty string at every octet, and nothing without strings", () => {
    assert.deepEqual(found(["x", ""], "ax"), [
      [0, 1],
      [1, 0],
    ]);
    assert.deepEqual(found([], "ax"), []);
  });

  it("agrees with looking at each end of the text", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 40 });
    const strings = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 6 }), { maxLength: 4 });
    fc.assert(
      fc.property(strings, text, (list, whole) => {
        const expected = Array.from(whole).flatMap((_, at): [number, number][] => {
          const index = list.findIndex((string) => whole.slice(0, at + 1).endsWith(string));
          return index < 0 ? [] : [[at, index]];
        });
        assert.deepEqual(found(list, whole), expected);
      }),
    );
  });
});
