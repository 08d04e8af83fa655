import { round } from "../src/lab/statistics.ts";
import { type CaseRow, caseTable } from "./figure.ts";

/** What links over UDP are to reach, and tables of what `eql bench wan --json` printed. */

type Runs<T> = T & { readonly runs?: readonly T[] };

interface Transfer {
  readonly percentOfSum: number | null;
  readonly percentOfMean: number | null;
  readonly pingMs: { readonly idle: number; readonly p50: number; readonly p95: number };
  readonly longestStallMs: number | null;
  readonly goodputBps: number;
  readonly processorSecondsPerGB: number | null;
  readonly udp: { readonly lostPercent: number; readonly reorderedPercent: number } | null;
}

/** One line of the output, of a case with a transfer. */
export interface TransferReport extends Runs<Transfer> {
  readonly case: string;
  readonly percentOfAlone?: number;
  readonly beside?: {
    readonly name: string;
    readonly goodputBps: number;
    readonly processorSecondsPerGB: number;
    readonly throughputRatio: number;
    readonly processorRatio: number;
  };
}

/** One line of the output, of a bond with nothing to send. */
export interface IdleReport {
  readonly case: string;
  readonly seconds: number;
  readonly clientPercent: number;
  readonly serverPercent: number;
  readonly linkBps: readonly { readonly up: number; readonly down: number }[];
}

export type WanReport = TransferReport | IdleReport;

interface Mark {
  readonly links: string;
  readonly atLeast: number;
  /** Of what the per cent are. */
  readonly of: "sum" | "mean" | "alone";
  readonly more?: "ping" | "stall";
}

/** Of each case's per cent; also for datagrams. */
const MARKS: Readonly<Record<string, Mark>> = {
  a: { links: "2 × 20 Mbit/s, 10 ms", atLeast: 91, of: "sum", more: "ping" },
  b: { links: "50 + 10 Mbit/s, 10 ms", atLeast: 91, of: "sum", more: "ping" },
  c: { links: "40 + 10 Mbit/s, 10 ms", atLeast: 91, of: "sum", more: "ping" },
  d: { links: "40 Mbit/s 5 ms + 20 Mbit/s 40 ms", atLeast: 88, of: "sum" },
  e: { links: "40 Mbit/s 10 ms + 20 Mbit/s 30 ms with 1 % loss", atLeast: 80, of: "sum" },
  f: { links: "40/20/10/5 Mbit/s, 10/20/30/40 ms", atLeast: 86, of: "sum" },
  g: { links: "2 × 20 Mbit/s, one cut from 8 s to 14 s of 20", atLeast: 75, of: "sum", more: "stall" },
  h: { links: "100 + 1 Mbit/s, 10 / 300 ms", atLeast: 99, of: "alone" },
  i: { links: "2 × 20 Mbit/s, halved and doubled every 5 s", atLeast: 85, of: "mean" },
};

const OF = { sum: "the sum", mean: "the mean of what there was", alone: "the fast link alone" } as const;
const PING_MS = 15;
const STALL_MS = 300;
const REORDERED_PERCENT = 0.1;
const THROUGHPUT_RATIO = 2.5;
const PROCESSOR_RATIO = 0.5;
const IDLE_PERCENT = 1;
const IDLE_BPS = 2000;

export const isIdle = (report: WanReport): report is IdleReport => "linkBps" in report;
const isTransfer = (report: WanReport): report is TransferReport => !isIdle(report);

const shareOf = ({ of }: Mark, run: Transfer & { readonly percentOfAlone?: number }): number =>
  (of === "sum" ? run.percentOfSum : of === "mean" ? run.percentOfMean : run.percentOfAlone) ?? Number.NaN;

