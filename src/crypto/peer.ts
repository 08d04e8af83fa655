/**
 * One peer of a tunnel: its handshakes and its keys.
 *
 * 1. The end that `initiates` sends an initiation, again and again with growing pauses, until there is a response. While keys are wanted the same one is
 *    said again each second between: it costs hardly anything, and what is answered late is still known.
 * 2. Keys that a handshake gave are *tentative*, at both ends, until a datagram under them has been opened: the initiator asks for one (`prove`), the
 *    responder answers (`proved`). So an initiation that somebody recorded and plays again changes nothing.
 * 3. Proven keys become the current ones, which seal; those before them go on opening until they expire, so nothing is lost on the way.
 * 4. The end that began the current keys begins the next ones in time. If it does not, the other end does, if it initiates.
 *
 * There is at most one handshake that was begun, one tentative session that came of one, and one of the other end's; and two proven ones.
 */
import { after, earlier, type Instant, NEVER } from "../time.ts";
import { KEY_LINK, TRANSPORT } from "../wire/tunnel-datagram.ts";
import { type Identity, Initiation, type PeerKeys, type ReceivedInitiation } from "./handshake.ts";
import { COOKIE_MS, readCookie } from "./macs.ts";
import { SeenInitiations } from "./seen-initiations.ts";
import { type KeyLimits, type OpenResult, SessionKeys } from "./session-keys.ts";
import { SessionSet } from "./session-set.ts";

export interface PeerSettings extends PeerKeys {
  /** It knows where the peer is: it begins, and keeps a session at all times. */
  readonly initiates: boolean;
}

/** `established`: from now on it seals. `refused`: there was an answer that the keys do not open; often the preshared keys differ. */
export type PeerEvent = "established" | "rekeyed" | "expired" | "refused";

/** What a peer needs of its endpoint. */
export interface PeerHost {
  readonly identity: Identity;
  readonly limits: KeyLimits;
  /** An index that stands for this peer, until given back. */
  claim(peer: Peer): number;
  free(index: number): void;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
/** The least between two initiations, whoever is in haste. */
const LEAST_PAUSE_MS = 250;
/** While keys are wanted: between initiations at most, between the same one and itself, and how long after somebody wanted them. */
const WANTED_PAUSE_MS = 4000;
const REPEAT_MS = 1000;
const WANTED_MS = 30_000;
/** Between the same initiation and itself at an end that has much to do: at first, and at most. */
const FIRST_BUSY_MS = 250;
const LONGEST_BUSY_MS = 8000;
/** How long that one holds. */
const BUSY_MS = 30_000;
const PROVE_PAUSE_MS = 250;
const MOST_PROVES = 5;
/** New keys are due up to so much earlier, so that a server's clients do not go in step. */
const REKEY_SPREAD_MS = 10_000;
const MOST_TRANSMITS = 8;
const MOST_EVENTS = 16;

const PROVE = 1;
const PROVED = 2;

/** About keys; sealed when it is sent. */
interface Word {
  readonly session: SessionKeys;
  readonly word: number;
}

const later = (a: Instant, b: Instant): Instant => (a > b ? a : b);

export class Peer {
  readonly #host: PeerHost;
  readonly settings: PeerSettings;
  readonly #seen: SeenInitiations = new SeenInitiations();
  readonly #transmits: (Uint8Array | Word)[] = [];
  /** What was polled last, if it is one. */
  #word: Word | null = null;
  readonly #events: PeerEvent[] = [];
  readonly #sessions: SessionSet;
  /** Of the last initiation that was answered. */
  #incomingEpoch = "";
  #answered: { readonly mac1: Uint8Array; readonly response: Uint8Array } | null = null;
  #initiation: Initiation | null = null;
  /** Initiations since the last session. */
  #attempts = 0;
  #sequence = 0;
  #lastAt: Instant | null = null;
  #initiateAt: Instant = NEVER;
  #wantedUntil: Instant | null = null;
  #repeatAt: Instant = NEVER;
  /** How often it was said again since the other end told that it has much to do; -1: it did not, or not of this one. */
  #busyRepeats = -1;
  #proveAt: Instant = NEVER;
  #proves = 0;
  #cookie: Uint8Array | null = null;
  #cookieEnd: Instant = NEVER;

