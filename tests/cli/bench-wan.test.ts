import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  describeWan,
  plotFile,
  plotSubtitle,
  selectCases,
  wanReport,
} from "../../src/cli/commands/bench-wan.ts";
import { WAN_CASES, type WanCase } from "../../src/lab/wan-cases.ts";
import type { WanMeasurement } from "../../src/lab/wan-measure.ts";
import type { WanResult } from "../../src/lab/wan-runs.ts";

const measured: WanMeasurement = {
  goodputBps: 36_612_345,
  percentOfSum: 91.53,
  percentOfMean: 91.53,
  pingMs: { idle: 20.4, p50: 25.1, p95: 31 },
  longestStallMs: 12.5,
  longestStallAt: 100,
  intact: true,
  tcp: { retransmitted: 3, timeouts: 0 },
  udp: null,
  processorSecondsPerGB: 7.5,
  machinePercent: 40,
  emulatorLateMs: 1.5,
};
const wan = WAN_CASES[0] as WanCase;
const result: WanResult = {
  wan,
  measured,
  runs: [measured],
  aloneBps: null,
  percentOfAlone: null,
  timeline: null,
};

describe("the JSON of `eql bench wan`", () => {
  it("starts with the documented keys, in their order", () => {
    assert.deepEqual(Object.entries(wanReport(result)).slice(0, 6), [
      ["case", "a"],
      ["links", wan.links],
      ["goodputBps", 36_612_345],
      ["percentOfSum", 91.53],
      ["pingMs", { idle: 20.4, p50: 25.1, p95: 31 }],
      ["longestStallMs", 12.5],
    ]);
    assert.ok(!("runs" in wanReport(result)));
  });

  it("has all runs where there are several, and the fast link alone where that counts", () => {
    const report = wanReport({ ...result, runs: [measured, measured], aloneBps: 9e7, percentOfAlone: 99.5 });
    assert.deepEqual({ ...report, aloneBps: 9e7, percentOfAlone: 99.5, runs: [measured, measured] }, report);
  });
});

describe("the words of `eql bench wan`", () => {
  it("say what was reached, and damage plainly", () => {
    const text = describeWan([result]);
    assert.match(text, /^a +2 x 20 Mbit\/s, 10 ms +36\.61 +91\.53 +20\.4 +25\.1 +31 +12\.5$/m);
    assert.match(text, /3 segments sent again, 0 time-outs\n +both daemons 7\.5 processor seconds per GB/);
    assert.doesNotMatch(text, /DAMAGED|on average|alone/);
    const bad = { ...measured, intact: false, percentOfMean: 88, processorSecondsPerGB: null };
    const more = describeWan([{ ...result, measured: bad, percentOfAlone: 99 }]);
    assert.match(more, /DAMAGED/);
    assert.match(more, /88 % of what there was on average\n +99 % of the fast link alone/);
    const udp = { lostPercent: 0.1, reorderedPercent: 0 };
    assert.match(describeWan([{ ...result, measured: { ...bad, udp, tcp: null } }]), /0\.1 % lost, 0 % out/);
  });
});

describe("--plot", () => {
  it("names the file of one case, and of several each one's own by its name", () => {
    assert.equal(plotFile("out/wan.svg", "g", false), "out/wan.svg");
    assert.equal(plotFile("out/wan.svg", "g", true), "out/wan-g.svg");
    assert.equal(plotFile("wan.svg", "g", true), "wan-g.svg");
    assert.equal(plotFile("/wan.svg", "g", true), "/wan-g.svg");
  });

  it("says what was measured", () => {
    const options = { case: "a", repeat: 1, traffic: "tcp" } as const;
    assert.equal(
      plotSubtitle(options, result),
      "one TCP stream over the bond; 36.61 Mbit/s (91.53 % of the sum); ping 20.4 ms idle, 25.1 / 31 ms under load",
    );
    const more = plotSubtitle({ ...options, traffic: "udp", redundant: true }, result);
    assert.match(more, /^datagrams at a constant rate over the bond, all packets by two paths;/);
    assert.match(plotSubtitle({ ...options, direct: 2 }, result), /over link 2 alone, without a bond/);
  });
});

describe("--case", () => {
  it("names some cases, or all", () => {
    assert.equal(selectCases(WAN_CASES, "all"), WAN_CASES);
    assert.deepEqual(
      selectCases(WAN_CASES, "g, a").map(({ name }) => name),
      ["g", "a"],
    );
    assert.throws(() => selectCases(WAN_CASES, "a,z"), /no case "z"; allowed: all, or some of a, b,/);
  });
});
