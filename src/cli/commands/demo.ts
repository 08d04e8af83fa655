import { Command, Option } from "commander";
import { EqlError } from "../../errors.ts";
import { monotonicNow } from "../../host/clock.ts";
import type { PairProgress } from "../../lab/demo.ts";
import { demoScreen } from "../demo-screen.ts";
import { demoReport, frame, oneLine, summary } from "../demo-view.ts";
import { dialFrame, dialNote, dialOneLine, dialReport, dialSummary } from "../dial-demo-view.ts";
import { bytesOption, inLab, mtuOption, speedsOption } from "../lab-options.ts";
import { wanDemoReport, wanFrame, wanNote, wanOneLine, wanSummary } from "../wan-demo-view.ts";

const BYTES_1995 = 289_284;
const DEFAULT_MTU = 1500;
/** The modems' ports are as fast. */
const MOST_CARRIER_BPS = 115_200;

interface DemoCommandOptions {
  readonly lines: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
  readonly dial?: true;
  readonly wan?: true;
  readonly json?: true;
}

/** @returns the exit code */
async function demoBond(
  { lines: speeds, mtu, bytes, json }: DemoCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  const { figure1995, runDemo } = await import("../../lab/demo.ts");
  const output = json === true ? process.stderr : process.stdout;
  const screen = demoScreen(output, { frame, oneLine }, json !== true);
  screen.say("Two pairs of hosts come up; it takes a few seconds.");
  const onProgress = (pairs: readonly PairProgress[]): void => screen.show(pairs);
  const result = await runDemo({ speeds, mtu, bytes, signal, onProgress });
  const about = { speeds, mtu, bytes, figure1995: figure1995(speeds, mtu) };
  process.stdout.write(
    json === true ? `${JSON.stringify(demoReport(about, result))}\n` : `\n${summary(about, result)}`,
  );
  return result.alone.intact && result.bonded.intact ? 0 : 1;
}

/**
 * @returns the exit code
 * @throws EqlError REQUEST_INVALID
 */
async function demoDial(
  { lines: carriers, mtu, bytes, json }: DemoCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  const { runDialDemo } = await import("../../lab/dial-demo.ts");
  const output = json === true ? process.stderr : process.stdout;
  const screen = demoScreen(output, { frame: dialFrame, oneLine: dialOneLine }, json !== true);
  screen.say("A home and its provider come up, with a telephone network between them.");
  const began = monotonicNow();
  const result = await runDialDemo({
    carriers,
    mtu,
    bytes,
    signal,
    onProgress: (progress, notes) => {
      for (const note of notes) {
        const text = dialNote(note, began);
        if (text !== null) screen.say(text);
      }
      screen.show(progress);
    },
  });
  const about = { carriers, mtu, bytes };
  process.stdout.write(
    json === true ? `${JSON.stringify(dialReport(about, result))}\n` : `\n${dialSummary(about, result)}`,
  );
  return result.complete ? 0 : 1;
}

/** @returns the exit code */
async function demoWan({ json }: DemoCommandOptions, signal: AbortSignal): Promise<number> {
  const { runWanDemo, WAN_DEMO } = await import("../../lab/wan-demo.ts");
  const output = json === true ? process.stderr : process.stdout;
  const screen = demoScreen(output, { frame: wanFrame, oneLine: wanOneLine }, json !== true);
  screen.say("A client and its server come up, with two links of the Internet between them.");
  let began: number | null = null;
  const result = await runWanDemo({
    signal,
    onProgress: (progress, notes) => {
      for (const note of notes) {
        began ??= note.at;
        screen.say(wanNote(note, began));
      }
      screen.show(progress);
    },
  });
  process.stdout.write(
    json === true
      ? `${JSON.stringify(wanDemoReport(WAN_DEMO, result))}\n`
      : `\n${wanSummary(WAN_DEMO, result)}`,
  );
  return result.complete ? 0 : 1;
}

/** The work of the options, with its exit code. */
const demoOf = ({ dial, wan }: DemoCommandOptions): typeof demoBond =>
  wan === true ? demoWan : dial === true ? demoDial : demoBond;

/** @throws EqlError REQUEST_INVALID */
function checkCarriers(carriers: readonly number[]): void {
  if (carriers.length > 1 && carriers.every((bps) => bps <= MOST_CARRIER_BPS)) return;
  throw new EqlError(
    "REQUEST_INVALID",
    `with --dial, --lines are two carriers or more of at most ${MOST_CARRIER_BPS} bit/s`,
  );
}

export const demoCommand = (): Command =>
  new Command("demo")
    .summary("the main job, shown on this machine")
    .description(
      "Two hosts on this machine, joined by unequal virtual serial lines: the transfer of the 1995 report, over the " +
        "fastest line alone and over all of them as one, at the same time. With --dial the lines are modems that call a " +
        "terminal server, and one call is dropped while the transfer goes on. With --wan they are two links of the " +
        "Internet to a server, by UDP and encrypted, and one of them is cut for some seconds.",
    )
    .addOption(speedsOption("--lines").default([28_800, 14_400], "28800,14400"))
    .addOption(mtuOption(DEFAULT_MTU))
    .addOption(bytesOption(BYTES_1995))
    .option("--dial", "over telephone calls; --lines are then the carriers of the modems")
    .addOption(
      new Option("--wan", "over two emulated links of the Internet, DSL and LTE").conflicts([
        "dial",
        "lines",
        "mtu",
        "bytes",
      ]),
    )
    .option("--json", "one JSON object on standard output; progress goes to standard error")
    .addHelpText(
      "after",
      `
Runs as root, and as an ordinary user where the system allows user namespaces and /dev/net/tun.
Exit code 0: what arrived is identical to what was sent, both times; with --dial, also the line
whose call was dropped is up again; with --wan, the link that was cut carries packets again.

Examples:
  eql demo
  eql demo --lines 57600,14400 --mtu 576
  eql demo --lines 115200,115200,9600 --json
  eql demo --dial
  eql demo --wan
`,
    )
    .action((options: DemoCommandOptions) => {
      if (options.dial === true) checkCarriers(options.lines);
      return inLab((signal) => demoOf(options)(options, signal));
    });
