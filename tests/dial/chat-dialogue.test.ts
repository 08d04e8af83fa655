import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ChatDialogue } from "../../src/dial/chat-dialogue.ts";
import { parseChat } from "../../src/dial/chat-script.ts";
import { instant, NEVER } from "../../src/time.ts";
import { type Answer, asText, latin1, logOf, type Spoken, speak, WORDS } from "./dialogue.ts";

const says = (text: string, delayMs = 100): Answer => ({ after: "", text, delayMs });
/** `ABORT BUSY OK ATZ`, as one would write it. */
const script = (text: string): string[] => text.split(" ").map((word) => (word === "''" ? "" : word));
const summary = ({ end, sent }: Spoken): unknown => [end?.type, sent];
const reports = ({ events }: Spoken): string[] =>
  events.flatMap((event) => (event.type === "report" ? [event.text] : []));

/** A call as it goes well. */
const CALL = script(
  "ABORT BUSY ABORT NO\\sCARRIER REPORT CONNECT '' ATZ OK ATDT5551001 CONNECT \\c ogin:--ogin: ppp ssword: \\qhello2u2",
);
const PEER: readonly Answer[] = [
  { after: "ATZ\r", text: "ATZ\r\r\nOK\r\n", delayMs: 50 },
  { after: "1001\r", text: "\r\nCONNECT 28800\r\n", delayMs: 20_000 },
  { after: "", text: "\r\nWelcome\r\nlogin: ", delayMs: 21_000 },
  { after: "ppp\r", text: "ppp\r\nPassword: " },
  { after: "2u2\r", text: "\r\n~\x7fPPP" },
];

