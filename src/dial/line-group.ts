import { after, type Instant, instant, NEVER } from "../time.ts";
import type { LineState } from "./line-states.ts";

export interface LineGroupSettings {
  /** Lines that are kept up; null: all. */
  readonly target: number | null;
  /** None is called before there is traffic. */
  readonly demand: boolean;
  /** More octets than these queued for `highWaterMs`: one more line is called; null: never. */
  readonly highWaterOctets: number | null;
  readonly highWaterMs: number;
  /** After so long without need the last of the additional lines is dropped, and on demand, without traffic, all are; null: never. */
  readonly idleMs: number | null;
}

export interface LineCommand {
  readonly line: string;
  readonly wanted: boolean;
  readonly reason: string;
  /** A person asked for it: no pause is kept. */
  readonly atOnce: boolean;
}

interface Entry {
  readonly name: string;
  state: LineState;
  /** While it waits, and after. */
  retryAt: Instant;
  wanted: boolean;
  /** Why it is wanted, or not. */
  reason: string;
  /** What it was told last; it may be wanted no longer before it was told that it is. */
  told: boolean;
  /** A person's word; null: automatic. */
  asked: boolean | null;
  /** A person's word was not passed on yet. */
  isUrgent: boolean;
  /** It hung up for want of traffic: until there is some. */
  sleeps: boolean;
  /** Which call of the group was its last. */
  call: number;
}

const CONNECTING: readonly LineState[] = ["locking", "dialing", "login", "negotiating"];
const UP: readonly LineState[] = ["up", "enslaved"];
/** Of a line that is wanted: others are called in its place. */
const FAILED: readonly LineState[] = ["waiting", "givenUp"];

/** What a line has to carry, of what it could, so that the one called after it is needed still. */
const NEEDED_SHARE = 0.75;
/** Traffic is measured over so long. */
const RATE_MS = 10_000;

/**
 * Decides which lines of a master are wanted: so many as are to be kept up, one more while the queue is long, none while there is
 * no traffic if they are called on demand; and in place of a line that waits or has given up another one, if there is one.
 * While something is in the way none is called, but what a person asks for.
 *
 * After each `handle*`, `pollCommand` until there is nothing; the time at `pollTimeout` goes to `handleTimeout`.
 */
export class LineGroup {
  readonly #settings: LineGroupSettings;
  readonly #lines: Entry[] = [];
  #calls = 0;
  /** On demand: there is a demand. */
  #active: boolean;
  /** Lines beyond the target that the queue called for. */
  #extra = 0;
  #reason = "to be kept up";
  /** Why it would be dropped. */
  #restReason = "no traffic";
  #queuedOctets = 0;
  #trafficOctets: number | null = null;
  #measuredAt: Instant = NEVER;
  /** Octets a second, smoothed. */
  #rate = 0;
  /** What all lines carried when one more was called: one figure for each of these. */
  readonly #fullRates: number[] = [];
  /** The last of these is not measured yet, for the queue is long since then; NEVER: it is. */
  #fullSince: Instant = NEVER;
  /** Since when the queue is long; NEVER: it is not. */
  #longSince: Instant = NEVER;
  /** Traffic until then. */
  #longTraffic = 0;
  #trafficAt: Instant = NEVER;
  #neededAt: Instant = NEVER;
  #hindrance: string | null = null;

  /** @param lines by preference */
  constructor(settings: LineGroupSettings, lines: readonly string[]) {
    this.#settings = settings;
    this.#active = !settings.demand;
    for (const name of lines) this.handleAdded(name, instant(0));
  }

