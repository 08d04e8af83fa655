import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import type { Verdict } from "../../src/ppp/proof.ts";
import { type PppEnd, type PppPhase, PppSession, type SessionEvent } from "../../src/ppp/session.ts";
import type { AuthSettings, LcpSettings, PppCrypto } from "../../src/ppp/settings.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";
import { authSettings } from "./auth-pair.ts";

export interface Packet {
  readonly protocol: number;
  readonly octets: Uint8Array;
}

/** One end of a line: what sessions and network layers have in common. */
export interface Peer {
  handlePacket(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): unknown;
  handleTimeout(now: Instant): void;
  pollTimeout(): Instant;
  pollPacket(): Packet | undefined;
}

/** What a line does to packets: shares of them, in [0, 1). */
export interface Faults {
  readonly lost: number;
  readonly doubled: number;
  /** Held back so long that others overtake them. */
  readonly late: number;
  /** Changed in a way that no check notices. */
  readonly mutated: number;
}

export const NO_FAULTS: Faults = { lost: 0, doubled: 0, late: 0, mutated: 0 };

const DELAY_MS = 20;
const LATE_MS = 400;

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

/** Cryptography as it is, randomness by a seed. */
export function seededCrypto(seed: number): PppCrypto {
  const random = randomOf(seed);
  return { ...pppCrypto, random: (count) => Uint8Array.from({ length: count }, () => random() * 256) };
}

/** Another packet, not far from this one. */
export function mutate(octets: Uint8Array, random: () => number): Uint8Array {
  const changed = [...octets];
  const at = Math.floor(random() * changed.length);
  const octet = Math.floor(random() * 256);
  const kind = Math.floor(random() * 6);
  if (kind === 0) changed.length = at;
  else if (kind === 1) changed.splice(at, 0, octet);
  else if (kind === 2) changed.splice(at, 1);
  else if (kind === 3) changed.push(...changed.slice(at));
  else if (kind === 4) changed[0] = octet % 16;
  else changed[at] = octet;
  return Uint8Array.from(changed);
}

/** Two ends joined by a line, on virtual time. */
export class Pair<A extends Peer = Peer, B extends Peer = Peer> {
  readonly a: A;
  readonly b: B;
  now: Instant = instant(0);
  faults: Faults = NO_FAULTS;
  /** All packets in the order in which they were sent, lost ones too. */
  readonly sent: { readonly by: Peer; readonly packet: Packet }[] = [];
  readonly #random: () => number;
  #wire: { readonly at: number; readonly to: Peer; readonly packet: Packet }[] = [];

  constructor(a: A, b: B, seed = 1) {
    this.a = a;
    this.b = b;
    this.#random = randomOf(seed);
  }

  /** Goes on until a moment, or until something holds. @returns whether it holds at the end */
  runUntil(end: number, holds: () => boolean = () => false): boolean {
    for (;;) {
      this.#transmit(this.a, this.b);
      this.#transmit(this.b, this.a);
      if (holds()) return true;
      const arrival = this.#wire[0];
      const due = Math.min(arrival?.at ?? NEVER, this.a.pollTimeout(), this.b.pollTimeout());
      if (due > end) {
        this.now = instant(end);
        return false;
      }
      this.now = instant(Math.max(this.now, due));
      if (arrival !== undefined && arrival.at <= this.now) {
        this.#wire.shift();
        const { protocol, octets } = arrival.packet;
        arrival.to.handlePacket(protocol, octets, 0, octets.length, this.now);
      }
      for (const peer of [this.a, this.b]) if (peer.pollTimeout() <= this.now) peer.handleTimeout(this.now);
    }
  }

  /** Forgets what is under way. */
  cut(): void {
    this.#wire = [];
  }

  #transmit(from: Peer, to: Peer): void {
    const { lost, doubled, late, mutated } = this.faults;
    const random = this.#random;
    for (let packet = from.pollPacket(); packet !== undefined; packet = from.pollPacket()) {
      this.sent.push({ by: from, packet });
      if (random() < lost) continue;
      const isLate = random() < late;
      const arrives = {
        at: this.now + DELAY_MS + (isLate ? random() * LATE_MS : 0),
        to,
        packet: random() < mutated ? { ...packet, octets: mutate(packet.octets, random) } : packet,
      };
      this.#wire.push(arrives);
      if (random() < doubled) this.#wire.push({ ...arrives, at: arrives.at + random() * LATE_MS });
    }
    this.#wire.sort((one, other) => one.at - other.at);
  }
}

export function lcpSettings(changes: Partial<LcpSettings> = {}): LcpSettings {
  return {
    restartMs: 3000,
    maxConfigure: 10,
    maxTerminate: 2,
    maxFailure: 5,
    mru: 1500,
    asyncMap: 0,
    protocolCompression: true,
    addressCompression: true,
    magicNumber: true,
    multilink: null,
    echo: null,
    identification: null,
    start: "active",
    ...changes,
  };
}

/** A session and its owner, who keeps what it says, and begins again when it ends if he is to. */
export class SessionPeer implements Peer {
  readonly session: PppSession;
  readonly events: SessionEvent[] = [];
  persists = false;

  constructor(lcp: Partial<LcpSettings> = {}, auth: Partial<AuthSettings> = {}, seed = 1) {
    this.session = new PppSession(lcpSettings(lcp), authSettings(auth), seededCrypto(seed));
  }

  get phase(): PppPhase {
    return this.session.phase;
  }

  /** How it ended last; null: it did not. */
  get end(): PppEnd | null {
    return this.events.findLast((event) => event.type === "ended")?.end ?? null;
  }

  /** What it said of a kind. */
  said<T extends SessionEvent["type"]>(type: T): Extract<SessionEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<SessionEvent, { type: T }> => event.type === type);
  }

  up(now: Instant): void {
    this.session.handleUp(now);
    this.#drain(now);
  }

  down(now: Instant): void {
    this.session.handleDown(now);
    this.#drain(now);
  }

  close(reason: string, now: Instant): void {
    this.session.close(reason, now);
    this.#drain(now);
  }

  verdict(id: number, verdict: Verdict, now: Instant): void {
    this.session.handleVerdict(id, verdict, now);
    this.#drain(now);
  }

  handlePacket(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): void {
    this.session.handlePacket(protocol, octets, from, to, now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    this.session.handleTimeout(now);
    this.#drain(now);
  }

  pollTimeout(): Instant {
    return this.session.pollTimeout();
  }

  pollPacket(): Packet | undefined {
    return this.session.pollPacket();
  }

  #drain(now: Instant): void {
    for (let event = this.session.pollEvent(); event; event = this.session.pollEvent()) {
      this.events.push(event);
      if (event.type === "ended" && this.persists) this.session.handleUp(now);
    }
  }
}

/** Both ends begin at once, on a line that does no harm, and go on until both are established or a minute is over. */
export function join(a: SessionPeer, b: SessionPeer, seed = 1): Pair<SessionPeer, SessionPeer> {
  const pair = new Pair(a, b, seed);
  a.up(pair.now);
  b.up(pair.now);
  pair.runUntil(60_000, () => a.phase === "network" && b.phase === "network");
  return pair;
}
