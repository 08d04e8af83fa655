import { median, round } from "./statistics.ts";
import { onlyLink, type WanCase } from "./wan-cases.ts";
import {
  measureWan,
  PING_INTERVAL_MS,
  type WanMeasurement,
  type WanMeasureOptions,
  type WanRivalName,
} from "./wan-measure.ts";
import { WanRecorder, type WanTimeline } from "./wan-timeline.ts";

/** A case measured several times. */
export interface WanResult {
  readonly wan: WanCase;
  /** Medians of the runs. */
  readonly measured: WanMeasurement;
  readonly runs: readonly WanMeasurement[];
  /** Goodput of the one link that the others must not make slower, alone in the bond, in bits per second; null: there is none. */
  readonly aloneBps: number | null;
  /** Medians of runs that took turns. */
  readonly percentOfAlone: number | null;
  /** null: it was not asked for. */
  readonly beside: WanRival | null;
  /** Of the run whose goodput is nearest to the median; null: it was not asked for. */
  readonly timeline: WanTimeline | null;
}

/** Another tunnel that took turns with ours: its medians, and ours divided by them. */
export interface WanRival {
  readonly name: WanRivalName;
  readonly goodputBps: number;
  readonly processorSecondsPerGB: number | null;
  readonly throughputRatio: number;
  readonly processorRatio: number | null;
}

export interface WanRunOptions extends WanMeasureOptions {
  readonly repeat: number;
  /** Whether the result has one. */
  readonly timeline?: boolean;
  readonly beside?: WanRivalName | undefined;
}

/** @throws EqlError as {@link measureWan} */
export async function runWan(options: WanRunOptions): Promise<WanResult> {
  const { wan, repeat, timeline = false, beside } = options;
  const { alone } = wan;
  const runs: WanMeasurement[] = [];
  const alones: WanMeasurement[] = [];
  const others: WanMeasurement[] = [];
  const timelines: WanTimeline[] = [];
  for (let run = 0; run < repeat; run++) {
    if (alone !== undefined) alones.push(await measureWan({ ...options, wan: onlyLink(wan, alone) }));
    if (beside !== undefined) others.push(await measureWan({ ...options, way: beside }));
    const recorder = timeline ? new WanRecorder() : undefined;
    runs.push(await measureWan({ ...options, recorder }));
    if (recorder !== undefined) timelines.push(recorder.timeline(PING_INTERVAL_MS));
  }
  const measured = medianOf(runs);
  const aloneBps = alone === undefined ? null : median(alones.map(({ goodputBps }) => goodputBps));
  return {
    wan,
    measured,
    runs,
    aloneBps,
    percentOfAlone: aloneBps === null ? null : round((100 * measured.goodputBps) / aloneBps, 2),
    beside: beside === undefined ? null : rivalOf(beside, medianOf(others), measured),
    timeline: timelines[nearestRun(runs, measured.goodputBps)] ?? null,
  };
}

export function rivalOf(name: WanRivalName, other: WanMeasurement, ours: WanMeasurement): WanRival {
  const { goodputBps, processorSecondsPerGB } = other;
  const own = ours.processorSecondsPerGB;
  return {
    name,
    goodputBps,
    processorSecondsPerGB,
    throughputRatio: round(ours.goodputBps / goodputBps, 2),
    processorRatio:
      own === null || processorSecondsPerGB === null ? null : round(own / processorSecondsPerGB, 2),
  };
}

/** The number of the run whose goodput is nearest. */
function nearestRun(runs: readonly WanMeasurement[], goodputBps: number): number {
  const away = runs.map((run) => Math.abs(run.goodputBps - goodputBps));
  return away.indexOf(Math.min(...away));
}

/** Each figure's own median. Of `intact`: of all. @param runs at least one */
export function medianOf(runs: readonly WanMeasurement[]): WanMeasurement {
  const of = (pick: (run: WanMeasurement) => number | null | undefined): number | null => {
    const values = runs.map(pick).filter((value) => value !== null && value !== undefined);
    return values.length === 0 ? null : round(median(values), 3);
  };
  const must = (pick: (run: WanMeasurement) => number): number => of(pick) ?? Number.NaN;
  const [first] = runs;
  return {
    goodputBps: must((run) => run.goodputBps),
    percentOfSum: of((run) => run.percentOfSum),
    percentOfMean: of((run) => run.percentOfMean),
    pingMs: {
      idle: must((run) => run.pingMs.idle),
      p50: must((run) => run.pingMs.p50),
      p95: must((run) => run.pingMs.p95),
    },
    longestStallMs: of((run) => run.longestStallMs),
    longestStallAt: of((run) => run.longestStallAt),
    intact: runs.every(({ intact }) => intact),
    tcp:
      first?.tcp === null
        ? null
        : {
            retransmitted: must((run) => run.tcp?.retransmitted ?? 0),
            timeouts: must((run) => run.tcp?.timeouts ?? 0),
          },
    udp:
      first?.udp === null
        ? null
        : {
            lostPercent: must((run) => run.udp?.lostPercent ?? 0),
            reorderedPercent: must((run) => run.udp?.reorderedPercent ?? 0),
          },
    processorSecondsPerGB: of((run) => run.processorSecondsPerGB),
    machinePercent: must((run) => run.machinePercent),
    emulatorLateMs: of((run) => run.emulatorLateMs),
  };
}
