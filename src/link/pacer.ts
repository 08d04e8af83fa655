import { after, type Instant, instant } from "../time.ts";

/** Sent a little below the estimate: a line that runs late delays every packet behind, one that rests costs only the rest. */
const SAFETY = 0.997;
/** How fast a rate lowered by mistake finds back to what was given, per millisecond: 0.05 % a second. */
const CREEP = 5e-7;
/** A lateness of more than this share of the time since the last correction is a stall, not a wrong rate. */
const PLAUSIBLE_ERROR = 0.15;
/** Lateness seen once may be a stall too; again within this time, it is the rate, milliseconds. */
const AGAIN_MS = 10_000;
/** Shortest time over which octets taken by the driver tell a rate, in milliseconds. */
const SAMPLE_MS = 500;
/** An estimated rest this long leaves nothing of an earlier backlog, in milliseconds. */
const REST_MS = 20;
/** No measurement makes a rate less than this share of what was given: a line that paused must be worth trying again. */
const LEAST_SHARE = 1 / 16;

/**
 * What is believed of one line's speed, and when it has sent all that it was given. A serial line has a fixed rate and no honest
 * back-pressure (a pty takes 18 KB, a modem more), so it is paced by its estimate; whatever shows that the estimate is off corrects it.
 */
export class Pacer {
  /** When the line has sent all that it was given, by estimate; in the past for a line at rest. */
  freeAt: Instant = instant(0);
  /** Counts corrections: what was sent before one says nothing about the estimate after it. */
  epoch = 0;
  #givenBps: number;
  #rate: number;
  /** Since when an error of the rate adds up. */
  #syncedAt: Instant = instant(0);
  #lateAt: Instant = instant(Number.NEGATIVE_INFINITY);
  #chargedAt: Instant = instant(0);
  #charged = 0;
  #sampleFrom: Instant | null = null;
  #sampleOctets = 0;
  /** The driver tells how many octets it has not sent, which is better than when it is full. */
  #tellsQueue = false;

  /** @param bps bits per second of the line; an asynchronous 8N1 line moves bps/10 octets a second */
  constructor(bps: number) {
    this.#givenBps = bps;
    this.#rate = (bps / 10_000) * SAFETY;
  }

  get givenBps(): number {
    return this.#givenBps;
  }

  /** Octets per millisecond at which the line is paced. */
  get rate(): number {
    return this.#rate;
  }

  get estimatedBps(): number {
    return (this.#rate / SAFETY) * 10_000;
  }

  /** Octets given to the line and not sent, by estimate. */
  backlog(now: Instant): number {
    return Math.max(0, (this.freeAt - now) * this.#rate);
  }

  /** The operator's new estimate: starts afresh from it. */
  setGiven(bps: number, now: Instant): void {
    this.#givenBps = bps;
    this.#rate = (bps / 10_000) * SAFETY;
    this.#corrected(now);
  }

  /** The line is new, and at rest. */
  reset(now: Instant): void {
    this.freeAt = now;
    this.#chargedAt = now;
    this.#tellsQueue = false;
    this.#corrected(now);
  }

  /** Counts octets given to the line. @returns when the last of them is sent */
  charge(octets: number, now: Instant): Instant {
    if (now - this.freeAt > REST_MS) {
      this.#syncedAt = now;
      this.#sampleFrom = null;
    }
    const most = (this.#givenBps / 10_000) * SAFETY;
    if (this.#rate < most)
      this.#rate = Math.min(most, this.#rate * (1 + CREEP * Math.max(0, now - this.#chargedAt)));
    this.#chargedAt = now;
    this.#charged += octets;
    this.freeAt = after(instant(Math.max(this.freeAt, now)), octets / this.#rate);
    return this.freeAt;
  }

  /** What was to arrive at `plannedAt` arrived `lateMs` after that: the line is behind its estimate by as much. */
  handleLate(lateMs: number, plannedAt: Instant, now: Instant): void {
    this.freeAt = after(instant(Math.max(this.freeAt, now)), lateMs);
    const error = lateMs / Math.max(1, plannedAt + lateMs - this.#syncedAt);
    if (error < PLAUSIBLE_ERROR && now - this.#lateAt < AGAIN_MS) this.#setRate(this.#rate * (1 - error));
    this.#lateAt = now;
    this.#corrected(now);
  }

  /** The driver says how many octets it has not sent. Call it only for drivers that know. */
  handleOutputQueue(octets: number, now: Instant): void {
    if (!this.#tellsQueue) this.#sampleFrom = null;
    this.#tellsQueue = true;
    if (octets === 0) this.#sampleFrom = null;
    else this.#sample(this.#charged - octets, now);
    this.freeAt = after(now, octets / this.#rate);
    this.#syncedAt = now;
  }

  /** The driver is full: what it has taken since the last time it was full has been sent. @param taken octets it ever took */
  handleBlocked(taken: number, now: Instant): void {
    if (!this.#tellsQueue) this.#sample(taken, now);
  }

  /** The driver takes octets again: until now its line was busy, whatever the estimate says. */
  handleUnblocked(now: Instant): void {
    this.freeAt = instant(Math.max(this.freeAt, now));
  }

  #sample(sent: number, now: Instant): void {
    if (this.#sampleFrom === null) {
      this.#sampleFrom = now;
      this.#sampleOctets = sent;
      return;
    }
    const spanMs = now - this.#sampleFrom;
    if (spanMs < SAMPLE_MS) return;
    const measured = ((sent - this.#sampleOctets) / spanMs) * SAFETY;
    if (measured > 0) this.#setRate(measured);
    this.#sampleFrom = now;
    this.#sampleOctets = sent;
  }

  #setRate(measured: number): void {
    const most = (this.#givenBps / 10_000) * SAFETY;
    this.#rate = Math.min(most, Math.max(LEAST_SHARE * most, measured));
  }

  #corrected(now: Instant): void {
    this.#syncedAt = now;
    this.#sampleFrom = null;
    this.epoch++;
  }
}
