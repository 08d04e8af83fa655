/**
 * All peers of one key pair: what comes is given to whom it is for.
 *
 * 1. each datagram goes to `handleDatagram`; then `pollReply` has what goes back to where it came from
 * 2. initiations that wait are answered by `answerNext`, when there is time for it
 * 3. then, and at `pollTimeout` of each peer, its `pollTransmit` and `pollEvent` are drained
 *
 * Strangers get no answer: without the public key no MAC 1 can be made, and not even the mark before it, which costs nothing to look at. What an
 * initiation costs is bounded in each of its steps; when there are too many, only who has shown by a cookie that it can be reached at its address
 * goes on.
 */
import type { Instant } from "../time.ts";
import {
  COOKIE,
  COOKIE_TYPE,
  INITIATION,
  INITIATION_TYPE,
  isReservedZero,
  RESPONSE,
  RESPONSE_TYPE,
  readCounter,
  readIndex,
  TRANSPORT,
  TRANSPORT_TYPE,
} from "../wire/tunnel-datagram.ts";
import type { CipherName } from "./cipher.ts";
import { type Identity, ReceivedInitiation } from "./handshake.ts";
import { CookieMaker, hasMark, isMacRight, macKeyOf, markOf } from "./macs.ts";
import { Peer, type PeerHost, type PeerSettings } from "./peer.ts";
import type { KeyPair, Primitives } from "./primitives.ts";
import { KEY_LIMITS, type KeyLimits } from "./session-keys.ts";
import { SharedBucket } from "./shared-bucket.ts";
import { TokenBucket } from "./token-bucket.ts";
import { WaitingInitiations } from "./waiting-initiations.ts";

/** How much a second, and how much at once. Of all but the second, half is divided among where it comes from. */
interface LoadLimits {
  /** MACs checked: more is dropped unseen. */
  readonly checks: readonly [perSecond: number, most: number];
  /** Handshakes of anybody: beyond that a cookie is asked for. */
  readonly handshakes: readonly [perSecond: number, most: number];
  /** Handshakes of those who show a cookie. */
  readonly proven: readonly [perSecond: number, most: number];
  /** Cookies given. */
  readonly cookies: readonly [perSecond: number, most: number];
}

const LOAD_LIMITS: LoadLimits = {
  checks: [10_000, 2560],
  handshakes: [100, 200],
  proven: [300, 300],
  cookies: [1000, 512],
};

export interface EndpointSettings {
  readonly key: KeyPair;
  /** Which this machine does faster. */
  readonly cipher: CipherName;
  readonly limits?: KeyLimits;
  readonly load?: LoadLimits;
  /**
   * All indices of this end begin with the same 16 bits, random as they are: what is for it can be told from what strangers make up before
   * it is looked at.
   */
  readonly tagged?: boolean;
}

export type TunnelDrop =
  | "malformed"
  | "wrongMac"
  | "overload"
  | "forged"
  | "stranger"
  | "oldHandshake"
  | "unknownIndex"
  | "replayed";

/** Peers by the initiations that they were answered, a power of two. */
const ANSWERED = 1024;
/** When so many wait, who comes is told so: it need not ask again soon. */
const MANY_WAITING = 64;

const nameOf = (publicKey: Uint8Array): string => String.fromCharCode(...publicKey);

export class Endpoint {
  readonly #identity: Identity;
  readonly #host: PeerHost;
  readonly #macKey: Uint8Array;
  readonly #mark: Uint8Array;
  readonly #cookies: CookieMaker;
  readonly #checks: SharedBucket;
  readonly #handshakes: TokenBucket;
  readonly #proven: SharedBucket;
  readonly #cookieRate: SharedBucket;
  readonly #peers: Map<string, Peer> = new Map();
  readonly #byIndex: Map<number, Peer> = new Map();
  readonly #indexOctets: Uint8Array = new Uint8Array(4);
  readonly #isTagged: boolean;
  /** Who was answered last, by the last bits of MAC 1 of the initiation: clients send a copy by each path, and say it again. */
  readonly #answered: (Peer | null)[] = Array.from({ length: ANSWERED }, () => null);
  readonly #waiting = new WaitingInitiations();
  /** Whether the route of the last datagram is kept until `answerNext` gives it. */
  isRouteKept = false;
  /** Other ways of what was answered last, and the answer. */
  #otherRoutes: number[] = [];
  #sameReply: Uint8Array | null = null;
  /** What was dropped, and why. */
  readonly drops: Record<TunnelDrop, number> = {
    malformed: 0,
    wrongMac: 0,
    overload: 0,
    forged: 0,
    stranger: 0,
    oldHandshake: 0,
    unknownIndex: 0,
    replayed: 0,
  };
  /** Of the datagram that `handleDatagram` opened last: its link, its counter, and the index of the keys at this end. */
  openedLink = 0;
  openedCounter = 0;
  openedIndex = 0;
  #stranger: Uint8Array | null = null;
  #reply: Uint8Array | null = null;

