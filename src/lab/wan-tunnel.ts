import type { ProcessUsage } from "./process-usage.ts";

/** A tunnel between two hosts, with a process at each end. */
export interface WanTunnel {
  /** The server's, inside the tunnel. */
  readonly address: string;
  /** Of both processes, so far; null for one that has ended. */
  usage(): readonly (ProcessUsage | null)[];
  /** May be called again. */
  close(): Promise<void>;
}

/** Of both, from one look to a later one; NaN when one has ended. */
export const processorSeconds = (
  before: readonly (ProcessUsage | null)[],
  after: readonly (ProcessUsage | null)[],
): number =>
  after.reduce(
    (sum, usage, at) => sum + (usage?.cpuSeconds ?? Number.NaN) - (before[at]?.cpuSeconds ?? Number.NaN),
    0,
  );
