import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type DialScript, scriptSecrets } from "../../src/dial/dial-script.ts";
import { ScriptDialogue } from "../../src/dial/script-dialogue.ts";
import { instant, NEVER } from "../../src/time.ts";
import { phoneWorld } from "./phones.ts";
import { type Reply, type Talked, talk, talkByPhone } from "./talk.ts";

const speak = (script: DialScript, replies: readonly Reply[] = [], split = 1): Talked =>
  talk(new ScriptDialogue(script, "5551000", true), replies, split);
const says = (text: string, delayMs = 100): Reply => ({ after: "", text, delayMs });
const failure = ({ end }: Talked): unknown => (end?.ok === false ? [end.failure, end.reason] : end);
const DONE = { ok: true };

/** A call as one would write it. */
const CALL: DialScript = [
  { abort: ["BUSY", "NO CARRIER"] },
  { send: "ATZ" },
  { expect: "OK", timeout: 30 },
  { dial: "ATDT" },
  { expect: "CONNECT", timeout: 90 },
  { timeout: 20 },
  { expect: "ogin:", timeout: 5, otherwise: [{ send: "" }, { expect: "ogin:" }] },
  { send: "joe" },
  { expect: "assword:" },
  { send: "hello2u2", secret: true },
  {
    expect: [
      "PPP",
      { text: "Protocol:", steps: [{ send: "ppp" }, { expect: "PPP" }] },
      { text: "incorrect", end: "refused" },
    ],
  },
];

