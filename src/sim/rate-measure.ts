import { RateTrial, type RateTrialOptions } from "./rate-trial.ts";

/** How well a rate fitted its path. */
export interface RateMeasure {
  /** Share of what the bottleneck could carry, once settled. */
  readonly use: number;
  /** At the bottleneck, with the datagram in it, once settled; of all milliseconds. */
  readonly queueMs: { readonly p50: number; readonly p95: number; readonly most: number };
  /** Share of the datagrams sent that were lost, once settled. */
  readonly loss: number;
  /** Datagrams that found the bottleneck's queue full: until settled, and then. */
  readonly drops: { readonly early: number; readonly late: number };
  /** Until 90 % of the rate had arrived over 100 ms, or over five datagrams; Infinity: never. */
  readonly to90Ms: number;
}

/** Something that happens during a trial. */
export interface RateEvent {
  readonly atMs: number;
  readonly act: (trial: RateTrial) => void;
}

const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** @param settleMs what is before it does not count, but for `to90Ms`; events come after it */
export function measureRate(
  options: RateTrialOptions,
  ms: number,
  settleMs: number = 2000,
  events: readonly RateEvent[] = [],
): RateMeasure {
  const trial = new RateTrial(options);
  const { quantumMs: momentMs = 1 } = options;
  const queues: number[] = [];
  const recent: number[] = [];
  let recentOctets = 0;
  let possible = 0;
  let delivered = 0;
  let to90Ms = Number.POSITIVE_INFINITY;
  trial.onMoment = ({ at, queueMs, deliveredOctets }) => {
    const capacity = (trial.path.settings.rateBps / 8000) * momentMs;
    if (at >= settleMs) {
      possible += capacity;
      delivered += deliveredOctets;
      queues.push(queueMs);
    }
    if (to90Ms < Number.POSITIVE_INFINITY) return;
    recent.push(deliveredOctets);
    recentOctets += deliveredOctets;
    const span = Math.max(100 / momentMs, (5 * 1500) / capacity);
    if (recent.length > span) recentOctets -= recent.shift() ?? 0;
    if (recentOctets >= 0.9 * capacity * span) to90Ms = at;
  };
  trial.run(settleMs);
  const early = trial.path.drops.queueFull;
  const { sentDatagrams, lostDatagrams } = trial;
  let nowMs = settleMs;
  for (const { atMs, act } of events) {
    trial.run(atMs - nowMs);
    nowMs = atMs;
    act(trial);
  }
  trial.run(ms - nowMs);
  const sorted = Float64Array.from(queues).sort();
  return {
    use: delivered / possible,
    queueMs: { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95), most: percentile(sorted, 1) },
    loss: (trial.lostDatagrams - lostDatagrams) / Math.max(1, trial.sentDatagrams - sentDatagrams),
    drops: { early, late: trial.path.drops.queueFull - early },
    to90Ms,
  };
}
