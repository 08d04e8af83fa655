import { type Instant, instant } from "../time.ts";
import type { PathFigures } from "../tunnel/path-figures.ts";
import { RateControl, type RateOptions } from "../tunnel/rate-control.ts";
import { type AbsenceSettings, Absences } from "./absences.ts";
import { Random } from "./random.ts";
import { WanPath, type WanSettings } from "./wan-path.ts";

export interface RateTrialOptions {
  readonly path: Partial<WanSettings>;
  readonly control?: RateOptions;
  /** Milliseconds from the receiver to the sender; by default as forth. */
  readonly backMs?: number;
  /** Reports are up to so much later. */
  readonly backJitterMs?: number;
  readonly reportLoss?: number;
  /** Milliseconds between reports; by default a quarter of the round trip, 10 to 50. */
  readonly reportEveryMs?: number;
  /** What the receiver's clock is ahead. */
  readonly clockMs?: number;
  /** Parts in a million that it is too fast. */
  readonly clockDriftPpm?: number;
  /** The receiver looks only so often. */
  readonly readEveryMs?: number;
  /** When the receiver does not get the processor: what came meanwhile is seen after it. */
  readonly receiverAway?: AbsenceSettings;
  /** When the sender does not: it sends nothing, and sees reports after it. */
  readonly senderAway?: AbsenceSettings;
  /** Octets a millisecond that there are to send; by default more than can be. */
  readonly demand?: (now: number) => number;
  /** Octets a millisecond that others send through the same bottleneck. */
  readonly others?: (now: number) => number;
  /** What is more than this many octets a millisecond is dropped before the bottleneck. */
  readonly policer?: { readonly rate: number; readonly burstOctets: number };
  /** The sender wakes so often; a millisecond by default. */
  readonly quantumMs?: number;
  readonly seed?: number;
}

interface Report {
  readonly at: number;
  readonly highest: number;
  readonly arrivedAt: number;
  readonly octets: number;
  readonly datagrams: number;
  readonly heldMs: number;
}

/** Of each datagram. */
const OCTETS = 1498;
const SENT = 1 << 17;
/** Handles from here on are others'. */
const OTHERS = 0x4000_0000;

/** What happened in a quantum of a trial. */
export interface RateMoment {
  readonly at: number;
  readonly rate: number;
  readonly queueMs: number;
  readonly deliveredOctets: number;
}