  constructor(primitives: Primitives, settings: EndpointSettings) {
    const epoch = new Uint8Array(8);
    primitives.fillRandom(epoch);
    this.#identity = { primitives, own: settings.key, cipher: settings.cipher, epoch };
    this.#host = {
      identity: this.#identity,
      limits: settings.limits ?? KEY_LIMITS,
      claim: (peer) => this.#claim(peer),
      free: (index) => void this.#byIndex.delete(index),
    };
    primitives.fillRandom(this.#indexOctets);
    this.#isTagged = settings.tagged ?? false;
    this.#macKey = macKeyOf(primitives, settings.key.publicKey);
    this.#mark = markOf(primitives, settings.key.publicKey);
    this.#cookies = new CookieMaker(primitives, settings.key.publicKey);
    const load = settings.load ?? LOAD_LIMITS;
    const fillRandom = (into: Uint8Array): void => primitives.fillRandom(into);
    this.#checks = new SharedBucket(load.checks, fillRandom);
    this.#handshakes = new TokenBucket(...load.handshakes);
    this.#proven = new SharedBucket(load.proven, fillRandom);
    this.#cookieRate = new SharedBucket(load.cookies, fillRandom);
  }

  /** The three octets behind the first of initiations for this end. */
  get mark(): Uint8Array {
    return this.#mark;
  }

