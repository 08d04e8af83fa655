import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BENTSON_ROWS, bentsonResult, nearestRow, rowName } from "../../src/lab/bentson.ts";
import { bentsonPlot, bentsonTable, bentsonVerdict } from "../../src/lab/bentson-report.ts";
import { transferLimit } from "../../src/lab/limit.ts";
import type { Measurement } from "../../src/lab/measure.ts";
import { escapeXml } from "../../src/lab/plot.ts";
import { elements } from "./xml.ts";

const COST = { cpuPercent: 1, peakResident: 1 };

const run = (seconds: number, percentOfLimit: number, intact = true): Measurement => ({
  bytes: 289_284,
  intact,
  seconds,
  octetsPerSecond: 289_284 / seconds,
  limitOctetsPerSecond: 1,
  percentOfLimit,
  congestion: "cubic",
  tcp: { retransmitted: 3, timeouts: 1, needless: 2 },
  near: COST,
  far: COST,
  machinePercent: 1,
});

const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);

const results = BENTSON_ROWS.map((row) => bentsonResult(row, [run(20, 98), run(22, 97), run(21, 99)]));

describe("the table of 1995", () => {
  it("has every row once, one to four lines of five speeds and three MTUs", () => {
    assert.equal(BENTSON_ROWS.length, 57);
    assert.equal(new Set(BENTSON_ROWS.map(rowName)).size, 57);
    for (const speed of [115_200, 57_600, 38_400, 19_200, 9_600]) {
      const of = BENTSON_ROWS.filter((row) => row.speed === speed);
      assert.equal(of.length, speed === 115_200 ? 9 : 12);
    }
  });

  it("has his figures: their sums, and some of them", () => {
    assert.ok(Math.abs(sum(BENTSON_ROWS.map((row) => row.seconds1995)) - 4318.4) < 1e-9);
    assert.equal(sum(BENTSON_ROWS.map((row) => row.percentOfRaw1995)), 4146);
    const seconds = (name: string): number | null | undefined =>
      BENTSON_ROWS.find((row) => rowName(row) === name)?.seconds1995;
    assert.equal(seconds("3x115200/400"), 18.1);
    assert.equal(seconds("2x57600/600"), 30.2);
    assert.equal(seconds("1x9600/900"), 305);
    assert.equal(seconds("4x19200/400"), 53.2);
  });

  it("agrees with itself: the percentages follow from the seconds, but in two rows as he printed them", () => {
    const off = BENTSON_ROWS.filter(({ lines, speed, seconds1995, percentOfRaw1995 }) => {
      if (seconds1995 === null || percentOfRaw1995 === null) return false;
      const share = (100 * 289_284) / seconds1995 / ((lines * speed) / 10);
      return Math.abs(share - percentOfRaw1995) > 2;
    });
    assert.deepEqual(off.map(rowName), ["4x38400/600", "1x9600/600"]);
  });

  it("lacks both figures in the rows that did not come up", () => {
    const missing = BENTSON_ROWS.filter((row) => row.seconds1995 === null);
    assert.deepEqual(missing.map(rowName), [
      "2x115200/900",
      "3x115200/900",
      "4x57600/900",
      "4x57600/600",
      "4x57600/400",
    ]);
    assert.ok(BENTSON_ROWS.every((row) => (row.seconds1995 === null) === (row.percentOfRaw1995 === null)));
  });

  it("finds the row of equal lines with the nearest MTU that came up", () => {
    assert.equal(rowName(nearestRow([57_600, 57_600], 576) as never), "2x57600/600");
    assert.equal(rowName(nearestRow([115_200, 115_200], 1500) as never), "2x115200/600");
    assert.equal(nearestRow([57_600, 14_400], 576), null);
    assert.equal(nearestRow([57_600, 57_600, 57_600, 57_600], 576), null);
    assert.equal(nearestRow([33_600], 576), null);
  });
});

describe("a row's result", () => {
  const row = BENTSON_ROWS.find((one) => rowName(one) === "2x57600/600");
  assert.ok(row);

  it("is the median of the runs, with their range", () => {
    const result = bentsonResult(row, [run(27.1, 98.1), run(26.9, 99.04), run(27.0, 98.6)]);
    assert.equal(result.seconds, 27);
    assert.equal(result.percentOfLimit, 98.6);
    assert.deepEqual(result.range, [98.1, 99]);
    assert.equal(result.intact, true);
  });

  it("puts 1995 on the scale of the same limit", () => {
    const { seconds } = transferLimit({ bytes: 289_284, mtu: 600, speeds: [57_600, 57_600], seed: 1995 });
    const result = bentsonResult(row, [run(27, 98)]);
    assert.equal(result.percentOfLimit1995, Number(((100 * seconds) / 30.2).toFixed(1)));
  });

  it("is damaged when one run is", () => {
    assert.equal(bentsonResult(row, [run(27, 98), run(27, 98, false)]).intact, false);
  });
});

describe("the report", () => {
  it("has a line for each row, and dashes where 1995 has nothing", () => {
    const lines = bentsonTable(results).split("\n");
    assert.equal(lines.length, 2 + 57);
    assert.equal(lines.filter((line) => line.includes("| - | - | - |")).length, 5);
    assert.ok(lines.every((line) => line.split("|").length === lines[0]?.split("|").length));
  });

  it("says which mark was missed", () => {
    assert.match(bentsonVerdict(results), /Reached in all 57; the least is 98 %/);
    const [first, ...others] = results;
    assert.ok(first);
    assert.match(
      bentsonVerdict([{ ...first, percentOfLimit: 96.9 }, ...others]),
      /MISSED in 1 of 57; the least is 96\.9 %/,
    );
  });

  it("is a well-formed plot with a dot for each figure", () => {
    const names = elements(bentsonPlot(results));
    assert.equal(names[0], "svg");
    const legend = 2;
    assert.equal(names.filter((name) => name === "circle").length, legend + 57 + 52);
  });

  it("escapes text", () => {
    assert.equal(escapeXml(`a<b>&"c"`), "a&lt;b&gt;&amp;&quot;c&quot;");
  });
});
