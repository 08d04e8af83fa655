/**
 * Whether a path is there.
 *
 * 1. It is *alive* from the first report of it on, and carries packets: at once, or after a rest if it died soon after it came back before. Meanwhile
 *    it carries what others have no room for.
 * 2. When reports stop though something is under way, it is asked (`probe`); when that brings nothing, it is *dead*, and is only tried.
 * 3. An idle path is asked now and then by the end that calls; the other end asks when it has heard nothing for long.
 */
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL, CONTROL_KINDS } from "../wire/tunnel-content.ts";
import type { ReportPlan } from "./report-plan.ts";
import type { RoundTrip } from "./round-trip.ts";
import type { SentLog } from "./sent-log.ts";

export type PathState = "proving" | "alive" | "dead";

/** A dead path is tried so often, and, after a minute, less often. */
const RETRY_MS = 250;
const SELDOM_RETRY_MS = 2000;
const SELDOM_AFTER_MS = 60_000;
/** An idle path is asked so often whether it is there, by the end that calls. */
const KEEP_ALIVE_MS = 3000;
/** The end that is called believes that a path is there for so long. */
const FORGET_MS = 12_000;
/** It forgets a path that nobody has been heard of by for so long. */
const GONE_MS = 300_000;
/** After so many intervals of reports without one the path is asked. */
const PROBE_INTERVALS = 1.5;
/** A path that died soon after it came back has to be there longer before it is used again. */
const FIRST_QUARANTINE_MS = 100;
const LONGEST_QUARANTINE_MS = 10_000;
/** Meanwhile it is asked so often. */
const QUARANTINE_PROBE_MS = 200;
const STABLE_MS = 10_000;
/** When it dies, all wait for what it took with it, for as long as it takes to notice. */
const WORTHWHILE_SILENCES = 4;
/** What still comes of a path that the peer has ended does not bring it back. */
const ENDED_MS = 200;

export class PathLife {
  state: PathState = "proving";
  changedAt: Instant = instant(0);
  /** When anything last came by it. */
  heardAt: Instant = instant(0);
  readonly #calls: boolean;
  readonly #sent: SentLog;
  readonly #roundTrip: RoundTrip;
  readonly #plan: ReportPlan;
  /** When something of this path's was last reported to have come. */
  #progressAt: Instant = instant(0);
  /** When what is under way is asked after; NEVER: not known yet. */
  #probeAt: Instant = NEVER;
  #probeNow = false;
  #probedAt: Instant = instant(0);
  #farewell = false;
  #endedAt: Instant = instant(Number.NEGATIVE_INFINITY);
  #quarantineMs = FIRST_QUARANTINE_MS;
  #usableAt: Instant = instant(0);
  /** How long it was there the last time. */
  #livedMs = 0;

  constructor(calls: boolean, sent: SentLog, roundTrip: RoundTrip, plan: ReportPlan) {
    this.#calls = calls;
    this.#sent = sent;
    this.#roundTrip = roundTrip;
    this.#plan = plan;
  }

  /** It carries packets. */
  isUsable(now: Instant): boolean {
    return this.state === "alive" && now >= this.#usableAt;
  }

  /** It has come and gone too often: it is better than none. */
  isResting(now: Instant): boolean {
    return this.state === "alive" && this.#isSuspect && now < this.#usableAt;
  }

