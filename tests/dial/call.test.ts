import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CallSettings, callSecrets, makeCall } from "../../src/dial/call.ts";
import { chatFiles } from "../../src/dial/call-chat.ts";
import { splitChatFile } from "../../src/dial/chat-script.ts";
import { Transcript } from "../../src/dial/transcript.ts";
import { instant } from "../../src/time.ts";
import { LOGIN, MODEM, phoneWorld } from "./phones.ts";
import { type Reply, type Talked, talk, talkByPhone } from "./talk.ts";

const OK = { ok: true };
const NOTHING: CallSettings = { modem: null, login: null, script: null, chat: null };
const DIRECT: CallSettings = { ...NOTHING, login: LOGIN };
const PHONE: CallSettings = { ...DIRECT, modem: MODEM };
const PPP = "~\xff}#\xc0!}!}!}";
const FAR: readonly Reply[] = [
  { after: "CONNECT 14400\r\n", text: "\r\nWelcome\r\nlogin: ", delayMs: 1000 },
  { after: "joe\r", text: "joe\r\nPassword: " },
  { after: "2u2\r", text: `hello2u2\r\n${PPP}`, delayMs: 500 },
];

const linesOf = (settings: CallSettings, { events, end, endedAt }: Talked): string[] => {
  const transcript = new Transcript(callSecrets(settings), 100);
  for (const event of events) transcript.handleEvent(event, instant(0));
  if (end !== null) transcript.handleEnd(end, endedAt);
  return transcript.lines.map(({ text }) => text);
};
const connected = ({ events }: Talked): unknown =>
  events.flatMap((event) => (event.type === "connected" ? [event.carrierBps] : []));
const failure = ({ end }: Talked): unknown => (end?.ok === false ? [end.failure, end.reason] : end);

describe("a call", () => {
  it("dials, logs in, and leaves the first frame to the link", () => {
    const talked = talkByPhone(phoneWorld(), makeCall(PHONE, "5551000"), FAR);
    assert.deepEqual(talked.end, OK);
    assert.ok(talked.unread.length >= 4 && PPP.startsWith(talked.unread));
    assert.deepEqual(linesOf(PHONE, talked), [
      "> AT",
      "< AT",
      "< OK",
      "> ATZ",
      "< ATZ",
      "< OK",
      "> AT&C1&D2W1L1S0=0%E2",
      "< AT&C1&D2W1L1S0=0%E2",
      "< OK",
      "> ATDT5551000",
      "< ATDT5551000",
      "< CONNECT 14400",
      "* connected at 14400 bit/s",
      "< Welcome",
      "< login: ",
      "> joe",
      "< joe",
      "< Password: ",
      "> ********",
      "< ********",
      "< ~M-^?}#",
      "* the far side has begun the link",
      "* done",
    ]);
  });

  it("fails with its first part", () => {
    const talked = talkByPhone(phoneWorld(), makeCall(PHONE, "5551001"), FAR);
    assert.deepEqual(failure(talked), ["busy", "the modem says BUSY"]);
    assert.ok(!talked.sent.includes("joe"));
  });

  it("reads what comes in one go, part by part", () => {
    const modem: readonly Reply[] = [
      { after: "AT\r", text: "\r\nOK\r\n" },
      { after: "ATZ\r", text: "\r\nOK\r\n" },
      { after: "E2\r", text: "\r\nOK\r\n" },
      { after: "5551000\r", text: "\r\nCONNECT 28800\r\nlogin: " },
      { after: "joe\r", text: "Password: " },
      { after: "2u2\r", text: `\r\n${PPP}` },
    ];
    for (let split = 1; split < 50; split++) {
      const talked = talk(makeCall(PHONE, "5551000"), modem, split);
      assert.deepEqual([talked.end, connected(talked), talked.unread], [OK, [28_800], PPP], `${split}`);
    }
  });

  it("on a line without a modem begins with the login", () => {
    const talked = talk(makeCall(DIRECT, null), [{ after: "", text: "login: " }, ...FAR.slice(1)]);
    assert.deepEqual([talked.end, talked.sent], [OK, "joe\rhello2u2\r"]);
    assert.deepEqual(talked.events[0], { type: "connected", carrierBps: null });
  });

  it("wakes a far side that waits at the other end of a cable, which has said its prompt long ago, soon", () => {
    const far: readonly Reply[] = [{ after: "\r", text: "\r\nlogin: " }, ...FAR.slice(1)];
    const talked = talk(makeCall(DIRECT, null), far);
    assert.deepEqual([talked.end, talked.sent], [OK, "\rjoe\rhello2u2\r"]);
    assert.equal(talked.endedAt, 1000 + 200 + 200 + 500);
  });

  it("of nothing is over at once, and leaves all", () => {
    const talked = talk(makeCall(NOTHING, null), [{ after: "", text: PPP }]);
    assert.deepEqual([talked.end, talked.unread, connected(talked)], [OK, PPP, [null]]);
  });

  it("speaks a script instead of the login, or of both", () => {
    const script = [{ expect: "ogin:" }, { send: "ann" }];
    const after = talkByPhone(phoneWorld(), makeCall({ ...PHONE, script }, "5551000"), FAR);
    assert.deepEqual([after.end, after.sent.slice(-4), connected(after)], [OK, "ann\r", [14_400]]);
    const dials = [{ dial: "ATDT" }, { expect: "CONNECT" }, ...script];
    const both = talkByPhone(phoneWorld(), makeCall({ ...NOTHING, script: dials }, "5551000"), FAR);
    assert.deepEqual([both.end, both.sent, connected(both)], [OK, "ATDT5551000\rann\r", [14_400]]);
  });

  it("comes to an end on a noisy line, one way or the other", () => {
    const ends = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const talked = talkByPhone(phoneWorld({ seed, noiseOneIn: 25 }), makeCall(PHONE, "5551000"), FAR);
      assert.ok(talked.end !== null, `seed ${seed}`);
      ends.add(talked.end.ok ? "ok" : talked.end.failure);
    }
    assert.ok(ends.has("ok") && ends.has("timeout"), [...ends].join());
  });

  it("is ended by its owner, at any point", () => {
    for (const settings of [PHONE, DIRECT, { ...NOTHING, script: [{ expect: "x" }] }]) {
      const call = makeCall(settings, "1");
      call.start(instant(0));
      call.fail("broken", "gone");
      call.fail("busy", "too late");
      call.handleTimeout(call.pollTimeout());
      assert.deepEqual(call.end, { ok: false, failure: "broken", reason: "gone" });
    }
  });

  it("keeps no more than it may of what comes after its end", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }), (chunks) => {
        const call = makeCall(NOTHING, null);
        call.start(instant(0));
        for (const octets of chunks) call.handleOctets(octets, 0, octets.length, instant(0));
        const all = chunks.flatMap((octets) => [...octets]);
        assert.deepEqual(call.takeUnread(), Uint8Array.from(all.slice(0, 4096)));
      }),
      { numRuns: 30 },
    );
  });
});

