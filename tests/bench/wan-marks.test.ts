import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type TransferReport, wanTables } from "../../bench/wan-marks.ts";

const report = (name: string, more: Partial<TransferReport> = {}): TransferReport => ({
  case: name,
  goodputBps: 36_680_000,
  percentOfSum: 91.7,
  percentOfMean: 91.7,
  pingMs: { idle: 23, p50: 26, p95: 29 },
  longestStallMs: 86,
  processorSecondsPerGB: 7,
  udp: null,
  ...more,
});

/** The last cell of each row. */
const verdicts = (...reports: Parameters<typeof wanTables>[0]): readonly string[] =>
  [...wanTables(reports).matchAll(/(reached|MISSED) \|$/gm)].map(([, word = ""]) => word);

describe("the tables of links over UDP", () => {
  it("say of each case whether it reaches its marks", () => {
    assert.deepEqual(verdicts(report("a"), report("a", { percentOfSum: 90.9 })), ["reached", "MISSED"]);
    const slow = { idle: 23, p50: 26, p95: 38.1 };
    assert.deepEqual(verdicts(report("b", { pingMs: slow }), report("d", { pingMs: slow })), [
      "MISSED",
      "reached",
    ]);
    const cut = { percentOfSum: 76, longestStallMs: 300 };
    assert.deepEqual(verdicts(report("g", cut), report("g", { ...cut, longestStallMs: 299 })), [
      "MISSED",
      "reached",
    ]);
    assert.deepEqual(verdicts(report("h"), report("h", { percentOfAlone: 99.2 })), ["MISSED", "reached"]);
    assert.deepEqual(verdicts(report("i", { percentOfSum: 60, percentOfMean: 85 })), ["reached"]);
  });

  it("hold datagrams to the same shares, and to their order", () => {
    const udp = { lostPercent: 1, reorderedPercent: 0.09 };
    const late = { lostPercent: 1, reorderedPercent: 0.1 };
    assert.deepEqual(verdicts(report("a", { udp }), report("a", { udp: late })), ["reached", "MISSED"]);
  });

  it("hold ours to another tunnel, and a bond without traffic to next to nothing", () => {
    const beside = {
      name: "fastd",
      goodputBps: 6e8,
      processorSecondsPerGB: 16,
      throughputRatio: 2.5,
      processorRatio: 0.5,
    };
    const poor = { ...beside, processorRatio: 0.51 };
    assert.deepEqual(verdicts(report("u", { beside }), report("u", { beside: poor })), ["reached", "MISSED"]);
    const idle = { case: "idle", seconds: 30, clientPercent: 0.9, serverPercent: 0.9 };
    const quiet = { ...idle, linkBps: [{ up: 990, down: 1000 }] };
    assert.deepEqual(verdicts(quiet, { ...idle, linkBps: [{ up: 1000, down: 1000 }] }), [
      "reached",
      "MISSED",
    ]);
  });

  it("show the range of runs, and nothing that was not measured", () => {
    const text = wanTables([report("a", { runs: [report("a"), report("a", { percentOfSum: 91.2 })] })]);
    assert.match(text, /^\| a \| .* \| 36\.68 \| 91\.7 \| 91\.2-91\.7 \| 23 \/ 26 \/ 29 \| 86 \|/m);
    assert.equal(text.match(/:$/gm)?.length, 1);
  });
});
