import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeLines, linesReport, selectRows } from "../../src/cli/commands/bench.ts";
import { parsePercent, parseSpeeds } from "../../src/cli/lab-options.ts";
import { BENTSON_ROWS, rowName } from "../../src/lab/bentson.ts";
import type { Measurement } from "../../src/lab/measure.ts";

const COST = { cpuPercent: 3.5, peakResident: 80 * 2 ** 20 };
const ONE_LINE = { speeds: [57_600], mtu: 576 };
const measured: Measurement = {
  bytes: 289_284,
  intact: true,
  seconds: 18.1,
  octetsPerSecond: 15_982.5,
  limitOctetsPerSecond: 16_003.1,
  percentOfLimit: 99.87,
  congestion: "cubic",
  tcp: { retransmitted: 3, timeouts: 1, needless: 2 },
  near: COST,
  far: COST,
  machinePercent: 12,
};

describe("the JSON of `eql bench lines`", () => {
  it("starts with the documented keys, in their order", () => {
    const report = linesReport({ speeds: [57_600, 57_600, 57_600], mtu: 600 }, measured) as Record<
      string,
      unknown
    >;
    assert.deepEqual(Object.entries(report).slice(0, 8), [
      ["lines", 3],
      ["speed", 57_600],
      ["mtu", 600],
      ["bytes", 289_284],
      ["seconds", 18.1],
      ["octetsPerSecond", 15_982.5],
      ["limitOctetsPerSecond", 16_003.1],
      ["percentOfLimit", 99.87],
    ]);
    assert.equal(report["intact"], true);
  });

  it("says which protocol it is of", () => {
    const protocolOf = (options: object): unknown =>
      (linesReport({ ...ONE_LINE, ...options }, measured) as Record<string, unknown>)["protocol"];
    assert.equal(protocolOf({}), "slip");
    assert.equal(protocolOf({ protocol: "mlppp" }), "mlppp");
  });

  it("has no single speed for unequal lines", () => {
    const report = linesReport({ speeds: [57_600, 14_400], mtu: 576 }, measured) as Record<string, unknown>;
    assert.deepEqual([report["lines"], report["speed"]], [2, null]);
    assert.deepEqual(report["speeds"], [57_600, 14_400]);
  });
});

describe("the words of `eql bench lines`", () => {
  it("say what was reached, and damage plainly", () => {
    assert.match(
      describeLines(ONE_LINE, measured),
      /^SLIP over 1 line [^]*99\.87 % of the limit[^]*sent again 3 segments, 2 of them needlessly; 1 time-outs[^]*intact[^]*3\.5 \/ 3\.5 % of a core, 80 MiB/,
    );
    assert.match(describeLines(ONE_LINE, { ...measured, intact: false }), /DAMAGED/);
  });

  it("have round trips when they were measured", () => {
    const ping = { idle: { p50: 35, p95: 38, count: 20 }, loaded: { p50: 90, p95: 127, count: 80 } };
    assert.match(
      describeLines(ONE_LINE, { ...measured, ping }),
      /idle 35 \/ 38 ms \(20\), loaded 90 \/ 127 ms \(80\)/,
    );
  });
});

describe("options of the lab", () => {
  it("take speeds by commas", () => {
    assert.deepEqual(parseSpeeds("57600,14400"), [57_600, 14_400]);
    assert.deepEqual(parseSpeeds("57600, 14400"), [57_600, 14_400]);
    for (const wrong of ["", "57600,", "abc", "-9600", "100", Array(17).fill("9600").join()]) {
      assert.throws(() => parseSpeeds(wrong), /allowed/, wrong);
    }
  });

  it("take per cent of either sign", () => {
    assert.deepEqual(["3", "-3", "+0.5"].map(parsePercent), [3, -3, 0.5]);
    for (const wrong of ["", "x", "91", "3%", "1e1"])
      assert.throws(() => parsePercent(wrong), /allowed/, wrong);
  });
});

describe("rows by name", () => {
  const select = (names: string): readonly string[] => selectRows(BENTSON_ROWS, rowName, names).map(rowName);

  it("are one, or all MTUs of such lines", () => {
    assert.deepEqual(select("2x57600/600"), ["2x57600/600"]);
    assert.deepEqual(select("1x9600"), ["1x9600/900", "1x9600/600", "1x9600/400"]);
    assert.deepEqual(select("4x9600/900, 2x57600/400"), ["2x57600/400", "4x9600/900"]);
  });

  it("must be in the table", () => {
    assert.throws(() => select("4x115200"), /no row "4x115200"/);
    assert.throws(() => select("2x5760"), /no row "2x5760"/);
  });
});
