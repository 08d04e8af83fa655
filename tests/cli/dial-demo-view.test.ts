import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, it } from "node:test";
import { demoScreen } from "../../src/cli/demo-screen.ts";
import { dialFrame, dialNote, dialOneLine, dialReport, dialSummary } from "../../src/cli/dial-demo-view.ts";
import type { DialDemoResult } from "../../src/lab/dial-demo.ts";
import type { DialedLine, DialNote, DialProgress } from "../../src/lab/dial-watch.ts";

const line = (name: string, bps: number, more: Partial<DialedLine>): DialedLine => ({
  name,
  bps,
  state: "idle",
  number: null,
  said: "",
  octetsPerSecond: 0,
  ...more,
});
const progress: DialProgress = {
  seconds: 41,
  lines: [
    line("ppp0", 28_800, { state: "login", number: "5551000", said: "< Password:" }),
    line("ppp1", 14_400, { state: "enslaved", number: "5551000", octetsPerSecond: 1440 }),
  ],
  octets: 100_000,
  bytes: 289_284,
  transferSeconds: 30.2,
  stalledSeconds: 0,
};

describe("the picture of the demo of dialing", () => {
  it("has what each line is doing, and what is said on it or what it carries", () => {
    const [, first, second, transfer] = dialFrame(progress, 100);
    assert.match(first ?? "", /^ppp0 +28800 {2}login +< Password:$/);
    assert.match(second ?? "", /^ppp1 +14400 {2}enslaved +█+ +1,440 of 1,440 octets\/s$/);
    assert.match(transfer ?? "", /^transfer +█+.?░+ +34 % {2}100,000 octets {2}30 s$/);
  });

  it("is never wider than the terminal, and as high at all times", () => {
    const early = { ...progress, octets: 0, transferSeconds: null };
    const stalled = { ...progress, stalledSeconds: 5 };
    for (const columns of [20, 80, 200]) {
      for (const moment of [progress, early, stalled]) {
        const lines = dialFrame(moment, columns);
        assert.equal(lines.length, 5);
        assert.ok(lines.every((text) => text.length < columns));
      }
    }
    assert.match(dialFrame(early, 100)[3] ?? "", /waits for the lines/);
    assert.match(dialFrame(stalled, 80)[3] ?? "", /30 s, with a gap$/);
  });

  it("is one line where nothing can be drawn over", () => {
    const dialing = line("ppp0", 28_800, { state: "dialing", number: "5551000" });
    assert.equal(dialOneLine(progress).trim(), "ppp0 login, ppp1 1,440 octets/s: 30 s 34 %");
    const moment = { ...progress, lines: [dialing], transferSeconds: null };
    assert.equal(dialOneLine(moment).trim(), "ppp0 dialing 5551000");
  });
});

describe("what happened", () => {
  const step = (to: (DialNote & { type: "line" })["to"], reason = "why"): DialNote => ({
    type: "line",
    at: 12_340,
    line: "ppp0",
    from: "enslaved",
    to,
    reason,
    number: "5551000",
  });
  const text = (note: DialNote): string | null => dialNote(note, 10_000);

  it("is one line with the time", () => {
    assert.equal(text(step("dialing")), "    2.3 s ppp0: dialing 5551000");
    assert.equal(
      text(step("login", "connected at 28800 bit/s")),
      "    2.3 s ppp0: connected at 28800 bit/s; login",
    );
    assert.equal(text(step("waiting", "BUSY")), "    2.3 s ppp0: BUSY; waits before the next attempt");
    assert.equal(text(step("givenUp", "BUSY")), "    2.3 s ppp0: given up, BUSY");
    assert.match(
      text({ type: "cut", at: 10_000, line: "ppp0" }) ?? "",
      /^ +0\.0 s ppp0: THE CALL IS DROPPED/,
    );
    assert.match(text({ type: "transfer", at: 10_000, what: "begins" }) ?? "", /the transfer begins$/);
  });

  it("is nothing when another line says it", () => {
    assert.equal(text(step("locking")), null);
    assert.equal(text(step("up")), null);
  });
});

describe("the end of the demo of dialing", () => {
  const about = { carriers: [28_800, 14_400], mtu: 1500, bytes: 289_284 };
  const result: DialDemoResult = {
    complete: true,
    intact: true,
    seconds: 80.7,
    octetsPerSecond: 3584.7,
    percentOfRaw: 92.6,
    upAfterSeconds: 10.8,
    cut: { line: 0, seconds: 24, octets: 97_820, octetsPerSecond: 4075.8, percentOfRaw: 94.3 },
    redial: { seconds: 14, spent: { enslaved: 1.4, up: 0, waiting: 2.1, dialing: 8.8, login: 1.6 } },
  };

  it("is a table, and what became of the call and the octets", () => {
    const text = dialSummary(about, result);
    assert.match(text, /from dialing to the bundle +10\.8\n/);
    assert.match(text, /the transfer +80\.7 +3,585 +92\.6 % of those that were up\n/);
    assert.match(text, /until the drop +24\.0 +4,076 +94\.3 % of 4,320\n/);
    assert.match(text, /from the drop to the bundle +14\.0 +until it is noticed 1\.4, pause 2\.1, dialing/);
    assert.match(text, /at 28800 bit\/s was dropped when 97,820 octets had arrived, and made again\./);
    assert.match(text, /identical to what was sent/);
  });

  it("says so when no call was dropped, or octets were damaged", () => {
    const text = dialSummary(about, { ...result, complete: false, intact: false, cut: null, redial: null });
    assert.match(text, /NO CALL WAS DROPPED/);
    assert.match(text, /DAMAGED/);
    assert.doesNotMatch(text, /identical|until the drop|from the drop/);
  });

  it("is an object in JSON", () => {
    const report = JSON.parse(JSON.stringify(dialReport(about, result))) as Record<string, unknown>;
    assert.deepEqual(report, { lines: [28_800, 14_400], mtu: 1500, bytes: 289_284, ...result });
  });
});

describe("the screen of a demo", () => {
  const look = {
    frame: (moment: number) => [`a ${moment}`, `b ${moment}`],
    oneLine: (moment: number) => `one ${moment}`,
  };
  function output(isTTY: boolean): { stream: NodeJS.WriteStream; written: () => string } {
    let text = "";
    const stream = new Writable({
      write: (octets: Buffer, _encoding, done) => {
        text += octets.toString();
        done();
      },
    });
    return { stream: Object.assign(stream, { isTTY }) as NodeJS.WriteStream, written: () => text };
  }

  it("draws each picture over the last one, below what stays", () => {
    const { stream, written } = output(true);
    const screen = demoScreen(stream, look, true);
    screen.say("first");
    screen.show(1);
    screen.say("second");
    screen.show(2);
    const over = "\x1b[2A\x1b[J";
    assert.equal(written(), `\x1b[Jfirst\n\x1b[Ja 1\nb 1\n${over}second\na 1\nb 1\n${over}a 2\nb 2\n`);
  });

  it("writes a line now and then where there is no terminal, or it is not to draw", () => {
    for (const [isTTY, mayDraw] of [
      [false, true],
      [true, false],
    ] as const) {
      const { stream, written } = output(isTTY);
      const screen = demoScreen(stream, look, mayDraw);
      screen.show(1);
      screen.show(2);
      screen.say("said");
      assert.equal(written(), "one 1\nsaid\n");
    }
  });
});
