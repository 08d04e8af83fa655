import { InvalidArgumentError, Option } from "commander";
import { SCHEDULER_NAMES, type SchedulerName } from "../control/messages.ts";
import { checkTun, enterLab } from "../lab/lab-access.ts";
import { whole } from "./options.ts";

/** Options and manners that the commands of the lab share: `demo` and `bench`. */

const MAX_LINES = 16;
const LEAST_BPS = 300;
const MOST_BPS = 10_000_000;
/** Below it, TCP/IP headers leave next to nothing. */
const LEAST_MTU = 128;
const MOST_MTU = 1500;
const MOST_BYTES = 1_000_000_000;
const MOST_ERROR = 90;

const bps = (text: string): number => whole("a line's speed", LEAST_BPS, MOST_BPS)(text);

/** `57600,14400` */
export function parseSpeeds(text: string): readonly number[] {
  const speeds = text.split(",").map((one) => bps(one.trim()));
  if (speeds.length <= MAX_LINES) return speeds;
  throw new InvalidArgumentError(`found ${speeds.length} lines; allowed: at most ${MAX_LINES}`);
}

/** `3`, `-2.5`: per cent. */
export function parsePercent(text: string): number {
  const value = /^[+-]?\d{1,2}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (Math.abs(value) <= MOST_ERROR) return value;
  throw new InvalidArgumentError(`it is "${text}"; allowed: a number from -${MOST_ERROR} to ${MOST_ERROR}`);
}

export const countOption = (): Option =>
  new Option("--count <N>", "how many equal lines (default: 2)").argParser(whole("--count", 1, MAX_LINES));

export const speedOption = (): Option =>
  new Option("--speed <BPS>", "bits per second of each of them (default: 57600)").argParser(bps);

export const speedsOption = (flag: string): Option =>
  new Option(`${flag} <BPS,BPS,...>`, "bits per second of each line").argParser(parseSpeeds);

export const mtuOption = (standard: number): Option =>
  new Option("--mtu <OCTETS>", "largest IP packet")
    .default(standard)
    .argParser(whole("--mtu", LEAST_MTU, MOST_MTU));

export const bytesOption = (standard: number): Option =>
  new Option("--bytes <N>", "octets to transfer; those of 1995 by default")
    .default(standard)
    .argParser(whole("--bytes", 1, MOST_BYTES));

export const schedulerOption = (): Option =>
  new Option("--scheduler <NAME>", "how the line for a packet is chosen")
    .choices(SCHEDULER_NAMES)
    .default("earliest-arrival" satisfies SchedulerName);

/**
 * Runs a command of the lab where hosts can be made: here, or once more in a user namespace. An interrupt aborts the
 * work's signal; the process then exits as programs do that a signal ended.
 * @param work gives the exit code
 * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING, TUN_MISSING
 */
export async function inLab(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  checkTun();
  const elsewhere = await enterLab();
  if (elsewhere !== null) {
    process.exitCode = elsewhere;
    return;
  }
  const controller = new AbortController();
  let code: number | null = null;
  const interrupt = (signal: NodeJS.Signals): void => {
    code ??= 128 + (SIGNAL_NUMBERS[signal] ?? 0);
    controller.abort();
  };
  for (const signal of Object.keys(SIGNAL_NUMBERS)) process.on(signal, interrupt);
  try {
    process.exitCode = await work(controller.signal);
  } catch (error) {
    if (code === null) throw error;
    process.exitCode = code;
  } finally {
    for (const signal of Object.keys(SIGNAL_NUMBERS)) process.off(signal, interrupt);
  }
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
