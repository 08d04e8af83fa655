/**
 * Who is at the other end of a path, and where.
 *
 * 1. A challenge goes out by a *candidate*, and the proof comes back by it: then that is the path's route.
 * 2. With both of them each end says its own name and the one that it knows the other by. A program that began anew has another name, and what was
 *    numbered for the old one counts no more.
 * 3. An authentic datagram from elsewhere makes that route the candidate. The path goes on by the one that it has meanwhile. A proof goes where it
 *    was asked for, and tells of nothing else. Who calls follows only when nothing comes by its own route any more: else two ends that have several
 *    addresses each could follow one another for ever.
 */
import { after, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL, CONTROL_KINDS } from "../wire/tunnel-content.ts";
import { readIndex, writeWord } from "../wire/tunnel-datagram.ts";

/** When a path carries packets: always, when those are full, or when none of them is there. Their numbers are on the wire. */
const TIERS = ["primary", "overflow", "backup"] as const;
export type Tier = (typeof TIERS)[number];

/** The two ends of a bundle, as random numbers that each makes when it begins. */
export interface Identities {
  own: number;
  /** 0: not known yet. */
  peer: number;
}

/** What tells challenges from others; its last octet, which one of a candidate it is. */
const TOKEN_LENGTH = 8;
/** So many of a candidate may still be answered, a power of two. */
const ANSWERABLE = 8;
const CHALLENGE_LENGTH = 2 + TOKEN_LENGTH + 4 + 4 + 1 + 1 + 4;
const PROOF_LENGTH = 2 + TOKEN_LENGTH + 4 + 4;

const FIRST_CHALLENGE_MS = 250;
const LONGEST_CHALLENGE_MS = 2000;
/** A candidate is given up after so many. */
const MOST_CHALLENGES = 5;

export class PathProof {
  /** Who has proved itself is there; -1: nobody has yet. */
  route = -1;
  /** It was asked, or is about to be; -1: there is none. */
  candidate = -1;
  /** How often it has been asked in vain. */
  challenges = 0;
  /** When it is asked next. */
  challengeAt: Instant = NEVER;
  /** The peer has asked by it, and has no answer yet; -1: it has. */
  proofRoute = -1;
  /* What a challenge tells of the path. */
  tier: Tier = "primary";
  /** What the peer may send by it, kbit/s; 0: no limit. */
  receiveLimit = 0;
  /** What this end may send by it, as the peer has told, kbit/s; 0: no limit. */
  sendLimit = 0;
  /** The peer's name in the proof that was taken last. */
  peer = 0;
  /** How long that took from its challenge. */
  tripMs = 0;
  readonly #calls: boolean;
  readonly #identities: Identities;
  readonly #random: { fillRandom(into: Uint8Array): void };
  readonly #token = new Uint8Array(TOKEN_LENGTH);
  readonly #theirToken = new Uint8Array(TOKEN_LENGTH);
  #challengeMs = FIRST_CHALLENGE_MS;
  /** When the last ones were made, by their numbers. */
  readonly #challengedAt = new Float64Array(ANSWERABLE);
  #candidateAt: Instant = instant(0);
  /** Whom the peer, by what it last said on this path, takes us for. */
  #takenFor = 0;
  /** It was told by this path whom we take it for, so it takes our packets: the peer's name then, in a proof of ours or a challenge that was answered. */
  #answeredTo = 0;
  #challengedPeer = 0;
  /** The peer has not confirmed yet that it knows tier and limit. */
  #isUntold = true;
  /** When something came by the route last. */
  #heardAt: Instant = instant(Number.NEGATIVE_INFINITY);
  /** The newest datagram that has come. */
  #session = 0;
  #counter = -1;

  constructor(calls: boolean, identities: Identities, random: { fillRandom(into: Uint8Array): void }) {
    this.#calls = calls;
    this.#identities = identities;
    this.#random = random;
  }

  /** Packets that come by the path are for this bundle, and not for one before it. */
  get isUnderstood(): boolean {
    return this.#takenFor === this.#identities.own;
  }

  /** Packets are taken at both ends. */
  get isMutual(): boolean {
    return this.isUnderstood && this.#answeredTo === this.#identities.peer;
  }

  /** Asks who is there. */
  challenge(route: number, now: Instant): void {
    this.candidate = route;
    this.#challengeMs = FIRST_CHALLENGE_MS;
    this.challengeAt = now;
    this.#candidateAt = now;
    this.challenges = 0;
    this.#random.fillRandom(this.#token);
  }

  /** Asks again who is there, by the candidate if there is one. */
  repeat(now: Instant): void {
    const route = this.candidate >= 0 ? this.candidate : this.route;
    if (route >= 0) this.challenge(route, now);
  }

  /** Tier or limit have changed: the peer learns of it with a challenge, however long that takes. */
  tell(now: Instant): void {
    this.#isUntold = true;
    this.repeat(now);
  }

  /** Both ends begin anew with each other. */
  restart(now: Instant): void {
    this.#takenFor = 0;
    this.#answeredTo = 0;
    if (this.candidate < 0) this.repeat(now);
  }

