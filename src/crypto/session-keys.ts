import type { Instant } from "../time.ts";
import {
  KEY_LINK,
  MOST_LINKS,
  readCounter,
  TAG_LENGTH,
  TRANSPORT,
  TRANSPORT_TYPE,
  writeWord,
} from "../wire/tunnel-datagram.ts";
import type { CipherName, TransportCipher } from "./cipher.ts";
import type { Agreement } from "./handshake.ts";
import type { Primitives } from "./primitives.ts";
import { ReplayWindow } from "./replay-window.ts";

/** How long, and for how much, keys are used. */
export interface KeyLimits {
  /** Then new keys are agreed, while these go on. */
  readonly rekeyMs: number;
  readonly rekeyDatagrams: number;
  /** Then these are used no more. */
  readonly expiryMs: number;
  readonly mostDatagrams: number;
}

/**
 * Datagrams of 1500 octets: at 2^30 of them AES-GCM still tells from random with a chance below 2^-53. And a counter never needs more than 32
 * bits on the wire, nor memory of its own here.
 */
export const KEY_LIMITS: KeyLimits = {
  rekeyMs: 120_000,
  rekeyDatagrams: 2 ** 28,
  expiryMs: 180_000,
  mostDatagrams: 2 ** 30,
};

/** `replayed`: for the second time, or too far behind the greatest counter to know. */
export type OpenResult = "opened" | "malformed" | "replayed" | "forged";

/** Slots for counters: the links, and the datagrams about the session itself. */
const slotOf = (link: number): number => (link < MOST_LINKS ? link : link === KEY_LINK ? MOST_LINKS : -1);

/**
 * Keys that a handshake gave, a counter for each link on the way out, and a replay window for each on the way in: a datagram of a slow
 * link is not late because other links were faster. Between two handshakes it allocates nothing but these windows.
 */
export class SessionKeys {
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly bornAt: Instant;
  /** This end began the handshake. */
  readonly initiator: boolean;
  readonly cipher: CipherName;
  readonly #sealer: TransportCipher;
  readonly #opener: TransportCipher;
  readonly #limits: KeyLimits;
  readonly #counters: Uint32Array = new Uint32Array(MOST_LINKS + 1);
  readonly #windows: (ReplayWindow | null)[] = Array.from({ length: MOST_LINKS + 1 }, () => null);
  #sealed = 0;
  #opened = 0;

  constructor(
    primitives: Primitives,
    { keys, cipher, remoteIndex }: Agreement,
    own: { localIndex: number; bornAt: Instant; initiator: boolean; limits: KeyLimits },
  ) {
    this.localIndex = own.localIndex;
    this.remoteIndex = remoteIndex;
    this.bornAt = own.bornAt;
    this.initiator = own.initiator;
    this.cipher = cipher;
    this.#limits = own.limits;
    const [out, back] = own.initiator
      ? [keys.fromInitiator, keys.fromResponder]
      : [keys.fromResponder, keys.fromInitiator];
    this.#sealer = primitives.transportCipher(cipher, out);
    this.#opener = primitives.transportCipher(cipher, back);
  }

  /** New keys are due, by what was sealed and opened: the end that begins the next handshake may not be the one that sends. */
  get isWorn(): boolean {
    return this.#sealed + this.#opened >= this.#limits.rekeyDatagrams;
  }

  /**
   * Makes a datagram in place. Its content stands at `from + TRANSPORT.sealed`, and the buffer has `TRANSPORT.overhead` octets more than that
   * has.
   * @param length of the content
   * @returns the datagram's length, from `from` on; 0: these keys are worn out
   */
  seal(link: number, buffer: Uint8Array, from: number, length: number): number {
    const slot = slotOf(link);
    if (slot < 0 || this.#sealed >= this.#limits.mostDatagrams) return 0;
    this.#sealed++;
    const counter = this.#counters[slot] ?? 0;
    this.#counters[slot] = counter + 1;
    buffer[from] = TRANSPORT_TYPE;
    buffer[from + TRANSPORT.link] = link;
    writeWord(buffer, from + TRANSPORT.receiver, this.remoteIndex);
    writeWord(buffer, from + TRANSPORT.counter, counter);
    this.#sealer.seal(buffer, from + TRANSPORT.sealed, length, link, counter);
    return TRANSPORT.overhead + length;
  }

  /**
   * As `seal`, of content that lies in two places of the same memory. They are left as they are, and each may already be where it is to stand: copied, then
   * sealed in place, it costs less than sealing it from two places.
   * @param into where the datagram is to begin
   */
  sealParts(
    link: number,
    memory: Uint8Array,
    into: number,
    head: number,
    headLength: number,
    body: number,
    bodyLength: number,
  ): number {
    const content = into + TRANSPORT.sealed;
    if (head !== content) memory.copyWithin(content, head, head + headLength);
    if (body !== content + headLength) memory.copyWithin(content + headLength, body, body + bodyLength);
    return this.seal(link, memory, into, headLength + bodyLength);
  }

  /** What the next datagram that is sealed for that link counts; -1: there is no such link. */
  nextCounter(link: number): number {
    const slot = slotOf(link);
    return slot < 0 ? -1 : (this.#counters[slot] ?? 0);
  }

  /** Opens a datagram in place: the content then stands at `from + TRANSPORT.sealed`, `TRANSPORT.overhead` octets shorter. */
  open(buffer: Uint8Array, from: number, length: number): OpenResult {
    const link = buffer[from + TRANSPORT.link] ?? 0;
    const slot = slotOf(link);
    if (slot < 0 || length < TRANSPORT.sealed + TAG_LENGTH) return "malformed";
    const counter = readCounter(buffer, from + TRANSPORT.counter);
    let window = this.#windows[slot] ?? null;
    if (window !== null && !window.isFresh(counter)) return "replayed";
    if (!this.#opener.open(buffer, from + TRANSPORT.sealed, length - TRANSPORT.sealed, link, counter))
      return "forged";
    if (window === null) {
      window = new ReplayWindow();
      this.#windows[slot] = window;
    }
    window.add(counter);
    this.#opened++;
    return "opened";
  }

  /** Forgets the keys: they seal and open nothing any more. */
  release(): void {
    this.#sealed = this.#limits.mostDatagrams;
    this.#sealer.release();
    this.#opener.release();
  }
}
