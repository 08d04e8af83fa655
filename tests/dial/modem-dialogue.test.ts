import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ModemDialogue, type ModemSettings } from "../../src/dial/modem-dialogue.ts";
import { after, instant, NEVER } from "../../src/time.ts";
import type { PhoneWorld } from "../sim/phone-host.ts";
import { MODEM, phoneWorld } from "./phones.ts";
import { type Reply, type Talked, talk, talkByPhone } from "./talk.ts";

const OK = { ok: true };
const dial = (phones: PhoneWorld, number = "5551000", more: Partial<ModemSettings> = {}): Talked =>
  talkByPhone(phones, new ModemDialogue({ ...MODEM, ...more }, number));
const carriers = ({ events }: Talked): unknown =>
  events.flatMap((event) => (event.type === "connected" ? [event.carrierBps] : []));
const failure = ({ end }: Talked): unknown => (end?.ok === false ? [end.failure, end.reason] : end);

/** What the near modem is told before; its answers are not for the dialogue. */
function told(phones: PhoneWorld, command: string, answer: RegExp, withinMs = 60_000): PhoneWorld {
  const host = phones.host("a");
  host.send(command);
  phones.runUntil(host, answer, withinMs);
  phones.run(100);
  for (const { name } of phones.hosts) phones.host(name).takeText();
  return phones;
}

describe("ModemDialogue with a modem", () => {
  it("connects, and tells the carrier's speed", () => {
    const talked = dial(phoneWorld());
    assert.deepEqual(talked.end, OK);
    assert.equal(talked.sent, "AT\rATZ\rAT&C1&D2W1L1S0=0%E2\rATDT5551000\r");
    assert.deepEqual(carriers(talked), [14_400]);
    assert.equal(talked.unread, "");
  });

  for (const [number, name, reason] of [
    ["5551001", "busy", "the modem says BUSY"],
    ["5551002", "no-answer", "the modem says NO ANSWER"],
    ["5551003", "voice", "the modem says VOICE"],
    ["5551004", "no-carrier", "the modem says NO CARRIER"],
  ] as const) {
    it(`tells ${name}`, () => {
      assert.deepEqual(failure(dial(phoneWorld(), number)), [name, reason]);
    });
  }

  it("tells that there is no dial tone", () => {
    const phones = phoneWorld();
    phones.network.setPlugged("a", false, phones.now);
    assert.deepEqual(failure(dial(phones)), ["no-dialtone", "the modem says NO DIALTONE"]);
  });

  it("waits for the carrier as long as it may", () => {
    const talked = dial(phoneWorld(), "5551004", { carrierWaitMs: 10_000 });
    assert.deepEqual(failure(talked), ["timeout", "the modem said nothing for 10 s"]);
  });

  it("says which command the modem does not take", () => {
    const talked = dial(phoneWorld(), "", { init: ["ATZ", "AT@"] });
    assert.deepEqual(failure(talked), ["modem", "the modem answers AT@ with ERROR"]);
    assert.equal(talked.sent, "AT\rATZ\rAT@\r");
  });

  it("dials again, without that &D2 had hung the modem up", () => {
    const phones = told(phoneWorld(), "AT&D0&W\r", /OK\r\n/);
    told(phones, "ATDT5551000\r", /CONNECT 14400\r\n/);
    phones.network.modem("a").setDtr(false, phones.now);
    phones.run(2000);
    phones.network.modem("a").setDtr(true, phones.now);
    assert.equal(phones.network.modem("a").phase, "connected");
    // The far side talks on.
    phones.host("b").send("\r\nlogin: \x7e\xff}#\xc0!");
    const talked = dial(phones, "5551000", { init: ["ATZ", "AT&D2"] });
    assert.deepEqual(talked.end, OK);
    assert.equal(talked.sent, "AT\r+++ATH\rAT\rATZ\rAT&D2\rATDT5551000\r");
  });

  it("stops a modem that dials still, and one that has read half a command", () => {
    const dialing = phoneWorld();
    dialing.host("a").send("ATDT5551002\r");
    dialing.run(10_000);
    dialing.host("a").takeText();
    assert.deepEqual(dial(dialing).end, OK);
    const half = phoneWorld();
    half.host("a").send("AT@5");
    half.run(100);
    half.host("a").takeText();
    const talked = dial(half);
    assert.deepEqual([talked.end, talked.sent.slice(0, 10)], [OK, "AT\rAT\rATZ\r"]);
  });

  it("asks one that answers in digits for words, and understands one that is told to use them", () => {
    const phones = told(phoneWorld(), "ATV0&W\r", /0\r/);
    const talked = dial(phones, "5551000", { init: ["ATZ"] });
    assert.equal(talked.sent, "AT\rATZ\rATV1\rATDT5551000\r");
    assert.deepEqual(carriers(talked), [14_400]);
    const digits = dial(phoneWorld(), "5551001", { dial: "ATV0DT" });
    assert.deepEqual(failure(digits), ["busy", "the modem says 7"]);
    const slow = dial(phoneWorld({ modems: slowModems }), "5551000", { dial: "ATV0DT" });
    assert.deepEqual([slow.end, carriers(slow)], [OK, [1200]]);
  });

  it("gives up a modem that is not there, after trying what there is to try", () => {
    const talked = talk(new ModemDialogue(MODEM, "5551000"), []);
    assert.deepEqual(failure(talked), ["modem", "the modem does not answer AT"]);
    assert.equal(talked.sent, "AT\r+++ATH\rAT\r");
    assert.equal(talked.endedAt, 100 + 3000 + 1200 + 2400 + 100 + 3000 + 100 + 3000);
  });

  it("gives up one that does not answer an init string", () => {
    const talked = talk(new ModemDialogue(MODEM, ""), [
      { after: "AT\r", text: "\r\nOK\r\n" },
      { after: "ATZ\r", text: "\r\nOK\r\n", delayMs: 29_000 },
    ]);
    assert.deepEqual(failure(talked), ["modem", "the modem does not answer AT&C1&D2W1L1S0=0%E2"]);
  });

  it("leaves a modem alone that says ERROR to everything", () => {
    const never: readonly Reply[] = Array.from({ length: 9 }, () => ({
      after: "AT\r",
      text: "\r\nERROR\r\n",
    }));
    const talked = talk(new ModemDialogue(MODEM, ""), never);
    assert.deepEqual(failure(talked), ["modem", "the modem answers AT with ERROR"]);
    assert.equal(talked.sent, "AT\rAT\rAT\r+++ATH\rAT\rAT\rAT\r");
  });
});

