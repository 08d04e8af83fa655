/**
 * What each datagram carried that one link sent, until reports say what became of it. In here datagrams have numbers that go on over
 * sessions; a report's counters are those of one session.
 *
 * 1. `add` enters what is sent, in the order of the counters.
 * 2. A report tells what came. Of what is missing in it, that which more came after than reordering explains is lost.
 * 3. Each entry that carries a segment gets one verdict, `acked` or `lost`. When a lost one turns out to have come, the path reorders
 *    more than was thought, and the next ones are given more time.
 * 4. From the newest reports the fields here tell what they measure.
 */
import { type Instant, instant, NEVER } from "../time.ts";
import { LONGEST_HOLD_US, type Report } from "../wire/tunnel-report.ts";
import { ReceiverClock } from "./receiver-clock.ts";
import { Reordering } from "./reordering.ts";
import { SentRing } from "./sent-ring.ts";
import { SentSessions } from "./sent-sessions.ts";

/** What becomes of segments. It must not call back. */
export interface SentSink {
  acked(run: number, segment: number): void;
  lost(run: number, segment: number): void;
}

/** IP packets of this length pass everywhere (RFC 8200 §5). */
export const BASE_SIZE = 1280;
/** Older than one that came by so many round trips: lost, though too few came after it. */
const LATE_ROUND_TRIPS = 1.25;

export class SentLog {
  // What the last report brought.
  ackedOctets = 0;
  ackedCount = 0;
  lostOctets = 0;
  lostCount = 0;
  /** How many of them were longer than every path carries. */
  longAcked = 0;
  longLost = 0;
  /** The highest counter is newly reported: `oneWayMs` is a measure. */
  hasSample = false;
  /** -1: no measure. */
  roundTripMs = -1;
  /** From the clock here to the receiver's: only differences mean anything. */
  oneWayMs = 0;
  /** Octets of the datagram with that counter. */
  sampleOctets = 0;
  /** What came at the receiver between the last report and this one, and in what time; both 0: no measure. */
  deliveredOctets = 0;
  deliveredMs = 0;
  /** From when the last report was made to when this one was, by the receiver's clock; 0: no measure. */
  reportGapMs = 0;
  /** What `oneWayMs` was before is not comparable with what it is now. */
  clockRebased = false;

  // What is so now.
  /** Octets under way, at IP level, of eliciting datagrams. */
  inFlight = 0;
  /** Datagrams without a verdict, and those of them that the receiver is to report. */
  outstanding = 0;
  hasElicited = 0;
  /** When the highest one was sent that was reported. */
  reportedSentAt: Instant = instant(Number.NEGATIVE_INFINITY);
  /** Told as lost, and came. */
  spurious = 0;
  readonly #ring = new SentRing();
  readonly #clock = new ReceiverClock();
  readonly #reordering = new Reordering();
  readonly #sessions = new SentSessions();
  /** No entry before this one waits. */
  #oldest = 0;
  /** No entry before this one waits to be reported. */
  #oldestEliciting = 0;
  /** The last report that was measured by: its session's first number, when its highest counter came, and totals. */
  #measuredFirst = -1;
  #measuredMs = 0;
  #reportedMs = 0;
  #totalOctets = 0;
  #totalDatagrams = 0;
  #latestMs = -1;
  #smoothedMs = -1;
  /** Runs and segments that were given up when they were entered, as the sink is not at hand there. */
  readonly #givenUp: number[] = [];

  /** @param index the receiver's, which its reports name. @param counter the next one of this link in it */
  beginSession(index: number, counter = 0): void {
    this.#sessions.begin(index, this.#ring.next, counter);
  }

  /**
   * The datagram with the session's next counter.
   * @param octets at IP level
   * @param run -1: a control message; there is no verdict on it
   * @param eliciting whether the receiver is to report it
   * @returns its number
   */
  add(now: Instant, octets: number, run: number, segment: number, eliciting: boolean = run >= 0): number {
    const ring = this.#ring;
    const number = ring.next;
    if (ring.isFull) this.#makeRoom();
    const at = number & ring.mask;
    ring.sentAt[at] = now;
    ring.octets[at] = octets;
    ring.runs[at] = run;
    ring.segments[at] = segment;
    const bit = 1 << (at & 31);
    const word = at >>> 5;
    ring.waiting[word] = (ring.waiting[word] as number) | bit;
    if (eliciting) {
      ring.eliciting[word] = (ring.eliciting[word] as number) | bit;
      this.inFlight += octets;
      this.hasElicited++;
    }
    this.outstanding++;
    ring.next = number + 1;
    return number;
  }

