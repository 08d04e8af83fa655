import type { LifeState, Status } from "../control/messages.ts";
import { monotonicNow } from "../host/clock.ts";
import { FAR_ADDRESS } from "./bond-config.ts";
import { DialWorld, type DialWorldOptions, nearModem } from "./dial-scenario.ts";
import { type DialNote, type DialProgress, type DialStep, DialWatch, isBundled } from "./dial-watch.ts";
import { transferLimit } from "./limit.ts";
import { whileLooking } from "./looking.ts";
import { DEFAULT_SEED, patienceMs } from "./measure.ts";
import { withOwned } from "./owned.ts";
import { round } from "./statistics.ts";
import { type TcpTransferResult, transferTcp } from "./transfer.ts";

/**
 * A home calls its provider, shown:
 *
 *   1. its modems dial a hunt group, log in at the terminal server that answers, and are one bundle under PPP;
 *   2. a transfer runs over it;
 *   3. the telephone network drops the call on the fastest line when a third has arrived, and the line is dialed again;
 *   4. the transfer comes to its end over what lines there are.
 */

const LOOK_MS = 250;
const CUT_AT = 1 / 3;
/** A quarter of a minute on an idle machine. */
const CALL_PATIENCE_MS = 120_000;
/** Real modems of 28800 bit/s take half a minute. */
const TRAINING_MS = 5000;

export interface DialDemoOptions {
  /** Bits per second of each modem's carrier; two or more. */
  readonly carriers: readonly number[];
  readonly mtu: number;
  readonly bytes: number;
  /** From the answer to the carrier; 5 s without it. */
  readonly trainingMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called four times a second, and at the end, with what has happened since the last call. */
  readonly onProgress: (progress: DialProgress, notes: readonly DialNote[]) => void;
}

/** When a call was dropped, and how the transfer had gone until then, over all lines. */
interface Cut {
  /** Counted from 0. */
  readonly line: number;
  readonly seconds: number;
  readonly octets: number;
  readonly octetsPerSecond: number;
  /** Of what all carriers move together, headers and framing included. */
  readonly percentOfRaw: number;
}

/** Of the line whose call was dropped; in seconds. */
export interface Redial {
  /** From the drop until it carries packets again. */
  readonly seconds: number;
  /** How long of this it was in each state; `enslaved`: until it noticed. */
  readonly spent: Readonly<Partial<Record<LifeState, number>>>;
}

export interface DialDemoResult {
  /** The transfer is intact, a call was dropped during it, and the line is up again. */
  readonly complete: boolean;
  readonly intact: boolean;
  /** Of the transfer. */
  readonly seconds: number;
  readonly octetsPerSecond: number;
  /** From when the home's lines were wanted until they were one bundle on both sides. */
  readonly upAfterSeconds: number;
  /** Null: the transfer was over before a call could be dropped. */
  readonly cut: Cut | null;
  readonly redial: Redial | null;
  /** What was received, of what the carriers move, headers and framing included, while their lines were up. */
  readonly percentOfRaw: number;
}

/** @throws EqlError when the bundle does not come up, again or at all, or the transfer does not end */
export async function runDialDemo(options: DialDemoOptions): Promise<DialDemoResult> {
  const { carriers, mtu, bytes, trainingMs = TRAINING_MS, signal } = options;
  const watch = new DialWatch(carriers, bytes);
  const onPhoneEvent: DialWorldOptions["onPhoneEvent"] = (event) => watch.handlePhone(event);
  const facts = await withOwned(
    () => DialWorld.start({ carriers, mtu, trainingMs, onPhoneEvent }),
    (world) => {
      const look = async (): Promise<void> => {
        await watch.look(world);
        options.onProgress(watch.progress(), watch.takeNotes());
      };
      return whileLooking(look, LOOK_MS, () => runCalls(world, watch, options));
    },
    signal,
  );
  return dialResult(options, watch, facts);
}

interface DialFacts {
  readonly transfer: TcpTransferResult;
  readonly upAt: number;
  /** The line whose call is dropped. */
  readonly victim: number;
  /** Null: it was not. */
  readonly cutAt: number | null;
}

