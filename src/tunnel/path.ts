/**
 * One UDP way to a peer.
 *
 * 1. It proves who is at its other end (`PathProof`), and finds out how long its datagrams may be (`SizeSearch`).
 * 2. What eliciting datagrams carried is kept in `sent` until reports say what came; those feed `rate`. What came is kept in `arrivals`, and
 *    reported as often as `ReportPlan` says.
 * 3. Reports tell that it is there, and their silence that it is not (`PathLife`).
 *
 * It makes control messages; the bundle sends them, and decides which packets go by which path.
 */
import { earlier, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL_KINDS } from "../wire/tunnel-content.ts";
import { TRANSPORT } from "../wire/tunnel-datagram.ts";
import { ArrivalLog } from "./arrival-log.ts";
import { CommitQueue } from "./commit-queue.ts";
import { PathLife, type PathState } from "./path-life.ts";
import { type Identities, PathProof, type Tier } from "./path-proof.ts";
import { RateControl } from "./rate-control.ts";
import { ReportPlan } from "./report-plan.ts";
import { RoundTrip } from "./round-trip.ts";
import { SentLog } from "./sent-log.ts";
import { SizeSearch } from "./size-search.ts";

/** How long a path that is left out is believed to be worth too little, at first. */
export const TRIAL_PAUSE_MS = 500;
/** A path is given so much at a time: fewer wake-ups, and no longer queue at the bottleneck than that. */
export const BURST_MS = 1;
/** What may be caught up with by a path that had nothing to send. */
const CATCH_UP_MS = 3;
/** By one that had: more would be lost where lines have short queues, and keep what is urgent waiting. */
const MOST_CATCH_UP_MS = 25;
/** What a size probe may take longer than a short datagram, besides its octets. */
const PROBE_SLACK_MS = 50;

export class Path {
  readonly link: number;
  readonly sent: SentLog = new SentLog();
  readonly arrivals: ArrivalLog;
  readonly rate: RateControl = new RateControl();
  readonly roundTrip: RoundTrip = new RoundTrip();
  readonly proof: PathProof;
  readonly life: PathLife;
  readonly search: SizeSearch = new SizeSearch();
  /** What it was given to send. */
  readonly commits: CommitQueue = new CommitQueue();
  /** Octets of IP and UDP headers. */
  headers = 28;
  /** Its pace lets it send now. */
  isOpen = false;
  /** Since when others are better without it; NEVER: they are not. */
  leftOutAt: Instant = NEVER;
  /** How long after that its rate is to be found anew. */
  trialMs: number = TRIAL_PAUSE_MS;
  /** Counts as delay where paths are compared, for one that is to be used later than others. */
  handicapMs = 0;
  /** It can be written to again, by its pace. */
  freeAt: Instant = instant(0);
  /** What it had time for in so long is sent at once. */
  catchUpMs: number = CATCH_UP_MS;
  /** When it last had room and nothing to send. */
  limitedAt: Instant = instant(0);
  /** When its window last kept something from being sent. */
  fullAt: Instant = instant(0);
  sentDatagrams = 0;
  /** When it last sent something. */
  sentAt: Instant = instant(0);
  sentOctets = 0;
  lostDatagrams = 0;
  receivedDatagrams = 0;
  receivedOctets = 0;
  /** By which the message that `pollControl` wrote goes. */
  controlRoute = -1;
  /** Whether it asks for a report. */
  controlElicits = false;
  readonly #calls: boolean;
  readonly #plan: ReportPlan;

