/**
 * What came by one link, for the reports to its sender.
 *
 * 1. Each datagram that was opened is entered. The usual one, next to the highest, moves that one up; any other makes a gap or fills one.
 * 2. A report is due `intervalMs` after the first datagram that asks for one, or `quickMs` if so much comes that it costs little. It is due at
 *    once when a gap does not close, or when the sender asks, but such reports keep a distance: a path that loses much is not filled with
 *    reports on it. One that tells a new gap is followed by another at that distance, in case it is lost or the gap was closing.
 * 3. While `isDue`, `write` makes reports. Those of the session before come first, and once more a while later: what such a report says is
 *    said by none after it.
 */
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { LONGEST_HOLD_US, Report } from "../wire/tunnel-report.ts";
import { CounterGaps } from "./counter-gaps.ts";
import { Reordering } from "./reordering.ts";

const DEFAULT_INTERVAL_MS = 25;
/** Datagrams overtake each other: a gap has twice the time to close after which a sender takes something for lost. */
const OVERDUE_PARTS = 2;
/** Between two urgent reports: a part of the interval, but not less than this. */
const URGENT_MS = 4;
const URGENT_PART = 4;
/** That makes one urgent at any rate: what is not told soon would be forgotten. */
const MANY_GAPS = 24;
/** Of the interval, until a report of the last session is made for the second time. */
const LAST_SESSION_INTERVALS = 2;
const LONGEST_PATIENCE_MS = 0xffff;

export class ArrivalLog {
  /** How long the first datagram waits for the report of it. */
  intervalMs: number = DEFAULT_INTERVAL_MS;
  /** The same, once so much has come that a report costs little of it. */
  quickMs: number = Number.POSITIVE_INFINITY;
  /** Octets that have yet to come for that. */
  unpaidOctets = 0;
  /** Told in reports: how long the other side of this end waits for what is missing. */
  patienceMs = 0;
  readonly #report = new Report();
  readonly #reordering = new Reordering();
  #current = new CounterGaps();
  #last = new CounterGaps();
  /** The session before `last`: what still comes in it only counts. */
  #retired: number | null = null;
  #octets = 0;
  #datagrams = 0;
  #ordinaryAt: Instant = NEVER;
  #quickAt: Instant = NEVER;
  #urgentAt: Instant = NEVER;
  #urgentAgainAt: Instant = instant(Number.NEGATIVE_INFINITY);
  #lastAt: Instant = NEVER;
  #lastAgain = false;
  #asked = false;
  /** Where the oldest gap ends that no report has told, -1: there is none; and when it has had time to close. */
  #gapEnd = -1;
  #gapAt: Instant = NEVER;

  constructor(link: number) {
    this.#report.link = link;
  }

  /** All that came, in all sessions, modulo 2^32. */
  get totalOctets(): number {
    return this.#octets >>> 0;
  }

  get totalDatagrams(): number {
    return this.#datagrams >>> 0;
  }

  /** A gap stands that no report has told yet, or the sender has asked. */
  get urgent(): boolean {
    return this.#urgentAt !== NEVER;
  }

  /** The sender wants to know whether this path carries in both directions. */
  get isAsked(): boolean {
    return this.#asked;
  }

