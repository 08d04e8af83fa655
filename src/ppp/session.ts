import { type Instant, instant, NEVER } from "../time.ts";
import { PPP_CHAP, PPP_LCP, PPP_PAP } from "../wire/ppp-packet.ts";
import { canAuthenticate, makeAuthenticatee, makeAuthenticator } from "./auth.ts";
import type { AuthMachine } from "./auth-machine.ts";
import { ChallengeMint } from "./challenge-mint.ts";
import { Lcp, type LcpEvent } from "./lcp.ts";
import { DEFAULT_FRAMING, type Framing, type MultilinkAgreement } from "./lcp-agreement.ts";
import type { Proof, Verdict } from "./proof.ts";
import { RateLimit } from "./rate-limit.ts";
import type { AuthSettings, LcpSettings, PppCrypto, Secret } from "./settings.ts";

/** RFC 1661, section 3.2. */
export type PppPhase = "dead" | "establish" | "authenticate" | "network" | "terminate";

/** How a session ended; `no-network` is for whoever has the network protocols. */
export type PppEnd =
  | "asked"
  | "peer"
  | "hangup"
  | "negotiation"
  | "no-network"
  | "peer-unauthenticated"
  | "unauthenticated"
  | "echo"
  | "loopback";

/** What both sides agreed on, once established. */
export interface Agreement {
  readonly multilink: MultilinkAgreement | null;
  /** Authenticated; "": nobody asked. */
  readonly peerName: string;
  readonly peerEntry: Secret | null;
}

export type SessionEvent =
  | { readonly type: "phase"; readonly phase: PppPhase }
  /** Again after the peer negotiated anew. */
  | { readonly type: "established"; readonly agreement: Agreement }
  /** The last one, until `handleUp` begins afresh. */
  | { readonly type: "ended"; readonly end: PppEnd; readonly reason: string }
  /** What the peer proves itself with, for whoever judges it: `handleVerdict` takes what he found. */
  | { readonly type: "proof"; readonly proof: Proof }
  | { readonly type: "log"; readonly text: string }
  | { readonly type: "protocolRejected"; readonly protocol: number };

export interface SessionPacket {
  readonly protocol: number;
  /** Behind the protocol field. */
  readonly octets: Uint8Array;
}

/** What the peer is told, whichever side's secret it was and whatever was wrong with it. */
const AUTH_FAILED = "Authentication failed";

/** Said to us and to the peer. */
const OFTEN = "the link is negotiated again and again";

/** A peer may negotiate so often at once, and once more each time that so long has passed, milliseconds: each time runs scripts and asks servers. */
const MOST_NEGOTIATIONS = 10;
const NEGOTIATION_EACH_MS = 20_000;

/**
 * One PPP line (RFC 1661, section 3) up to where the network protocols begin, without I/O.
 *
 * 1. `handleUp`: LCP negotiates.
 * 2. LCP is up: both sides that have to prove themselves do so, at the same time.
 * 3. `established`: the owner lets network protocols begin, on this link or on its bundle. When the phase leaves `network` they are down.
 * 4. `ended`: LCP has finished, for the reason that came first, or the line is gone.
 *
 * After each call of `handle*`, `close` and `rejectProtocol`, drain `pollPacket`, then `pollEvent`.
 */
export class PppSession {
  readonly #settings: LcpSettings;
  readonly #auth: AuthSettings;
  readonly #primitives: PppCrypto;
  readonly #packets: SessionPacket[] = [];
  readonly #events: SessionEvent[] = [];
  /** Null: dead. */
  #lcp: Lcp | null = null;
  #phase: PppPhase = "dead";
  #agreement: Agreement | null = null;
  /** The peer proves itself to it. */
  #authenticator: AuthMachine | null = null;
  /** It proves us to the peer. */
  #authenticatee: AuthMachine | null = null;
  #negotiations = new RateLimit(MOST_NEGOTIATIONS, NEGOTIATION_EACH_MS);
  /** Why this side closed it. */
  #end: { readonly end: PppEnd; readonly reason: string } | null = null;

  constructor(lcp: LcpSettings, auth: AuthSettings, primitives: PppCrypto) {
    this.#settings = lcp;
    this.#auth = auth;
    this.#primitives = primitives;
  }

