/**
 * One UDP way to a peer: its addresses, whether it is there, what it carries, and how long its datagrams may be.
 *
 * 1. A path proves itself: a challenge goes out by a route, and the proof comes back by it. With them both ends say who they are now, and whom they
 *    take the other for: a program that began anew has another name, and what was numbered for the old one counts no more.
 * 2. What eliciting datagrams carried is kept in `sent` until reports say what came; those feed `rate`. What came is kept in `arrivals`.
 * 3. When reports stop though something is under way, the path is asked (`probe`); when that brings nothing, it is dead, and is only tried.
 * 4. An authentic datagram from elsewhere makes that route a candidate; it proves itself as the first one did, and takes its place.
 *
 * It makes control messages; the bundle sends them, and decides which packets go by which path.
 */
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL, CONTROL_KINDS } from "../wire/tunnel-content.ts";
import { readIndex, TRANSPORT, writeWord } from "../wire/tunnel-datagram.ts";
import { ArrivalLog } from "./arrival-log.ts";
import { CommitQueue } from "./commit-queue.ts";
import { RateControl } from "./rate-control.ts";
import { BASE_SIZE, SentLog } from "./sent-log.ts";

/** How long a path that is left out is believed to be worth too little, at first. */
export const TRIAL_PAUSE_MS = 500;

export type PathState = "proving" | "alive" | "dead";
/** When a path carries packets: always, when those are full, or when none of them is there. Their numbers are on the wire. */
const TIERS = ["primary", "overflow", "backup"] as const;
export type Tier = (typeof TIERS)[number];

/** The two ends of a bundle, as random numbers that each makes when it begins. */
export interface Identities {
  own: number;
  /** 0: not known yet. */
  peer: number;
}

const TOKEN_LENGTH = 8;
const CHALLENGE_LENGTH = 2 + TOKEN_LENGTH + 4 + 4 + 1 + 1 + 4;
const PROOF_LENGTH = 2 + TOKEN_LENGTH + 4 + 4;

const FIRST_CHALLENGE_MS = 250;
const LONGEST_CHALLENGE_MS = 2000;
/** Between the first challenges of two candidates. */
const CANDIDATE_MS = 50;
/** A candidate is given up after so many. */
const MOST_CHALLENGES = 5;
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
/** Until there is a measure. */
const DEFAULT_ROUND_TRIP_MS = 100;
/** After so many intervals of reports without one the path is asked. */
const PROBE_INTERVALS = 1.5;
/** A path that died soon after it came back has to be there longer before it is used again. */
const FIRST_QUARANTINE_MS = 100;
const LONGEST_QUARANTINE_MS = 10_000;
/** Meanwhile it is asked so often. */
const QUARANTINE_PROBE_MS = 200;
const STABLE_MS = 10_000;
/** What still comes of a path that the peer has ended does not bring it back. */
const ENDED_MS = 200;

/** Sizes worth a try: Ethernet, PPPoE, tunnels. */
const SIZES: readonly number[] = [1500, 1492, 1480, 1452, 1420, 1400, 1360, 1320];
const TRIES_A_SIZE = 3;
/** The proof of the first one may take so long: on a slow line it tells how slow that is. */
const FIRST_SIZE_MS = 1000;
/** Until then a path whose round trip is no shorter than this is not used, but no longer than that. */
const FRESH_ROUND_TRIP_MS = 10;
const FRESH_MS = 600;
/** A long datagram takes so much longer than a short one where the line is slow, and not only uneven. */
const SLOW_MS = 30;
/** So many long datagrams lost, and none that came: they are too long by now. */
const HOLE_DATAGRAMS = 8;

/** A report at IP level, roughly, which part of what it is about reports may be, and how many of them before that counts. */
const REPORT_OCTETS = 90;
const REPORT_PART = 0.01;
const REPORT_CREDIT = 20 * REPORT_OCTETS;
const LEAST_INTERVAL_MS = 5;
const USUAL_INTERVAL_MS = 10;
const LONGEST_INTERVAL_MS = 60;
/** Of a path that carries so little that reports as often as that would cost more than their part. */
const LONGEST_SLOW_INTERVAL_MS = 350;

