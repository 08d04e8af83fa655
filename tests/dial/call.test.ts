import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallSettings, makeCall } from "../../src/dial/call.ts";
import { Transcript } from "../../src/dial/transcript.ts";
import { instant } from "../../src/time.ts";
import { LOGIN, MODEM, phoneWorld } from "./phones.ts";
import { type Reply, type Talked, talk, talkByPhone } from "./talk.ts";

const DIRECT: CallSettings = { modem: null, login: LOGIN, chat: null };
const PPP = "~\xff}#\xc0!}!}!}";
const FAR: readonly Reply[] = [
  { after: "CONNECT 14400\r\n", text: "\r\nWelcome\r\nlogin: ", delayMs: 1000 },
  { after: "joe\r", text: "joe\r\nPassword: " },
  { after: "2u2\r", text: `\r\n${PPP}`, delayMs: 500 },
];

const linesOf = ({ events, end, endedAt }: Talked): string[] => {
  const transcript = new Transcript(["hello2u2"], 100);
  for (const event of events) transcript.handleEvent(event, instant(0));
  if (end !== null) transcript.handleEnd(end, endedAt);
  return transcript.lines.map(({ text }) => text);
};

describe("a call", () => {
  it("dials, logs in, and leaves the first frame to the link", () => {
    const talked = talkByPhone(phoneWorld(), makeCall({ ...DIRECT, modem: MODEM }, "5551000"), FAR);
    assert.deepEqual(talked.end, { ok: true });
    assert.equal(talked.unread, PPP.slice(0, talked.unread.length));
    assert.ok(talked.unread.length >= 4);
    assert.deepEqual(linesOf(talked), [
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
      "< ~M-^?}#",
      "* the far side has begun the link",
      "* done",
    ]);
  });

  it("of nothing is over at once, and leaves all", () => {
    const { end, unread } = talk(makeCall({ modem: null, login: null, chat: null }, null), [
      { after: "", text: PPP },
    ]);
    assert.deepEqual([end, unread], [{ ok: true }, PPP]);
  });
});