  /** Such a one is there for long enough to be worth what its end costs. */
  isWorthwhile(now: Instant): boolean {
    const livedMs = Math.max(this.#livedMs, now - this.changedAt);
    return livedMs >= WORTHWHILE_SILENCES * this.silenceMs;
  }

  /** The peer has no such path any more, as far as can be known. */
  isGone(now: Instant): boolean {
    return !this.#calls && this.state !== "alive" && now >= after(this.heardAt, GONE_MS);
  }

  /** How long nothing comes of what is sent until it is dead. */
  get silenceMs(): number {
    return 1.25 * this.#roundTrip.smoothedMs + this.#graceMs;
  }

  /** Asks for a report. */
  probe(): void {
    this.#probeNow = true;
    this.#probeAt = NEVER;
  }

  /** The end of the bundle is told by it. */
  sayFarewell(): void {
    this.#farewell = true;
  }

  /** What was sent by it has come. @returns whether it may be alive again */
  handleProgress(now: Instant): boolean {
    this.#progressAt = now;
    this.#probeAt = NEVER;
    return this.state !== "alive" && now >= after(this.#endedAt, ENDED_MS);
  }

  /** @param freshMs how long it is not used yet if there is no other reason */
  revive(freshMs: number, now: Instant): void {
    this.#become("alive", now);
    this.#usableAt = after(now, this.#isSuspect ? this.#quarantineMs : freshMs);
  }

  /** It need not be fresh any more. */
  handleKnown(now: Instant): void {
    if (!this.#isSuspect) this.#usableAt = earlier(this.#usableAt, now);
  }

  /** The peer ends it. */
  handleFarewell(now: Instant): void {
    this.#endedAt = now;
    if (this.state === "alive") this.#become("dead", now);
  }

  /** Both ends begin anew with each other. */
  restart(now: Instant): void {
    if (this.state === "alive") this.#become("proving", now);
  }

  /** Of a path that is alive. @returns whether it has just died */
  handleTimeout(now: Instant): boolean {
    if (now >= this.#deadAt) {
      this.#die(now);
      return true;
    }
    if (!this.#calls && now >= after(this.heardAt, FORGET_MS) && this.#sent.hasElicited === 0) this.probe();
    if (now >= this.#tailAt(now)) this.probe();
    if (this.#isSuspect && now >= after(this.#usableAt, STABLE_MS)) this.#quarantineMs = FIRST_QUARANTINE_MS;
    return false;
  }

  /** When one that is not alive is tried again. */
  retryAt(now: Instant): Instant {
    return after(this.#probedAt, now - this.changedAt > SELDOM_AFTER_MS ? SELDOM_RETRY_MS : RETRY_MS);
  }

  /** Of a path that has a route. */
  pollTimeout(now: Instant): Instant {
    if (this.#probeNow || this.#farewell) return now;
    if (this.state !== "alive") return this.retryAt(now);
    let at = earlier(this.#deadAt, this.#tailAt(now));
    if (this.#usableAt > now) at = earlier(at, this.#usableAt);
    if (!this.#calls && this.#sent.hasElicited === 0) at = earlier(at, after(this.heardAt, FORGET_MS));
    return at;
  }

  /** Writes what is to be said. @returns its length; 0: nothing */
  pollControl(octets: Uint8Array, into: number, now: Instant): number {
    if (!this.#probeNow && !this.#farewell) return 0;
    octets[into] = CONTROL;
    octets[into + 1] = this.#probeNow ? CONTROL_KINDS.probe : CONTROL_KINDS.farewell;
    if (this.#probeNow) this.#probedAt = now;
    else this.#farewell = false;
    this.#probeNow = false;
    return 2;
  }

  #become(state: PathState, now: Instant): void {
    this.state = state;
    this.changedAt = now;
  }

  /** It has died soon after it was there. */
  get #isSuspect(): boolean {
    return this.#quarantineMs > FIRST_QUARANTINE_MS;
  }

  #die(now: Instant): void {
    const lived = now - this.#usableAt;
    this.#quarantineMs =
      lived < STABLE_MS ? Math.min(LONGEST_QUARANTINE_MS, 2 * this.#quarantineMs) : FIRST_QUARANTINE_MS;
    this.#livedMs = this.#progressAt - this.changedAt;
    this.#become("dead", now);
    this.probe();
  }

  /** Three reports and the variation of the round trip. */
  get #graceMs(): number {
    const { smoothedMs, variationMs } = this.#roundTrip;
    const reportsMs = this.#plan.peersMs;
    const reportedMs = 3 * reportsMs + 4 * variationMs;
    // A probe that is sent meanwhile has its round trip: the peer's reports may be rarer than is thought here.
    return Math.max(reportedMs, PROBE_INTERVALS * reportsMs + 1.25 * smoothedMs) + 30;
  }

  /** When the first report is due of what is under way. */
  get #reportAt(): number {
    return Math.max(this.#progressAt, this.#sent.oldestSentAt + 1.25 * this.#roundTrip.smoothedMs);
  }

  /** When the silence has lasted for too long. */
  get #deadAt(): Instant {
    return this.#sent.hasElicited === 0 ? NEVER : instant(this.#reportAt + this.#graceMs);
  }

  /** When something under way is asked after; of an idle path, when it is asked whether it is there. */
  #tailAt(now: Instant): Instant {
    if (this.#sent.hasElicited === 0) {
      if (now < this.#usableAt) return after(this.#probedAt, QUARANTINE_PROBE_MS);
      const askedAt = this.#progressAt > this.#probedAt ? this.#progressAt : this.#probedAt;
      return this.#calls ? after(askedAt, KEEP_ALIVE_MS) : NEVER;
    }
    if (this.#probeAt === NEVER)
      this.#probeAt = instant(Math.max(now, this.#reportAt) + PROBE_INTERVALS * this.#plan.peersMs);
    return this.#probeAt;
  }
}
