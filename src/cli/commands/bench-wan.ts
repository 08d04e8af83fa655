import { accessSync, constants, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { Command, Option } from "commander";
import { EqlError } from "../../errors.ts";
import type { WanCase } from "../../lab/wan-cases.ts";
import type { WanTraffic } from "../../lab/wan-measure.ts";
import type { WanResult } from "../../lab/wan-runs.ts";
import { type Column, formatTable } from "../format-table.ts";
import { inLab } from "../lab-options.ts";
import { whole } from "../options.ts";

interface WanOptions {
  readonly case: string;
  readonly repeat: number;
  readonly traffic: WanTraffic;
  readonly direct?: number;
  readonly redundant?: true;
  readonly plot?: string;
  readonly json?: true;
}

const MOST_LINKS = 4;

/** @throws EqlError REQUEST_INVALID */
export function selectCases(all: readonly WanCase[], wanted: string): readonly WanCase[] {
  if (wanted === "all") return all;
  return wanted.split(",").map((text) => {
    const found = all.find(({ name }) => name === text.trim());
    if (found !== undefined) return found;
    const names = all.map(({ name }) => name).join(", ");
    throw new EqlError("REQUEST_INVALID", `there is no case "${text}"; allowed: all, or some of ${names}`);
  });
}

/** @throws EqlError REQUEST_INVALID */
function checkCase({ name, links }: WanCase, { direct, traffic }: WanOptions): void {
  if (direct !== undefined && direct > links.length) {
    throw new EqlError(
      "REQUEST_INVALID",
      `--direct is ${direct}; allowed: 1 to ${links.length} in case ${name}`,
    );
  }
  if (traffic === "udp" && links.includes(null)) {
    throw new EqlError("REQUEST_INVALID", `--traffic udp is sent at the links' rate; case ${name} has none`);
  }
}

/** The file for the picture of a case: of several, each has its own. */
export function plotFile(file: string, name: string, several: boolean): string {
  const { dir, name: stem, ext } = parse(file);
  return several ? join(dir, `${stem}-${name}${ext}`) : file;
}

/** What is measured, in a line below the title of a picture. */
export function plotSubtitle({ traffic, direct, redundant }: WanOptions, { measured }: WanResult): string {
  const what = traffic === "udp" ? "datagrams at a constant rate" : "one TCP stream";
  const way = direct === undefined ? "over the bond" : `over link ${direct} alone, without a bond`;
  const { goodputBps, percentOfSum, pingMs } = measured;
  const share = percentOfSum === null ? "" : ` (${percentOfSum} % of the sum)`;
  return [
    `${what} ${way}${redundant === true ? ", all packets by two paths" : ""}`,
    `${(goodputBps / 1e6).toFixed(2)} Mbit/s${share}`,
    `ping ${pingMs.idle} ms idle, ${pingMs.p50} / ${pingMs.p95} ms under load`,
  ].join("; ");
}

/**
 * Before anything is measured for it.
 * @throws EqlError SYSTEM_CALL_FAILED
 */
function checkPlot(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (cause) {
    throw new EqlError("SYSTEM_CALL_FAILED", `cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The keys of the JSON object; those that others rely on come first. */
export function wanReport({ wan, measured, runs, aloneBps, percentOfAlone }: WanResult): object {
  const { goodputBps, percentOfSum, pingMs, longestStallMs, ...more } = measured;
  const beside = percentOfAlone === null ? {} : { aloneBps, percentOfAlone };
  return {
    case: wan.name,
    links: wan.links,
    goodputBps,
    percentOfSum,
    pingMs,
    longestStallMs,
    ...beside,
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

function notes({ measured, percentOfAlone }: WanResult): readonly string[] {
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
  ];
}

/** Milliseconds where nothing else is said. */
export const describeWan = (results: readonly WanResult[]): string => formatTable(COLUMNS, results, notes);

export const wanCommand = (): Command =>
  new Command("wan")
    .summary("one transfer over emulated uplinks")
    .description(
      "Measure one transfer from a client to a server, both on this machine, over a bond of emulated links of the Internet.",
    )
    .requiredOption("--case <NAMES>", "which links, such as a or b,c; all for all of them")
    .addOption(
      new Option("--repeat <N>", "runs of each; medians are shown")
        .default(1)
        .argParser(whole("--repeat", 1, 99)),
    )
    .addOption(
      new Option("--traffic <KIND>", "one TCP stream, or datagrams at a constant rate")
        .choices(["tcp", "udp"] satisfies WanTraffic[])
        .default("tcp" satisfies WanTraffic),
    )
    .addOption(
      new Option("--direct <N>", "without a bond, over this link alone, counted from 1").argParser(
        whole("--direct", 1, MOST_LINKS),
      ),
    )
    .option("--redundant", "all packets by two paths")
    .option(
      "--plot <FILE>",
      "an SVG of rates and round trips by time; of several cases, FILE has each one's name",
    )
    .option("--json", "one JSON object for each case")
    .addHelpText(
      "after",
      `
Percentages are of the sum of the links' rates, counted with all headers. Round trips (idle, and the median
and 95th percentile under load) and the longest time without any octet are in milliseconds.

Exit code 0: all octets arrived intact.

Examples:
  eql bench wan --case a
  eql bench wan --case all --repeat 3
  eql bench wan --case d --direct 2 --json
  eql bench wan --case g --plot g.svg
`,
    )
    .action((options: WanOptions) =>
      inLab(async (signal) => {
        const { onlyLink, WAN_CASES } = await import("../../lab/wan-cases.ts");
        const { runWan } = await import("../../lab/wan-runs.ts");
        const { wanPlot } = await import("../../lab/wan-plot.ts");
        const { repeat, traffic, redundant = false, json = false, direct, plot } = options;
        const cases = selectCases(WAN_CASES, options.case);
        for (const wan of cases) checkCase(wan, options);
        if (plot !== undefined) checkPlot(plot);
        const results: WanResult[] = [];
        for (const each of cases) {
          const wan = direct === undefined ? each : onlyLink(each, direct - 1);
          const result = await runWan({
            wan,
            repeat,
            traffic,
            redundant,
            direct: direct !== undefined,
            timeline: plot !== undefined,
            signal,
          });
          results.push(result);
          if (plot !== undefined && result.timeline !== null) {
            const picture = wanPlot(wan, result.timeline, plotSubtitle(options, result));
            writeFileSync(plotFile(plot, wan.name, cases.length > 1), picture);
          }
          if (json) process.stdout.write(`${JSON.stringify(wanReport(result))}\n`);
          else process.stderr.write(`case ${wan.name}: ${result.measured.goodputBps / 1e6} Mbit/s\n`);
        }
        if (!json) process.stdout.write(describeWan(results));
        return results.every(({ measured }) => measured.intact) ? 0 : 1;
      }),
    );