  /** NEVER: nothing is under way that the receiver is to report. */
  get oldestSentAt(): Instant {
    if (this.hasElicited === 0) return NEVER;
    const ring = this.#ring;
    const from = Math.max(this.#oldestEliciting, ring.tail);
    this.#oldestEliciting = ring.firstOf(ring.eliciting, from, ring.next);
    return this.sentAtOf(this.#oldestEliciting);
  }

  /** NEVER: it is not known any more. */
  sentAtOf(number: number): Instant {
    const ring = this.#ring;
    return ring.has(number) ? instant(ring.sentAt[number & ring.mask] as number) : NEVER;
  }

  /** @returns false: it is about nothing that was sent, and changes nothing */
  handleReport(report: Report, now: Instant, sink: SentSink): boolean {
    this.#beginReport(sink);
    const sessions = this.#sessions;
    if (!sessions.find(report.session, this.#ring.next)) return false;
    const { first, end, base } = sessions;
    const top = base + report.highest;
    if (top < first || top >= end) return false;
    this.#reordering.handleReport(now);
    this.#measure(report, top, first, now);
    for (let i = 0; i < report.rangeCount; i++) {
      const low = Math.max(base + (report.lows[i] as number), first, this.#ring.tail);
      this.#acknowledge(low, base + (report.highs[i] as number), now, sink);
    }
    if (this.#ring.has(top)) {
      this.#findLost(top, Math.max(first, base + report.floor), report.holdUs / 1000, sink);
    }
    return true;
  }

  /** The path is dead: all that waits is lost, and later reports of it bring nothing. */
  abandon(sink: SentSink): void {
    this.#beginReport(sink);
    const ring = this.#ring;
    for (let n = this.#nextWaiting(ring.tail); n < ring.next; n = this.#nextWaiting(n + 1))
      this.#lose(n, sink);
    ring.lost.fill(0);
    this.#oldest = ring.next;
  }

  #beginReport(sink: SentSink): void {
    this.ackedOctets = 0;
    this.ackedCount = 0;
    this.lostOctets = 0;
    this.lostCount = 0;
    this.longAcked = 0;
    this.longLost = 0;
    this.hasSample = false;
    this.roundTripMs = -1;
    this.deliveredOctets = 0;
    this.deliveredMs = 0;
    this.reportGapMs = 0;
    this.clockRebased = false;
    const { length } = this.#givenUp;
    for (let i = 0; i < length; i += 2) sink.lost(this.#givenUp[i] as number, this.#givenUp[i + 1] as number);
    this.#givenUp.length = 0;
  }

  /** Of a session that is not the newest reported, a report measures nothing. */
  #measure(report: Report, top: number, first: number, now: Instant): void {
    if (first < this.#measuredFirst) return;
    const holdMs = report.holdUs / 1000;
    this.clockRebased = this.#clock.handleArrival(report.arrivalUs, holdMs, now);
    const { arrivalMs } = this.#clock;
    const reportedMs = arrivalMs + holdMs;
    if (first === this.#measuredFirst && !this.clockRebased)
      this.reportGapMs = Math.max(0, reportedMs - this.#reportedMs);
    this.#reportedMs = reportedMs;
    if (this.#isOpen(top)) {
      const sentAt = this.sentAtOf(top);
      this.hasSample = true;
      this.oneWayMs = arrivalMs - sentAt;
      this.sampleOctets = this.#ring.octets[top & this.#ring.mask] as number;
      if (sentAt > this.reportedSentAt) this.reportedSentAt = sentAt;
      if (report.holdUs < LONGEST_HOLD_US) this.#takeRoundTrip(Math.max(0, now - sentAt - holdMs));
    }
    if (first > this.#measuredFirst || this.clockRebased) {
      // A receiver that began anew counts from 0: totals of two sessions are not compared.
      this.#measuredFirst = first;
    } else {
      const spanMs = arrivalMs - this.#measuredMs;
      if (spanMs <= 0) return;
      // Less than before: the receiver's path was made anew.
      if (((report.totalDatagrams - this.#totalDatagrams) | 0) > 0) {
        this.deliveredOctets = (report.totalOctets - this.#totalOctets) >>> 0;
        this.deliveredMs = spanMs;
      }
    }
    this.#totalOctets = report.totalOctets;
    this.#totalDatagrams = report.totalDatagrams;
    this.#measuredMs = arrivalMs;
  }

  #takeRoundTrip(ms: number): void {
    this.roundTripMs = ms;
    this.#latestMs = ms;
    this.#smoothedMs = this.#smoothedMs < 0 ? ms : this.#smoothedMs + (ms - this.#smoothedMs) / 8;
  }

  /** No report has told yet that it came. */
  #isOpen(number: number): boolean {
    const ring = this.#ring;
    if (!ring.has(number)) return false;
    const at = number & ring.mask;
    return (((ring.waiting[at >>> 5] as number) | (ring.lost[at >>> 5] as number)) & (1 << (at & 31))) !== 0;
  }

  /** `low` to `high` came. All of them are in the ring. */
  #acknowledge(low: number, high: number, now: Instant, sink: SentSink): void {
    const ring = this.#ring;
    const { waiting, lost, eliciting } = ring;
    let number = low;
    while (number <= high) {
      const at = number & ring.mask;
      const word = at >>> 5;
      const shift = at & 31;
      const count = Math.min(32 - shift, high - number + 1);
      const bits = (count === 32 ? -1 : (1 << count) - 1) << shift;
      const came = (waiting[word] as number) & bits;
      if (came !== 0) {
        waiting[word] = (waiting[word] as number) & ~came;
        const elicited = (eliciting[word] as number) & came;
        eliciting[word] = (eliciting[word] as number) & ~came;
        this.#acknowledgeWord(at - shift, came, elicited, sink);
      }
      let late = (lost[word] as number) & bits;
      if (late !== 0) {
        lost[word] = (lost[word] as number) & ~late;
        this.#reordering.handleSpurious(number - shift + 31 - Math.clz32(late), ring.next, now);
        for (; late !== 0; late &= late - 1) this.spurious++;
      }
      number += count;
    }
  }

  #acknowledgeWord(start: number, came: number, elicited: number, sink: SentSink): void {
    const { octets, runs, segments } = this.#ring;
    let acked = 0;
    let landed = 0;
    for (let rest = came; rest !== 0; rest &= rest - 1) {
      const bit = rest & -rest;
      const at = start + 31 - Math.clz32(bit);
      const size = octets[at] as number;
      acked += size;
      if (size > BASE_SIZE) this.longAcked++;
      this.ackedCount++;
      this.outstanding--;
      if ((elicited & bit) !== 0) {
        landed += size;
        this.hasElicited--;
      }
      const run = runs[at] as number;
      if (run >= 0) sink.acked(run, segments[at] as number);
    }
    this.ackedOctets += acked;
    this.inFlight -= landed;
  }

  /** @param top came, `holdMs` before the report was made. @param toldFrom what waits from here to it is missing; before, it may have come */
  #findLost(top: number, toldFrom: number, holdMs: number, sink: SentSink): void {
    if (this.#smoothedMs < 0) return;
    const ring = this.#ring;
    const topAt = this.sentAtOf(top);
    const roundTripMs = Math.max(this.#smoothedMs, this.#latestMs);
    const { overdueMs } = this.#reordering;
    const lateMs = LATE_ROUND_TRIPS * roundTripMs + overdueMs;
    const overtaken = top - this.#reordering.datagrams;
    let number = this.#nextWaiting(this.#oldest);
    this.#oldest = number;
    for (; number < top; number = this.#nextWaiting(number + 1)) {
      const ageMs = topAt - (ring.sentAt[number & ring.mask] as number);
      if (ageMs + holdMs < overdueMs) return;
      const isTold = number >= toldFrom;
      if (isTold ? number <= overtaken || ageMs + holdMs >= lateMs : ageMs >= lateMs)
        this.#lose(number, sink);
    }
  }

  #nextWaiting(from: number): number {
    const ring = this.#ring;
    return ring.firstOf(ring.waiting, Math.max(from, ring.tail), ring.next);
  }

  #lose(number: number, sink: SentSink | null): void {
    const ring = this.#ring;
    const at = number & ring.mask;
    const word = at >>> 5;
    const bit = 1 << (at & 31);
    const octets = ring.octets[at] as number;
    ring.waiting[word] = (ring.waiting[word] as number) & ~bit;
    ring.lost[word] = (ring.lost[word] as number) | bit;
    if (((ring.eliciting[word] as number) & bit) !== 0) {
      ring.eliciting[word] = (ring.eliciting[word] as number) & ~bit;
      this.inFlight -= octets;
      this.hasElicited--;
    }
    this.outstanding--;
    this.lostOctets += octets;
    this.lostCount++;
    if (octets > BASE_SIZE) this.longLost++;
    const run = ring.runs[at] as number;
    if (run < 0) return;
    if (sink === null) this.#givenUp.push(run, ring.segments[at] as number);
    else sink.lost(run, ring.segments[at] as number);
  }

  /** The ring is full: it grows, unless nothing of what is oldest is asked for any more. */
  #makeRoom(): void {
    const ring = this.#ring;
    const { tail } = ring;
    if (ring.firstOf(ring.eliciting, tail, tail + 32) < tail + 32 && ring.grow()) return;
    for (let n = this.#nextWaiting(tail); n < tail + 32; n = this.#nextWaiting(n + 1)) this.#lose(n, null);
    ring.dropOldest();
  }
}
