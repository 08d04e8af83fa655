import { accessSync, constants, writeFileSync } from "node:fs";
import { dirname, join, parse } from "node:path";
import { Command, Option } from "commander";
import { EqlError } from "../../errors.ts";
import { findTool } from "../../lab/tool.ts";
import type { WanCase } from "../../lab/wan-cases.ts";
import type { WanIdleResult } from "../../lab/wan-idle.ts";
import type { WanRivalName, WanTraffic } from "../../lab/wan-measure.ts";
import type { WanResult } from "../../lab/wan-runs.ts";
import { describeIdle, describeWan, idleReport, wanReport } from "../format-wan.ts";
import { inLab } from "../lab-options.ts";
import { whole } from "../options.ts";

interface WanOptions {
  readonly case: string;
  readonly repeat: number;
  readonly traffic: WanTraffic;
  readonly direct?: number;
  readonly redundant?: true;
  readonly beside?: WanRivalName;
  readonly plot?: string;
  readonly json?: true;
}

type CaseOptions = Pick<WanOptions, "traffic" | "direct" | "beside">;

const MOST_LINKS = 4;

/**
 * All cases that go with the options, or those that are named.
 * @throws EqlError REQUEST_INVALID
 */
export function selectCases(
  all: readonly WanCase[],
  wanted: string,
  options: CaseOptions,
): readonly WanCase[] {
  const chosen =
    wanted === "all"
      ? all.filter((wan) => complaintOf(wan, options) === null)
      : wanted.split(",").map((text) => named(all, text.trim()));
  for (const wan of chosen) {
    const complaint = complaintOf(wan, options);
    if (complaint !== null) throw new EqlError("REQUEST_INVALID", complaint);
  }
  if (options.beside !== undefined && !chosen.some(isUnlimited)) {
    throw new EqlError("REQUEST_INVALID", "--beside is for cases without limit, such as u");
  }
  return chosen;
}

function named(all: readonly WanCase[], wanted: string): WanCase {
  const found = all.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name).join(", ");
  throw new EqlError("REQUEST_INVALID", `there is no case "${wanted}"; allowed: all, or some of ${names}`);
}

const isUnlimited = ({ links }: WanCase): boolean => links.every((settings) => settings === null);

/** Why a case does not go with the options; null: it does. */
function complaintOf({ name, links, idle }: WanCase, { direct, traffic }: CaseOptions): string | null {
  if (direct !== undefined && direct > links.length)
    return `--direct is ${direct}; allowed: 1 to ${links.length} in case ${name}`;
  if (traffic === "udp" && links.includes(null))
    return `--traffic udp is sent at the links' rate; case ${name} has none`;
  if (idle === true && (direct !== undefined || traffic === "udp"))
    return `--direct and --traffic udp are not for case ${name}, in which nothing is sent`;
  return null;
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
    .addOption(
      new Option(
        "--beside <NAME>",
        "where links have no limit: another tunnel too, over one of them, by turns with ours",
      )
        .choices(["fastd"] satisfies WanRivalName[])
        .conflicts(["direct"]),
    )
    .option(
      "--plot <FILE>",
      "an SVG of rates and round trips by time; of several cases, FILE has each one's name",
    )
    .option("--json", "one JSON object for each case")
    .addHelpText(
      "after",
      `
Percentages are of the sum of the links' rates, counted with all headers. Round trips (idle, and the median
and 95th percentile under load) and the longest time without any octet are in milliseconds. In case idle
nothing is sent: it tells what a bond costs by itself.

Exit code 0: all octets arrived intact.

Examples:
  eql bench wan --case a
  eql bench wan --case all --repeat 3
  eql bench wan --case d --direct 2 --json
  eql bench wan --case g --plot g.svg
  eql bench wan --case u --beside fastd --repeat 3
`,
    )
    .action((options: WanOptions) =>
      inLab(async (signal) => {
        const { onlyLink, WAN_CASES } = await import("../../lab/wan-cases.ts");
        const { runWan } = await import("../../lab/wan-runs.ts");
        const { wanPlot } = await import("../../lab/wan-plot.ts");
        const { runIdle } = await import("../../lab/wan-idle.ts");
        const { repeat, traffic, redundant = false, json = false, direct, beside, plot } = options;
        const cases = selectCases(WAN_CASES, options.case, options);
        if (plot !== undefined) checkPlot(plot);
        if (beside !== undefined) findTool(beside);
        const print = (report: object): void => void process.stdout.write(`${JSON.stringify(report)}\n`);
        const results: WanResult[] = [];
        const idles: WanIdleResult[] = [];
        for (const each of cases) {
          if (each.idle === true) {
            const result = await runIdle({ wan: each, repeat, signal });
            idles.push(result);
            if (json) print(idleReport(result));
            continue;
          }
          const wan = direct === undefined ? each : onlyLink(each, direct - 1);
          const result = await runWan({
            wan,
            repeat,
            traffic,
            redundant,
            way: direct === undefined ? "bond" : "direct",
            beside: isUnlimited(wan) ? beside : undefined,
            timeline: plot !== undefined,
            signal,
          });
          results.push(result);
          if (plot !== undefined && result.timeline !== null) {
            const picture = wanPlot(wan, result.timeline, plotSubtitle(options, result));
            writeFileSync(plotFile(plot, wan.name, cases.length > 1), picture);
          }
          if (json) print(wanReport(result));
          else process.stderr.write(`case ${wan.name}: ${result.measured.goodputBps / 1e6} Mbit/s\n`);
        }
        if (!json) {
          if (results.length > 0) process.stdout.write(describeWan(results));
          process.stdout.write(idles.map(describeIdle).join(""));
        }
        return results.every(({ measured }) => measured.intact) ? 0 : 1;
      }),
    );
