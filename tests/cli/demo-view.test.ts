import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bar, demoReport, frame, oneLine, summary } from "../../src/cli/demo-view.ts";
import { figure1995, type PairProgress } from "../../src/lab/demo.ts";
import type { Measurement } from "../../src/lab/measure.ts";

const COST = { cpuPercent: 1, peakResident: 1 };
const measured = (seconds: number, percentOfLimit: number, intact = true): Measurement => ({
  bytes: 289_284,
  intact,
  seconds,
  octetsPerSecond: 289_284 / seconds,
  limitOctetsPerSecond: 4162.5,
  percentOfLimit,
  congestion: "cubic",
  tcp: { retransmitted: 3, timeouts: 1, needless: 2 },
  near: COST,
  far: COST,
  machinePercent: 1,
});

const pairs: readonly PairProgress[] = [
  {
    name: "alone",
    lines: [{ bps: 28_800, octetsPerSecond: 2880 }],
    octets: 100_000,
    bytes: 289_284,
    seconds: 36.4,
    done: false,
  },
  {
    name: "bonded",
    lines: [
      { bps: 28_800, octetsPerSecond: 1440 },
      { bps: 14_400, octetsPerSecond: 0 },
    ],
    octets: 0,
    bytes: 289_284,
    seconds: null,
    done: false,
  },
];
const about = { speeds: [28_800, 14_400], mtu: 1500, bytes: 289_284, figure1995: "-" };

describe("bar", () => {
  it("is always as wide as asked, empty at 0 and full at 1 and above", () => {
    for (const share of [0, 0.01, 0.37, 0.999, 1, 7, -1]) assert.equal(bar(share, 10).length, 10);
    assert.equal(bar(0, 4), "░░░░");
    assert.equal(bar(0.5, 4), "██░░");
    assert.equal(bar(1, 4), "████");
    assert.equal(bar(9, 4), "████");
  });
});

describe("the picture", () => {
  it("has the transfer and each line of both pairs, never wider than the terminal", () => {
    for (const columns of [20, 80, 200]) {
      const lines = frame(pairs, columns);
      assert.equal(lines.length, 2 + 3 + 2);
      assert.ok(lines.every((line) => line.length < columns));
    }
    const [head, first] = frame(pairs, 100);
    assert.match(head ?? "", /^alone .* 34 % {2}100,000 octets {2}36 s$/);
    assert.match(first ?? "", /28800 █+ +2,880 of 2,880 octets\/s$/);
  });

  it("is one line where nothing can be drawn over", () => {
    assert.equal(
      oneLine(pairs),
      "alone 36 s 34 % (28800: 2,880 octets/s)   bonded starting (28800: 1,440 octets/s, 14400: 0 octets/s)",
    );
  });
});

describe("the end of the demo", () => {
  it("is a table of fastest line, bond, limit and 1995", () => {
    const text = summary(about, { alone: measured(104.5, 99.7), bonded: measured(69.8, 99.5) });
    assert.match(text, /fastest line alone \(28800\) +104\.5 +2,768 +99\.7 %/);
    assert.match(text, /bonded +69\.8 +4,144 +99\.5 %/);
    assert.match(text, /physical limit +69\.5 +4,163\n/);
    assert.match(text, /identical to what was sent/);
  });

  it("says so when octets were damaged", () => {
    const text = summary(about, { alone: measured(1, 1), bonded: measured(1, 1, false) });
    assert.match(text, /DAMAGED.*\(bonded\)/);
    assert.doesNotMatch(text, /identical/);
  });

  it("is an object with the documented keys in JSON", () => {
    const report = demoReport(about, { alone: measured(104.5, 99.7), bonded: measured(69.8, 99.5, false) });
    const figures = ["seconds", "octetsPerSecond", "limitOctetsPerSecond", "percentOfLimit"];
    const parsed = JSON.parse(JSON.stringify(report)) as Record<string, object>;
    assert.deepEqual(Object.keys(parsed), ["lines", "mtu", "bytes", "intact", "alone", "bonded"]);
    assert.deepEqual(parsed["lines"], [28_800, 14_400]);
    assert.equal(parsed["intact"], false);
    assert.deepEqual(Object.keys(parsed["alone"] ?? {}), figures);
    assert.deepEqual(Object.keys(parsed["bonded"] ?? {}), figures);
  });
});

describe("figure1995", () => {
  it("is the report's for its lines, in any order, the nearest row's for equal lines, else a dash", () => {
    assert.match(figure1995([14_400, 28_800], 1500), /^5\.3 KB\/s/);
    assert.match(
      figure1995([57_600, 57_600], 576),
      /^9579 octets\/s \(30\.2 s for 289284 octets, MTU 600\)$/,
    );
    assert.equal(figure1995([57_600, 14_400], 576), "-");
  });
});