/** How often what comes by a path is reported, if that may cost what it likes. */
const quickInterval = (roundTripMs: number): number =>
  Math.min(
    LONGEST_INTERVAL_MS,
    Math.max(LEAST_INTERVAL_MS, Math.min(USUAL_INTERVAL_MS, roundTripMs / 2), roundTripMs / 4),
  );

/** How often what comes is reported at least. @param rate of the path that reports go by, octets a millisecond */
const longestInterval = (rate: number): number =>
  Math.min(LONGEST_SLOW_INTERVAL_MS, Math.max(LONGEST_INTERVAL_MS, REPORT_OCTETS / (REPORT_PART * rate)));

/** How long it takes until a report costs no more than its part. @param pace octets a millisecond */
const affordableInterval = (pace: number, longestMs: number, octets: number = REPORT_OCTETS): number =>
  Math.min(longestMs, octets / (REPORT_PART * pace));

export class Path {
  readonly link: number;
  readonly sent: SentLog = new SentLog();
  readonly arrivals: ArrivalLog;
  readonly rate: RateControl = new RateControl();
  state: PathState = "proving";
  /** By which it sends; -1: none yet. */
  route = -1;
  tier: Tier = "primary";
  /** What the peer may send by it, kbit/s, told with the challenge; 0: no limit. */
  receiveLimit = 0;
  /** Octets of IP and UDP headers. */
  headers = 28;
  /** IP packets of its datagrams are at most so long. */
  size: number = BASE_SIZE;
  /** What it was given to send. */
  readonly commits: CommitQueue = new CommitQueue();
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
  /** When it last had room and nothing to send. */
  limitedAt: Instant = instant(0);
  /** When its window last kept something from being sent. */
  fullAt: Instant = instant(0);
  smoothedMs: number = DEFAULT_ROUND_TRIP_MS;
  variationMs: number = DEFAULT_ROUND_TRIP_MS / 2;
  /** When something of this path's was last reported to have come. */
  progressAt: Instant = instant(0);
  heardAt: Instant = instant(0);
  sentDatagrams = 0;
  /** When it last sent something. */
  sentAt: Instant = instant(0);
  sentOctets = 0;
  lostDatagrams = 0;
  receivedDatagrams = 0;
  receivedOctets = 0;
  /** Why it died, or whatever last changed its state. */
  changedAt: Instant = instant(0);
  readonly #identities: Identities;
  readonly #calls: boolean;
  readonly #token = new Uint8Array(TOKEN_LENGTH);
  readonly #theirToken = new Uint8Array(TOKEN_LENGTH);
  readonly #random: { fillRandom(into: Uint8Array): void };
  /** Whom the peer, by what it last said on this path, takes us for. */
  #takenFor = 0;
  /** It was told by this path whom we take it for, so it takes our packets: the peer's name then, in a proof of ours or a challenge that was answered. */
  #answeredTo = 0;
  #challengedPeer = 0;
  #challengeRoute = -1;
  #challengeAt: Instant = NEVER;
  #challengedAt: Instant = instant(0);
  #candidateAt: Instant = instant(0);
  #challengeMs = FIRST_CHALLENGE_MS;
  #challenges = 0;
  /** The peer has not confirmed yet that it knows tier and limit. */
  #isUntold = true;
  /** The newest datagram that has come. */
  #session = 0;
  #counter = -1;
  #longLost = 0;
  #proofRoute = -1;
  #measured = false;
  /** When what came was last reported, and how much that was in all. */
  #reportedAt: Instant = instant(0);
  #reportedOctets = 0;
  #reportCredit = REPORT_CREDIT;
  #probeAt: Instant = NEVER;
  #probeNow = false;
  #probedAt: Instant = instant(0);
  #quarantineMs = FIRST_QUARANTINE_MS;
  #usableAt: Instant = instant(0);
  #farewell = false;
  #endedAt: Instant = instant(Number.NEGATIVE_INFINITY);
  #sizeIndex = 0;
  #sizeTries = 0;
  #sizeAt: Instant = NEVER;
  #sizeProbedAt: Instant = instant(0);
  /** Nothing is known yet of how fast it is, not even roughly. */
  #isFresh = true;
  /** Of the challenge that was answered: of short datagrams, both ways by this path. */
  #challengeTripMs: number = Number.POSITIVE_INFINITY;
  #sizeProof = 0;
  #sizeProofRoute = -1;

