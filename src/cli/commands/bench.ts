import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { SchedulerName } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import type { BentsonResult, BentsonRow } from "../../lab/bentson.ts";
import { BOND_PROTOCOLS, type BondProtocol } from "../../lab/bond-config.ts";
import type { Measurement, MeasureOptions } from "../../lab/measure.ts";
import {
  bytesOption,
  countOption,
  inLab,
  mtuOption,
  parsePercent,
  schedulerOption,
  speedOption,
  speedsOption,
} from "../lab-options.ts";
import { whole } from "../options.ts";
import { wanCommand } from "./bench-wan.ts";

const BYTES_1995 = 289_284;
const DEFAULT_COUNT = 2;
const DEFAULT_SPEED = 57_600;
const MTU_1995 = 576;

interface LinesOptions {
  readonly count?: number;
  readonly speed?: number;
  readonly speeds?: readonly number[];
  readonly mtu: number;
  readonly protocol: BondProtocol;
  readonly shortSequenceNumbers?: true;
  readonly scheduler: SchedulerName;
  readonly bytes: number;
  readonly rateError?: number;
  readonly rateErrorLine?: number;
  readonly ping?: true;
  readonly json?: true;
}

interface BentsonCommandOptions {
  readonly rows?: string;
  readonly repeat: number;
  readonly parallel: number;
  readonly scheduler: SchedulerName;
  readonly out: string;
  readonly json?: true;
}

function measureOptions(options: LinesOptions, signal: AbortSignal): MeasureOptions {
  const { count = DEFAULT_COUNT, speed = DEFAULT_SPEED, mtu, protocol, scheduler, bytes } = options;
  const speeds = options.speeds ?? Array.from({ length: count }, () => speed);
  const line = options.rateErrorLine;
  if (line !== undefined && line > speeds.length) {
    throw new EqlError(
      "REQUEST_INVALID",
      `--rate-error-line is ${line}; allowed: 1 to ${speeds.length}, the number of lines`,
    );
  }
  if (options.shortSequenceNumbers === true && protocol !== "mlppp") {
    throw new EqlError("REQUEST_INVALID", "--short-sequence-numbers is for --protocol mlppp only");
  }
  return {
    speeds,
    mtu,
    protocol,
    scheduler,
    bytes,
    signal,
    ...(options.shortSequenceNumbers === undefined ? {} : { shortNumbers: true }),
    ...(options.rateError === undefined ? {} : { rateErrorPercent: options.rateError }),
    ...(line === undefined ? {} : { rateErrorLine: line - 1 }),
    ...(options.ping === undefined ? {} : { ping: true }),
  };
}

/** What of the options is shown with the result. */
type LinesShown = Pick<MeasureOptions, "speeds" | "mtu" | "protocol">;

/** The keys of the JSON object; those that others rely on come first. */
export function linesReport({ speeds, mtu, protocol = "slip" }: LinesShown, measured: Measurement): object {
  const { bytes, seconds, octetsPerSecond, limitOctetsPerSecond, percentOfLimit, ...more } = measured;
  const [speed] = speeds;
  return {
    lines: speeds.length,
    speed: speeds.every((other) => other === speed) ? speed : null,
    mtu,
    bytes,
    seconds,
    octetsPerSecond,
    limitOctetsPerSecond,
    percentOfLimit,
    speeds,
    protocol,
    ...more,
  };
}

const PROTOCOL_WORDS: Readonly<Record<BondProtocol, string>> = {
  slip: "SLIP",
  ppp: "PPP",
  mlppp: "multilink PPP",
};