  get phase(): PppPhase {
    return this.#phase;
  }

  /** Another object whenever it changes. */
  get framing(): Framing {
    return this.#lcp?.framing ?? DEFAULT_FRAMING;
  }

  /** Null: not established. */
  get agreement(): Agreement | null {
    return this.#agreement;
  }

  /** Round trip of the last LCP echo; null: none was answered, or none is sent. */
  get echoMs(): number | null {
    return this.#lcp?.echoMs ?? null;
  }

  /** Options that are agreed on, by pppd's names: what we asked for, and what the peer did. Empty while LCP is not up. */
  describe(): ReturnType<Lcp["describe"]> {
    return this.#lcp?.describe() ?? { ours: {}, theirs: {} };
  }

  /** The line carries octets. */
  handleUp(now: Instant): void {
    if (this.#lcp !== null) return;
    this.#end = null;
    this.#negotiations = new RateLimit(MOST_NEGOTIATIONS, NEGOTIATION_EACH_MS);
    this.#lcp = new Lcp(
      this.#settings,
      this.#auth.require,
      (protocol) => canAuthenticate(protocol, this.#auth),
      (count) => this.#primitives.random(count),
    );
    this.#enter("establish");
    this.#lcp.lowerUp(now);
    this.#drain(now);
  }

  /** The line carries nothing any more. */
  handleDown(_now: Instant): void {
    if (this.#lcp === null) return;
    this.#packets.length = 0;
    this.#finish("hangup", "the line hung up");
  }

  /**
   * Ends the link properly: Terminate-Request, and `ended` when it is answered or was repeated enough. A dead session stays dead, without an event.
   * @param reason told to the peer
   */
  close(reason: string, now: Instant): void {
    if (this.#lcp !== null) this.#close("asked", reason, reason, now);
  }

  /** Any packet but those of multilink and of IP. @param octets `[from, to)` behind the protocol field. Hostile. */
  handlePacket(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): void {
    const lcp = this.#lcp;
    if (lcp === null) return;
    if (protocol === PPP_LCP) lcp.handlePacket(octets, from, to, now);
    else if (protocol === PPP_PAP || protocol === PPP_CHAP) {
      for (const machine of this.#machines()) {
        if (machine.protocol === protocol) machine.handlePacket(octets, from, to, now);
      }
    } else if (this.#phase === "network") lcp.rejectProtocol(protocol, octets, from, to);
    // Before that phase what comes too early is dropped: the peer will send it again (RFC 1661, section 3.5).
    this.#drain(now);
  }

  /** What was found of a proof; one on another negotiation's is nothing. */
  handleVerdict(id: number, verdict: Verdict, now: Instant): void {
    this.#authenticator?.handleVerdict(id, verdict);
    this.#drain(now);
  }

  /** Tells the peer that nobody takes a packet's protocol. @param octets as with `handlePacket` */
  rejectProtocol(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): void {
    this.#lcp?.rejectProtocol(protocol, octets, from, to);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    this.#lcp?.handleTimeout(now);
    for (const machine of this.#machines()) {
      if (now >= machine.pollTimeout()) machine.handleTimeout(now);
    }
    this.#drain(now);
  }

  pollTimeout(): Instant {
    return instant(
      Math.min(
        this.#lcp?.pollTimeout() ?? NEVER,
        this.#authenticator?.pollTimeout() ?? NEVER,
        this.#authenticatee?.pollTimeout() ?? NEVER,
      ),
    );
  }

  pollPacket(): SessionPacket | undefined {
    return this.#packets.shift();
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  #machines(): AuthMachine[] {
    return [this.#authenticator, this.#authenticatee].filter((machine) => machine !== null);
  }

  #enter(phase: PppPhase): void {
    if (phase === this.#phase) return;
    this.#phase = phase;
    this.#events.push({ type: "phase", phase });
  }

  /** @param farewell told to the peer */
  #close(end: PppEnd, reason: string, farewell: string, now: Instant): void {
    if (this.#lcp?.cause === null) this.#end ??= { end, reason };
    this.#lcp?.close(farewell, now);
    this.#drain(now);
    // Where LCP had only been waiting there is nothing to finish.
    if (this.#lcp?.isClosed === true) this.#finish(end, reason);
  }

  /** @param otherwise if nothing else was the reason */
  #finish(end: PppEnd, reason: string): void {
    const cause = this.#end ?? this.#lcp?.cause ?? { end, reason };
    this.#lcp = null;
    this.#dropAuthentication();
    this.#enter("dead");
    this.#events.push({ type: "ended", ...cause });
  }

  #dropAuthentication(): void {
    this.#authenticator = null;
    this.#authenticatee = null;
    this.#agreement = null;
  }

  /** After each mutation: packets in the order in which they were made, then what follows from it. */
  #drain(now: Instant): void {
    const lcp = this.#lcp;
    if (lcp === null) return;
    this.#collect(PPP_LCP, lcp);
    for (const machine of this.#machines()) this.#collect(machine.protocol, machine);
    const proof = this.#authenticator?.pollProof();
    if (proof !== undefined) this.#events.push({ type: "proof", proof });
    const event = lcp.pollEvent();
    if (event !== undefined) {
      this.#handleLcp(lcp, event, now);
      this.#drain(now);
      return;
    }
    if (lcp.isClosing) this.#enter("terminate");
    else this.#judge(now);
  }

  #collect(protocol: number, from: { pollPacket(): Uint8Array | undefined }): void {
    for (let octets = from.pollPacket(); octets !== undefined; octets = from.pollPacket()) {
      this.#packets.push({ protocol, octets });
    }
  }

  #handleLcp(lcp: Lcp, event: LcpEvent, now: Instant): void {
    switch (event.type) {
      case "up":
        if (this.#negotiations.take(now)) return this.#authenticate(lcp, now);
        return this.#close("negotiation", OFTEN, OFTEN, now);
      case "down":
        this.#dropAuthentication();
        return this.#enter(lcp.isClosing ? "terminate" : "establish");
      case "finished":
        return this.#finish("negotiation", "no agreement");
      case "protocolRejected":
        return this.#handleProtocolReject(event.protocol, now);
      case "log":
        this.#events.push(event);
    }
  }

  #authenticate(lcp: Lcp, now: Instant): void {
    const mint = new ChallengeMint(this.#primitives);
    const { peerProves, weProve } = lcp;
    if (peerProves !== null) {
      this.#authenticator = makeAuthenticator(peerProves, this.#auth, this.#primitives, mint);
    }
    if (weProve !== null)
      this.#authenticatee = makeAuthenticatee(weProve, this.#auth, this.#primitives, mint);
    const machines = this.#machines();
    if (machines.length > 0) this.#enter("authenticate");
    for (const machine of machines) machine.handleUp(now);
    if (machines.length === 0) this.#establish(lcp);
  }

  #handleProtocolReject(protocol: number, now: Instant): void {
    const pending = this.#machines().find(
      (machine) => machine.protocol === protocol && machine.outcome === "pending",
    );
    if (pending === undefined) this.#events.push({ type: "protocolRejected", protocol });
    else this.#fail(pending, "the peer rejects the protocol that it agreed to", now);
  }

  /** Looks at what has become of the authentications, which may fail long after they have passed. */
  #judge(now: Instant): void {
    const machines = this.#machines();
    const failed = machines.find((machine) => machine.outcome === "failed");
    if (failed !== undefined) this.#fail(failed, failed.reason, now);
    else if (this.#phase === "authenticate" && machines.every((machine) => machine.outcome === "passed")) {
      if (this.#lcp !== null) this.#establish(this.#lcp);
    }
  }

  #fail(machine: AuthMachine, reason: string, now: Instant): void {
    const end = machine === this.#authenticator ? "peer-unauthenticated" : "unauthenticated";
    this.#close(end, reason, AUTH_FAILED, now);
  }

  #establish(lcp: Lcp): void {
    this.#agreement = {
      multilink: lcp.multilink,
      peerName: this.#authenticator?.name ?? "",
      peerEntry: this.#authenticator?.entry ?? null,
    };
    this.#enter("network");
    this.#events.push({ type: "established", agreement: this.#agreement });
  }
}
