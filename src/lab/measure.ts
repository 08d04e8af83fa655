import type { BondOptions } from "./bond-config.ts";
import { type Bond, withBond } from "./bond-scenario.ts";
import { transferLimit } from "./limit.ts";
import { MachineLoad, type ProcessUsage } from "./process-usage.ts";
import { percentile, round } from "./statistics.ts";
import { type TcpCounters, tcpCounters } from "./tcp-counters.ts";
import { Pinger, pingTimes, transferTcp } from "./transfer.ts";

/** One transfer over a bond, measured: what `eql bench lines` and `eql demo` print. */

/** The length of the file of the 1995 report. */
export const BYTES_1995 = 289_284;
export const DEFAULT_SEED = 1995;
const IDLE_PINGS = 20;
const PING_INTERVAL_MS = 500;
/** A transfer may take so many times what the lines need, and then some. */
const PATIENCE = 10;
const PATIENCE_MS = 60_000;

export interface MeasureOptions extends BondOptions {
  readonly bytes: number;
  readonly seed?: number;
  /** Measures round trips too, idle before the transfer and during it; costs throughput. */
  readonly ping?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called when the bond is up. */
  readonly onBond?: (bond: Bond) => void;
  /** @param octets received so far */
  readonly onProgress?: (octets: number, atMs: number) => void;
}

/** Round trips in milliseconds. */
interface PingSummary {
  readonly p50: number;
  readonly p95: number;
  readonly count: number;
}

interface DaemonCost {
  /** Processor time in per cent of one core, during the transfer. */
  readonly cpuPercent: number;
  /** Most memory resident, in octets. */
  readonly peakResident: number;
}

export interface Measurement {
  readonly bytes: number;
  readonly intact: boolean;
  readonly seconds: number;
  readonly octetsPerSecond: number;
  readonly limitOctetsPerSecond: number;
  readonly percentOfLimit: number;
  readonly congestion: string;
  /** The sender's, during the transfer. */
  readonly tcp: TcpCounters;
  readonly near: DaemonCost;
  readonly far: DaemonCost;
  /** How busy all cores were during the transfer, in per cent. */
  readonly machinePercent: number;
  readonly ping?: { readonly idle: PingSummary; readonly loaded: PingSummary };
}

const summarize = (times: readonly number[]): PingSummary => ({
  p50: round(percentile(times, 50), 1),
  p95: round(percentile(times, 95), 1),
  count: times.length,
});

export function patienceMs(limitSeconds: number): number {
  return limitSeconds * 1000 * PATIENCE + PATIENCE_MS;
}

/** @throws EqlError when the bond does not come up or the transfer does not end; damaged data is a result */
export function measure(options: MeasureOptions): Promise<Measurement> {
  return withBond(options, (bond) => measureOn(bond, options), options.signal);
}

async function measureOn(bond: Bond, options: MeasureOptions): Promise<Measurement> {
  const { bytes, seed = DEFAULT_SEED, ping = false, onBond, onProgress } = options;
  const { near, far } = bond;
  const limit = transferLimit({ ...options, seed });
  onBond?.(bond);
  const pings = { count: IDLE_PINGS, intervalMs: PING_INTERVAL_MS };
  const idle = ping ? await pingTimes(near.host, far.address, pings) : null;
  const pinger = ping ? await Pinger.start(near.host, far.address, PING_INTERVAL_MS) : null;
  const tcpBefore = tcpCounters(near.host.pid);
  const before = bond.usage();
  const load = new MachineLoad();
  const result = await transferTcp(near.host, far.host, {
    address: far.address,
    bytes,
    seed,
    deadlineMs: patienceMs(limit.seconds),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const machinePercent = round(100 * load.share(), 1);
  const after = bond.usage();
  const loaded = await pinger?.stop();
  const { seconds, octetsPerSecond, intact, congestion } = result;
  return {
    bytes,
    intact,
    seconds: round(seconds, 3),
    octetsPerSecond: round(octetsPerSecond, 1),
    limitOctetsPerSecond: round(limit.octetsPerSecond, 1),
    percentOfLimit: round((100 * octetsPerSecond) / limit.octetsPerSecond, 2),
    congestion,
    tcp: tcpSince(tcpBefore, tcpCounters(near.host.pid)),
    near: cost(before.near, after.near, seconds),
    far: cost(before.far, after.far, seconds),
    machinePercent,
    ...(idle === null || loaded === undefined
      ? {}
      : { ping: { idle: summarize(idle), loaded: summarize(loaded) } }),
  };
}

const tcpSince = (before: TcpCounters, after: TcpCounters): TcpCounters => ({
  retransmitted: after.retransmitted - before.retransmitted,
  timeouts: after.timeouts - before.timeouts,
  needless: after.needless - before.needless,
});

function cost(before: ProcessUsage | null, after: ProcessUsage | null, seconds: number): DaemonCost {
  const cpuSeconds = (after?.cpuSeconds ?? Number.NaN) - (before?.cpuSeconds ?? Number.NaN);
  return {
    cpuPercent: round((100 * cpuSeconds) / seconds, 1),
    peakResident: after?.peakResident ?? Number.NaN,
  };
}
