import { nearestRow } from "./bentson.ts";
import type { Bond } from "./bond-scenario.ts";
import { BYTES_1995, type Measurement, measure } from "./measure.ts";
import { type Job, runPool } from "./pool.ts";

/** The main job, shown: the same transfer over the fastest line alone and over all of them, at the same time. */

const LOOK_MS = 500;
/** Rates are means over so many looks. */
const WINDOW_LOOKS = 4;

interface LineProgress {
  readonly bps: number;
  /** What passes it now, towards the receiver, framing included. */
  readonly octetsPerSecond: number;
}

export interface PairProgress {
  readonly name: string;
  readonly lines: readonly LineProgress[];
  readonly octets: number;
  readonly bytes: number;
  /** Since the transfer began; null: it has not yet. */
  readonly seconds: number | null;
  readonly done: boolean;
}

export interface DemoOptions {
  readonly speeds: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Called twice a second, and at the end. */
  readonly onProgress: (pairs: readonly PairProgress[]) => void;
}

export interface DemoResult {
  readonly alone: Measurement;
  readonly bonded: Measurement;
}

/** @throws EqlError when a pair of hosts does not come up or a transfer does not end */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { speeds, mtu, bytes, signal, onProgress } = options;
  const pairs = [
    new PairWatch("alone", [Math.max(...speeds)], bytes),
    new PairWatch("bonded", speeds, bytes),
  ] as const;
  const timer = setInterval(() => {
    void Promise.all(pairs.map((pair) => pair.look())).then(() =>
      onProgress(pairs.map((pair) => pair.progress())),
    );
  }, LOOK_MS);
  try {
    const jobs = pairs.map(
      (pair): Job<Measurement> =>
        (stop) =>
          measure({
            speeds: pair.speeds,
            mtu,
            bytes,
            scheduler: "earliest-arrival",
            signal: stop,
            onBond: (bond) => pair.begin(bond),
            onProgress: (octets) => pair.advance(octets),
          }).finally(() => pair.end()),
    );
    const [alone, bonded] = await runPool(jobs, jobs.length, signal);
    onProgress(pairs.map((pair) => pair.progress()));
    return { alone: alone as Measurement, bonded: bonded as Measurement };
  } finally {
    clearInterval(timer);
  }
}

/** What is known of one pair of hosts while it runs. */
class PairWatch {
  readonly speeds: readonly number[];
  readonly #name: string;
  readonly #bytes: number;
  /** What each line had carried at the last looks, and when. */
  readonly #looks: { at: number; octets: readonly number[] }[] = [];
  #bond: Bond | null = null;
  #octets = 0;
  #startedAt: number | null = null;
  #seconds = 0;

  constructor(name: string, speeds: readonly number[], bytes: number) {
    this.#name = name;
    this.speeds = speeds;
    this.#bytes = bytes;
  }

  begin(bond: Bond): void {
    this.#bond = bond;
    this.#startedAt = performance.now();
  }

  advance(octets: number): void {
    this.#octets = octets;
  }

  end(): void {
    this.#bond = null;
    this.#looks.length = 0;
  }

  async look(): Promise<void> {
    if (this.#bond === null || this.#startedAt === null) return;
    const counts = await this.#bond.lines.counts().catch(() => null); // it may be closing
    if (counts === null) return;
    const at = performance.now();
    this.#looks.push({ at, octets: counts.map(({ nearToFar }) => nearToFar) });
    if (this.#looks.length > WINDOW_LOOKS + 1) this.#looks.shift();
    if (this.#octets < this.#bytes) this.#seconds = (at - this.#startedAt) / 1000;
  }

  progress(): PairProgress {
    const [first, last] = [this.#looks[0], this.#looks.at(-1)];
    const rate = (line: number): number => {
      if (first === undefined || last === undefined || last.at === first.at) return 0;
      const passed = (last.octets[line] ?? 0) - (first.octets[line] ?? 0);
      return (1000 * passed) / (last.at - first.at);
    };
    return {
      name: this.#name,
      lines: this.speeds.map((bps, line) => ({ bps, octetsPerSecond: rate(line) })),
      octets: this.#octets,
      bytes: this.#bytes,
      seconds: this.#startedAt === null ? null : this.#seconds,
      done: this.#octets >= this.#bytes,
    };
  }
}

/** What the 1995 report says of such lines, in words; `-` when it says nothing. */
export function figure1995(speeds: readonly number[], mtu: number): string {
  if (speeds.toSorted((a, b) => b - a).join() === "28800,14400")
    return "5.3 KB/s over two modems of these speeds";
  const row = nearestRow(speeds, mtu);
  if (row === null || row.seconds1995 === null) return "-";
  const rate = Math.round(BYTES_1995 / row.seconds1995);
  return `${rate} octets/s (${row.seconds1995} s for ${BYTES_1995} octets, MTU ${row.mtu})`;
}
