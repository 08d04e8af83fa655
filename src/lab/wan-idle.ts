import { setTimeout as delay } from "node:timers/promises";
import { monotonicNow } from "../host/clock.ts";
import { MachineLoad, type ProcessUsage } from "./process-usage.ts";
import { median, round } from "./statistics.ts";
import { WanBond } from "./wan-bond.ts";
import type { WanCase } from "./wan-cases.ts";
import type { WanCounts } from "./wan-emulator-roles.ts";
import { type WanWorld, withWorld } from "./wan-world.ts";

/** What a bond costs while nothing is sent by it. */

/** After the last path has come up: how long its packets may be has been found by then. */
const SETTLE_MS = 5000;

export interface WanIdle {
  /** Of one core, in per cent, for each daemon. */
  readonly clientPercent: number;
  readonly serverPercent: number;
  /** On each link, at the level of IP, in bits per second, from the client and to it. */
  readonly linkBps: readonly { readonly up: number; readonly down: number }[];
  readonly machinePercent: number;
}

export interface WanIdleResult {
  readonly wan: WanCase;
  /** Medians of the runs. */
  readonly idle: WanIdle;
  readonly runs: readonly WanIdle[];
}

export interface WanIdleOptions {
  readonly wan: WanCase;
  readonly repeat: number;
  readonly settleMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** @throws EqlError when the bond does not come up */
export async function runIdle(options: WanIdleOptions): Promise<WanIdleResult> {
  const { wan, repeat, signal } = options;
  const runs: WanIdle[] = [];
  for (let run = 0; run < repeat; run++) {
    const measure = (world: WanWorld): Promise<WanIdle> => measureIdle(world, options);
    runs.push(await withWorld({ links: wan.links }, measure, signal));
  }
  return { wan, idle: medianIdle(runs), runs };
}

interface Look {
  readonly counts: Pick<WanCounts, "links"> | undefined;
  readonly usage: readonly (ProcessUsage | null)[];
}

async function measureIdle(
  world: WanWorld,
  { wan, signal, settleMs = SETTLE_MS }: WanIdleOptions,
): Promise<WanIdle> {
  const bond = await WanBond.start(world, { links: wan.links.length });
  const look = async (): Promise<Look> => ({ counts: await world.emulator?.counts(), usage: bond.usage() });
  try {
    await delay(settleMs, undefined, { signal });
    const before = await look();
    const beganAt = monotonicNow();
    const load = new MachineLoad();
    await delay(wan.seconds * 1000, undefined, { signal });
    const machinePercent = round(100 * load.share(), 1);
    const seconds = (monotonicNow() - beganAt) / 1000; // more where the processor is elsewhere
    return { ...costOf(before, await look(), seconds), machinePercent };
  } finally {
    await bond.close();
  }
}

/** What was used from one look to another. */
export function costOf(before: Look, after: Look, seconds: number): Omit<WanIdle, "machinePercent"> {
  const share = (end: number): number => {
    const used = (after.usage[end]?.cpuSeconds ?? Number.NaN) - (before.usage[end]?.cpuSeconds ?? Number.NaN);
    return round((100 * used) / seconds, 2);
  };
  const links = after.counts?.links ?? [];
  const bps = (link: number, direction: "up" | "down"): number => {
    const octets = ({ counts }: Look): number => counts?.links[link]?.[direction].octets ?? Number.NaN;
    return Math.round((8 * (octets(after) - octets(before))) / seconds);
  };
  return {
    clientPercent: share(0),
    serverPercent: share(1),
    linkBps: links.map((_, link) => ({ up: bps(link, "up"), down: bps(link, "down") })),
  };
}

/** Each figure's own median. @param runs at least one */
function medianIdle(runs: readonly WanIdle[]): WanIdle {
  const of = (pick: (run: WanIdle) => number): number => round(median(runs.map(pick)), 2);
  return {
    clientPercent: of((run) => run.clientPercent),
    serverPercent: of((run) => run.serverPercent),
    linkBps: (runs[0]?.linkBps ?? []).map((_, link) => ({
      up: of((run) => run.linkBps[link]?.up ?? Number.NaN),
      down: of((run) => run.linkBps[link]?.down ?? Number.NaN),
    })),
    machinePercent: of((run) => run.machinePercent),
  };
}