describe("ScriptDialogue", () => {
  it("dials and logs in with a modem", () => {
    const talked = talkByPhone(phoneWorld(), new ScriptDialogue(CALL, "5551000", true), [
      { after: "CONNECT 14400\r\n", text: "" },
      { after: "\r", text: "\r\nlogin: ", delayMs: 300 },
      { after: "joe\r", text: "joe\r\nPassword: " },
      { after: "2u2\r", text: "\r\nProtocol: " },
      { after: "ppp\r", text: "ppp\r\nPPP~\xff", delayMs: 300 },
    ]);
    assert.deepEqual(talked.end, DONE);
    assert.equal(talked.sent, "ATZ\rATDT5551000\r\rjoe\rhello2u2\rppp\r");
    assert.ok(talked.events.some((event) => event.type === "connected" && event.carrierBps === 14_400));
    assert.ok(!JSON.stringify(talked.events).includes("hello"));
  });

  it("fails as a modem's word says, or another string on which it gives up", () => {
    const busy = talkByPhone(phoneWorld(), new ScriptDialogue(CALL, "5551001", true));
    assert.deepEqual(failure(busy), ["busy", "BUSY came"]);
    assert.deepEqual(failure(speak([{ abort: "closed\x07" }, { expect: "x" }], [says("closed\x07")])), [
      "aborted",
      "closed^G came",
    ]);
  });

  it("goes the way of the text that comes", () => {
    const choose = (text: string): unknown => {
      const script: DialScript = [
        {
          expect: [
            "a",
            { text: "b", steps: [{ send: "B" }, { expect: [{ text: "x", steps: [{ send: "X" }] }, "y"] }] },
            { text: "c", end: "ok" },
            { text: "d", end: "busy" },
            { text: "e", steps: [{ end: "refused" }] },
          ],
        },
        { send: "end", raw: true },
      ];
      const talked = speak(script, [says(text)]);
      return [talked.sent, failure(talked), talked.unread];
    };
    assert.deepEqual(choose("a."), ["end", DONE, "."]);
    assert.deepEqual(choose("bx."), ["B\rX\rend", DONE, "."]);
    assert.deepEqual(choose("by."), ["B\rend", DONE, "."]);
    assert.deepEqual(choose("c."), ["", DONE, "."]);
    assert.deepEqual(choose("d."), ["", ["busy", "d came"], "."]);
    assert.deepEqual(choose("e."), ["", ["refused", "the script says so"], "."]);
  });

  it("waits for each text as long as it says", () => {
    const ends = (script: DialScript): unknown => {
      const talked = speak(script);
      return [talked.endedAt, failure(talked)];
    };
    assert.deepEqual(ends([{ expect: ["x", { text: "y" }] }]), [
      45_000,
      ["timeout", "x or y did not come within 45 s"],
    ]);
    assert.deepEqual(ends([{ timeout: 2 }, { expect: "x" }]), [
      2000,
      ["timeout", "x did not come within 2 s"],
    ]);
    const otherwise: DialScript = [{ expect: "y" }];
    assert.deepEqual(ends([{ timeout: 2 }, { expect: "x", timeout: 0.5, otherwise }]), [
      2500,
      ["timeout", "y did not come within 2 s"],
    ]);
    assert.deepEqual(ends([{ expect: "x", timeout: 1, otherwise: [] }]), [1000, DONE]);
  });

  it("pauses, sends breaks, and hangs up", () => {
    const script: DialScript = [
      { send: "a", raw: true },
      { pause: 1 },
      { break: true },
      { "hang-up": true },
      { expect: "OK" },
    ];
    const talked = speak(script, [{ after: "ATH\r", text: "OK" }]);
    assert.deepEqual([talked.sent, talked.end, talked.endedAt], ["a<break>+++ATH\r", DONE, 3400]);
  });

  it("hangs a modem up", () => {
    const phones = phoneWorld();
    const script: DialScript = [
      { dial: "ATDT" },
      { expect: "CONNECT" },
      { pause: 1 },
      { "hang-up": true },
      { expect: "OK" },
      { expect: "OK" },
    ];
    assert.deepEqual(talkByPhone(phones, new ScriptDialogue(script, "5551000", true)).end, DONE);
    assert.equal(phones.network.modem("a").phase, "onHook");
  });

  it("keeps what comes while it does something else, and leaves what it does not read", () => {
    const script: DialScript = [{ expect: "a" }, { pause: 1 }, { send: "x" }, { expect: "c" }, { pause: 1 }];
    const talked = speak(script, [says("abcde")], 5);
    assert.deepEqual([talked.sent, talked.end, talked.unread], ["x\r", DONE, "de"]);
  });

  it("hears the speed of a line that its last step only begins to read", () => {
    const script: DialScript = [{ expect: "CONNECT" }];
    const connected = (text: string): unknown => {
      const talked = speak(script, [says(text)]);
      return [talked.events.filter(({ type }) => type === "connected"), talked.unread, talked.endedAt];
    };
    assert.deepEqual(connected("CONNECT 28800\r\n~"), [
      [{ type: "connected", carrierBps: 28_800 }],
      "\n~",
      100,
    ]);
    assert.deepEqual(connected("CARRIER 26400\r\nCONNECT 115200\r\n"), [
      [{ type: "connected", carrierBps: 26_400 }],
      "\n",
      100,
    ]);
    assert.deepEqual(connected("CONNECT 28800"), [[], "", 1100]);
    const logsIn = talk(new ScriptDialogue(script, "", false), [says("CONNECT 28800\r\n")]);
    assert.deepEqual([logsIn.events.length, logsIn.unread], [1, " 28800\r\n"]);
  });

  it("reads text with parity", () => {
    assert.deepEqual(speak([{ expect: "login:" }], [says("\xec\xef\xe7\xe9\xee\xba")]).end, DONE);
  });

  it("says the same however the line's octets are split", () => {
    const replies: readonly Reply[] = [
      { after: "ATZ\r", text: "ATZ\r\r\nOK\r\n" },
      { after: "5551000\r", text: "\r\nCONNECT 28800\r\n\r\nlogin: " },
      { after: "joe\r", text: "joe\r\nPassword: " },
      { after: "2u2\r", text: "\r\nPPP" },
    ];
    const whole = speak(CALL, replies, 999);
    assert.deepEqual(whole.end, DONE);
    for (let split = 1; split < 20; split++) assert.deepEqual(speak(CALL, replies, split), whole);
  });

  it("knows its secrets, in all branches", () => {
    const secret = (send: string): DialScript => [{ send, secret: true }, { send: "x" }];
    assert.deepEqual(
      scriptSecrets([
        ...secret("a"),
        { expect: ["u", { text: "v", steps: secret("b") }], otherwise: secret("c") },
      ]),
      ["a", "b", "c"],
    );
  });

  it("never throws, and keeps no more than it may", () => {
    const octets = fc.uint8Array({ maxLength: 3000 });
    fc.assert(
      fc.property(fc.array(octets, { maxLength: 8 }), fc.boolean(), (chunks, reads) => {
        const dialogue = new ScriptDialogue([{ expect: reads ? "never" : "" }, { pause: 9 }], "", true);
        dialogue.start(instant(0));
        let total = 0;
        for (const chunk of chunks) {
          dialogue.handleOctets(chunk, 0, chunk.length, instant(0));
          total += chunk.length;
        }
        dialogue.fail("broken", "over");
        dialogue.fail("busy", "too late");
        assert.equal(dialogue.end?.ok === false && dialogue.end.failure, "broken");
        assert.equal(dialogue.pollTimeout(), NEVER);
        const { length } = dialogue.takeUnread();
        assert.ok(length <= 4096);
        assert.ok(reads || length + dialogue.dropped >= total - 1);
      }),
      { numRuns: 50 },
    );
  });
});
