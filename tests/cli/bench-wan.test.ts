import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plotFile, plotSubtitle, selectCases } from "../../src/cli/commands/bench-wan.ts";
import { describeIdle, describeWan, idleReport, wanReport } from "../../src/cli/format-wan.ts";
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
  beside: null,
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

describe("another tunnel beside ours", () => {
  const beside = {
    name: "fastd",
    goodputBps: 700e6,
    processorSecondsPerGB: 15,
    throughputRatio: 3,
    processorRatio: 0.4,
  } as const;

  it("is told of by name, with both ratios", () => {
    assert.deepEqual(Object.entries(wanReport({ ...result, beside }))[6], ["beside", beside]);
    assert.ok(!("beside" in wanReport(result)));
    const text = describeWan([{ ...result, beside }]);
    assert.match(
      text,
      /beside fastd with 700\.00 Mbit\/s and 15 processor seconds per GB: 3 times .* 0\.4 times/,
    );
  });
});

describe("a bond that is idle", () => {
  const idle = {
    clientPercent: 0.3,
    serverPercent: 0.2,
    linkBps: [
      { up: 300, down: 310 },
      { up: 290, down: 280 },
    ],
    machinePercent: 1,
  };
  const [case_] = WAN_CASES.filter((one) => one.idle === true);
  const told = { wan: case_ as WanCase, idle, runs: [idle] };

  it("is told of by what each end and each link costs", () => {
    assert.deepEqual(Object.entries(idleReport(told)).slice(0, 6), [
      ["case", "idle"],
      ["links", told.wan.links],
      ["seconds", 30],
      ["clientPercent", 0.3],
      ["serverPercent", 0.2],
      ["linkBps", idle.linkBps],
    ]);
    const report = idleReport({ ...told, runs: [idle, idle] });
    assert.deepEqual({ ...report, runs: [idle, idle] }, report);
    const text = describeIdle(told);
    assert.match(text, /^idle: 2 x 20 Mbit\/s.*\n {2}0\.3 % of a core for the client, 0\.2 % for the server/);
    assert.match(text, /link 2: 290 bit\/s from the client, 280 bit\/s to it\n$/);
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
  const select = (wanted: string, more: Partial<Parameters<typeof selectCases>[2]> = {}): string =>
    selectCases(WAN_CASES, wanted, { traffic: "tcp", ...more })
      .map(({ name }) => name)
      .join();

  it("names some cases, or all", () => {
    assert.equal(select("all"), WAN_CASES.map(({ name }) => name).join());
    assert.equal(select("g, a"), "g,a");
    assert.throws(() => select("a,z"), /no case "z"; allowed: all, or some of a, b,/);
  });

  it("has to go with the other options; of all, those are meant that do", () => {
    assert.equal(select("all", { traffic: "udp" }), "a,b,c,d,e,f,g,h,i");
    assert.equal(select("all", { direct: 4 }), "f");
    assert.throws(() => select("f,a", { direct: 3 }), /--direct is 3; allowed: 1 to 2 in case a/);
    assert.throws(() => select("u", { traffic: "udp" }), /case u has none/);
    assert.throws(() => select("idle", { direct: 1 }), /not for case idle/);
    assert.equal(select("a,u", { beside: "fastd" }), "a,u");
    assert.throws(() => select("a", { beside: "fastd" }), /--beside is for cases without limit/);
  });
});
