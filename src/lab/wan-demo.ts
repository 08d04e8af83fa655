import { whileLooking } from "./looking.ts";
import { median, percentile, round } from "./statistics.ts";
import { Pinger, pingTimes } from "./transfer.ts";
import type { EchoEvent } from "./transfer-roles.ts";
import { WanBond } from "./wan-bond.ts";
import type { WanLaterChange } from "./wan-emulator-roles.ts";
import { type StreamResult, streamTcp } from "./wan-traffic.ts";
import { type WanDemoScenario, type WanNote, type WanProgress, WanWatch } from "./wan-watch.ts";
import { type WanWorld, withWorld } from "./wan-world.ts";

/**
 * Two uplinks as one, shown:
 *
 *   1. a client calls its server by both, and they are one interface;
 *   2. one TCP stream runs over it;
 *   3. the faster uplink is cut, and the stream goes on by the other;
 *   4. the uplink is there again, and carries its share.
 */

export const WAN_DEMO: WanDemoScenario = {
  links: [
    { name: "DSL", rateBps: 20_000_000, delayMs: 10 },
    { name: "LTE", rateBps: 10_000_000, delayMs: 25 },
  ],
  seconds: 20,
  cut: { link: 0, fromSeconds: 8, toSeconds: 13 },
};

const LOOK_MS = 100;
const QUEUE_MS = 100;
const IDLE_PINGS = 10;
const IDLE_INTERVAL_MS = 50;
const PING_WAIT_MS = 1000;
const PING_INTERVAL_MS = 100;
const TENTH_MS = 100;
const BACK_MS = 30_000;

export interface WanDemoOptions {
  /** {@link WAN_DEMO} without it. */
  readonly scenario?: WanDemoScenario;
  readonly signal?: AbortSignal | undefined;
  /** Called ten times a second, and at the end, with what has happened since the last call. */
  readonly onProgress: (progress: WanProgress, notes: readonly WanNote[]) => void;
}

/** Of a part of the stream. */
export interface WanSpan {
  readonly seconds: number;
  /** Payload that arrived. */
  readonly goodputBps: number;
  /** What the links that were there carry together, headers included. */
  readonly sumBps: number;
  readonly percentOfSum: number;
}

export interface WanDemoResult {
  /** All octets arrived intact, and the link that was cut carries packets again. */
  readonly complete: boolean;
  readonly intact: boolean;
  /** Payload. */
  readonly octets: number;
  readonly whole: WanSpan;
  readonly before: WanSpan;
  readonly during: WanSpan;
  readonly after: WanSpan;
  /** Round trips through the bond, in milliseconds; how many were not answered under load, of how many. */
  readonly pingMs: { readonly idle: number; readonly p50: number; readonly p95: number };
  readonly pings: { readonly sent: number; readonly lost: number };
  /** The longest time without any octet from the cut until the link was back. */
  readonly gapMs: number;
  /** From the cut until the daemon was seen to know, and from the link's return; null: that was not seen. */
  readonly noticedMs: number | null;
  readonly backMs: number | null;
}

/** @throws EqlError when the uplinks do not come up or the stream does not begin, or breaks */
export function runWanDemo(options: WanDemoOptions): Promise<WanDemoResult> {
  const { scenario = WAN_DEMO, signal } = options;
  const links = scenario.links.map(({ rateBps, delayMs }) => ({ rateBps, delayMs, queueMs: QUEUE_MS }));
  return withWorld({ links }, (world) => runOn(world, scenario, options), signal);
}

async function runOn(
  world: WanWorld,
  scenario: WanDemoScenario,
  { onProgress }: WanDemoOptions,
): Promise<WanDemoResult> {
  const bond = await WanBond.start(world, { links: scenario.links.length });
  const watch = new WanWatch(scenario);
  const look = async (): Promise<void> => {
    await watch.look(world, bond);
    onProgress(watch.progress(), watch.takeNotes());
  };
  try {
    const facts = await whileLooking(look, LOOK_MS, () => runStream(world, bond, scenario, watch));
    return demoResult(scenario, watch, facts);
  } finally {
    await bond.close();
  }
}

interface Facts {
  readonly stream: StreamResult;
  /** CLOCK_MONOTONIC, ms: the cut is timed from here. */
  readonly scheduledAt: number;
  readonly idle: readonly number[];
  readonly echoes: readonly EchoEvent[];
  readonly back: boolean;
}