const slowModems = [
  { name: "a", portBps: 9600, carrierBps: 1200 },
  { name: "b", portBps: 9600, carrierBps: 2400 },
];

/** A modem that says other things than ours does. */
const vendor = (result: string, then = ""): readonly Reply[] => [
  { after: "AT\r", text: "AT\r\r\nOK\r\n" },
  { after: "ATZ\r", text: "\xfe\r\nRING\r\nATZ\r\r\nOK\r\n", delayMs: 300 },
  { after: "E2\r", text: "\r\nOK\r\n" },
  { after: "5551000\r", text: `ATDT5551000\r\r\n${result}\r\n${then}`, delayMs: 20_000 },
];

describe("ModemDialogue with the words of others", () => {
  const connects = (result: string, then = "", split = 1): Talked =>
    talk(new ModemDialogue(MODEM, "5551000"), vendor(result, then), split);

  it("takes the carrier's speed for that of the call", () => {
    for (const [result, bps] of [
      ["CONNECT 28800/ARQ/V34/LAPM/V42BIS", 28_800],
      ["CONNECT 14400/REL", 14_400],
      ["RING\r\nRINGING\r\n\r\nCARRIER 26400\r\n\r\nPROTOCOL: LAP-M\r\n\r\nCONNECT 115200", 26_400],
      ["+MCR: V34\r\n\r\n+MRR: 31200\r\nCONNECT 57600", 31_200],
      ["CONNECT", null],
    ] as const) {
      const talked = connects(result);
      assert.deepEqual([talked.end, carriers(talked)], [OK, [bps]], result);
    }
  });

  it("loses nothing of what follows, wherever the octets are split", () => {
    const follows = "\r\n~\xff}#\xc0!login: ";
    for (let split = 1; split < 70; split++) {
      const talked = connects("CONNECT 28800", follows, split);
      assert.deepEqual([talked.end, carriers(talked), talked.unread], [OK, [28_800], follows], `${split}`);
    }
  });

  it("does not wait for a line feed that does not come", () => {
    const talked = talk(new ModemDialogue({ ...MODEM, init: [] }, "1"), [
      { after: "AT\r", text: "0\r" },
      { after: "ATV1\r", text: "0\r" },
      { after: "ATDT1\r", text: "1\r" },
    ]);
    assert.deepEqual([talked.end, talked.endedAt, carriers(talked)], [OK, 400, [null]]);
    const early = talk(new ModemDialogue({ ...MODEM, init: [] }, "1"), [
      { after: "AT\r", text: "OK\r" },
      { after: "ATDT1\r", text: "1\r~x" },
    ]);
    assert.deepEqual([early.endedAt, early.unread], [200, "~x"]);
  });

  it("is ended by its owner", () => {
    const dialogue = new ModemDialogue(MODEM, "1");
    dialogue.start(instant(0));
    dialogue.fail("broken", "the line has gone");
    dialogue.handleOctets(Uint8Array.of(0x4f), 0, 1, instant(1));
    dialogue.handleTimeout(instant(1e6));
    assert.deepEqual(
      [dialogue.end, dialogue.pollTimeout(), dialogue.pollTransmit()],
      [{ ok: false, failure: "broken", reason: "the line has gone" }, NEVER, undefined],
    );
  });

  it("comes to an end with anything that may come, without throwing", () => {
    const word = fc.constantFrom(
      "OK\r",
      "\r\nOK\r\n",
      "0\r",
      "4\r",
      "ERROR\r\n",
      "NO CARRIER\r",
      "CONNECT\r",
      "CONNECT 99999999999\r",
    );
    const chunk = fc.oneof(
      word.map((text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0))),
      fc.uint8Array({ maxLength: 300 }),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 40 }), (chunks) => {
        const dialogue = new ModemDialogue({ ...MODEM, init: ["ATZ"] }, "5551000");
        let now = instant(0);
        dialogue.start(now);
        for (const octets of chunks) {
          now = after(now, 200);
          dialogue.handleTimeout(now);
          dialogue.handleOctets(octets, 0, octets.length, now);
          while (dialogue.pollTransmit() !== undefined);
        }
        for (let turns = 0; dialogue.end === null; turns++) {
          assert.ok(turns < 30, "it does not end");
          dialogue.handleTimeout(dialogue.pollTimeout());
        }
        assert.ok(dialogue.takeUnread().length <= 4096);
      }),
      { numRuns: 300 },
    );
  });
});