function transferRow(report: TransferReport, mark: Mark): CaseRow {
  const { pingMs, longestStallMs, udp, runs = [] } = report;
  const share = shareOf(mark, report);
  const marks = [
    [`${mark.atLeast} % of ${OF[mark.of]}`, share >= mark.atLeast],
    ...(mark.more === "ping"
      ? [[`p95 ≤ idle + ${PING_MS} ms`, pingMs.p95 <= pingMs.idle + PING_MS] as const]
      : []),
    ...(mark.more === "stall" && udp === null
      ? [[`stall < ${STALL_MS} ms`, (longestStallMs ?? Number.NaN) < STALL_MS] as const]
      : []),
    ...(udp === null
      ? []
      : [[`< ${REORDERED_PERCENT} % out of order`, udp.reorderedPercent < REORDERED_PERCENT] as const]),
  ] as const;
  const shares = mark.of === "alone" ? [] : runs.map((run) => shareOf(mark, run));
  return {
    cells: [
      report.case,
      mark.links,
      round(report.goodputBps / 1e6, 2),
      share,
      shares.length === 0 ? "" : `${Math.min(...shares)}-${Math.max(...shares)}`,
      `${pingMs.idle} / ${pingMs.p50} / ${pingMs.p95}`,
      udp === null ? (longestStallMs ?? "") : `${udp.lostPercent} / ${udp.reorderedPercent}`,
      marks.map(([text]) => text).join(", "),
    ],
    reached: marks.every(([, reached]) => reached),
  };
}

function transferTable(reports: readonly TransferReport[], last: string): string {
  const rows = reports.flatMap((report) => {
    const mark = MARKS[report.case];
    return mark === undefined ? [] : [transferRow(report, mark)];
  });
  const titles = ["case", "links", "Mbit/s", "%", "runs", "ping: idle / p50 / p95, ms", last, "to reach"];
  return rows.length === 0 ? "" : caseTable(titles, rows).body;
}

function besideTable(reports: readonly TransferReport[]): string {
  const rows = reports.flatMap(({ goodputBps, processorSecondsPerGB, beside }): CaseRow[] => {
    if (beside === undefined) return [];
    const { name, throughputRatio, processorRatio } = beside;
    const reached = throughputRatio >= THROUGHPUT_RATIO && processorRatio <= PROCESSOR_RATIO;
    const mbits = (bps: number): number => round(bps / 1e6, 0);
    const cells = [
      name,
      mbits(goodputBps),
      mbits(beside.goodputBps),
      throughputRatio,
      processorSecondsPerGB ?? "",
      beside.processorSecondsPerGB,
      processorRatio,
    ];
    return [{ cells, reached }];
  });
  const titles = ["beside", "Mbit/s", "its own", "ratio", "processor s/GB", "its own", "ratio"];
  return rows.length === 0 ? "" : caseTable(titles, rows).body;
}

function idleTable(reports: readonly IdleReport[]): string {
  const rows = reports.map(({ seconds, clientPercent, serverPercent, linkBps }): CaseRow => {
    const sums = linkBps.map(({ up, down }) => up + down);
    return {
      cells: [seconds, clientPercent, serverPercent, sums.join(", ")],
      reached: clientPercent < IDLE_PERCENT && sums.every((bps) => bps < IDLE_BPS),
    };
  });
  const titles = ["seconds", "client, % of a core", "server, % of a core", "bit/s of each link"];
  return rows.length === 0 ? "" : caseTable(titles, rows).body;
}

/** The tables of all that was measured, in the order of its lines; what was not has none. */
export function wanTables(reports: readonly WanReport[]): string {
  const transfers = reports.filter(isTransfer);
  const parts = [
    [
      "One TCP stream:",
      transferTable(
        transfers.filter(({ udp }) => udp === null),
        "longest stall, ms",
      ),
    ],
    [
      "Datagrams at a constant rate, 97 % of what there is with all headers:",
      transferTable(
        transfers.filter(({ udp }) => udp !== null),
        "% lost / out of order",
      ),
    ],
    [
      `Two cables without limit, by turns with a tunnel in C over one of them; to reach: ${THROUGHPUT_RATIO} times its throughput, ${PROCESSOR_RATIO} times its processor time:`,
      besideTable(transfers),
    ],
    [
      `A bond with nothing to send; to reach: less than ${IDLE_PERCENT} % of a core and ${IDLE_BPS / 1000} kbit/s a link, both directions together:`,
      idleTable(reports.filter(isIdle)),
    ],
  ] as const;
  return parts
    .filter(([, table]) => table !== "")
    .map(([title, table]) => `${title}\n\n${table}`)
    .join("\n\n");
}
