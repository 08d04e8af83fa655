import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { wanDemoReport, wanFrame, wanNote, wanOneLine, wanSummary } from "../../src/cli/wan-demo-view.ts";
import { WAN_DEMO, type WanDemoResult, type WanSpan } from "../../src/lab/wan-demo.ts";
import type { WanDemoLink, WanNote, WanProgress } from "../../src/lab/wan-watch.ts";

const [dsl, lte] = WAN_DEMO.links as readonly [WanDemoLink, WanDemoLink];
const alive = { state: "alive", rateBps: 9_800_000, roundTripMs: 58.4, queueMs: 4.6, loss: 0.012 } as const;
const progress: WanProgress = {
  seconds: 9.6,
  ofSeconds: 20,
  links: [
    { link: dsl, cut: true, bps: 0, path: { ...alive, state: "dead" } },
    { link: lte, cut: false, bps: 9_960_000, path: alive },
  ],
  octets: 27_123_456,
  goodputBps: 9_130_000,
  pingMs: 61.2,
};

describe("the picture of the demo of uplinks", () => {
  it("has what each path carries and is found to be, what both do, and the stream", () => {
    const [, , first, second, both, stream] = wanFrame(progress, 90);
    assert.match(first ?? "", /^DSL +░+ +0\.0 of 0 +- +- +- +- +dead, CUT$/);
    assert.match(second ?? "", /^LTE +█+.? +10\.0 of 10 +9\.8 +58 ms +5 ms +1\.2 % +alive$/);
    assert.match(both ?? "", /^both +█+.?░+ +10\.0 of 10 +payload 9\.1 Mbit\/s, ping 61 ms$/);
    assert.equal(stream, "10 s of 20 s  27,123,456 octets arrived");
  });

  it("is never wider than the terminal, and as high at all times", () => {
    const early: WanProgress = {
      ...progress,
      seconds: null,
      links: progress.links.map((one) => ({ ...one, path: null, cut: false })),
      pingMs: null,
    };
    for (const columns of [20, 80, 200]) {
      for (const moment of [progress, early]) {
        const lines = wanFrame(moment, columns);
        assert.equal(lines.length, 7);
        assert.ok(lines.every((text) => text.length < columns));
      }
    }
    assert.match(wanFrame(early, 80)[5] ?? "", /are up, and idle$/);
    // Nothing of it is cut off on the usual terminal.
    assert.match(wanFrame(progress, 80)[2] ?? "", /dead, CUT$/);
  });

  it("is one line where nothing can be drawn over", () => {
    assert.equal(
      wanOneLine(progress).trim(),
      "9.6 s DSL 0.0 (dead) + LTE 10.0 (alive), payload 9.1 Mbit/s, ping 61 ms",
    );
    assert.match(wanOneLine({ ...progress, seconds: null }), /idle$/);
  });
});

it("what happened is one line with the time", () => {
  const text = (note: WanNote): string => wanNote(note, 10_000).trim();
  assert.equal(text({ type: "stream", at: 10_000, what: "begins" }), "0.0 s the stream begins");
  assert.equal(text({ type: "link", at: 18_000, link: dsl, what: "cut" }), "8.0 s DSL: THE LINK IS CUT");
  assert.equal(text({ type: "link", at: 23_000, link: dsl, what: "back" }), "13.0 s DSL: the link is back");
  assert.match(text({ type: "path", at: 18_210, link: dsl, to: "dead" }), /^8\.2 s DSL: answers no more/);
  assert.match(text({ type: "path", at: 23_400, link: dsl, to: "alive" }), /^13\.4 s DSL: answers, and/);
});

describe("the end of the demo of uplinks", () => {
  const span = (seconds: number, mbits: number, sum: number): WanSpan => ({
    seconds,
    goodputBps: mbits * 1e6,
    sumBps: sum * 1e6,
    percentOfSum: (100 * mbits) / sum,
  });
  const result: WanDemoResult = {
    complete: true,
    intact: true,
    octets: 54_336_428,
    before: span(8, 27, 30),
    during: span(5, 9.1, 10),
    after: span(7, 27, 30),
    whole: span(20, 22.5, 25),
    pingMs: { idle: 23.4, p50: 31.7, p95: 61.4 },
    pings: { sent: 200, lost: 0 },
    gapMs: 126,
    noticedMs: 162,
    backMs: 121,
  };

  it("is a table, and what became of the link and the octets", () => {
    const text = wanSummary(WAN_DEMO, result);
    assert.ok(text.split("\n").every((line) => line.length < 80));
    assert.match(text, /20 s over DSL 20 Mbit\/s 10 ms \+ LTE 10 Mbit\/s 25 ms/);
    assert.match(text, /until the cut +8\.0 +27\.0 +90 % of 30\n/);
    assert.match(text, /while DSL was cut +5\.0 +9\.1 +91 % of 10\n/);
    assert.match(text, /all of it +20\.0 +22\.5 +90 % of 25\n/);
    assert.match(text, /idle 23\.4 ms; under load 31\.7 ms, 95 % within 61\.4 ms, none lost\n/);
    assert.match(text, /no octet for 126 ms at most, noticed within 162 ms; back within 121 ms\n/);
    assert.match(text, /All 54,336,428 octets arrived as they were sent\.\n$/);
  });

  it("says so when octets were damaged, pings were lost or the link stayed away", () => {
    const away = { ...result, complete: false, noticedMs: null, backMs: null, pings: { sent: 200, lost: 3 } };
    assert.match(
      wanSummary(WAN_DEMO, away),
      /3 of 200 lost\n.*for 126 ms at most\n[^]*DSL DID NOT COME BACK/,
    );
    const damaged = wanSummary(WAN_DEMO, { ...away, intact: false });
    assert.match(damaged, /DAMAGED/);
    assert.doesNotMatch(damaged, /as they were sent/);
  });

  it("is an object in JSON", () => {
    const report = JSON.parse(JSON.stringify(wanDemoReport(WAN_DEMO, result))) as unknown;
    assert.deepEqual(report, { ...WAN_DEMO, ...result });
  });
});