/** One sender paced by a {@link RateControl} and its receiver, on virtual time: how well the rate fits the path. */
export class RateTrial {
  now: number;
  readonly control: RateControl;
  readonly path: WanPath;
  deliveredOctets = 0;
  lostDatagrams = 0;
  sentDatagrams = 0;
  /** Every quantum of virtual time. */
  onMoment: (moment: RateMoment) => void = () => {};
  readonly #options: RateTrialOptions;
  readonly #random: Random;
  readonly #quantumMs: number;
  readonly #receiver: Absences | null;
  readonly #sender: Absences | null;
  readonly #sentAt = new Float64Array(SENT);
  readonly #reports: Report[] = [];
  readonly #start: number;
  #credit = 0;
  #waiting = 0;
  /** When the last report came, or a datagram went out to bring one. */
  #heardAt: number;
  #counter = 0;
  #wasLimited = false;
  #othersCredit = 0;
  #tokens: number;
  #tickAt: number;
  #readAt = 0;
  // The receiver.
  #highest = -1;
  #arrivedAt = 0;
  #arrivals = 0;
  #arrivedOctets = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  #reportedHighest = -1;
  // What the sender knows from reports.
  #known: Report | null = null;
  #figures = {
    deliveredOctets: 0,
    deliveredMs: 0,
    hasSample: true,
    reportGapMs: 0,
    clockRebased: false,
    oneWayMs: 0,
    sampleOctets: 0,
    roundTripMs: 0,
    lostOctets: 0,
  } satisfies PathFigures;

  constructor(options: RateTrialOptions, start: number = 1e9) {
    this.#options = options;
    this.#random = new Random((options.seed ?? 1) + 77);
    this.#quantumMs = options.quantumMs ?? 1;
    this.#start = start;
    const { receiverAway, senderAway } = options;
    const seed = (options.seed ?? 1) + 78;
    this.#receiver = receiverAway === undefined ? null : new Absences(receiverAway, new Random(seed), start);
    this.#sender = senderAway === undefined ? null : new Absences(senderAway, new Random(~seed), start);
    this.now = start;
    this.#tickAt = start;
    this.#heardAt = start;
    this.#tokens = options.policer?.burstOctets ?? 0;
    this.control = new RateControl(options.control);
    this.path = new WanPath({}, options.seed ?? 1, 1 << 16);
    this.path.change(options.path, instant(start));
  }

  /** Octets sent of which nothing has been heard. */
  get inFlight(): number {
    const heard = this.#known === null ? 0 : this.#known.highest + 1;
    return (this.#counter - heard) * OCTETS;
  }

  change(settings: Partial<WanSettings>): void {
    this.path.change(settings, this.#instant);
  }

  /** What was under way is given up, as a sender does when a path has died. */
  restore(): void {
    if (this.#known !== null) this.#known = { ...this.#known, highest: this.#counter - 1 };
    this.control.handleRestored(this.#instant);
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.#tickAt < end) {
      this.now = this.#tickAt;
      this.#tick();
      this.#tickAt += this.#quantumMs;
    }
    this.now = end;
  }

  get #instant(): Instant {
    return instant(this.now);
  }

  get #roundTripMs(): number {
    const forthMs = this.path.settings.delayMs;
    return forthMs + (this.#options.backMs ?? forthMs);
  }

  #tick(): void {
    const before = this.deliveredOctets;
    const tickEnd = this.now;
    this.#receiveUntil(tickEnd);
    this.now = tickEnd;
    this.#sendOthers();
    if (this.#senderSees(this.now) === this.now) this.#send();
    this.onMoment({
      at: this.now - this.#start,
      rate: this.control.rate,
      queueMs: this.path.queuedOctets / (this.path.settings.rateBps / 8000),
      deliveredOctets: this.deliveredOctets - before,
    });
  }

  #send(): void {
    const { control } = this;
    control.handleTimeout(this.#instant);
    const demand = this.#options.demand?.(this.now - this.#start);
    if (demand !== undefined) this.#waiting = Math.min(this.#waiting + demand * this.#quantumMs, 300_000);
    const most = Math.max(OCTETS + control.rate * this.#quantumMs, control.rate * 2);
    this.#credit = Math.min(this.#credit + control.rate * this.#quantumMs, most);
    let isSilent = this.now - this.#heardAt > 2 * this.#roundTripMs + 200;
    if (isSilent) this.#heardAt = this.now;
    while (this.#credit >= OCTETS && (isSilent || this.inFlight + OCTETS <= control.window)) {
      if (demand !== undefined && this.#waiting < OCTETS) {
        this.#wasLimited = true;
        break;
      }
      isSilent = false;
      this.#waiting -= OCTETS;
      this.#credit -= OCTETS;
      this.#sentAt[this.#counter & (SENT - 1)] = this.now;
      this.sentDatagrams++;
      const handle = this.#counter & (SENT - 1);
      if (this.#isPoliced() || !this.path.handlePacket(handle, OCTETS, this.#instant)) this.lostDatagrams++;
      this.#counter++;
    }
  }

  #isPoliced(): boolean {
    const { policer } = this.#options;
    if (policer === undefined) return false;
    if (this.#tokens < OCTETS) return true;
    this.#tokens -= OCTETS;
    return false;
  }

  #sendOthers(): void {
    const { policer, others } = this.#options;
    if (policer !== undefined) {
      this.#tokens = Math.min(this.#tokens + policer.rate * this.#quantumMs, policer.burstOctets);
    }
    if (others === undefined) return;
    this.#othersCredit += others(this.now - this.#start) * this.#quantumMs;
    while (this.#othersCredit >= OCTETS) {
      this.#othersCredit -= OCTETS;
      this.path.handlePacket(OTHERS, OCTETS, this.#instant);
    }
  }

  #receiveUntil(end: number): void {
    const { readEveryMs = 0 } = this.#options;
    for (;;) {
      const arrival = this.path.pollTimeout();
      const report = this.#senderSees(this.#reports[0]?.at ?? Number.POSITIVE_INFINITY);
      const due = this.#reportDue();
      const next = Math.min(arrival, report, due);
      if (next > end) return;
      this.now = Math.max(this.now, next);
      if (report <= next) this.#handleReport(this.#reports.shift() as Report);
      else if (due <= next) this.#report(due);
      else {
        const seenAt = this.#receiverSees(
          readEveryMs === 0 ? arrival : Math.ceil(arrival / readEveryMs) * readEveryMs,
        );
        for (
          let handle = this.path.pollDelivered(arrival);
          handle >= 0;
          handle = this.path.pollDelivered(arrival)
        ) {
          if (handle < OTHERS) this.#receive(handle, seenAt);
        }
      }
    }
  }

  #receive(handle: number, at: number): void {
    // The low bits of the counter; what is under way is less than half a turn of it.
    const behind = (this.#counter - 1 - handle) & (SENT - 1);
    const counter = this.#counter - 1 - behind;
    this.deliveredOctets += OCTETS;
    this.#arrivals++;
    this.#arrivedOctets += OCTETS;
    if (counter > this.#highest) {
      this.#highest = counter;
      this.#arrivedAt = this.#receiver?.clockAt(at) ?? at;
    }
    this.#readAt = at;
  }

  #reportDue(): number {
    if (this.#highest === this.#reportedHighest) return Number.POSITIVE_INFINITY;
    const everyMs = this.#options.reportEveryMs ?? Math.min(Math.max(10, this.#roundTripMs / 4), 50);
    return this.#receiverSees(Math.max(this.#reportedAt + everyMs, this.#readAt));
  }

  #receiverSees(time: number): number {
    return this.#receiver === null ? time : this.#receiver.seenAt(time);
  }

  #senderSees(time: number): number {
    return this.#sender === null || time === Number.POSITIVE_INFINITY ? time : this.#sender.seenAt(time);
  }

  #report(at: number): void {
    this.#reportedAt = at;
    this.#reportedHighest = this.#highest;
    const { backMs = this.path.settings.delayMs, backJitterMs = 0, reportLoss = 0 } = this.#options;
    const { clockMs = 5e6, clockDriftPpm = 0 } = this.#options;
    if (this.path.settings.outage || this.#random.next() < reportLoss) return;
    const clock = clockMs + (this.#arrivedAt - this.#start) * clockDriftPpm * 1e-6;
    this.#reports.push({
      at: Math.max(at + backMs + this.#random.next() * backJitterMs, this.#reports.at(-1)?.at ?? 0),
      highest: this.#highest,
      arrivedAt: this.#arrivedAt + clock,
      octets: this.#arrivedOctets,
      datagrams: this.#arrivals,
      heldMs: (this.#receiver?.clockAt(at) ?? at) - this.#arrivedAt,
    });
  }

  #handleReport(report: Report): void {
    const figures = this.#figures;
    const known = this.#known;
    const sentAt = this.#sentAt[report.highest & (SENT - 1)] as number;
    const fromOctets = known?.octets ?? OCTETS;
    figures.deliveredOctets = known === null ? 0 : report.octets - fromOctets;
    figures.deliveredMs = known === null ? 0 : report.arrivedAt - known.arrivedAt;
    figures.oneWayMs = report.arrivedAt - sentAt;
    figures.sampleOctets = OCTETS;
    const reportedMs = report.arrivedAt + report.heldMs;
    figures.reportGapMs = known === null ? 0 : reportedMs - known.arrivedAt - known.heldMs;
    const now = this.#sender?.clockAt(this.now) ?? this.now;
    figures.roundTripMs = Math.max(0, now - sentAt - report.heldMs);
    const gone = report.highest - (known?.highest ?? -1);
    const came = report.datagrams - (known?.datagrams ?? 0);
    figures.lostOctets = Math.max(0, gone - came) * OCTETS;
    this.#known = report;
    this.#heardAt = this.now;
    this.control.handleReport(instant(now), figures, this.#wasLimited);
    this.#wasLimited = false;
  }
}