  /** The first 16 bits of all indices, if they are tagged. */
  get tag(): number {
    return readIndex(this.#indexOctets, 0) >>> 16;
  }

  /** Indices in use: at most five a peer. */
  get indices(): number {
    return this.#byIndex.size;
  }

  /** The public key of the last one who knows this end's, and is no peer of it. */
  get stranger(): Uint8Array | null {
    return this.#stranger;
  }

  /** In place of a peer with the same public key, if there is one. */
  addPeer(settings: PeerSettings, now: Instant): Peer {
    this.removePeer(settings.publicKey);
    const peer = new Peer(this.#host, settings, now);
    this.#peers.set(nameOf(settings.publicKey), peer);
    return peer;
  }

  removePeer(publicKey: Uint8Array): void {
    const name = nameOf(publicKey);
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    peer.close();
    this.#peers.delete(name);
    for (let i = 0; i < ANSWERED; i++) if (this.#answered[i] === peer) this.#answered[i] = null;
  }

  /**
   * Takes what came. `buffer` is opened in place.
   * @param source where it came from, as a socket address has it from the port on: port (2), flow of IPv6 (4), address (4 or 16); only
   *   looked at for handshakes
   * @param route what tells where it came from, if initiations may wait for `answerNext`, so that what else comes need not wait for their answers; -1:
   *   they are answered at once
   * @returns whose transport datagram it is: the peer is where it came from. Its content stands at `from + TRANSPORT.sealed`, unless it came on
   *   `KEY_LINK`. Null: it is no data
   */
  handleDatagram(
    buffer: Uint8Array,
    from: number,
    length: number,
    source: Uint8Array,
    now: Instant,
    route = -1,
  ): Peer | null {
    this.#reply = null;
    this.isRouteKept = false;
    if (buffer[from] === TRANSPORT_TYPE) return this.#takeTransport(buffer, from, length, now);
    const dropped = this.#takeHandshake(buffer.subarray(from, from + length), source, now, route);
    if (dropped !== null) this.drops[dropped]++;
    return null;
  }

  /** Initiations that wait for `answerNext`. */
  get waiting(): number {
    return this.#waiting.count;
  }

  /**
   * Answers the initiation that has waited longest. `pollReply` has what goes to its route, as it goes to each `nextRoute`.
   * @returns that route; -1: none waits
   */
  answerNext(now: Instant): number {
    this.#reply = null;
    const next = this.#waiting.take();
    if (next === undefined) return -1;
    const dropped = this.#answer(next.datagram, now);
    if (dropped !== null) this.drops[dropped]++;
    this.#otherRoutes = next.routes;
    this.#sameReply = this.#reply;
    return next.routes.shift() ?? -1;
  }

  /** Another way by which came what was answered; `pollReply` has the answer again. -1: no more. */
  nextRoute(): number {
    const route = this.#otherRoutes.shift() ?? -1;
    this.#reply = route < 0 ? null : this.#sameReply;
    return route;
  }

  /** What goes back to where the last datagram came from; 0: nothing. `into` has at least 152 octets. */
  pollReply(into: Uint8Array): number {
    const reply = this.#reply;
    this.#reply = null;
    if (reply === null) return 0;
    into.set(reply);
    return reply.length;
  }

  #takeTransport(buffer: Uint8Array, from: number, length: number, now: Instant): Peer | null {
    if (length < TRANSPORT.overhead) {
      this.drops.malformed++;
      return null;
    }
    const index = readIndex(buffer, from + TRANSPORT.receiver);
    const peer = this.#byIndex.get(index);
    if (peer === undefined) {
      this.drops.unknownIndex++;
      return null;
    }
    const result = peer.handleTransport(index, buffer, from, length, now);
    if (result === "opened") {
      this.openedLink = buffer[from + TRANSPORT.link] ?? 0;
      this.openedCounter = readCounter(buffer, from + TRANSPORT.counter);
      this.openedIndex = index;
      return peer;
    }
    this.drops[result]++;
    return null;
  }

  #takeHandshake(datagram: Uint8Array, source: Uint8Array, now: Instant, route: number): TunnelDrop | null {
    const type = datagram[0];
    const { length } = datagram;
    if (type === INITIATION_TYPE && length === INITIATION.length)
      return this.#takeInitiation(datagram, source, now, route);
    if (!isReservedZero(datagram)) return "malformed";
    if (type === RESPONSE_TYPE && length === RESPONSE.length)
      return this.#takeResponse(datagram, source, now);
    if (type === COOKIE_TYPE && length === COOKIE.length) return this.#takeCookie(datagram, source, now);
    return "malformed";
  }

  #takeInitiation(datagram: Uint8Array, source: Uint8Array, now: Instant, route: number): TunnelDrop | null {
    if (!hasMark(datagram, this.#mark)) return "wrongMac";
    if (this.#waiting.has(datagram)) {
      this.isRouteKept = this.#waiting.addRoute(datagram, route);
      return "oldHandshake";
    }
    if (!this.#checks.take(source, now)) return "overload";
    if (!isMacRight(this.#identity.primitives, this.#macKey, datagram, INITIATION.mac1)) return "wrongMac";
    const answer = this.#answeredTo(datagram);
    if (answer !== null) {
      this.#reply = answer;
      return "oldHandshake";
    }
    if (this.#waiting.isFull) return this.#sayBusy(datagram, source, now);
    if (!this.#handshakes.take(now)) {
      if (!this.#cookies.isShown(datagram, source, now)) return this.#sayBusy(datagram, source, now);
      if (!this.#proven.take(source, now)) return "overload";
    }
    if (route < 0) return this.#answer(datagram, now);
    this.#waiting.add(datagram, route);
    this.isRouteKept = true;
    if (this.#waiting.count > MANY_WAITING) this.#sayBusy(datagram, source, now);
    return null;
  }

  #sayBusy(datagram: Uint8Array, source: Uint8Array, now: Instant): "overload" {
    if (this.#cookieRate.take(source, now)) this.#reply = this.#cookies.reply(datagram, source, now);
    return "overload";
  }

  /** What was answered to the same initiation; null: nothing, or it is not known any more. */
  #answeredTo(datagram: Uint8Array): Uint8Array | null {
    const peer = this.#answered[readIndex(datagram, INITIATION.mac1) & (ANSWERED - 1)];
    return peer?.answerTo(datagram.subarray(INITIATION.mac1, INITIATION.mac2)) ?? null;
  }

  #answer(datagram: Uint8Array, now: Instant): TunnelDrop | null {
    const received = ReceivedInitiation.read(this.#identity, datagram);
    if (received === null) return "forged";
    const peer = this.#peers.get(nameOf(received.initiator));
    if (peer === undefined) {
      this.#stranger = received.initiator;
      return "stranger";
    }
    this.#reply = peer.handleInitiation(received, now);
    if (this.#reply === null) return "oldHandshake";
    this.#answered[readIndex(datagram, INITIATION.mac1) & (ANSWERED - 1)] = peer;
    return null;
  }

  #takeResponse(datagram: Uint8Array, source: Uint8Array, now: Instant): TunnelDrop | null {
    const index = readIndex(datagram, RESPONSE.receiver);
    const peer = this.#byIndex.get(index);
    if (peer === undefined) return "unknownIndex";
    if (!peer.awaits(index)) return "oldHandshake";
    if (!this.#checks.take(source, now)) return "overload";
    if (!isMacRight(this.#identity.primitives, this.#macKey, datagram, RESPONSE.mac1)) return "wrongMac";
    if (!this.#proven.take(source, now)) return "overload";
    return peer.handleResponse(datagram, index, now) ? null : "forged";
  }

  #takeCookie(datagram: Uint8Array, source: Uint8Array, now: Instant): TunnelDrop | null {
    const index = readIndex(datagram, COOKIE.receiver);
    const peer = this.#byIndex.get(index);
    if (peer === undefined) return "unknownIndex";
    if (!this.#checks.take(source, now)) return "overload";
    return peer.handleCookie(datagram, index, now) ? null : "forged";
  }

  /** An index that nobody has: random, so that it cannot be guessed. */
  #claim(peer: Peer): number {
    const octets = this.#indexOctets;
    let index: number;
    do {
      this.#identity.primitives.fillRandom(this.#isTagged ? octets.subarray(2) : octets);
      index = readIndex(octets, 0);
    } while (this.#byIndex.has(index));
    this.#byIndex.set(index, peer);
    return index;
  }
}
