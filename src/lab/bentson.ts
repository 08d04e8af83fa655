import type { SchedulerName } from "../control/messages.ts";
import { transferLimit } from "./limit.ts";
import { BYTES_1995, DEFAULT_SEED, type Measurement, measure } from "./measure.ts";
import { type Job, runPool } from "./pool.ts";
import { median, round } from "./statistics.ts";

/**
 * The measurements that R. Bentson published in 1995: a binary ftp of 289,284 octets between two Linux 1.1.84 hosts,
 * SLIP over one to four equal null-modem lines. Columns: lines, bits per second, MTU, seconds, and per cent of lines
 * times bits per second at ten bits an octet, as he printed it; null where the lines did not come up.
 */
const TABLE: readonly (readonly [number, number, number, number | null, number | null])[] = [
  [1, 115200, 900, 30.7, 81],
  [1, 115200, 600, 31.3, 80],
  [1, 115200, 400, 32.8, 76],
  [2, 115200, 900, null, null],
  [2, 115200, 600, 18.1, 69],
  [2, 115200, 400, 19.3, 65],
  [3, 115200, 900, null, null],
  [3, 115200, 600, 21.7, 38],
  [3, 115200, 400, 18.1, 46],
  [1, 57600, 900, 54.6, 91],
  [1, 57600, 600, 56.2, 89],
  [1, 57600, 400, 60.2, 83],
  [2, 57600, 900, 29.1, 86],
  [2, 57600, 600, 30.2, 83],
  [2, 57600, 400, 32.3, 77],
  [3, 57600, 900, 21.2, 78],
  [3, 57600, 600, 20.9, 80],
  [3, 57600, 400, 22.5, 74],
  [4, 57600, 900, null, null],
  [4, 57600, 600, null, null],
  [4, 57600, 400, null, null],
  [1, 38400, 900, 79.4, 94],
  [1, 38400, 600, 82.4, 91],
  [1, 38400, 400, 86.8, 86],
  [2, 38400, 900, 43.7, 86],
  [2, 38400, 600, 44, 85],
  [2, 38400, 400, 47.2, 79],
  [3, 38400, 900, 30.3, 82],
  [3, 38400, 600, 31.2, 80],
  [3, 38400, 400, 33.5, 74],
  [4, 38400, 900, 25.2, 74],
  [4, 38400, 600, 26.4, 69],
  [4, 38400, 400, 27.3, 68],
  [1, 19200, 900, 155, 97],
  [1, 19200, 600, 161, 93],
  [1, 19200, 400, 170, 88],
  [2, 19200, 900, 84.4, 89],
  [2, 19200, 600, 87.6, 85],
  [2, 19200, 400, 91.2, 82],
  [3, 19200, 900, 60.5, 83],
  [3, 19200, 600, 62, 81],
  [3, 19200, 400, 64.7, 77],
  [4, 19200, 900, 50.8, 74],
  [4, 19200, 600, 53.7, 70],
  [4, 19200, 400, 53.2, 70],
  [1, 9600, 900, 305, 98],
  [1, 9600, 600, 314, 93],
  [1, 9600, 400, 332, 90],
  [2, 9600, 900, 180, 83],
  [2, 9600, 600, 176, 85],
  [2, 9600, 400, 181, 82],
  [3, 9600, 900, 118, 85],
  [3, 9600, 600, 120, 83],
  [3, 9600, 400, 131, 76],
  [4, 9600, 900, 94.7, 79],
  [4, 9600, 600, 110, 68],
  [4, 9600, 400, 106, 71],
];

export interface BentsonRow {
  readonly lines: number;
  /** Bits per second of each line. */
  readonly speed: number;
  readonly mtu: number;
  /** Null: the lines did not come up in 1995. */
  readonly seconds1995: number | null;
  /** Of the raw rate; null as above. */
  readonly percentOfRaw1995: number | null;
}

export const BENTSON_ROWS: readonly BentsonRow[] = TABLE.map(
  ([lines, speed, mtu, seconds1995, percentOfRaw1995]) => ({
    lines,
    speed,
    mtu,
    seconds1995,
    percentOfRaw1995,
  }),
);