describe("ChatDialogue", () => {
  it("dials and logs in", () => {
    const spoken = speak(CALL, { answers: PEER });
    assert.deepEqual(spoken.end, { type: "done" });
    assert.equal(spoken.sent, "ATZ\rATDT5551001\rppp\rhello2u2\r");
    assert.deepEqual(reports(spoken), ["CONNECT 28800"]);
    assert.equal(spoken.endedAt, 21_050);
    assert.deepEqual(logOf(spoken), [
      "abort on (BUSY)",
      "abort on (NO CARRIER)",
      "report (CONNECT)",
      "send (ATZ^M)",
      "expect (OK)",
      " -- got it",
      "send (ATDT5551001^M)",
      "expect (CONNECT)",
      " -- got it",
      "send ()",
      "expect (ogin:)",
      " -- got it",
      "send (ppp^M)",
      "expect (ssword:)",
      " -- got it",
      "send (??????)",
    ]);
  });

  it("leaves what comes after its end to others", () => {
    assert.equal(speak(CALL, { answers: PEER }).unread, " \r\n~\x7fPPP");
    assert.equal(speak(script("a x b \\c"), { answers: [says("abcdef")], split: 99 }).unread, "cdef");
  });

  it("keeps what comes while it sends for what it expects next", () => {
    const spoken = speak(script("a x b y c \\c"), { answers: [says("abcdef")], split: 99, typingMs: 10 });
    assert.deepEqual(summary(spoken), ["done", "x\ry\r"]);
    assert.equal(spoken.endedAt, 140);
  });

  it("gives up when a string does not come in time, counted anew for each", () => {
    const spoken = speak(script("TIMEOUT 10 a x b y"), { answers: [says("a", 9_999)] });
    assert.deepEqual(summary(spoken), ["timeout", "x\r"]);
    assert.equal(spoken.endedAt, 19_999);
    assert.deepEqual(logOf(spoken).slice(-2), ["alarm", "Failed"]);
    assert.equal(speak(script("a x")).endedAt, 45_000);
  });

  it("tries what stands between dashes", () => {
    const login = script("TIMEOUT 5 ogin:--ogin:-BREAK-ogin: ppp");
    assert.deepEqual(summary(speak(login, { answers: [{ after: "<break>", text: "login:" }] })), [
      "done",
      "\r<break>ppp\r",
    ]);
    assert.deepEqual(summary(speak(login)), ["timeout", "\r<break>"]);
    assert.deepEqual(summary(speak(login, { answers: [says("login:")] })), ["done", "ppp\r"]);
    assert.deepEqual(summary(speak(script("TIMEOUT 5 a-x ok"))), ["done", "x\rok\r"]);
    assert.deepEqual(
      summary(speak(script("TIMEOUT 5 a-EOT-b ok"), { answers: [{ after: "\x04", text: "b" }] })),
      ["done", "\x04ok\r"],
    );
  });

  it("ends at an ABORT string, and says which of those that hold", () => {
    const hears = (words: string, text: string): unknown =>
      speak(script(words), { answers: [says(text)] }).end;
    assert.deepEqual(hears("ABORT BUSY ABORT NO\\sCARRIER OK-x-OK ATZ", "\r\nNO CARRIER\r\n"), {
      type: "aborted",
      index: 1,
      string: "NO CARRIER",
    });
    assert.deepEqual(hears("ABORT A ABORT B CLR_ABORT A ABORT C x y", "C"), {
      type: "aborted",
      index: 1,
      string: "C",
    });
    assert.deepEqual(hears("ABORT A ABORT B CLR_ABORT A x y", "B"), {
      type: "aborted",
      index: 0,
      string: "B",
    });
    assert.deepEqual(hears("ABORT A ABORT A CLR_ABORT A x y", "A"), {
      type: "aborted",
      index: 0,
      string: "A",
    });
    assert.deepEqual(hears("ABORT A\\sB CLR_ABORT A^`B CLR_ABORT A\\040B TIMEOUT 1 x y", "A B"), {
      type: "timeout",
    });
    assert.deepEqual(hears("ABORT OK OK ATZ", "OK"), { type: "done" });
  });

  it("matches no string across what it expected before", () => {
    const spoken = speak(["ABORT", "NO CARRIER", "REPORT", "NO CAR", "NO ", "x", "Z", "y"], {
      answers: [says("NO CARRIER Z")],
    });
    assert.deepEqual(summary(spoken), ["done", "x\ry\r"]);
    assert.deepEqual(reports(spoken), []);
  });

  it("types, pauses and breaks in time", () => {
    const spoken = speak(["", "a\\db\\pc\\K\\d\\c"], { typingMs: 10 });
    assert.deepEqual(summary(spoken), ["done", "abc<break>"]);
    assert.equal(spoken.endedAt, 10 + 1000 + 10 + 100 + 10 + 1000);
    assert.equal(speak(["", "abc"], { typingMs: 10 }).endedAt, 40);
    assert.deepEqual(summary(speak(script("'' BREAK '' EOT '' eot"))), ["done", "<break>\x04eot\r"]);
  });

  it("sends for longer than it waits", () => {
    assert.deepEqual(summary(speak(script("TIMEOUT 2 '' a\\d\\d\\d\\db"))), ["done", "ab\r"]);
  });

  it("reports each string and what follows it on its line", () => {
    const hears = (text: string, words = "REPORT A REPORT C x y"): string[] =>
      reports(speak(script(words), { answers: [says(text)] }));
    assert.deepEqual(hears("zA1 C2\nC3\tx"), ["A1 C2", "C3"]);
    assert.deepEqual(hears("A1\rB2\rx", "REPORT A REPORT B CLR_REPORT A x y"), ["B2"]);
    assert.deepEqual(hears("A1\rx", "x y REPORT A"), []);
    assert.deepEqual(hears("\xc1\xb1\rx"), ["A1"]);
    assert.deepEqual(hears(`A${"1".repeat(5000)}\rx`)[0]?.length, 256);
  });

  it("waits a second for the rest of a report when all else is over", () => {
    const more = speak(script("REPORT A x y"), {
      answers: [says("zA1 x"), { after: "y", text: "12", delayMs: 999 }, says("4\rrest", 0)],
    });
    assert.deepEqual(reports(more), ["A1 x124"]);
    assert.deepEqual([more.endedAt, more.unread], [1099, "rest"]);
    const less = speak(script("REPORT A ABORT A x y"), { answers: [says("zA")] });
    assert.deepEqual(reports(less), ["A"]);
    assert.deepEqual([less.end?.type, less.endedAt], ["aborted", 1100]);
  });

  it("says what SAY says, and tells what is echoed", () => {
    const { events } = speak(script("SAY hi\\n SAY @x\\c a \\c ECHO ON b \\c ECHO no c \\c"), {
      answers: [says("xaybzc")],
    });
    assert.deepEqual(
      events.filter(({ type }) => type !== "log"),
      [
        { type: "say", text: "hi\n" },
        { type: "say", text: "@x" },
        { type: "received", text: "xa", echo: false },
        { type: "received", text: "yb", echo: true },
        { type: "received", text: "zc", echo: false },
      ],
    );
  });

  it("sends what a file has when its turn comes, and shows nothing of it", () => {
    const files = { "/run/pw": "hello\\s2\\c\nu2\n", "/run/none": "" };
    const spoken = speak(script("ssword:-@/run/none-ssword: @/run/pw"), {
      files,
      answers: [{ after: "\r", text: "Password:" }],
    });
    assert.deepEqual(summary(spoken), ["done", "\rhello 2c\nu2\r"]);
    assert.equal(logOf(spoken).at(-1), "send (??????)");
    assert.deepEqual(speak(script("'' @/run/other x y")).end, { type: "unfit", reason: "no /run/other" });
  });

  it("knows whether it minds that the line is hung up, and ends when its owner says so", () => {
    const dialogue = (words: string): ChatDialogue => {
      const steps = parseChat(script(words), WORDS);
      const started = new ChatDialogue({ steps, timeoutSeconds: 1, typingMs: 0, echo: false });
      started.start(instant(0));
      return started;
    };
    assert.equal(dialogue("HANGUP OFF a b").mindsHangUp, false);
    assert.equal(dialogue("HANGUP OFF HANGUP junk a b").mindsHangUp, true);
    const ended = dialogue("a b");
    ended.fail({ type: "broken", reason: "SIGHUP" });
    ended.fail({ type: "unfit", reason: "later" });
    assert.deepEqual(ended.end, { type: "broken", reason: "SIGHUP" });
    assert.equal(ended.pollTimeout(), NEVER);
    ended.handleTimeout(instant(5000));
    ended.handleOctets(latin1("a"), 0, 1, instant(5000));
    assert.deepEqual([ended.end.type, ended.pollTransmit()], ["broken", undefined]);
  });

  it("keeps what a terminal would while it sends, and counts the rest", () => {
    const dialogue = new ChatDialogue({
      steps: parseChat(["", "x"], WORDS),
      timeoutSeconds: 1,
      typingMs: 10,
      echo: false,
    });
    dialogue.start(instant(0));
    dialogue.handleOctets(new Uint8Array(5000), 0, 5000, instant(0));
    assert.equal(dialogue.dropped, 904);
    assert.equal(dialogue.takeUnread().length, 4096);
  });

  it("does the same for any split of what it reads, and never throws", () => {
    const word = fc.oneof(
      fc.constantFrom("ABORT", "REPORT", "a", "b", "ab-x-b", "a--b", "", "TIMEOUT", "1", "\\d", "a\\pb"),
      fc.string({ unit: fc.constantFrom("a", "b", "\r", "\\", "-"), maxLength: 4 }),
    );
    const heard = fc.oneof(
      fc.string({ unit: fc.constantFrom("a", "b", "c", "\r"), maxLength: 60 }),
      fc.uint8Array({ maxLength: 60 }).map(asText),
    );
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 8 }),
        heard,
        fc.integer({ min: 2, max: 60 }),
        (words, text, split) => {
          const answers = [says(text.slice(0, 30)), says(text.slice(30))];
          const one = speak(words, { answers, typingMs: 1, timeoutSeconds: 2 });
          const other = speak(words, { answers, typingMs: 1, timeoutSeconds: 2, split });
          assert.deepEqual(other, one);
          assert.ok(one.end !== null);
          const read = one.events.map((event) => (event.type === "received" ? event.text : "")).join("");
          const whole = latin1(read + one.unread).map((octet) => octet & 0x7f);
          const all = latin1(text).map((octet) => octet & 0x7f);
          assert.ok(asText(all).startsWith(asText(whole)), "each octet is read or left, in order");
        },
      ),
      { numRuns: 300 },
    );
  });
});