export function describeLines({ speeds, mtu, protocol = "slip" }: LinesShown, measured: Measurement): string {
  const { near, far, ping, tcp } = measured;
  const mebi = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;
  const text = [
    `${PROTOCOL_WORDS[protocol]} over ${speeds.length} ${speeds.length === 1 ? "line" : "lines"} (${speeds.join(" + ")} bit/s), MTU ${mtu}, ${measured.bytes} octets by TCP (${measured.congestion})`,
    `${measured.seconds} s, ${measured.octetsPerSecond} octets/s: ${measured.percentOfLimit} % of the limit of ${measured.limitOctetsPerSecond}`,
    `sent again ${tcp.retransmitted} segments, ${tcp.needless} of them needlessly; ${tcp.timeouts} time-outs`,
    measured.intact ? "arrived intact (SHA-256)" : "ARRIVED DAMAGED: the SHA-256 differs",
    `daemons, sending / receiving side: ${near.cpuPercent} / ${far.cpuPercent} % of a core, ${mebi(near.peakResident)} / ${mebi(far.peakResident)}; the machine ${measured.machinePercent} % busy`,
  ];
  if (ping !== undefined) {
    const times = ({ p50, p95, count }: typeof ping.idle): string => `${p50} / ${p95} ms (${count})`;
    text.push(`ping p50 / p95: idle ${times(ping.idle)}, loaded ${times(ping.loaded)}`);
  }
  return `${text.join("\n")}\n`;
}

const linesCommand = (): Command =>
  new Command("lines")
    .summary("one transfer over virtual lines")
    .description(
      "Measure one TCP transfer between two hosts on this machine, joined by virtual serial lines.",
    )
    .addOption(countOption())
    .addOption(speedOption())
    .addOption(speedsOption("--speeds").conflicts(["count", "speed"]))
    .addOption(
      new Option("--protocol <NAME>", "what the lines speak: SLIP, PPP in a classic master, multilink PPP")
        .choices(BOND_PROTOCOLS)
        .default("slip" satisfies BondProtocol),
    )
    .option("--short-sequence-numbers", "of multilink: numbers of 12 bits instead of 24")
    .addOption(mtuOption(MTU_1995))
    .addOption(schedulerOption())
    .addOption(bytesOption(BYTES_1995))
    .addOption(
      new Option(
        "--rate-error <PERCENT>",
        "give the daemons rates that are so much too high (or, below 0, too low)",
      ).argParser(parsePercent),
    )
    .addOption(
      new Option("--rate-error-line <N>", "only of this line, counted from 1").argParser(
        whole("--rate-error-line", 1, 16),
      ),
    )
    .option("--ping", "measure round trips too, idle and during the transfer")
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      `
Exit code 0: the octets arrived intact.

Examples:
  eql bench lines --count 3 --speed 57600 --mtu 600
  eql bench lines --speeds 57600,14400 --scheduler eql-1995
  eql bench lines --speeds 57600,14400 --protocol mlppp --mtu 1500
  eql bench lines --speeds 115200,9600 --rate-error 3 --rate-error-line 2 --json
`,
    )
    .action((options: LinesOptions) =>
      inLab(async (signal) => {
        const { measure } = await import("../../lab/measure.ts");
        const wanted = measureOptions(options, signal);
        const measured = await measure(wanted);
        process.stdout.write(
          options.json === true
            ? `${JSON.stringify(linesReport(wanted, measured))}\n`
            : describeLines(wanted, measured),
        );
        return measured.intact ? 0 : 1;
      }),
    );

/**
 * Rows by name: `2x57600/600`, or `2x57600` for all its MTUs; several by commas.
 * @throws EqlError REQUEST_INVALID
 */
export function selectRows(
  all: readonly BentsonRow[],
  nameOf: (row: BentsonRow) => string,
  wanted: string,
): readonly BentsonRow[] {
  const names = wanted.split(",").map((name) => name.trim());
  const matches = (row: BentsonRow, name: string): boolean =>
    nameOf(row) === name || nameOf(row).startsWith(`${name}/`);
  for (const name of names) {
    if (all.some((row) => matches(row, name))) continue;
    throw new EqlError(
      "REQUEST_INVALID",
      `the table of 1995 has no row "${name}"; allowed: LINESxSPEED or LINESxSPEED/MTU as in the table, such as 2x57600 or 4x9600/900`,
    );
  }
  return all.filter((row) => names.some((name) => matches(row, name)));
}