describe("a call by a script of chat(8)", () => {
  const FILES = { "/etc/ppp/password-isp": "hello2u2\n" };
  const chat = (text: string, files: Readonly<Record<string, string>> = {}): CallSettings => ({
    ...NOTHING,
    chat: { words: splitChatFile(text, "chat-isp"), files },
  });
  const CALL = `ABORT BUSY ABORT 'NO CARRIER' '' ATZ OK ATDT\\T TIMEOUT 90 CONNECT \\c
    ogin:--ogin: joe ssword: @/etc/ppp/password-isp`;

  it("dials the number, sends what files have, and tells the speed", () => {
    const settings = chat(CALL, FILES);
    assert.deepEqual(chatFiles(settings.chat?.words ?? []), ["/etc/ppp/password-isp"]);
    const talked = talkByPhone(phoneWorld(), makeCall(settings, "5551000"), FAR);
    assert.deepEqual([talked.end, connected(talked)], [OK, [14_400]]);
    assert.equal(talked.sent, "ATZ\rATDT5551000\rjoe\rhello2u2\r");
    assert.deepEqual(linesOf(settings, talked), [
      "> ATZ",
      "< ATZ",
      "< OK",
      "> ATDT5551000",
      "< ATDT5551000",
      "< CONNECT 14400",
      "* connected at 14400 bit/s",
      "< Welcome",
      "< login:",
      "> joe",
      "<  joe",
      "< Password:",
      "> ??????",
      "* done",
    ]);
  });

  it("tells the speed though the script reads no further than CONNECT", () => {
    const talked = talk(makeCall(chat("'' ATD CONNECT ''"), null), [
      { after: "ATD\r", text: "CARRIER 26400\r\nCONNECT 115200\r\n~" },
    ]);
    assert.deepEqual([talked.end, connected(talked), talked.unread], [OK, [26_400], "\n~"]);
  });

  it("fails as its ABORT strings say", () => {
    const ends = (script: string, text: string): unknown =>
      failure(talk(makeCall(chat(script), null), [{ after: "", text }]));
    assert.deepEqual(ends("ABORT BUSY x y", "BUSY"), ["busy", "BUSY came"]);
    assert.deepEqual(ends("ABORT 'NO CARRIER' x y", "NO CARRIER"), ["no-carrier", "NO CARRIER came"]);
    assert.deepEqual(ends("ABORT closed x y", "closed"), ["aborted", "closed came"]);
    assert.deepEqual(ends("TIMEOUT 3 x y", ""), ["timeout", "what the script expects did not come"]);
  });

  it("fails without a file that it wants, and when its owner says so", () => {
    assert.deepEqual(
      failure(talk(makeCall(chat(CALL), "1"), [{ after: "Z\r", text: "OK CONNECT ogin: ssword:" }])),
      ["command", "the script wants a file that is not there: /etc/ppp/password-isp"],
    );
    const call = makeCall(chat("x y"), null);
    call.start(instant(0));
    call.fail("broken", "gone");
    assert.deepEqual(call.end, { ok: false, failure: "broken", reason: "gone" });
  });

  it("has its secrets masked", () => {
    assert.deepEqual(callSecrets(chat(`${CALL} x \\qp\\da x-\\qz\\c-x`, FILES)), ["pa", "z", "hello2u2"]);
  });
});