  /**
   * A datagram was opened; none comes twice.
   * @param session this end's index of it
   * @param octets at IP level
   * @param eliciting it is to be reported; reports are not, or one would make another for ever
   */
  handle(session: number, counter: number, octets: number, now: Instant, eliciting: boolean): void {
    this.#octets = (this.#octets + octets) | 0;
    this.#datagrams = (this.#datagrams + 1) | 0;
    const current = this.#current;
    if (session !== current.session) {
      if (!this.#handleOther(session, counter, now, eliciting)) return;
    } else if (counter === current.highest + 1) {
      current.highest = counter;
      current.highestAt = now;
    } else this.#handleUnusual(current, counter, now);
    if (eliciting && this.#ordinaryAt === NEVER) {
      this.#ordinaryAt = after(now, this.intervalMs);
      this.#quickAt = after(now, this.quickMs);
    }
    this.unpaidOctets -= octets;
    if (this.unpaidOctets <= 0 && this.#quickAt < this.#ordinaryAt) this.#ordinaryAt = this.#quickAt;
    if (this.#gapEnd >= 0 && this.#urgentAt === NEVER && this.#isOvertaken()) {
      this.#hurry(now > this.#gapAt ? now : this.#gapAt);
    }
  }

  /** The sender asks for a report. */
  urge(now: Instant): void {
    if (this.#current.session === null) return;
    this.#asked = true;
    this.#hurry(now);
  }

  isDue(now: Instant): boolean {
    return now >= this.#ordinaryAt || now >= this.#urgentAt || now >= this.#lastAt;
  }

  pollTimeout(): Instant {
    return earlier(this.#ordinaryAt, earlier(this.#urgentAt, this.#lastAt));
  }

  /** Writes a report, as `Report.write` does. Another one may be due then. @returns its length; 0: there is no room, or nothing to tell */
  write(into: Uint8Array, at: number, room: number, now: Instant): number {
    const isLast = now >= this.#lastAt;
    const length = this.#write(isLast ? this.#last : this.#current, into, at, room, now);
    if (length === 0) return 0;
    if (isLast) {
      this.#lastAt = this.#lastAgain ? after(now, LAST_SESSION_INTERVALS * this.intervalMs) : NEVER;
      this.#lastAgain = false;
      return length;
    }
    const againAt = after(now, Math.max(URGENT_MS, this.intervalMs / URGENT_PART));
    if (this.urgent) this.#urgentAgainAt = againAt;
    this.#reordering.handleReport(now);
    const isNew = this.#current.untoldGapEnd >= 0;
    this.#current.told();
    this.#settle();
    if (isNew) this.#ordinaryAt = againAt;
    return length;
  }

  /** Of another session than the last datagram. @returns whether it is the current one now */
  #handleOther(session: number, counter: number, now: Instant, eliciting: boolean): boolean {
    if (session === this.#last.session) {
      this.#last.add(counter, now);
      if (eliciting && this.#lastAt === NEVER) this.#lastAt = after(now, this.intervalMs);
      return false;
    }
    if (session === this.#retired) return false;
    const before = this.#current;
    this.#retired = this.#last.session;
    this.#current = this.#last;
    this.#last = before;
    // Without anything new in it, its last report is the final one.
    this.#lastAgain = this.#ordinaryAt !== NEVER || this.urgent;
    this.#lastAt = this.#lastAgain ? now : NEVER;
    this.#settle();
    this.#current.begin(session);
    this.#reordering.restart();
    this.#handleUnusual(this.#current, counter, now);
    return true;
  }

  #handleUnusual(current: CounterGaps, counter: number, now: Instant): void {
    const isGap = counter > current.highest + 1;
    // It has been told as missing.
    if (counter <= current.toldHighest) this.#reordering.handleSpurious(counter, current.highest + 1, now);
    current.add(counter, now);
    if (isGap) {
      if (this.#gapEnd < 0) {
        this.#gapEnd = counter - 1;
        this.#gapAt = after(now, OVERDUE_PARTS * this.#reordering.overdueMs);
      }
      if (current.untoldGaps >= MANY_GAPS) this.#urgentAt = now;
    } else if (this.#gapEnd >= 0) {
      this.#gapEnd = current.untoldGapEnd;
      if (!this.#asked && (this.#gapEnd < 0 || !this.#isOvertaken())) this.#urgentAt = NEVER;
    }
  }

  #isOvertaken(): boolean {
    return this.#current.highest - this.#gapEnd >= this.#reordering.datagrams;
  }

  #hurry(at: Instant): void {
    this.#urgentAt = earlier(this.#urgentAt, at > this.#urgentAgainAt ? at : this.#urgentAgainAt);
  }

  /** All of the current session is told. */
  #settle(): void {
    this.#ordinaryAt = NEVER;
    this.#quickAt = NEVER;
    this.#urgentAt = NEVER;
    this.#asked = false;
    this.#gapEnd = -1;
  }

  #write(gaps: CounterGaps, into: Uint8Array, at: number, room: number, now: Instant): number {
    const report = this.#report;
    if (gaps.session === null || gaps.highest < 0) return 0;
    report.session = gaps.session;
    gaps.fillReport(report);
    // ToUint32 is the modulus.
    report.arrivalUs = (gaps.highestAt * 1000) >>> 0;
    report.holdUs = Math.min(LONGEST_HOLD_US, Math.floor((now - gaps.highestAt) * 1000));
    report.totalOctets = this.totalOctets;
    report.totalDatagrams = this.totalDatagrams;
    report.patienceMs = Math.min(LONGEST_PATIENCE_MS, Math.ceil(this.patienceMs));
    return report.write(into, at, room);
  }
}