  /** @param calls this end knows where the other is, and keeps the path up */
  constructor(
    link: number,
    calls: boolean,
    identities: Identities,
    random: { fillRandom(into: Uint8Array): void },
  ) {
    this.link = link;
    this.arrivals = new ArrivalLog(link);
    this.#calls = calls;
    this.#identities = identities;
    this.#random = random;
  }

  /** `smoothedMs` is a measure. */
  get isMeasured(): boolean {
    return this.#measured;
  }

  /** Octets a millisecond that it carries now: until its rate is found, the window is what limits it. */
  get pace(): number {
    const { rate, window } = this.rate;
    return Math.min(rate, window / this.smoothedMs);
  }

  /** Octets of content that a datagram has room for. */
  get contentMax(): number {
    return this.size - this.headers - TRANSPORT.overhead;
  }

  /** It carries packets. */
  isUsable(now: Instant): boolean {
    return this.state === "alive" && now >= this.#usableAt;
  }

  /** Packets that come by it are for this bundle, and not for one before it. */
  get isUnderstood(): boolean {
    return this.#takenFor === this.#identities.own;
  }

  /** Packets are taken at both ends. */
  get #isMutual(): boolean {
    return this.isUnderstood && this.#answeredTo === this.#identities.peer;
  }

  /** Routes that it has asked, or is about to: the bundle holds them. */
  get candidate(): number {
    return this.#challengeRoute;
  }

  /** The peer has no such path any more, as far as can be known. */
  isGone(now: Instant): boolean {
    return !this.#calls && this.state !== "alive" && now >= after(this.heardAt, GONE_MS);
  }

  /** Asks who is there. */
  challenge(route: number, now: Instant): void {
    this.#challengeRoute = route;
    this.#challengeMs = FIRST_CHALLENGE_MS;
    this.#challengeAt = now;
    this.#candidateAt = now;
    this.#challenges = 0;
    this.#random.fillRandom(this.#token);
  }

  /** Tier or limit have changed: the peer learns of it with a challenge, however long that takes. */
  tell(now: Instant): void {
    this.#isUntold = true;
    const route = this.#challengeRoute >= 0 ? this.#challengeRoute : this.route;
    if (route >= 0) this.challenge(route, now);
  }

  /** There are new keys, which may be those of another program: who is there is asked at once. */
  renew(now: Instant): void {
    if (this.state === "alive") return;
    const route = this.#challengeRoute >= 0 ? this.#challengeRoute : this.route;
    if (route >= 0) this.challenge(route, now);
  }

  /** How often the present candidate has been asked in vain. */
  get challenges(): number {
    return this.#challengeRoute < 0 ? 0 : this.#challenges;
  }

  /** Both ends begin anew with each other. */
  restart(now: Instant): void {
    this.#takenFor = 0;
    this.#answeredTo = 0;
    if (this.state === "alive") this.#become("proving", now);
    if (this.route >= 0 && this.#challengeRoute < 0) this.challenge(this.route, now);
  }

  /** An authentic datagram came by it: the newest tells where the peer is, what was held back somewhere does not. */
  handleArrival(route: number, session: number, counter: number, octets: number, now: Instant): void {
    this.heardAt = now;
    this.receivedDatagrams++;
    this.receivedOctets += octets;
    if (session === this.#session && counter < this.#counter) return;
    this.#session = session;
    this.#counter = counter;
    if (route === this.route || route === this.#challengeRoute) return;
    if (this.#challenges > 0 && now < after(this.#candidateAt, CANDIDATE_MS)) return;
    this.challenge(route, now);
  }

  /** `octets[at, to)`, its kind looked at: a challenge of the peer's. @returns the peer's name; 0: malformed */
  handleChallenge(octets: Uint8Array, at: number, to: number, route: number, now: Instant): number {
    if (to - at < CHALLENGE_LENGTH) return 0;
    for (let i = 0; i < TOKEN_LENGTH; i++) this.#theirToken[i] = octets[at + 2 + i] as number;
    this.#proofRoute = route;
    const names = at + 2 + TOKEN_LENGTH;
    this.#takeNames(octets, names);
    if (!this.#calls) {
      this.tier = TIERS[octets[names + 8] as number] ?? "primary";
      const limit = readIndex(octets, names + 10) >>> 0;
      this.rate.ceiling = limit === 0 ? Number.POSITIVE_INFINITY : limit / 8;
    }
    // Who asks may have forgotten us.
    if (this.route < 0 || !this.isUnderstood) {
      if (this.#challengeRoute < 0) this.challenge(route, now);
    }
    return readIndex(octets, names);
  }

  /** The peer's name in a proof; 0: it proves nothing. */
  handleProof(octets: Uint8Array, at: number, to: number, route: number, now: Instant): number {
    if (to - at < PROOF_LENGTH || route !== this.#challengeRoute) return 0;
    for (let i = 0; i < TOKEN_LENGTH; i++) if (octets[at + 2 + i] !== this.#token[i]) return 0;
    const names = at + 2 + TOKEN_LENGTH;
    this.#takeNames(octets, names);
    if (route !== this.route) {
      this.route = route;
      this.size = BASE_SIZE;
    }
    this.#isUntold = false;
    if (this.#challengedPeer !== 0) this.#answeredTo = this.#challengedPeer;
    const { challenges } = this;
    this.#forgetCandidate();
    if (challenges === 1) this.#takeRoundTrip(now - this.#challengedAt);
    const tripMs = challenges === 1 ? now - this.#challengedAt : this.smoothedMs;
    this.#challengeTripMs = tripMs;
    this.#probe();
    // The answer to the other end's challenge goes before what takes long.
    this.#searchSize(this.#calls && this.#isFresh ? after(now, tripMs / 2) : now);
    return readIndex(octets, names);
  }

  /** Of a message that was overtaken the peer knows better by now, unless it began anew. */
  #takeNames(octets: Uint8Array, at: number): void {
    const { own, peer } = this.#identities;
    const takenFor = readIndex(octets, at + 4);
    if (takenFor === own || readIndex(octets, at) !== peer) this.#takenFor = takenFor;
  }

  handleSizeProbe(octets: Uint8Array, at: number, to: number, route: number): void {
    if (to - at < 4) return;
    this.#sizeProof = ((octets[at + 2] as number) << 8) | (octets[at + 3] as number);
    this.#sizeProofRoute = route;
  }

  handleSizeProof(octets: Uint8Array, at: number, to: number, now: Instant): void {
    if (to - at < 4) return;
    const size = ((octets[at + 2] as number) << 8) | (octets[at + 3] as number);
    // The proof of a size before may be late.
    if (size <= this.size || !SIZES.includes(size) || this.#sizeAt === NEVER) return;
    this.size = size;
    this.#sizeAt = NEVER;
    if (this.#sizeTries !== 1 || !this.#isFresh) return;
    this.#isFresh = false;
    if (this.#quarantineMs === FIRST_QUARANTINE_MS) this.#usableAt = earlier(this.#usableAt, now);
    const longerMs = now - this.#sizeProbedAt - this.#challengeTripMs;
    if (longerMs > SLOW_MS) this.rate.handleSlow(size / longerMs, now);
  }

  /** A datagram was too long for the route's first step. */
  handleTooLong(now: Instant): void {
    if (this.size > BASE_SIZE) this.size = BASE_SIZE;
    this.#longLost = 0;
    if (this.#sizeAt === NEVER) this.#searchSize(now);
    else if (this.#sizeTries === 1) {
      // It was the probe: the next size at once.
      this.#sizeTries = TRIES_A_SIZE;
      this.#sizeAt = now;
    }
  }

  /** A report of this path was taken: `sent` has what it brought. */
  handleReported(now: Instant): void {
    const { sent } = this;
    this.lostDatagrams += sent.lostCount;
    if (sent.roundTripMs >= 0) this.#takeRoundTrip(sent.roundTripMs);
    this.#longLost = sent.longAcked > 0 ? 0 : this.#longLost + sent.longLost;
    if (this.#longLost >= HOLE_DATAGRAMS && this.size > BASE_SIZE) this.handleTooLong(now);
    if (sent.ackedOctets === 0) return;
    this.progressAt = now;
    this.#probeAt = NEVER;
    if (this.state === "alive" || this.route < 0 || now < after(this.#endedAt, ENDED_MS)) return;
    if (!this.#isMutual) return;
    if (this.state === "dead") this.rate.handleRestored(now);
    this.#become("alive", now);
    this.#usableAt = after(now, this.#restMs);
  }

  /** How long a path that has just come alive is not used yet. */
  get #restMs(): number {
    if (this.#quarantineMs > FIRST_QUARANTINE_MS) return this.#quarantineMs;
    const mayBeSlow = this.#isFresh && this.#challengeTripMs > FRESH_ROUND_TRIP_MS;
    return mayBeSlow && this.#sizeAt !== NEVER ? FRESH_MS : 0;
  }

  /** The peer ends it. */
  handleFarewell(now: Instant): void {
    this.#endedAt = now;
    if (this.state === "alive") this.#become("dead", now);
  }

  /** What came is being reported. */
  handleReporting(now: Instant): void {
    const spanMs = now - this.#reportedAt;
    const octets = this.receivedOctets - this.#reportedOctets;
    this.#reportedAt = now;
    this.#reportedOctets = this.receivedOctets;
    this.#reportCredit = Math.min(REPORT_CREDIT, this.#reportCredit + REPORT_PART * octets) - REPORT_OCTETS;
    // One in the longest interval is always affordable.
    if (this.#reportCredit < 0) this.#reportCredit = 0;
    const missing = REPORT_OCTETS - this.#reportCredit;
    const quick = quickInterval(this.smoothedMs);
    this.arrivals.intervalMs =
      missing <= 0
        ? quick
        : Math.max(quick, affordableInterval(octets / spanMs, longestInterval(this.rate.rate), missing));
  }

  /** The end of the bundle goes by it. */
  sayFarewell(): void {
    this.#farewell = true;
  }

  /** Asks for a report. */
  probe(): void {
    this.#probe();
  }

  /** @returns whether it has just died */
  handleTimeout(now: Instant): boolean {
    if (this.state === "alive") {
      if (now >= this.#deadAt()) {
        this.#die(now);
        return true;
      }
      if (!this.#calls && now >= after(this.heardAt, FORGET_MS) && this.sent.hasElicited === 0) this.#probe();
      if (now >= this.#tailAt(now)) this.#probe();
      if (this.#quarantineMs > FIRST_QUARANTINE_MS && now >= after(this.#usableAt, STABLE_MS))
        this.#quarantineMs = FIRST_QUARANTINE_MS;
    } else if (this.route >= 0 && now >= after(this.#probedAt, this.#retryMs(now))) {
      this.#probe();
      // What was said when one of the two did not know the other yet is said again.
      if (this.#challengeRoute < 0 && !this.#isMutual) this.challenge(this.route, now);
    }
    return false;
  }

  pollTimeout(now: Instant): Instant {
    let at = earlier(this.#challengeAt, this.#sizeAt);
    if (this.#proofRoute >= 0 || this.#sizeProofRoute >= 0) return now;
    if (this.route >= 0 && (this.#probeNow || this.#farewell)) return now;
    if (this.state === "alive") {
      at = earlier(at, earlier(this.#deadAt(), this.#tailAt(now)));
      if (this.#usableAt > now) at = earlier(at, this.#usableAt);
      if (!this.#calls && this.sent.hasElicited === 0) at = earlier(at, after(this.heardAt, FORGET_MS));
    } else if (this.route >= 0) at = earlier(at, after(this.#probedAt, this.#retryMs(now)));
    return at;
  }

  /** By which the message that `pollControl` wrote goes. */
  controlRoute = -1;
  /** Whether it asks for a report. */
  controlElicits = false;

  /** Writes a control message at `octets[into]`, if one is due. @returns its length; 0: none */
  pollControl(octets: Uint8Array, into: number, now: Instant): number {
    octets[into] = CONTROL;
    this.controlElicits = false;
    if (this.#proofRoute >= 0) return this.#writeProof(octets, into);
    if (now >= this.#challengeAt) return this.#writeChallenge(octets, into, now);
    this.controlRoute = this.route;
    if (this.#sizeProofRoute >= 0) {
      this.controlRoute = this.#sizeProofRoute;
      this.#sizeProofRoute = -1;
      return this.#writeSize(octets, into, CONTROL_KINDS.sizeProof, this.#sizeProof);
    }
    if (this.route < 0) return 0;
    if (this.#probeNow) {
      this.#probeNow = false;
      this.#probedAt = now;
      this.controlElicits = true;
      octets[into + 1] = CONTROL_KINDS.probe;
      return 2;
    }
    if (this.#farewell) {
      this.#farewell = false;
      octets[into + 1] = CONTROL_KINDS.farewell;
      return 2;
    }
    return 0;
  }

  /** Octets of the padded message that is due to find out how long datagrams may be; 0: none. Call `handleSizeProbed` when it is sent. */
  sizeProbeDue(now: Instant): number {
    if (now < this.#sizeAt || this.route < 0) return 0;
    while (this.#sizeTries >= TRIES_A_SIZE) {
      this.#sizeTries = 0;
      this.#sizeIndex++;
    }
    const size = SIZES[this.#sizeIndex] ?? 0;
    if (size <= this.size) this.#sizeAt = NEVER;
    return size <= this.size ? 0 : size - this.headers - TRANSPORT.overhead;
  }

  /** Writes the head of such a message; the rest of it is padding. */
  writeSizeProbe(octets: Uint8Array, into: number, now: Instant): number {
    const size = SIZES[this.#sizeIndex] ?? 0;
    this.#sizeTries++;
    this.#sizeProbedAt = now;
    const usualMs = this.smoothedMs + 4 * this.variationMs + 50 + size / this.rate.rate;
    const isFirst = this.#isFresh && this.#sizeIndex === 0 && this.#sizeTries === 1;
    this.#sizeAt = after(now, isFirst ? Math.max(usualMs, FIRST_SIZE_MS) : usualMs);
    octets[into] = CONTROL;
    return this.#writeSize(octets, into, CONTROL_KINDS.sizeProbe, size);
  }

  #writeSize(octets: Uint8Array, into: number, kind: number, size: number): number {
    octets[into + 1] = kind;
    octets[into + 2] = size >>> 8;
    octets[into + 3] = size;
    return 4;
  }

  #writeChallenge(octets: Uint8Array, into: number, now: Instant): number {
    octets[into + 1] = CONTROL_KINDS.challenge;
    octets.set(this.#token, into + 2);
    const names = into + 2 + TOKEN_LENGTH;
    writeWord(octets, names, this.#identities.own);
    writeWord(octets, names + 4, this.#identities.peer);
    this.#challengedPeer = this.#identities.peer;
    octets[names + 8] = TIERS.indexOf(this.tier);
    octets[names + 9] = 0;
    writeWord(octets, names + 10, this.receiveLimit);
    this.#challenges++;
    this.#challengedAt = now;
    this.#challengeAt = after(now, this.#challengeMs);
    this.#challengeMs = Math.min(LONGEST_CHALLENGE_MS, 2 * this.#challengeMs);
    this.controlRoute = this.#challengeRoute;
    // A candidate that does not answer is forgotten; the path that there is goes on.
    if (this.route >= 0 && this.#challenges >= MOST_CHALLENGES) {
      const isUntold = this.#calls && this.#isUntold;
      if (isUntold && this.#challengeRoute !== this.route) this.challenge(this.route, this.#challengeAt);
      else if (!isUntold) this.#forgetCandidate();
    }
    return CHALLENGE_LENGTH;
  }

  #writeProof(octets: Uint8Array, into: number): number {
    octets[into + 1] = CONTROL_KINDS.proof;
    octets.set(this.#theirToken, into + 2);
    const names = into + 2 + TOKEN_LENGTH;
    writeWord(octets, names, this.#identities.own);
    writeWord(octets, names + 4, this.#identities.peer);
    this.#answeredTo = this.#identities.peer;
    this.controlRoute = this.#proofRoute;
    this.#proofRoute = -1;
    return PROOF_LENGTH;
  }

  #forgetCandidate(): void {
    this.#challengeRoute = -1;
    this.#challengeAt = NEVER;
    this.#challenges = 0;
  }

  #become(state: PathState, now: Instant): void {
    this.state = state;
    this.changedAt = now;
  }

  #die(now: Instant): void {
    const lived = now - this.#usableAt;
    this.#quarantineMs =
      lived < STABLE_MS ? Math.min(LONGEST_QUARANTINE_MS, 2 * this.#quarantineMs) : FIRST_QUARANTINE_MS;
    this.#become("dead", now);
    this.#probe();
  }

  /** How often the peer reports what is sent now. */
  get #reportsMs(): number {
    const { rate, deliveryRate } = this.rate;
    return Math.max(quickInterval(this.smoothedMs), affordableInterval(deliveryRate, longestInterval(rate)));
  }

  /** How long nothing comes of what is sent until it is dead. */
  get silenceMs(): number {
    return 1.25 * this.smoothedMs + this.#graceMs;
  }

  /** Three reports and the variation of the round trip. */
  get #graceMs(): number {
    const reportsMs = this.#reportsMs;
    const reportedMs = 3 * reportsMs + 4 * this.variationMs;
    // A probe that is sent meanwhile has its round trip: the peer's reports may be rarer than is thought here.
    return Math.max(reportedMs, PROBE_INTERVALS * reportsMs + 1.25 * this.smoothedMs) + 30;
  }

  /** When the silence has lasted for too long. */
  #deadAt(): Instant {
    const { sent } = this;
    if (sent.hasElicited === 0) return NEVER;
    const due = Math.max(this.progressAt, sent.oldestSentAt + 1.25 * this.smoothedMs);
    return instant(due + this.#graceMs);
  }

  /** When something under way is asked after; of an idle path, when it is asked whether it is there. */
  #tailAt(now: Instant): Instant {
    const { sent } = this;
    if (sent.hasElicited === 0) {
      if (now < this.#usableAt) return after(this.#probedAt, QUARANTINE_PROBE_MS);
      return this.#calls
        ? after(this.progressAt > this.#probedAt ? this.progressAt : this.#probedAt, KEEP_ALIVE_MS)
        : NEVER;
    }
    if (this.#probeAt === NEVER) {
      const due = Math.max(this.progressAt, sent.oldestSentAt + 1.25 * this.smoothedMs);
      this.#probeAt = instant(Math.max(now, due) + PROBE_INTERVALS * this.#reportsMs);
    }
    return this.#probeAt;
  }

  #retryMs(now: Instant): number {
    return now - this.changedAt > SELDOM_AFTER_MS ? SELDOM_RETRY_MS : RETRY_MS;
  }

  #probe(): void {
    this.#probeNow = true;
    this.#probeAt = NEVER;
  }

  #searchSize(now: Instant): void {
    this.#sizeIndex = 0;
    this.#sizeTries = 0;
    this.#sizeAt = now;
  }

  #takeRoundTrip(sampleMs: number): void {
    if (!this.#measured) {
      this.#measured = true;
      this.smoothedMs = sampleMs;
      this.variationMs = sampleMs / 4;
    } else {
      this.variationMs += (Math.abs(sampleMs - this.smoothedMs) - this.variationMs) / 4;
      this.smoothedMs += (sampleMs - this.smoothedMs) / 8;
    }
  }
}
