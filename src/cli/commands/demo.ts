import { Command } from "commander";
import type { PairProgress } from "../../lab/demo.ts";
import { demoReport, frame, oneLine, summary } from "../demo-view.ts";
import { bytesOption, inLab, mtuOption, speedsOption } from "../lab-options.ts";

const BYTES_1995 = 289_284;
const DEFAULT_MTU = 1500;
const LINE_EVERY_MS = 5_000;

const up = (lines: number): string => `\x1b[${lines}A`;
const CLEAR_BELOW = "\x1b[J";
const DEFAULT_COLUMNS = 80;

interface DemoCommandOptions {
  readonly lines: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
  readonly json?: true;
}

/** Draws each picture over the last one. */
function picture(output: NodeJS.WriteStream): (pairs: readonly PairProgress[]) => void {
  let drawn = 0;
  return (pairs) => {
    const lines = frame(pairs, output.columns || DEFAULT_COLUMNS);
    const back = drawn === 0 ? "" : up(drawn);
    output.write(`${back}${CLEAR_BELOW}${lines.join("\n")}\n`);
    drawn = lines.length;
  };
}

/** Writes a line now and then. */
function lines(output: NodeJS.WriteStream): (pairs: readonly PairProgress[]) => void {
  let next = 0;
  return (pairs) => {
    const now = performance.now();
    if (now < next) return;
    next = now + LINE_EVERY_MS;
    output.write(`${oneLine(pairs)}\n`);
  };
}

export const demoCommand = (): Command =>
  new Command("demo")
    .summary("the main job, shown on this machine")
    .description(
      "Two hosts on this machine, joined by unequal virtual serial lines: the transfer of the 1995 report, over the " +
        "fastest line alone and over all of them as one, at the same time.",
    )
    .addOption(speedsOption("--lines").default([28_800, 14_400], "28800,14400"))
    .addOption(mtuOption(DEFAULT_MTU))
    .addOption(bytesOption(BYTES_1995))
    .option("--json", "one JSON object on standard output; progress goes to standard error")
    .addHelpText(
      "after",
      `
Runs as root, and as an ordinary user where the system allows user namespaces and /dev/net/tun.
Exit code 0: what arrived is identical to what was sent, both times.

Examples:
  eql demo
  eql demo --lines 57600,14400 --mtu 576
  eql demo --lines 115200,115200,9600 --json
`,
    )
    .action(({ lines: speeds, mtu, bytes, json }: DemoCommandOptions) =>
      inLab(async (signal) => {
        const { figure1995, runDemo } = await import("../../lab/demo.ts");
        const output = json === true ? process.stderr : process.stdout;
        output.write("Two pairs of hosts come up; it takes a few seconds.\n");
        const onProgress = json !== true && output.isTTY ? picture(output) : lines(output);
        const result = await runDemo({ speeds, mtu, bytes, signal, onProgress });
        const about = { speeds, mtu, bytes, figure1995: figure1995(speeds, mtu) };
        process.stdout.write(
          json === true ? `${JSON.stringify(demoReport(about, result))}\n` : `\n${summary(about, result)}`,
        );
        return result.alone.intact && result.bonded.intact ? 0 : 1;
      }),
    );