async function saveBentson(
  results: readonly BentsonResult[],
  { out, repeat, parallel, scheduler }: BentsonCommandOptions,
): Promise<void> {
  const { bentsonPlot, bentsonTable, bentsonVerdict } = await import("../../lab/bentson-report.ts");
  const { writeSection } = await import("../../lab/results.ts");
  const busiest = Math.max(...results.map(({ machinePercent }) => machinePercent));
  const choice = scheduler === "earliest-arrival" ? "" : ` --scheduler ${scheduler}`;
  writeSection(join(out, "results.md"), {
    title: "The table of 1995",
    command: `bin/eql bench bentson --repeat ${repeat} --parallel ${parallel}${choice}`,
    body: [
      bentsonVerdict(results),
      "",
      bentsonTable(results),
      "",
      `Medians of ${repeat}; ${parallel} at a time kept the machine ${busiest} % busy at most.`,
      "",
      "A figure of 1995 above 100 % is above what uncompressed random data allow; it is taken as it was printed.",
      "",
      "![Ours beside those of 1995](bentson.svg)",
    ].join("\n"),
  });
  writeFileSync(join(out, "bentson.svg"), bentsonPlot(results));
}

const bentsonCommand = (): Command =>
  new Command("bentson")
    .summary("every row of the table of 1995")
    .description("Run every row of R. Bentson's table of 1995 and print ours beside his.")
    .option("--rows <ROWS>", "only these, such as 2x57600/600,4x38400; nothing is written then")
    .addOption(
      new Option("--repeat <N>", "runs of each row; medians are shown")
        .default(3)
        .argParser(whole("--repeat", 1, 99)),
    )
    .addOption(
      new Option("--parallel <N>", "runs at the same time, of those over slow lines")
        .default(10)
        .argParser(whole("--parallel", 1, 32)),
    )
    .addOption(schedulerOption())
    .option("--out <DIRECTORY>", "where bentson.svg and results.md are", "bench")
    .option("--json", "one JSON array")
    .addHelpText(
      "after",
      `
Exit code 0: all octets arrived intact.

Examples:
  eql bench bentson
  eql bench bentson --rows 3x115200,4x57600 --repeat 1
`,
    )
    .action((options: BentsonCommandOptions) =>
      inLab(async (signal) => {
        const { BENTSON_ROWS, rowName, runBentson } = await import("../../lab/bentson.ts");
        const { bentsonTable, bentsonVerdict } = await import("../../lab/bentson-report.ts");
        const { rows: wanted, repeat, parallel, scheduler } = options;
        const rows = wanted === undefined ? BENTSON_ROWS : selectRows(BENTSON_ROWS, rowName, wanted);
        const results = await runBentson({
          rows,
          repeat,
          parallel,
          scheduler,
          signal,
          onRun: (row, { percentOfLimit, seconds, machinePercent }, done, all) =>
            process.stderr.write(
              `${done}/${all} ${rowName(row)}: ${seconds} s, ${percentOfLimit} % of the limit (machine ${machinePercent} % busy)\n`,
            ),
        });
        const text = `${bentsonTable(results)}\n\n${bentsonVerdict(results)}\n`;
        process.stdout.write(options.json === true ? `${JSON.stringify(results)}\n` : text);
        if (wanted === undefined) await saveBentson(results, options);
        return results.every(({ intact }) => intact) ? 0 : 1;
      }),
    );

export const benchCommand = (): Command =>
  new Command("bench")
    .summary("measure on this machine")
    .description(
      "Measure on this machine: two hosts (network namespaces) joined by virtual serial lines, or by links of the Internet.",
    )
    .addCommand(linesCommand())
    .addCommand(bentsonCommand())
    .addCommand(wanCommand());
