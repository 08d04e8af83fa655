import type { DemoResult, PairProgress } from "../lab/demo.ts";

/** How the demo looks: text from figures. */

const FULL = "█";
const EMPTY = "░";
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `width` characters, to an eighth of a character. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  const filled = FULL.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
  return filled.padEnd(width, EMPTY);
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
export const percent = (value: number): string => `${Math.floor(100 * value)} %`;

/** The picture of a moment, a string for each line of the terminal; none is wider than `columns`. */
export function frame(pairs: readonly PairProgress[], columns: number): readonly string[] {
  const width = Math.min(Math.max(columns - 52, 8), 40);
  const cut = (text: string): string => text.slice(0, Math.max(columns - 1, 1));
  return pairs.flatMap((pair) => {
    const share = pair.octets / pair.bytes;
    const state = pair.seconds === null ? "starting" : `${pair.seconds.toFixed(0)} s`;
    const head = `${pair.name.padEnd(8)} ${bar(share, width)} ${percent(share).padStart(5)}  ${whole(pair.octets)} octets  ${pair.done ? "done, " : ""}${state}`;
    const lines = pair.lines.map(
      ({ bps, octetsPerSecond }) =>
        `${String(bps).padStart(8)} ${bar(octetsPerSecond / (bps / 10), width)} ${whole(octetsPerSecond).padStart(7)} of ${whole(bps / 10)} octets/s`,
    );
    return [head, ...lines, ""].map(cut);
  });
}

/** A moment in one line, for where a picture cannot be drawn over. */
export function oneLine(pairs: readonly PairProgress[]): string {
  return pairs
    .map(({ name, octets, bytes, seconds, lines }) => {
      const rates = lines.map(({ bps, octetsPerSecond }) => `${bps}: ${whole(octetsPerSecond)} octets/s`);
      const state = seconds === null ? "starting" : `${seconds.toFixed(0)} s ${percent(octets / bytes)}`;
      return `${name} ${state} (${rates.join(", ")})`;
    })
    .join("   ");
}

export interface DemoSummary {
  readonly speeds: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
  readonly figure1995: string;
}

const isIntact = ({ alone, bonded }: DemoResult): boolean => alone.intact && bonded.intact;

/** The table at the end. */
export function summary({ speeds, mtu, bytes, figure1995 }: DemoSummary, result: DemoResult): string {
  const { alone, bonded } = result;
  const row = (title: string, seconds: number, rate: number, note: string): string =>
    `  ${title.padEnd(32)}${seconds.toFixed(1).padStart(8)}${whole(rate).padStart(12)}   ${note}`.trimEnd();
  const fastest = Math.max(...speeds);
  return [
    `${whole(bytes)} octets by TCP, MTU ${mtu}, lines of ${speeds.join(" + ")} bit/s`,
    "",
    `  ${"".padEnd(32)}${"seconds".padStart(8)}${"octets/s".padStart(12)}   of the limit`,
    row(`fastest line alone (${fastest})`, alone.seconds, alone.octetsPerSecond, `${alone.percentOfLimit} %`),
    row("bonded", bonded.seconds, bonded.octetsPerSecond, `${bonded.percentOfLimit} %`),
    row("the lines' physical limit", bytes / bonded.limitOctetsPerSecond, bonded.limitOctetsPerSecond, ""),
    `  1995: ${figure1995}`,
    "",
    isIntact(result)
      ? "What arrived is identical to what was sent (SHA-256), alone and bonded."
      : `DAMAGED: what arrived differs from what was sent (${alone.intact ? "bonded" : "alone"}).`,
    "",
  ].join("\n");
}

/** The JSON object of `--json`. */
export function demoReport({ speeds, mtu, bytes }: DemoSummary, result: DemoResult): object {
  const figures = ({
    seconds,
    octetsPerSecond,
    limitOctetsPerSecond,
    percentOfLimit,
  }: DemoResult["alone"]): object => ({
    seconds,
    octetsPerSecond,
    limitOctetsPerSecond,
    percentOfLimit,
  });
  return {
    lines: speeds,
    mtu,
    bytes,
    intact: isIntact(result),
    alone: figures(result.alone),
    bonded: figures(result.bonded),
  };
}
