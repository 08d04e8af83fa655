import { monotonicNow } from "../host/clock.ts";
import { type Instant, NEVER } from "../time.ts";
import { MachineLoad } from "./process-usage.ts";
import { median, percentile, round } from "./statistics.ts";
import { tcpCounters } from "./tcp-counters.ts";
import { Pinger, pingTimes, transferDatagrams } from "./transfer.ts";
import { WanBond, type WanBondOptions } from "./wan-bond.ts";
import { meanBps, sumBps, type WanCase } from "./wan-cases.ts";
import { Fastd } from "./wan-fastd.ts";
import type { WanRecorder } from "./wan-timeline.ts";
import { streamTcp } from "./wan-traffic.ts";
import { processorSeconds, type WanTunnel } from "./wan-tunnel.ts";
import { serverAddress, type WanWorld, withWorld } from "./wan-world.ts";

/** One case of `eql bench wan`, measured: traffic from client to server, and round trips beside it. */

const IDLE_PINGS = 20;
const IDLE_INTERVAL_MS = 50;
/** A lost one is not waited for any longer. */
const IDLE_WAIT_MS = 1000;
export const PING_INTERVAL_MS = 100;
/** Of UDP: whole packets of the bond's MTU, of a plain link's, and what headers they have. */
const BOND_MTU = 1440;
const LINK_MTU = 1500;
const TUNNEL_OVERHEAD = 58;
const UDP_HEADERS = 28;
/** Of what there is, counted with all headers; the rest is for feedback. */
const UDP_SHARE = 0.97;
/** A sender that is held up for so long would be taken for one that is done. */
const UDP_IDLE_SECONDS = 3;
const PATIENCE_MS = 60_000;

export type WanTraffic = "tcp" | "udp";

/** Another tunnel that ours is measured beside. */
export type WanRivalName = "fastd";

/** Over the bond of all links; over the first one without a tunnel; by another tunnel over that. */
type WanWay = "bond" | "direct" | WanRivalName;