async function runCalls(
  { near, far, phones }: DialWorld,
  watch: DialWatch,
  { carriers, bytes, mtu }: DialDemoOptions,
): Promise<DialFacts> {
  for (const { daemon } of [near, far]) {
    const isUp = (status: Status): boolean => isBundled(status, carriers.length);
    await daemon.until(isUp, "all lines in one bundle", CALL_PATIENCE_MS);
  }
  const upAt = monotonicNow();
  const victim = carriers.indexOf(Math.max(...carriers));
  let cutAt: number | null = null;
  watch.handleTransferBegun();
  const limit = transferLimit({ bytes, mtu, speeds: carriers, seed: DEFAULT_SEED });
  const transfer = await transferTcp(near.host, far.host, {
    address: FAR_ADDRESS,
    bytes,
    seed: DEFAULT_SEED,
    deadlineMs: patienceMs(limit.seconds) + CALL_PATIENCE_MS,
    onProgress: (octets, at) => {
      watch.handleReceived(octets, at);
      if (cutAt !== null || octets < bytes * CUT_AT || octets >= bytes) return;
      cutAt = monotonicNow();
      phones.drop(nearModem(victim));
    },
  });
  const isBack = (): boolean => cutAt === null || redialOf(watch.steps(victim), cutAt) !== null;
  await near.daemon.until(isBack, "the dropped call made again", CALL_PATIENCE_MS);
  return { transfer, upAt, victim, cutAt };
}

function dialResult(
  { carriers }: DialDemoOptions,
  watch: DialWatch,
  { transfer, upAt, victim, cutAt }: DialFacts,
): DialDemoResult {
  const { intact, seconds, octetsPerSecond, startedAt, endedAt } = transfer;
  const steps = carriers.map((_, line) => watch.steps(line));
  const redial = cutAt === null ? null : redialOf(steps[victim] ?? [], cutAt);
  const wantedAt = Math.min(...steps.map(([first]) => first?.at ?? upAt));
  const carried = (from: number, to: number): number =>
    sum(carriers.map((bps, line) => (bps / 10_000) * enslavedMs(steps[line] ?? [], from, to)));
  const percent = (octets: number, ofOctets: number): number => round((100 * octets) / ofOctets, 1);
  const cut = (at: number): Cut => {
    const octets = watch.octetsAt(at);
    const span = (at - startedAt) / 1000;
    return {
      line: victim,
      seconds: round(span, 1),
      octets,
      octetsPerSecond: round(octets / span, 1),
      percentOfRaw: percent(octets, (sum(carriers) / 10) * span),
    };
  };
  return {
    complete: intact && redial !== null,
    intact,
    seconds: round(seconds, 3),
    octetsPerSecond: round(octetsPerSecond, 1),
    percentOfRaw: percent(transfer.octets, carried(startedAt, endedAt)),
    upAfterSeconds: round((upAt - wantedAt) / 1000, 1),
    cut: cutAt === null ? null : cut(cutAt),
    redial,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/**
 * How a line came up again after its call was dropped.
 * @returns null: it has not
 */
export function redialOf(steps: readonly DialStep[], cutAt: number): Redial | null {
  const since = steps.filter(({ at }) => at > cutAt);
  const back = since.findIndex(({ to }) => to === "enslaved");
  if (back < 0) return null;
  const spentMs = new Map<LifeState, number>();
  let before = cutAt;
  for (const { at, from } of since.slice(0, back + 1)) {
    spentMs.set(from, (spentMs.get(from) ?? 0) + at - before);
    before = at;
  }
  return {
    seconds: round((before - cutAt) / 1000, 1),
    spent: Object.fromEntries([...spentMs].map(([state, ms]) => [state, round(ms / 1000, 1)])),
  };
}

/** How long of the time from one moment to another a line was enslaved. */
export function enslavedMs(steps: readonly DialStep[], from: number, to: number): number {
  const spans = steps.map(({ at, to: state }, index) => {
    const end = Math.min(steps[index + 1]?.at ?? to, to);
    return state === "enslaved" ? Math.max(end - Math.max(at, from), 0) : 0;
  });
  return sum(spans);
}
