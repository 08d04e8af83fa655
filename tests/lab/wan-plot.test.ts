import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WAN_CASES, type WanCase } from "../../src/lab/wan-cases.ts";
import { changesOf, stepFor, wanPlot } from "../../src/lab/wan-plot.ts";
import { pingsOf, type WanTimeline } from "../../src/lab/wan-timeline.ts";
import { elements } from "./xml.ts";

const byName = (name: string): WanCase => WAN_CASES.find((wan) => wan.name === name) as WanCase;
const echo = (sequence: number, at: number, rttMs: number) =>
  ({ event: "echo", sequence, at, rttMs }) as const;

const timeline: WanTimeline = {
  carried: [100, 200, 300].map((atMs) => ({ atMs, bps: [20e6, 10e6] })),
  payload: [0, 100, 200].map((atMs) => ({ atMs, bps: 27e6 })),
  pings: [
    { atMs: 5, rttMs: 24 },
    { atMs: 105, rttMs: null },
    { atMs: 205, rttMs: 31 },
    { atMs: 25_000, rttMs: 9 },
  ],
};

describe("the plot of a case", () => {
  const count = (names: readonly string[], wanted: string): number =>
    names.filter((name) => name === wanted).length;

  it("is well formed, with an area for each link and a dot for each ping of its time", () => {
    const svg = wanPlot(byName("g"), timeline, "a <run> & more");
    const names = elements(svg);
    assert.deepEqual(
      ["svg", "style", "polygon", "circle"].map((name) => count(names, name)),
      [1, 1, 2, 2],
    );
    assert.equal(count(names, "polyline"), 2, "payload, and what there is");
    assert.equal(svg.match(/class="lost"/g)?.length, 1);
    assert.equal(svg.match(/>link 2 (cut|back)</g)?.length, 2);
    assert.match(svg, /prefers-color-scheme:dark/);
    assert.match(svg, /a &lt;run&gt; &amp; more/);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });

  it("does without links' counts, rates, payload and pings", () => {
    const svg = wanPlot(byName("u"), { carried: [], payload: [], pings: [] }, "");
    const names = elements(svg);
    assert.equal(count(names, "polygon") + count(names, "circle"), 0);
    assert.doesNotMatch(svg, /NaN|Infinity|undefined|what there is/);
    const fast = wanPlot(byName("u"), { ...timeline, carried: [], payload: [{ atMs: 0, bps: 2e9 }] }, "");
    assert.match(fast, />2000</);
  });

  it("has round figures at its axes", () => {
    assert.deepEqual([40, 42, 101, 1, 0.3, 20, 2100].map(stepFor), [10, 10, 25, 0.2, 0.1, 5, 500]);
  });

  it("says what changes, once when it is the same for all", () => {
    assert.deepEqual(changesOf(byName("g")), [
      { atMs: 8000, words: "link 2 cut" },
      { atMs: 14_000, words: "link 2 back" },
    ]);
    assert.deepEqual(
      changesOf(byName("i")).map(({ words }) => words),
      ["all 10 Mbit/s", "all 20 Mbit/s", "all 10 Mbit/s"],
    );
    const changes = [
      { atMs: 5, link: 0, settings: { delayMs: 40, loss: 0.01 } },
      { atMs: 5, link: 1, settings: { jitterMs: 3 } },
    ];
    assert.deepEqual(changesOf({ ...byName("a"), changes }), [
      { atMs: 5, words: "link 1 40 ms 1 % loss, link 2 changed" },
    ]);
  });
});

describe("the pings of a timeline", () => {
  it("are in the order in which they were sent, with those that were not answered", () => {
    assert.deepEqual(pingsOf([echo(4, 1260, 50), echo(2, 1130, 120), echo(5, 1330, 20)], 1000, 100), [
      { atMs: 10, rttMs: 120 },
      { atMs: 110, rttMs: null },
      { atMs: 210, rttMs: 50 },
      { atMs: 310, rttMs: 20 },
    ]);
    assert.deepEqual(pingsOf([], 0, 100), []);
  });
});
