import { type Instant, instant } from "../time.ts";
import type { RateControl } from "./rate-control.ts";
import type { RoundTrip } from "./round-trip.ts";

/** A report at IP level, roughly, which part of what it is about reports may be, and how many of them before that counts. */
const REPORT_OCTETS = 90;
const REPORT_PART = 0.01;
const REPORT_CREDIT = 20 * REPORT_OCTETS;
const LEAST_INTERVAL_MS = 5;
const USUAL_INTERVAL_MS = 10;
const LONGEST_INTERVAL_MS = 60;
/** Of a path that carries so little that reports as often as that would cost more than their part. */
const LONGEST_SLOW_INTERVAL_MS = 350;

/** How often what comes by a path is reported: here, of what comes, and at the other end, of what is sent. */
export class ReportPlan {
  readonly #roundTrip: RoundTrip;
  readonly #rate: RateControl;
  /** When what came was last reported, and how much that was in all. */
  #reportedAt: Instant = instant(0);
  #reportedOctets = 0;
  #credit = REPORT_CREDIT;

  constructor(roundTrip: RoundTrip, rate: RateControl) {
    this.#roundTrip = roundTrip;
    this.#rate = rate;
  }

  /** How often the peer reports what is sent now, milliseconds. */
  get peersMs(): number {
    const { rate, deliveryRate } = this.#rate;
    return Math.max(this.quickMs, affordableMs(deliveryRate, longestMs(rate)));
  }

  /** What came is being reported. @param octets that have come in all. @returns milliseconds until the next report */
  handleReporting(octets: number, now: Instant): number {
    const spanMs = now - this.#reportedAt;
    const came = octets - this.#reportedOctets;
    this.#reportedAt = now;
    this.#reportedOctets = octets;
    this.#credit = Math.min(REPORT_CREDIT, this.#credit + REPORT_PART * came) - REPORT_OCTETS;
    // One in the longest interval is always affordable.
    if (this.#credit < 0) this.#credit = 0;
    const missing = REPORT_OCTETS - this.#credit;
    const quickMs = this.quickMs;
    if (missing <= 0) return quickMs;
    // Several are made at one moment when this end stood still.
    const pace = came === 0 ? 0 : came / spanMs;
    return Math.max(quickMs, affordableMs(pace, longestMs(this.#rate.rate), missing));
  }

  /** Octets that have to come until the next report costs no more than its part of them. */
  get unpaidOctets(): number {
    return this.#credit < REPORT_OCTETS ? Math.ceil((REPORT_OCTETS - this.#credit) / REPORT_PART) : 0;
  }

  /** How often what comes is reported if it may cost what it likes. */
  get quickMs(): number {
    const { smoothedMs } = this.#roundTrip;
    return Math.min(
      LONGEST_INTERVAL_MS,
      Math.max(LEAST_INTERVAL_MS, Math.min(USUAL_INTERVAL_MS, smoothedMs / 2), smoothedMs / 4),
    );
  }
}

/** How often what comes is reported at least. @param rate of the path that reports go by, octets a millisecond */
const longestMs = (rate: number): number =>
  Math.min(LONGEST_SLOW_INTERVAL_MS, Math.max(LONGEST_INTERVAL_MS, REPORT_OCTETS / (REPORT_PART * rate)));

/** How long it takes until a report costs no more than its part. @param pace octets a millisecond */
const affordableMs = (pace: number, mostMs: number, octets: number = REPORT_OCTETS): number =>
  Math.min(mostMs, octets / (REPORT_PART * pace));