  /** @param calls this end knows where the other is, and keeps the path up */
  constructor(
    link: number,
    calls: boolean,
    identities: Identities,
    random: { fillRandom(into: Uint8Array): void },
  ) {
    this.link = link;
    this.#calls = calls;
    this.arrivals = new ArrivalLog(link);
    this.#plan = new ReportPlan(this.roundTrip, this.rate);
    this.life = new PathLife(calls, this.sent, this.roundTrip, this.#plan);
    this.proof = new PathProof(calls, identities, random);
  }

  get state(): PathState {
    return this.life.state;
  }

  /** It carries packets. */
  isUsable(now: Instant): boolean {
    return this.life.isUsable(now);
  }

  /** By which it sends; -1: none yet. */
  get route(): number {
    return this.proof.route;
  }

  /** The route that it asks, or is about to; -1: none. */
  get candidate(): number {
    return this.proof.candidate;
  }

  /** When it carries packets. */
  get tier(): Tier {
    return this.proof.tier;
  }

  set tier(tier: Tier) {
    this.proof.tier = tier;
  }

  get smoothedMs(): number {
    return this.roundTrip.smoothedMs;
  }

  /** IP packets of its datagrams are at most so long. */
  get size(): number {
    return this.search.size;
  }

  /** Octets of content that a datagram has room for. */
  get contentMax(): number {
    return this.search.size - this.headers - TRANSPORT.overhead;
  }

  /** Octets a millisecond that it carries now: until its rate is found, the window is what limits it. */
  get pace(): number {
    const { rate, window } = this.rate;
    return Math.min(rate, window / this.roundTrip.smoothedMs);
  }

  /**
   * @param waits something does for its pace: it is sent late when the program does not get the processor. The line stands still meanwhile, and
   *   would once more if that was not made up for
   */
  setWaiting(waits: boolean): void {
    this.catchUpMs = waits ? MOST_CATCH_UP_MS : CATCH_UP_MS;
  }

  /** It can be given something to send. */
  hasRoom(now: Instant): boolean {
    return this.isOpen && this.freeAt <= now + BURST_MS && this.sent.inFlight < this.rate.window;
  }

  /** When pace and window let it send: a full window opens with the next report of what is under way. */
  roomAt(now: Instant): Instant {
    const at = this.freeAt > now ? this.freeAt : now;
    if (this.sent.inFlight < this.rate.window) return at;
    const reportAt = Math.max(now, this.sent.oldestSentAt + this.smoothedMs) + this.#plan.peersMs;
    return instant(Math.max(at, reportAt));
  }

  /** Asks who is there. */
  challenge(route: number, now: Instant): void {
    this.proof.challenge(route, now);
  }

  /** Tier or limit have changed: the peer learns of it with a challenge, however long that takes. */
  tell(now: Instant): void {
    this.proof.tell(now);
  }

  /** There are new keys, which may be those of another program: who is there is asked at once. */
  renew(now: Instant): void {
    if (this.state !== "alive") this.proof.repeat(now);
  }

  /** Both ends begin anew with each other. */
  restart(now: Instant): void {
    this.life.restart(now);
    this.proof.restart(now);
  }

  /** It is not used any more, and its route is free. */
  leave(): void {
    this.proof.route = -1;
  }

  /** An authentic datagram came by it. */
  handleArrival(
    route: number,
    session: number,
    counter: number,
    octets: number,
    isProof: boolean,
    now: Instant,
  ): void {
    this.life.heardAt = now;
    this.receivedDatagrams++;
    this.receivedOctets += octets;
    this.proof.handleArrival(route, session, counter, isProof, this.roundTrip.answerMs, now);
  }

  /** `octets[at, to)`, its kind looked at: a challenge of the peer's. @returns the peer's name; 0: malformed */
  handleChallenge(octets: Uint8Array, at: number, to: number, route: number, now: Instant): number {
    const peer = this.proof.handleChallenge(octets, at, to, route, now);
    const { sendLimit } = this.proof;
    if (!this.#calls) this.rate.ceiling = sendLimit === 0 ? Number.POSITIVE_INFINITY : sendLimit / 8;
    return peer;
  }

  /** @returns the peer's name in a proof; 0: it proves nothing */
  handleProof(octets: Uint8Array, at: number, to: number, route: number, now: Instant): number {
    const before = this.route;
    const proof = this.proof;
    if (!proof.handleProof(octets, at, to, route, now)) return 0;
    this.roundTrip.take(proof.tripMs);
    this.search.handleProved(route !== before, proof.tripMs, this.#calls, now);
    this.life.probe();
    return proof.peer;
  }

  handleSizeProof(octets: Uint8Array, at: number, to: number, now: Instant): void {
    const rate = this.search.handleProof(octets, at, to, now);
    if (rate === 0) return;
    this.life.handleKnown(now);
    if (rate !== Number.POSITIVE_INFINITY) this.rate.handleSlow(rate, now);
  }

  /** A report of this path was taken: `sent` has what it brought. */
  handleReported(now: Instant): void {
    const { sent } = this;
    this.lostDatagrams += sent.lostCount;
    if (sent.roundTripMs >= 0) this.roundTrip.take(sent.roundTripMs);
    this.search.handleReported(sent.longAcked, sent.longLost, now);
    if (sent.ackedOctets === 0) return;
    if (!this.life.handleProgress(now) || this.route < 0 || !this.proof.isMutual) return;
    if (this.state === "dead") this.rate.handleRestored(now);
    this.life.revive(this.search.freshMs, now);
  }

  /** What came is being reported. */
  handleReporting(now: Instant): void {
    this.arrivals.intervalMs = this.#plan.handleReporting(this.receivedOctets, now);
    this.arrivals.quickMs = this.#plan.quickMs;
    this.arrivals.unpaidOctets = this.#plan.unpaidOctets;
  }

  /** @returns whether it has just died */
  handleTimeout(now: Instant): boolean {
    if (this.state === "alive") return this.life.handleTimeout(now);
    if (this.route < 0 || now < this.life.retryAt(now)) return false;
    this.life.probe();
    // What was said when one of the two did not know the other yet is said again.
    if (this.candidate < 0 && !this.proof.isMutual) this.proof.repeat(now);
    return false;
  }

  pollTimeout(now: Instant): Instant {
    if (this.proof.proofRoute >= 0 || this.search.proofRoute >= 0) return now;
    const at = earlier(this.proof.challengeAt, this.search.probeAt);
    return this.route < 0 ? at : earlier(at, this.life.pollTimeout(now));
  }

  /** Writes a control message at `octets[into]`, if one is due. @returns its length; 0: none */
  pollControl(octets: Uint8Array, into: number, now: Instant): number {
    const proof = this.proof;
    this.controlElicits = false;
    if (proof.proofRoute >= 0) {
      this.controlRoute = proof.proofRoute;
      return proof.writeProof(octets, into);
    }
    if (now >= proof.challengeAt) {
      this.controlRoute = proof.candidate;
      return proof.writeChallenge(octets, into, now);
    }
    if (this.search.proofRoute >= 0) {
      this.controlRoute = this.search.proofRoute;
      return this.search.writeProof(octets, into);
    }
    if (this.route < 0) return 0;
    this.controlRoute = this.route;
    const length = this.life.pollControl(octets, into, now);
    this.controlElicits = length > 0 && octets[into + 1] === CONTROL_KINDS.probe;
    return length;
  }

  /** Octets of the padded message that is due to find out how long datagrams may be; 0: none. Call `writeSizeProbe` then. */
  sizeProbeDue(now: Instant): number {
    const size = this.route < 0 ? 0 : this.search.pollProbe(now);
    return size === 0 ? 0 : size - this.headers - TRANSPORT.overhead;
  }

  /** Writes the head of such a message; the rest of it is padding. */
  writeSizeProbe(octets: Uint8Array, into: number, now: Instant): number {
    const answerMs = this.smoothedMs + 4 * this.roundTrip.variationMs + PROBE_SLACK_MS;
    return this.search.writeProbe(octets, into, answerMs, this.rate.rate, now);
  }
}