export interface WanMeasureOptions {
  readonly wan: WanCase;
  /** How packets get there: by a bond without it. */
  readonly way?: WanWay;
  /** Of a bond. */
  readonly redundant?: boolean;
  readonly traffic?: WanTraffic;
  /** Is given what goes on; costs little. */
  readonly recorder?: WanRecorder | undefined;
  /** How many round trips are measured before the traffic; 20 without it. */
  readonly idlePings?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface WanMeasurement {
  /** Payload that arrived, in bits per second. */
  readonly goodputBps: number;
  /** Of the links' rates at first, at IP level; null: they have none. */
  readonly percentOfSum: number | null;
  /** Of what there was on average. */
  readonly percentOfMean: number | null;
  /** Round trips: medians, and the 95th percentile under load. */
  readonly pingMs: { readonly idle: number; readonly p50: number; readonly p95: number };
  /** Without any octet, and when after the start that began; null for UDP. */
  readonly longestStallMs: number | null;
  readonly longestStallAt: number | null;
  /** Each octet was the one that was sent. */
  readonly intact: boolean;
  /** Of TCP: the sender's segments that were sent again, and its time-outs. */
  readonly tcp: { readonly retransmitted: number; readonly timeouts: number } | null;
  /** Of UDP: per cent that did not come, and that came after a later one. */
  readonly udp: { readonly lostPercent: number; readonly reorderedPercent: number } | null;
  /** Of both ends of the tunnel; null without one. */
  readonly processorSecondsPerGB: number | null;
  /** How busy all cores were, in per cent, and how late the emulator was at worst. */
  readonly machinePercent: number;
  readonly emulatorLateMs: number | null;
}

type Traffic = Pick<WanMeasurement, "goodputBps" | "longestStallMs" | "longestStallAt" | "intact" | "udp"> & {
  readonly seconds: number;
};

/** @throws EqlError when the way does not come up or the transfer does not begin; damaged data is a result */
export function measureWan(options: WanMeasureOptions): Promise<WanMeasurement> {
  const { wan, way = "bond", redundant = false, signal } = options;
  const work = async (world: WanWorld): Promise<WanMeasurement> => {
    const tunnel = await startTunnel(world, way, { links: wan.links.length, redundant });
    try {
      return await measureOn(world, tunnel, options);
    } finally {
      options.recorder?.end();
      await tunnel?.close();
    }
  };
  return withWorld({ links: wan.links }, work, signal);
}

function startTunnel(world: WanWorld, way: WanWay, options: WanBondOptions): Promise<WanTunnel | null> {
  switch (way) {
    case "bond":
      return WanBond.start(world, options);
    case "fastd":
      return Fastd.start(world);
    case "direct":
      return Promise.resolve(null);
  }
}

async function measureOn(
  world: WanWorld,
  tunnel: WanTunnel | null,
  options: WanMeasureOptions,
): Promise<WanMeasurement> {
  const { client, emulator } = world;
  const { wan, traffic = "tcp", idlePings = IDLE_PINGS, recorder } = options;
  const address = tunnel?.address ?? serverAddress(0);
  const idle = await pingTimes(client, address, {
    count: idlePings,
    intervalMs: IDLE_INTERVAL_MS,
    lastWaitMs: IDLE_WAIT_MS,
  });
  let begunAt: Instant = NEVER;
  const times: number[] = [];
  const pinger = await Pinger.start(client, address, PING_INTERVAL_MS, (echo) => {
    if (echo.at - echo.rttMs < begunAt) return; // not under load yet
    times.push(echo.rttMs);
    recorder?.handleEcho(echo);
  });
  await emulator?.counts(); // lateness counts from here on
  const tcpBefore = tcpCounters(client.pid);
  const usageBefore = tunnel?.usage();
  const load = new MachineLoad();
  const begin = (): void => {
    begunAt = monotonicNow();
    emulator?.schedule(wan.changes).then(
      (counts) => recorder?.begin(emulator, counts),
      () => {}, // one that has ended is noticed by the transfer
    );
  };
  const run = traffic === "udp" ? runUdp : runTcp;
  let result: Traffic;
  try {
    result = await run(world, address, tunnel !== null, wan, begin, recorder);
  } finally {
    await pinger.stop();
  }
  recorder?.end();
  const machinePercent = round(100 * load.share(), 1);
  const usageAfter = tunnel?.usage();
  const late = await emulator?.counts();
  const tcpAfter = tcpCounters(client.pid);
  const { seconds, ...rest } = result;
  const share = (of: number | null): number | null =>
    of === null ? null : round((100 * result.goodputBps) / of, 2);
  return {
    ...rest,
    goodputBps: Math.round(result.goodputBps),
    percentOfSum: share(sumBps(wan)),
    percentOfMean: share(meanBps(wan)),
    pingMs: {
      idle: round(median(idle), 1),
      p50: round(median(times), 1),
      p95: round(percentile(times, 95), 1),
    },
    tcp:
      traffic === "udp"
        ? null
        : {
            retransmitted: tcpAfter.retransmitted - tcpBefore.retransmitted,
            timeouts: tcpAfter.timeouts - tcpBefore.timeouts,
          },
    processorSecondsPerGB:
      usageBefore === undefined || usageAfter === undefined
        ? null
        : round(processorSeconds(usageBefore, usageAfter) / ((result.goodputBps * seconds) / 8e9), 2),
    machinePercent,
    emulatorLateMs: late === undefined ? null : round(Math.max(late.latestMs, recorder?.latestMs ?? 0), 1),
  };
}

type Run = (
  world: WanWorld,
  address: string,
  bonded: boolean,
  wan: WanCase,
  onStart: () => void,
  recorder: WanRecorder | undefined,
) => Promise<Traffic>;

const runTcp: Run = async ({ client, server }, address, _bonded, { seconds }, onStart, recorder) => {
  const result = await streamTcp(client, server, { address, seconds, onStart });
  recorder?.handleStream(result);
  const { goodputBps, intact, longestStallMs, longestStallAt } = result;
  return {
    goodputBps,
    intact,
    longestStallMs: round(longestStallMs, 1),
    longestStallAt: round(longestStallAt, 1),
    udp: null,
    seconds,
  };
};

/** At a constant rate that should just fit. */
const runUdp: Run = async ({ client, server }, address, bonded, wan, onStart) => {
  const mtu = bonded ? BOND_MTU : LINK_MTU;
  const length = mtu - UDP_HEADERS;
  const onLink = mtu + (bonded ? TUNNEL_OVERHEAD : 0);
  const perSecond = Math.floor((UDP_SHARE * (meanBps(wan) ?? 0)) / 8 / onLink);
  const datagrams = Math.round(perSecond * wan.seconds);
  const deadlineMs = wan.seconds * 1000 + PATIENCE_MS;
  const offered = {
    address,
    datagrams,
    length,
    perSecond,
    seed: 1,
    idleSeconds: UDP_IDLE_SECONDS,
    deadlineMs,
  };
  const { received, sent, reorderedPercent } = await transferDatagrams(client, server, {
    ...offered,
    onStart,
  });
  return {
    goodputBps: (received * length * 8) / wan.seconds,
    intact: true,
    longestStallMs: null,
    longestStallAt: null,
    udp: {
      lostPercent: round((100 * (sent - received)) / sent, 3),
      reorderedPercent: round(reorderedPercent, 3),
    },
    seconds: wan.seconds,
  };
};
