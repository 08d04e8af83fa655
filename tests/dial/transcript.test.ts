import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { DialogueEvent } from "../../src/dial/dialogue.ts";
import { Transcript } from "../../src/dial/transcript.ts";
import { instant } from "../../src/time.ts";

const received = (text: string): DialogueEvent => ({ type: "received", text });
const sent = (text: string): DialogueEvent => ({ type: "sent", text });

function transcript(
  events: readonly DialogueEvent[],
  secrets: readonly string[] = [],
  kept = 100,
): Transcript {
  const result = new Transcript(secrets, kept);
  for (const [at, event] of events.entries()) result.handleEvent(event, instant(at));
  return result;
}
const linesOf = (...args: Parameters<typeof transcript>): string[] =>
  transcript(...args).lines.map(({ text }) => text);

describe("Transcript", () => {
  it("has a line for what was sent, what came, and what happened, with its time", () => {
    const whole = transcript([
      sent("ATDT5551000\r"),
      received("ATDT5551000\r\r\nCONN"),
      received("ECT 28800\r\n"),
      { type: "connected", carrierBps: 28_800 },
      { type: "connected", carrierBps: null },
      { type: "note", text: "break" },
    ]);
    whole.handleEnd({ ok: false, failure: "refused", reason: "the far side says no" }, instant(9));
    assert.deepEqual(
      whole.lines.map(({ at, text }) => [at, text]),
      [
        [0, "> ATDT5551000"],
        [1, "< ATDT5551000"],
        [1, "< CONNECT 28800"],
        [3, "* connected at 28800 bit/s"],
        [4, "* connected"],
        [5, "* break"],
        [9, "* refused: the far side says no"],
      ],
    );
    whole.handleEnd({ ok: true }, instant(10));
    assert.equal(whole.lines.at(-1)?.text, "* done");
  });

  it("tells each complete line once, and shows the one that still comes", () => {
    const live = transcript([received("\r\nlogin: ")]);
    assert.deepEqual([live.lines.length, live.pollLine()], [1, undefined]);
    live.handleEvent(sent("joe\r"), instant(5));
    assert.deepEqual(
      [live.pollLine(), live.pollLine(), live.pollLine()],
      [{ at: 0, text: "< login: " }, { at: 5, text: "> joe" }, undefined],
    );
    assert.deepEqual(live.lines.length, 2);
  });

  it("makes what is not printable visible", () => {
    assert.deepEqual(linesOf([received("a\x07~\xff}#\0\r\n"), sent("\x03")]), ["< a^G~M-^?}#^@", "> ^C"]);
  });

  it("forgets the oldest lines, and breaks long ones", () => {
    const many = Array.from({ length: 50 }, (_, at) => sent(`${at}`));
    assert.deepEqual(linesOf(many, [], 3), ["> 47", "> 48", "> 49"]);
    const long = transcript([received("x".repeat(1000))], [], 3);
    assert.deepEqual(
      long.lines.map(({ text }) => text.length),
      [202, 202, 202],
    );
    let told = 0;
    while (long.pollLine() !== undefined) told += 1;
    assert.equal(told, 3);
  });

  it("masks secrets wherever they stand, and however they come", () => {
    assert.deepEqual(
      linesOf(
        [received("hello2u2 hello\r\n"), sent("say hello2u2"), { type: "note", text: "hello2u2!" }],
        ["hello2u2"],
      ),
      ["< ******** hello", "> say ********", "* ********!"],
    );
    const echo = transcript([received("Password: hel")], ["hello2u2"]);
    assert.equal(echo.lines[0]?.text, "< Password: ***");
    echo.handleEvent(sent("x"), instant(1));
    echo.handleEvent(received("lo2"), instant(2));
    echo.handleEvent({ type: "note", text: "y" }, instant(2));
    echo.handleEvent(received("u2."), instant(2));
    assert.deepEqual(
      echo.lines.map(({ text }) => text),
      ["< Password: ***", "> x", "< ***", "* y", "< **."],
    );
    assert.deepEqual(linesOf([received("\xe8ello2u2")], ["hello2u2"]), ["< ********"]);
    assert.deepEqual(linesOf([received("aXbYa\r")], ["X", "", "bY"]), ["< a***a"]);
  });

  it("shows nothing of a secret, wherever its echo is split", () => {
    const part = fc.oneof(fc.constant("hello2u2"), fc.string({ maxLength: 4 }), fc.constant("hell"));
    const cut = fc.record({ at: fc.nat(), speaks: fc.boolean() });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.array(cut, { maxLength: 8 }), (parts, cuts) => {
        const text = parts.join("").replace(/[^ -~]/g, "");
        const places = cuts.map(({ at, speaks }) => ({ at: at % (text.length + 1), speaks }));
        places.sort((a, b) => a.at - b.at);
        const result = new Transcript(["hello2u2"], 1000);
        let from = 0;
        const seen: string[] = [];
        for (const { at, speaks } of [...places, { at: text.length, speaks: true }]) {
          result.handleEvent(received(text.slice(from, at)), instant(0));
          seen.push(...result.lines.map((line) => line.text));
          if (speaks) result.handleEvent({ type: "note", text: "" }, instant(0));
          from = at;
        }
        const shown = result.lines
          .filter((line) => line.text.startsWith("<"))
          .map((line) => line.text.slice(2))
          .join("");
        assert.equal(shown.length, text.length);
        assert.ok(!shown.includes("hello2u2"));
        for (let at = text.indexOf("hello2u2"); at >= 0; at = text.indexOf("hello2u2", at + 1)) {
          assert.equal(shown.slice(at, at + 8), "********");
        }
        // What was shown before the rest came had no more of it.
        assert.ok(seen.every((line) => !/< .*hello2u/.test(line) || !text.includes("hello2u2")));
      }),
      { numRuns: 300 },
    );
  });
});
