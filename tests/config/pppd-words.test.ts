import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { splitWords } from "../../src/config/pppd-words.ts";

const texts = (source: string): string[] => splitWords(source).map(({ text }) => text);

/** Each was given to pppd 2.4.9 as an option file; the first word is what it complained about. */
const AS_PPPD: readonly [source: string, words: readonly string[]][] = [
  ["foo#bar", ["foo"]],
  ['"foo bar"baz x', ["foo barbaz", "x"]],
  ["'a b'c", ["a bc"]],
  ["a\\ b c", ["a b", "c"]],
  ["a\\tb", ["a\tb"]],
  ["a\\sb", ["a b"]],
  ["a\\qb", ["aqb"]],
  ["a\\8b", ["a8b"]],
  ["a\\x41b", ["aAb"]],
  ["a\\x414b", ["aA4b"]],
  ["a\\101b", ["aAb"]],
  ["a\\1012b", ["aA2b"]],
  ["a\\\nb", ["ab"]],
  ['"a\\\nb"', ["ab"]],
  ['"a\\"b"', ['a"b']],
  ["'a\\'b'", ["a'b"]],
  ['"a\\\\nb"', ["a\\nb"]],
  ['a"#"b', ["a#b"]],
  ["a\\#b", ["a#b"]],
  ["#c\nzoo", ["zoo"]],
  ["x\\", ["x"]],
  ['"a\nb"', ["a\nb"]],
  ['""', [""]],
  ['"unfinished x\n', ["unfinished x\n"]],
];

describe("words of pppd's files", () => {
  for (const [source, words] of AS_PPPD) {
    it(`${JSON.stringify(source)} is ${JSON.stringify(words)}`, () => assert.deepEqual(texts(source), words));
  }

  it("know their lines", () => {
    assert.deepEqual(splitWords('a # b\n\n"c\nd" \\\ne\nf g'), [
      { text: "a", line: 1, first: true },
      { text: "c\nd", line: 3, first: true },
      { text: "e", line: 5, first: false },
      { text: "f", line: 6, first: true },
      { text: "g", line: 6, first: false },
    ]);
  });

  it("come back as they were quoted", () => {
    const quote = (word: string): string => `"${word.replace(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (words) => {
        assert.deepEqual(texts(words.map(quote).join(" # not this\n")), words);
      }),
      { numRuns: 300 },
    );
  });

  it("are found in any text", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("\\", "'", '"', "#", " ", "\n", "x", "0", "a") }),
        (source) => {
          const lines = splitWords(source).map(({ line }) => line);
          assert.ok(
            lines.every((line, i) => line >= (lines[i - 1] ?? 1) && line <= source.split("\n").length),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
