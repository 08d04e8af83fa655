import type { BentsonResult } from "./bentson.ts";
import { dotPlot } from "./plot.ts";
import { markdownTable } from "./results.ts";

/** What every row has to reach, in per cent of its limit. */
const BENTSON_MARK = 97;

const orDash = (value: number | null): string | number => value ?? "-";

export function bentsonTable(results: readonly BentsonResult[]): string {
  const titles = [
    "lines",
    "bit/s",
    "MTU",
    "1995: seconds",
    "1995: % of raw",
    "1995: % of limit",
    "limit: seconds",
    "seconds",
    "% of limit",
    "runs",
  ];
  const rows = results.map((row) => [
    row.lines,
    row.speed,
    row.mtu,
    orDash(row.seconds1995),
    orDash(row.percentOfRaw1995),
    orDash(row.percentOfLimit1995),
    row.limitSeconds,
    row.seconds,
    row.intact ? row.percentOfLimit : `${row.percentOfLimit}, DAMAGED`,
    row.range.join("-"),
  ]);
  return markdownTable(titles, rows);
}

/** Which rows missed the mark, in one sentence. */
export function bentsonVerdict(results: readonly BentsonResult[]): string {
  const missed = results.filter(({ percentOfLimit, intact }) => percentOfLimit < BENTSON_MARK || !intact);
  const least = Math.min(...results.map(({ percentOfLimit }) => percentOfLimit));
  return missed.length === 0
    ? `Mark: ${BENTSON_MARK} % of the limit in every row. Reached in all ${results.length}; the least is ${least} %.`
    : `Mark: ${BENTSON_MARK} % of the limit in every row. MISSED in ${missed.length} of ${results.length}; the least is ${least} %.`;
}

export function bentsonPlot(results: readonly BentsonResult[]): string {
  return dotPlot({
    title: "289,284 octets over one to four equal lines, 1995 and now",
    subtitle: "SLIP and TCP; the limit is what framing and headers leave of the lines for random data",
    axis: "per cent of the limit",
    from: 30,
    to: 110,
    mark: { value: BENTSON_MARK, label: `${BENTSON_MARK} %` },
    missing: "1995: did not come up",
    series: [
      { name: "1995", color: "#d97706" },
      { name: "now", color: "#1d4ed8" },
    ],
    rows: results.map(({ lines, speed, mtu, percentOfLimit1995, percentOfLimit }) => ({
      group: `${speed} bit/s`,
      label: `${lines} ${lines === 1 ? "line" : "lines"}, MTU ${mtu}`,
      values: [percentOfLimit1995, percentOfLimit],
    })),
  });
}