  /** A line joins the group, as the one that is preferred least. */
  handleAdded(name: string, now: Instant): void {
    this.#lines.push({
      name,
      state: "idle",
      retryAt: NEVER,
      wanted: false,
      reason: "",
      told: false,
      asked: null,
      isUrgent: false,
      sleeps: false,
      call: 0,
    });
    this.#decide(now);
  }

  /** A line is the group's no longer; what becomes of it is its owner's. */
  handleRemoved(name: string, now: Instant): void {
    const index = this.#lines.findIndex((line) => line.name === name);
    if (index >= 0) this.#lines.splice(index, 1);
    this.#decide(now);
  }

  /** @param retryAt while it waits: until when */
  handleState(name: string, state: LineState, now: Instant, retryAt: Instant = NEVER): void {
    const line = this.#lines.find((each) => each.name === name);
    if (line === undefined) return;
    if (state === "idle" && line.state !== "idle" && line.told) {
      line.told = false;
      line.wanted = false;
      line.sleeps = true;
    }
    if (CONNECTING.includes(state) && !CONNECTING.includes(line.state)) line.call = ++this.#calls;
    // What called for it may only be sent again.
    if (UP.includes(state) && !UP.includes(line.state) && this.#trafficAt < now) this.#trafficAt = now;
    if (state === "waiting") line.retryAt = retryAt;
    else if (state !== "idle") line.retryAt = NEVER;
    line.state = state;
    this.#decide(now);
  }

  /**
   * What waits and what went by, about once a second.
   * @param trafficOctets of both directions since the beginning
   */
  handleLoad(queuedOctets: number, trafficOctets: number, now: Instant): void {
    const octets = Math.max(0, trafficOctets - (this.#trafficOctets ?? trafficOctets));
    const ms = this.#measuredAt === NEVER ? 0 : now - this.#measuredAt;
    this.#trafficOctets = trafficOctets;
    this.#measuredAt = now;
    this.#queuedOctets = queuedOctets;
    if (ms > 0) this.#rate += ((1000 * octets) / ms - this.#rate) * Math.min(1, ms / RATE_MS);
    this.#measureFull(now);
    if (octets > 0 || queuedOctets > 0) this.#handleTraffic(now);
    this.#handleNeed(now);
    this.handleTimeout(now);
  }

  /** Of a group on demand, about once a second: whether something else than traffic calls for it. @param why in words; null: nothing */
  handleNeed(why: string | null, now: Instant): void {
    this.#restReason = "not needed";
    if (why !== null) this.#handleTraffic(now, why);
    this.handleTimeout(now);
  }

  /** @param wanted a person's word, whatever else there is; null: back to automatic */
  handleAsked(name: string, wanted: boolean | null, now: Instant): void {
    const line = this.#lines.find((each) => each.name === name);
    if (line === undefined) return;
    line.asked = wanted;
    line.isUrgent = wanted === true;
    line.sleeps = false;
    this.#decide(now);
  }

  /** @param why no line is to be called though one is wanted, in words: those that are up or being called stay so; null: nothing is in the way */
  handleHindrance(why: string | null, now: Instant): void {
    this.#hindrance = why;
    this.#decide(now);
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#growAt) this.#grow(now);
    if (now >= this.#stopAt) this.#stop(now);
    if (now >= this.#shrinkAt) this.#shrink(now);
    this.#decide(now);
  }

  pollTimeout(): Instant {
    let at: number = Math.min(this.#growAt, this.#stopAt, this.#shrinkAt);
    if (this.#count > 0) {
      // A line whose pause ends is better than one that waits on.
      for (const { wanted, asked, retryAt } of this.#lines) {
        if (!wanted && asked === null) at = Math.min(at, retryAt);
      }
    }
    return instant(at);
  }

  pollCommand(): LineCommand | undefined {
    const line = this.#lines.find(({ wanted, told, isUrgent }) => wanted !== told || isUrgent);
    if (line === undefined) return undefined;
    const { name, wanted, reason, isUrgent: atOnce } = line;
    line.told = wanted;
    line.isUrgent = false;
    return { line: name, wanted, reason, atOnce };
  }

  /** Lines that are to be up, those apart that a person asked for. */
  get #count(): number {
    if (!this.#active) return 0;
    return (this.#settings.target ?? this.#lines.length) + this.#extra;
  }

  get #growAt(): Instant {
    return after(this.#longSince, this.#settings.highWaterMs);
  }

  get #stopAt(): Instant {
    const { demand, idleMs } = this.#settings;
    if (!demand || !this.#active || idleMs === null) return NEVER;
    return this.#lines.some(({ state }) => CONNECTING.includes(state))
      ? NEVER
      : after(this.#trafficAt, idleMs);
  }

  get #shrinkAt(): Instant {
    const { idleMs } = this.#settings;
    return this.#extra > 0 && idleMs !== null ? after(this.#neededAt, idleMs) : NEVER;
  }

  #handleTraffic(now: Instant, why: string = "there is traffic"): void {
    this.#trafficAt = now;
    if (this.#lines.some(({ state }) => UP.includes(state))) return;
    for (const line of this.#lines) line.sleeps = false;
    if (this.#active) return;
    this.#active = true;
    this.#reason = why;
  }

  #handleNeed(now: Instant): void {
    const { highWaterOctets } = this.#settings;
    const isLong = highWaterOctets !== null && this.#queuedOctets > highWaterOctets;
    const automatic = this.#lines.filter(({ asked }) => asked === null);
    const isConnecting = automatic.some(({ state }) => CONNECTING.includes(state));
    const canGrow = this.#active && automatic.some(({ wanted }) => !wanted);
    // The one that is being called may be enough.
    if (!isLong || !canGrow || isConnecting) this.#longSince = NEVER;
    else if (this.#longSince === NEVER) {
      this.#longSince = now;
      this.#longTraffic = this.#trafficOctets ?? 0;
    }
    const fullRate = this.#fullRates.at(-1) ?? 0;
    // Where no line was up before, all traffic is that of the additional one.
    const isUsed = fullRate > 0 ? this.#rate > NEEDED_SHARE * fullRate : this.#trafficAt === now;
    if (isLong || isUsed) this.#neededAt = now;
  }

  #grow(now: Instant): void {
    const longSince = this.#longSince;
    this.#longSince = NEVER;
    const sleeping = this.#lines.find(({ sleeps }) => sleeps);
    if (sleeping !== undefined) sleeping.sleeps = false;
    else {
      this.#extra += 1;
      // At least, if the last measurement is as old as the queue is long.
      this.#fullRates.push(this.#measuredAt > longSince ? this.#rateSince(longSince) : this.#rate);
      this.#fullSince = this.#measuredAt > longSince ? NEVER : longSince;
      this.#neededAt = now;
    }
    this.#reason = `more than ${this.#settings.highWaterOctets} octets are queued`;
  }

  /** Octets a second since the queue is long, up to the last measurement, which was later. */
  #rateSince(longSince: Instant): number {
    return (1000 * ((this.#trafficOctets ?? 0) - this.#longTraffic)) / (this.#measuredAt - longSince);
  }

  #measureFull(now: Instant): void {
    const guess = this.#fullRates.at(-1);
    if (guess === undefined || now <= this.#fullSince) return;
    this.#fullRates[this.#fullRates.length - 1] = Math.max(guess, this.#rateSince(this.#fullSince));
    this.#fullSince = NEVER;
  }

  #stop(now: Instant): void {
    this.#active = false;
    this.#extra = 0;
    this.#fullRates.length = 0;
    this.#fullSince = NEVER;
    this.#longSince = NEVER;
    this.#reason = this.#restReason;
    this.#decide(now);
  }

  #shrink(now: Instant): void {
    this.#extra -= 1;
    this.#fullRates.pop();
    this.#fullSince = NEVER;
    this.#neededAt = now;
    this.#reason = "more lines than the traffic needs";
  }

  #decide(now: Instant): void {
    for (const line of this.#lines) if (!line.wanted && line.retryAt <= now) line.retryAt = NEVER;
    const chosen = this.#choose(now);
    const failed = this.#lines.find(
      ({ asked, wanted, state }) => asked === null && wanted && FAILED.includes(state),
    );
    for (const line of this.#lines) {
      if (line.asked !== null) want(line, line.asked, line.asked ? "asked for" : "told to stay down");
      else if (this.#hindrance !== null) {
        if (!UP.includes(line.state) && !CONNECTING.includes(line.state)) want(line, false, this.#hindrance);
      } else if (this.#count > 0 && line.state === "givenUp" && line.wanted) continue;
      else if (chosen.includes(line)) {
        want(line, true, failed === undefined ? this.#reason : `in place of ${failed.name}`);
      } else {
        const isSpare = this.#count > 0 && !UP.includes(line.state);
        want(line, false, isSpare ? "others are there" : this.#reason);
      }
    }
  }

  /** Those that are up or being called, then those that can be called, then those whose pause ends first. */
  #choose(now: Instant): readonly Entry[] {
    const candidates = this.#lines.filter(
      ({ asked, sleeps, state }) => asked === null && !sleeps && state !== "givenUp",
    );
    const rank = ({ state, wanted, retryAt }: Entry): number => {
      if (wanted && UP.includes(state)) return 0;
      if (wanted && CONNECTING.includes(state)) return 1;
      const isResting = retryAt === NEVER ? state === "waiting" : retryAt > now;
      if (isResting) return 5;
      if (wanted) return 2;
      return state === "hangingUp" ? 4 : 3;
    };
    // One that sleeps is in its place: another one would have no more to do.
    const asleep = this.#lines.filter(({ asked, sleeps }) => asked === null && sleeps).length;
    return candidates
      .toSorted((a, b) => {
        const rankA = rank(a);
        const rankB = rank(b);
        if (rankA !== rankB) return rankA - rankB;
        if (rankA < 2) return a.call - b.call;
        return rankA === 5 && a.retryAt !== b.retryAt ? a.retryAt - b.retryAt : 0;
      })
      .slice(0, Math.max(0, this.#count - asleep));
  }
}

function want(line: Entry, wanted: boolean, reason: string): void {
  if (line.wanted === wanted && !line.isUrgent) return;
  line.wanted = wanted;
  line.reason = reason;
}
