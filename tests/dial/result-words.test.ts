import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LineReader, readModemWord } from "../../src/dial/result-words.ts";

const connect = (bps: number | null) => ({ type: "connect", bps });
const failure = (name: string) => ({ type: "failure", failure: name });

describe("what a modem says", () => {
  it("is known in words", () => {
    const said: readonly (readonly [line: string, word: unknown])[] = [
      ["OK", { type: "ok" }],
      ["RING", { type: "ring" }],
      ["BUSY", failure("busy")],
      ["VOICE", failure("voice")],
      ["NO CARRIER", failure("no-carrier")],
      ["NO ANSWER", failure("no-answer")],
      ["NO DIALTONE", failure("no-dialtone")],
      ["NO DIAL TONE", failure("no-dialtone")],
      ["ERROR", failure("modem")],
      ["BLACKLISTED", failure("modem")],
      ["DELAYED 00:00:57", failure("modem")],
      ["connect 2400", connect(2400)],
      ["CONNECT", connect(null)],
      ["CONNECT 28800/ARQ/V34/LAPM/V42BIS", connect(28_800)],
      ["CONNECT 14400/REL", connect(14_400)],
      ["CONNECT 1200/75", connect(1200)],
      ["CONNECT V34 31200", connect(31_200)],
      ["CONNECT 115200/V34/CARRIER 26400/LAPM", connect(26_400)],
      ["CONNECT 115200 CARRIER: 50666", connect(50_666)],
      ["CARRIER 28800", { type: "carrier", bps: 28_800 }],
      ["+MRR: 24000,26400", { type: "carrier", bps: 24_000 }],
    ];
    for (const [line, word] of said) assert.deepEqual(readModemWord(line), word, line);
  });

  it("is known in digits, up to 8", () => {
    assert.deepEqual(
      ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "64", "12345678"].map(readModemWord),
      [
        { type: "ok" },
        connect(null),
        { type: "ring" },
        failure("no-carrier"),
        failure("modem"),
        connect(1200),
        failure("no-dialtone"),
        failure("busy"),
        failure("no-answer"),
        null,
        null,
        null,
      ],
    );
  });

  it("is nothing else", () => {
    for (const line of [
      "ATDT5551000",
      "OKAY",
      "login:",
      "PROTOCOL: LAP-M",
      "+MCR: V34",
      "CARRIER",
      "constructor",
    ]) {
      assert.equal(readModemWord(line), null, line);
    }
  });
});

describe("LineReader", () => {
  it("finds the same lines however the octets are split, and keeps the beginning of a long one", () => {
    const linesOf = (reader: LineReader, octets: Uint8Array): string[] =>
      [...octets].flatMap((octet) => reader.handleOctet(octet) ?? []);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (octets) => {
        const reader = new LineReader();
        const lines = linesOf(reader, octets);
        const text = String.fromCharCode(...octets.map((octet) => octet & 0x7f)).replace(/[^\r\n -~]/g, "");
        const expected = text.split(/[\r\n]/);
        assert.equal(reader.pending, expected.pop()?.slice(0, 128));
        assert.deepEqual(
          lines,
          expected.filter((line) => line !== "").map((line) => line.slice(0, 128)),
        );
      }),
    );
    const long = Uint8Array.from([...Array<number>(1000).fill(0x61), 13]);
    assert.deepEqual(linesOf(new LineReader(), long), ["a".repeat(128)]);
  });
});