async function runStream(
  { client, server, emulator }: WanWorld,
  bond: WanBond,
  { cut, seconds }: WanDemoScenario,
  watch: WanWatch,
): Promise<Facts> {
  const pings = { count: IDLE_PINGS, intervalMs: IDLE_INTERVAL_MS, lastWaitMs: PING_WAIT_MS };
  const idle = await pingTimes(client, bond.address, pings);
  const echoes: EchoEvent[] = [];
  const pinger = await Pinger.start(client, bond.address, PING_INTERVAL_MS, (echo) => {
    echoes.push(echo);
    watch.handleEcho(echo);
  });
  let scheduledAt = Number.NaN;
  const begin = async (): Promise<void> => {
    const changes: readonly WanLaterChange[] = [
      { atMs: cut.fromSeconds * 1000, link: cut.link, settings: { outage: true } },
      { atMs: cut.toSeconds * 1000, link: cut.link, settings: { outage: false } },
    ];
    const counts = await emulator?.schedule(changes);
    scheduledAt = counts?.at ?? Number.NaN;
    watch.handleBegun(scheduledAt);
  };
  try {
    const stream = await streamTcp(client, server, {
      address: bond.address,
      seconds,
      onStart: () => void begin().catch(() => {}), // an emulator that has ended is noticed by the stream
      onProgress: (octets, at) => watch.handleReceived(octets, at),
    });
    const endedAt = stream.startedAt + seconds * 1000;
    watch.handleReceived(stream.octets, endedAt);
    watch.handleEnded(endedAt);
    const isBack = await bond.client
      .until(
        ({ tunnels }) => tunnels[0]?.peers[0]?.paths[cut.link]?.state === "alive",
        "the link that was cut carries packets",
        BACK_MS,
      )
      .then(
        () => true,
        () => false,
      );
    return { stream, scheduledAt, idle, echoes, back: isBack };
  } finally {
    await pinger.stop();
  }
}

function demoResult(
  scenario: WanDemoScenario,
  watch: WanWatch,
  { stream, scheduledAt, idle, echoes, back }: Facts,
): WanDemoResult {
  const { cut, seconds } = scenario;
  const cutAt = scheduledAt + cut.fromSeconds * 1000;
  const backAt = scheduledAt + cut.toSeconds * 1000;
  const [fromMs, toMs] = [cutAt - stream.startedAt, backAt - stream.startedAt];
  const endAt = stream.startedAt + seconds * 1000;
  const since = (moment: number, state: "dead" | "alive"): number | null => {
    const at = watch.firstAfter(moment, cut.link, state);
    return at === null ? null : Math.round(at - moment);
  };
  const loaded = echoes.filter(({ at, rttMs }) => at - rttMs >= scheduledAt && at <= endAt);
  const times = loaded.map(({ rttMs }) => rttMs);
  const span = (from: number, to: number): WanSpan => spanOf(scenario, stream.tenthsBps, from, to);
  const { intact, octets } = stream;
  return {
    complete: intact && back,
    intact,
    octets,
    whole: span(0, seconds),
    before: span(0, cut.fromSeconds),
    during: span(cut.fromSeconds, cut.toSeconds),
    after: span(cut.toSeconds, seconds),
    pingMs: {
      idle: round(median(idle), 1),
      p50: round(median(times), 1),
      p95: round(percentile(times, 95), 1),
    },
    pings: pingCount(loaded),
    gapMs: Math.round(longestStall(stream.stallsMs, fromMs, toMs)),
    noticedMs: since(cutAt, "dead"),
    backMs: since(backAt, "alive"),
  };
}

/** Of what was sent between the first and the last that were answered. */
export function pingCount(echoes: readonly Pick<EchoEvent, "sequence">[]): WanDemoResult["pings"] {
  const numbers = echoes.map(({ sequence }) => sequence);
  const sent = numbers.length === 0 ? 0 : Math.max(...numbers) - Math.min(...numbers) + 1;
  return { sent, lost: sent - numbers.length };
}

/** Of those that ended, by tenths of a second, after `fromMs` and began before `toMs`. */
export const longestStall = (stalls: readonly number[], fromMs: number, toMs: number): number =>
  Math.max(
    0,
    ...stalls.filter((ms, tenth) => (tenth + 1) * TENTH_MS > fromMs && tenth * TENTH_MS - ms < toMs),
  );

/** What arrived from one second of the stream to another; what there was is without the link while it was cut. */
export function spanOf(
  { links, cut }: WanDemoScenario,
  tenthsBps: readonly number[],
  from: number,
  to: number,
): WanSpan {
  const tenths = tenthsBps.slice(Math.round(from * 10), Math.round(to * 10));
  const goodputBps = tenths.reduce((sum, bps) => sum + bps, 0) / tenths.length;
  const away = Math.max(Math.min(to, cut.toSeconds) - Math.max(from, cut.fromSeconds), 0) / (to - from);
  const sumBps = links.reduce(
    (sum, { rateBps }, index) => sum + rateBps * (index === cut.link ? 1 - away : 1),
    0,
  );
  return {
    seconds: to - from,
    goodputBps: Math.round(goodputBps),
    sumBps: Math.round(sumBps),
    percentOfSum: round((100 * goodputBps) / sumBps, 1),
  };
}