export interface BentsonResult extends BentsonRow {
  readonly limitSeconds: number;
  /** What 1995 reached of the limit that random data has; null where it has no figure. */
  readonly percentOfLimit1995: number | null;
  /** Median of the runs. */
  readonly seconds: number;
  readonly percentOfLimit: number;
  /** The least and the most of the runs, in per cent of the limit. */
  readonly range: readonly [number, number];
  readonly intact: boolean;
  /** How busy all cores were, in per cent; the most of the runs. */
  readonly machinePercent: number;
}

export const rowName = ({ lines, speed, mtu }: BentsonRow): string => `${lines}x${speed}/${mtu}`;

const speedsOf = ({ lines, speed }: BentsonRow): number[] => Array.from({ length: lines }, () => speed);

const limitOf = (row: BentsonRow): ReturnType<typeof transferLimit> =>
  transferLimit({ bytes: BYTES_1995, mtu: row.mtu, speeds: speedsOf(row), seed: DEFAULT_SEED });

/** The row for such equal lines whose MTU is nearest; null when there is none with a figure. */
export function nearestRow(speeds: readonly number[], mtu: number): BentsonRow | null {
  const [speed] = speeds;
  if (speeds.some((other) => other !== speed)) return null;
  const rows = BENTSON_ROWS.filter(
    (row) => row.lines === speeds.length && row.speed === speed && row.seconds1995 !== null,
  );
  return rows.toSorted((a, b) => Math.abs(a.mtu - mtu) - Math.abs(b.mtu - mtu))[0] ?? null;
}

export function bentsonResult(row: BentsonRow, runs: readonly Measurement[]): BentsonResult {
  const limit = limitOf(row);
  const percents = runs.map(({ percentOfLimit }) => percentOfLimit);
  const { seconds1995 } = row;
  return {
    ...row,
    limitSeconds: round(limit.seconds, 2),
    percentOfLimit1995: seconds1995 === null ? null : round((100 * limit.seconds) / seconds1995, 1),
    seconds: round(median(runs.map(({ seconds }) => seconds)), 2),
    percentOfLimit: round(median(percents), 1),
    range: [round(Math.min(...percents), 1), round(Math.max(...percents), 1)],
    intact: runs.every(({ intact }) => intact),
    machinePercent: Math.max(...runs.map(({ machinePercent }) => machinePercent)),
  };
}

export interface BentsonOptions {
  readonly rows: readonly BentsonRow[];
  readonly scheduler: SchedulerName;
  /** Runs of each row. */
  readonly repeat: number;
  /** Runs over slow lines at the same time, each with hosts and lines of its own; one over fast lines counts as several. */
  readonly parallel: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRun?: (row: BentsonRow, run: Measurement, done: number, all: number) => void;
}

/** Bits per second of lines that take the machine as much as there being a run at all. */
const LOAD_BPS = 40_000;

/** How much of the machine a run takes, in runs over lines that are slow. */
const loadOf = (row: BentsonRow): number => 1 + speedsOf(row).reduce((sum, bps) => sum + bps, 0) / LOAD_BPS;

/** Runs rows of the table, the longest first; results are in the order of `rows`. */
export async function runBentson(options: BentsonOptions): Promise<readonly BentsonResult[]> {
  const { rows, scheduler, repeat, parallel, signal, onRun } = options;
  const runs = new Map<BentsonRow, Measurement[]>(rows.map((row) => [row, []]));
  const all = rows.length * repeat;
  let done = 0;
  const ordered = rows
    .flatMap((row) => Array.from({ length: repeat }, () => row))
    .toSorted((a, b) => limitOf(b).seconds - limitOf(a).seconds);
  const jobs = ordered.map(
    (row): Job<void> =>
      async (stop) => {
        const run = await measure({
          speeds: speedsOf(row),
          mtu: row.mtu,
          scheduler,
          bytes: BYTES_1995,
          signal: stop,
        });
        runs.get(row)?.push(run);
        onRun?.(row, run, ++done, all);
      },
  );
  await runPool(jobs, parallel, signal, ordered.map(loadOf));
  return rows.map((row) => bentsonResult(row, runs.get(row) ?? []));
}
