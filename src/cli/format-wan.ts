import type { WanIdleResult } from "../lab/wan-idle.ts";
import type { WanResult, WanRival } from "../lab/wan-runs.ts";
import { type Column, formatTable } from "./format-table.ts";

/** What `eql bench wan` prints: for programs, and for people. */

/** The keys of the JSON object; those that others rely on come first. */
export function wanReport({ wan, measured, runs, aloneBps, percentOfAlone, beside }: WanResult): object {
  const { goodputBps, percentOfSum, pingMs, longestStallMs, ...more } = measured;
  return {
    case: wan.name,
    links: wan.links,
    goodputBps,
    percentOfSum,
    pingMs,
    longestStallMs,
    ...(percentOfAlone === null ? {} : { aloneBps, percentOfAlone }),
    ...(beside === null ? {} : { beside }),
    ...more,
    ...(runs.length > 1 ? { runs } : {}),
  };
}

const orNothing = (value: number | null): number | string => value ?? "";

const COLUMNS: readonly Column<WanResult>[] = [
  { title: "CASE", cell: ({ wan }) => wan.name },
  { title: "LINKS", cell: ({ wan }) => wan.summary },
  { title: "MBIT/S", cell: ({ measured }) => Number((measured.goodputBps / 1e6).toFixed(2)) },
  { title: "% OF SUM", cell: ({ measured }) => orNothing(measured.percentOfSum) },
  { title: "PING IDLE", cell: ({ measured }) => measured.pingMs.idle },
  { title: "P50", cell: ({ measured }) => measured.pingMs.p50 },
  { title: "P95", cell: ({ measured }) => measured.pingMs.p95 },
  { title: "STALL", cell: ({ measured }) => orNothing(measured.longestStallMs) },
];

function notes({ measured, percentOfAlone, beside }: WanResult): readonly string[] {
  const { udp, tcp, percentOfMean, percentOfSum, processorSecondsPerGB, machinePercent } = measured;
  return [
    ...(measured.intact ? [] : ["ARRIVED DAMAGED: it is not what was sent"]),
    ...(percentOfMean === percentOfSum ? [] : [`${percentOfMean} % of what there was on average`]),
    ...(percentOfAlone === null ? [] : [`${percentOfAlone} % of the fast link alone`]),
    ...(udp === null ? [] : [`${udp.lostPercent} % lost, ${udp.reorderedPercent} % out of order`]),
    ...(tcp === null ? [] : [`${tcp.retransmitted} segments sent again, ${tcp.timeouts} time-outs`]),
    processorSecondsPerGB === null
      ? `the machine ${machinePercent} % busy`
      : `both daemons ${processorSecondsPerGB} processor seconds per GB, the machine ${machinePercent} % busy`,
    ...(beside === null ? [] : [rivalNote(beside)]),
  ];
}

const rivalNote = (rival: WanRival): string =>
  `beside ${rival.name} with ${(rival.goodputBps / 1e6).toFixed(2)} Mbit/s and ${rival.processorSecondsPerGB} processor seconds per GB: ` +
  `${rival.throughputRatio} times its throughput, ${rival.processorRatio} times its processor time`;

/** Milliseconds where nothing else is said. */
export const describeWan = (results: readonly WanResult[]): string => formatTable(COLUMNS, results, notes);

export const idleReport = ({ wan, idle, runs }: WanIdleResult): object => ({
  case: wan.name,
  links: wan.links,
  seconds: wan.seconds,
  ...idle,
  ...(runs.length > 1 ? { runs } : {}),
});

export const describeIdle = ({ wan, idle }: WanIdleResult): string =>
  [
    `${wan.name}: ${wan.summary}, ${wan.seconds} s`,
    `  ${idle.clientPercent} % of a core for the client, ${idle.serverPercent} % for the server, the machine ${idle.machinePercent} % busy`,
    ...idle.linkBps.map(
      ({ up, down }, link) => `  link ${link + 1}: ${up} bit/s from the client, ${down} bit/s to it`,
    ),
    "",
  ].join("\n");