  /**
   * An authentic datagram has come: the newest tells where the peer is, what was held back somewhere does not.
   * @param isProof it goes where it was asked for
   * @param answerMs how long an answer may take: a candidate has that time before another takes its place
   */
  handleArrival(
    route: number,
    session: number,
    counter: number,
    isProof: boolean,
    answerMs: number,
    now: Instant,
  ): void {
    if (session === this.#session && counter < this.#counter) return;
    this.#session = session;
    this.#counter = counter;
    if (route === this.route) {
      this.#heardAt = now;
      return;
    }
    if (isProof || route === this.candidate) return;
    if (this.#calls && now < after(this.#heardAt, 2 * answerMs)) return;
    if (this.challenges > 0 && now < after(this.#candidateAt, answerMs)) return;
    this.challenge(route, now);
  }

  /** `octets[at, to)`: a challenge of the peer's. @returns the peer's name; 0: malformed */
  handleChallenge(octets: Uint8Array, at: number, to: number, route: number, now: Instant): number {
    if (to - at < CHALLENGE_LENGTH) return 0;
    for (let i = 0; i < TOKEN_LENGTH; i++) this.#theirToken[i] = octets[at + 2 + i] as number;
    this.proofRoute = route;
    const names = at + 2 + TOKEN_LENGTH;
    this.#takeNames(octets, names);
    if (!this.#calls) {
      this.tier = TIERS[octets[names + 8] as number] ?? "primary";
      this.sendLimit = readIndex(octets, names + 10) >>> 0;
    }
    // Who asks may have forgotten us.
    if ((this.route < 0 || !this.isUnderstood) && this.candidate < 0) this.challenge(route, now);
    return readIndex(octets, names);
  }

  /** `octets[at, to)`: a proof. @returns whether it proves that the candidate is the route now */
  handleProof(octets: Uint8Array, at: number, to: number, route: number, now: Instant): boolean {
    if (to - at < PROOF_LENGTH || this.candidate < 0) return false;
    for (let i = 0; i < TOKEN_LENGTH - 1; i++) if (octets[at + 2 + i] !== this.#token[i]) return false;
    const which = octets[at + 1 + TOKEN_LENGTH] as number;
    if (((this.challenges - 1 - which) & 0xff) >= Math.min(this.challenges, ANSWERABLE)) return false;
    if (route !== this.candidate) {
      // Who answers from another address than was asked is to be asked there.
      this.challenge(route, now);
      return false;
    }
    const names = at + 2 + TOKEN_LENGTH;
    this.#takeNames(octets, names);
    this.peer = readIndex(octets, names);
    this.route = route;
    this.#heardAt = now;
    this.#isUntold = false;
    if (this.#challengedPeer !== 0) this.#answeredTo = this.#challengedPeer;
    this.tripMs = now - (this.#challengedAt[which % ANSWERABLE] as number);
    this.#forgetCandidate();
    return true;
  }

  writeChallenge(octets: Uint8Array, into: number, now: Instant): number {
    octets[into] = CONTROL;
    octets[into + 1] = CONTROL_KINDS.challenge;
    this.#token[TOKEN_LENGTH - 1] = this.challenges;
    this.#challengedAt[this.challenges % ANSWERABLE] = now;
    octets.set(this.#token, into + 2);
    const names = into + 2 + TOKEN_LENGTH;
    this.#writeNames(octets, names);
    this.#challengedPeer = this.#identities.peer;
    octets[names + 8] = TIERS.indexOf(this.tier);
    octets[names + 9] = 0;
    writeWord(octets, names + 10, this.receiveLimit);
    this.challenges++;
    this.challengeAt = after(now, this.#challengeMs);
    this.#challengeMs = Math.min(LONGEST_CHALLENGE_MS, 2 * this.#challengeMs);
    this.#limitChallenges();
    return CHALLENGE_LENGTH;
  }

  /** The answer to a challenge that came by `proofRoute`. */
  writeProof(octets: Uint8Array, into: number): number {
    octets[into] = CONTROL;
    octets[into + 1] = CONTROL_KINDS.proof;
    octets.set(this.#theirToken, into + 2);
    this.#writeNames(octets, into + 2 + TOKEN_LENGTH);
    this.#answeredTo = this.#identities.peer;
    this.proofRoute = -1;
    return PROOF_LENGTH;
  }

  /** A candidate that does not answer is forgotten; the path that there is goes on. Without one, who calls goes on asking, and is asked in return. */
  #limitChallenges(): void {
    if ((this.route < 0 && this.#calls) || this.challenges < MOST_CHALLENGES) return;
    const isUntold = this.#calls && this.#isUntold;
    if (!isUntold) this.#forgetCandidate();
    else if (this.candidate !== this.route) this.challenge(this.route, this.challengeAt);
  }

  #forgetCandidate(): void {
    this.candidate = -1;
    this.challengeAt = NEVER;
    this.challenges = 0;
  }

  /** Of a message that was overtaken the peer knows better by now, unless it began anew. */
  #takeNames(octets: Uint8Array, at: number): void {
    const { own, peer } = this.#identities;
    const takenFor = readIndex(octets, at + 4);
    if (takenFor === own || readIndex(octets, at) !== peer) this.#takenFor = takenFor;
  }

  #writeNames(octets: Uint8Array, at: number): void {
    writeWord(octets, at, this.#identities.own);
    writeWord(octets, at + 4, this.#identities.peer);
  }
}