  constructor(host: PeerHost, settings: PeerSettings, now: Instant) {
    this.#host = host;
    this.settings = settings;
    this.#sessions = new SessionSet(host.limits.expiryMs, (index) => host.free(index));
    if (settings.initiates) this.#initiateAt = now;
  }

  /** Its keys now; null: there are none, and nothing can be sealed. */
  get session(): SessionKeys | null {
    return this.#sessions.current;
  }

  /** Initiations without an end so far: whoever has several paths tries the next path with each. */
  get attempts(): number {
    return this.#attempts;
  }

  /**
   * Makes a datagram in place, as `SessionKeys.seal` does.
   * @returns its length; 0: there are no keys
   */
  seal(link: number, buffer: Uint8Array, from: number, length: number, now: Instant): number {
    const session = this.#sessions.current;
    if (session === null) return 0;
    const sealed = session.seal(link, buffer, from, length);
    this.checkWear(now);
    return sealed;
  }

  /** To be called once for each batch that `session` itself has sealed: new keys are agreed on when these have sealed enough. */
  checkWear(now: Instant): void {
    if (this.#sessions.current?.isWorn) this.#replaceWorn(now);
  }

  /** Nothing has been heard for long, or a path is there again: it agrees on new keys soon, and what there is goes on. */
  hasten(now: Instant): void {
    if (!this.settings.initiates || this.#sessions.outgoing !== null || this.#busyRepeats >= 0) return;
    if (this.#initiation !== null) this.#attempts = Math.min(this.#attempts, 1);
    const soonest = this.#lastAt === null ? now : after(this.#lastAt, LEAST_PAUSE_MS);
    this.#initiateAt = earlier(this.#initiateAt, soonest > now ? soonest : now);
  }

  /** Keys are wanted soon: there are none and there is something to send, or nobody is heard who knows those that there are. */
  want(now: Instant): void {
    if (!this.settings.initiates) return;
    this.#wantedUntil = after(now, WANTED_MS);
    if (this.#initiation === null || this.#lastAt === null) return;
    if (this.#busyRepeats >= 0) return;
    if (this.#repeatAt === NEVER) this.#repeatAt = later(now, after(this.#lastAt, REPEAT_MS));
    this.#initiateAt = earlier(this.#initiateAt, later(now, after(this.#lastAt, WANTED_PAUSE_MS)));
  }

  /** What was answered to that very initiation; null: it was not, or its keys are proven, or gone. */
  answerTo(mac1: Uint8Array): Uint8Array | null {
    if (this.#answered === null || this.#sessions.incoming === null) return null;
    return this.#answered.mac1.every((octet, i) => octet === mac1[i]) ? this.#answered.response : null;
  }

  /** A response to that index is waited for. */
  awaits(index: number): boolean {
    return this.#initiation?.localIndex === index;
  }

  /** @returns the response; null: it has come before, and is of no use any more */
  handleInitiation(received: ReceivedInitiation, now: Instant): Uint8Array | null {
    if (!this.#seen.take(received.epoch, received.sequence)) return this.answerTo(received.mac1);
    const localIndex = this.#host.claim(this);
    const response = received.respond(this.settings, localIndex);
    if (response === null) {
      this.#host.free(localIndex);
      return null;
    }
    this.#sessions.hold("incoming", this.#keysOf(response.agreement, localIndex, false, now));
    this.#incomingEpoch = received.epoch;
    this.#answered = { mac1: received.mac1, response: response.datagram };
    return response.datagram;
  }

  /** @returns false: it answers nothing, or is forged */
  handleResponse(datagram: Uint8Array, index: number, now: Instant): boolean {
    const initiation = this.#initiation;
    if (initiation?.localIndex !== index) return false;
    const agreement = initiation.finish(datagram);
    if (agreement === null) {
      this.#tell("refused");
      return false;
    }
    this.#initiation = null;
    this.#initiateAt = this.#repeatAt = NEVER;
    this.#busyRepeats = -1;
    this.#sessions.hold("outgoing", this.#keysOf(agreement, index, true, now));
    this.#proves = 0;
    this.#prove(now);
    return true;
  }

  /** @returns false: it answers nothing, or is forged */
  handleCookie(datagram: Uint8Array, index: number, now: Instant): boolean {
    const initiation = this.#initiation;
    if (initiation?.localIndex !== index) return false;
    const { primitives } = this.#host.identity;
    const cookie = readCookie(primitives, this.settings.publicKey, initiation.mac1, datagram);
    if (cookie === null) return false;
    this.#cookie = cookie;
    this.#cookieEnd = after(now, COOKIE_MS);
    initiation.show(cookie);
    this.#handleBusy(now);
    return true;
  }

  /** The other end has much to do: what was said holds, and is said again with growing pauses. */
  #handleBusy(now: Instant): void {
    if (this.#busyRepeats >= 0) return;
    this.#busyRepeats = 0;
    this.#initiateAt = later(this.#initiateAt, after(now, BUSY_MS));
    this.#planBusyRepeat(now);
  }

  #planBusyRepeat(now: Instant): void {
    const pauseMs = Math.min(LONGEST_BUSY_MS, FIRST_BUSY_MS * 2 ** this.#busyRepeats);
    this.#repeatAt = after(now, pauseMs * (0.5 + this.#host.identity.primitives.random()));
    this.#busyRepeats++;
  }

  /** A transport datagram for that index of this peer; opened in place. */
  handleTransport(
    index: number,
    buffer: Uint8Array,
    from: number,
    length: number,
    now: Instant,
  ): OpenResult | "unknownIndex" {
    const session = this.#sessions.find(index, now);
    if (session === null) return "unknownIndex";
    const result = session.open(buffer, from, length);
    if (result !== "opened") return result;
    if (!this.#sessions.isProven(session)) this.#promote(session, now);
    if (session === this.#sessions.current && session.isWorn) this.#replaceWorn(now);
    if (buffer[from + TRANSPORT.link] === KEY_LINK && length === TRANSPORT.overhead + 1)
      this.#takeWord(session, buffer[from + TRANSPORT.sealed]);
    return result;
  }

  handleTimeout(now: Instant): void {
    if (this.#sessions.expire(now)) this.#tell("expired");
    if (now >= this.#proveAt) this.#prove(now);
    if (now >= this.#initiateAt) this.#initiate(now);
    else if (now >= this.#repeatAt) this.#repeat(now);
  }

  pollTimeout(): Instant {
    const sayAt = earlier(this.#proveAt, this.#repeatAt);
    return earlier(this.#sessions.nextExpiry(), earlier(this.#initiateAt, sayAt));
  }

  /** A datagram for the peer, by whichever path; 0: none. `into` has at least 152 octets. */
  pollTransmit(into: Uint8Array): number {
    this.#word = null;
    const next = this.#transmits.shift();
    if (next === undefined) return 0;
    if (next instanceof Uint8Array) {
      into.set(next);
      return next.length;
    }
    this.#word = next;
    return this.pollCopy(into) || this.pollTransmit(into);
  }

  /** What was polled last for another path: what is about keys is no replay there. @returns its length; 0: it is the same */
  pollCopy(into: Uint8Array): number {
    if (this.#word === null) return 0;
    const { session, word } = this.#word;
    into[TRANSPORT.sealed] = word;
    return session.seal(KEY_LINK, into, 0, 1);
  }

  pollEvent(): PeerEvent | undefined {
    return this.#events.shift();
  }

  /** Forgets all keys. The peer is not used after that. */
  close(): void {
    this.#sessions.close();
    this.#transmits.length = 0;
    this.#word = null;
    this.#forgetInitiation();
    this.#initiateAt = this.#proveAt = NEVER;
  }

  #replaceWorn(now: Instant): void {
    if (!this.settings.initiates || this.#initiation !== null || this.#sessions.outgoing !== null) return;
    this.#initiateAt = earlier(this.#initiateAt, now);
  }

  #forgetInitiation(): void {
    if (this.#initiation !== null) this.#host.free(this.#initiation.localIndex);
    this.#initiation = null;
    this.#repeatAt = NEVER;
    this.#busyRepeats = -1;
  }

  #keysOf(
    agreement: ConstructorParameters<typeof SessionKeys>[1],
    localIndex: number,
    initiator: boolean,
    bornAt: Instant,
  ): SessionKeys {
    const { identity, limits } = this.#host;
    return new SessionKeys(identity.primitives, agreement, { localIndex, bornAt, initiator, limits });
  }

  #initiate(now: Instant): void {
    const { identity } = this.#host;
    this.#forgetInitiation();
    const localIndex = this.#host.claim(this);
    const cookie = now < this.#cookieEnd ? this.#cookie : null;
    this.#sequence++;
    this.#initiation = Initiation.make(identity, this.settings, {
      localIndex,
      sequence: this.#sequence,
      cookie,
    });
    if (this.#initiation === null) this.#host.free(localIndex);
    else this.#transmit(this.#initiation.datagram);
    this.#lastAt = now;
    if (this.#isWanted(now)) this.#repeatAt = after(now, REPEAT_MS);
    const longestMs = this.#isWanted(now) ? WANTED_PAUSE_MS : LONGEST_PAUSE_MS;
    const pauseMs = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** this.#attempts);
    this.#attempts++;
    this.#initiateAt = after(now, pauseMs * (0.75 + identity.primitives.random() / 2));
  }

  #isWanted(now: Instant): boolean {
    return this.#wantedUntil !== null && now < this.#wantedUntil;
  }

  /** Says the same initiation again: the other end answers the first of them that comes. */
  #repeat(now: Instant): void {
    if (this.#initiation !== null) this.#transmit(this.#initiation.datagram);
    if (this.#busyRepeats >= 0) this.#planBusyRepeat(now);
    else this.#repeatAt = this.#isWanted(now) ? after(now, REPEAT_MS) : NEVER;
  }

  /** Asks for a datagram under the tentative keys, or gives them up. */
  #prove(now: Instant): void {
    const session = this.#sessions.outgoing;
    if (session === null || this.#proves === MOST_PROVES) {
      this.#sessions.hold("outgoing", null);
      this.#proveAt = NEVER;
      this.#initiateAt = now;
      return;
    }
    this.#say(session, PROVE);
    this.#proveAt = after(now, PROVE_PAUSE_MS * 2 ** this.#proves);
    this.#proves++;
  }

  #takeWord(session: SessionKeys, word: number | undefined): void {
    if (word === PROVE) this.#say(session, PROVED);
  }

  #say(session: SessionKeys, word: number): void {
    const isSaid = this.#transmits.some(
      (each) => !(each instanceof Uint8Array) && each.session === session && each.word === word,
    );
    if (!isSaid) this.#transmit({ session, word });
  }

  /** Keys that both ends have become the current ones. */
  #promote(session: SessionKeys, now: Instant): void {
    if (session.initiator) this.#proveAt = NEVER;
    else this.#seen.prove(this.#incomingEpoch);
    const first = this.#sessions.current === null;
    this.#sessions.promote(session);
    this.#attempts = 0;
    this.#wantedUntil = null;
    if (this.settings.initiates) this.#planRekey(session, now);
    this.#tell(first ? "established" : "rekeyed");
  }

  #planRekey(session: SessionKeys, now: Instant): void {
    // Both began at once, and these keys do.
    if (!session.initiator) this.#forgetInitiation();
    const { rekeyMs } = this.#host.limits;
    const spreadMs = Math.min(REKEY_SPREAD_MS, rekeyMs / 4) * this.#host.identity.primitives.random();
    this.#initiateAt = after(now, session.initiator ? rekeyMs - spreadMs : rekeyMs + spreadMs);
  }

  #transmit(next: Uint8Array | Word): void {
    if (this.#transmits.length === MOST_TRANSMITS) this.#transmits.shift();
    this.#transmits.push(next);
  }

  #tell(event: PeerEvent): void {
    if (this.#events.length === MOST_EVENTS) this.#events.shift();
    this.#events.push(event);
  }
}
