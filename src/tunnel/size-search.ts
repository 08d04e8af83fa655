import { after, type Instant, instant, NEVER } from "../time.ts";
import { CONTROL, CONTROL_KINDS } from "../wire/tunnel-content.ts";
import { BASE_SIZE } from "./sent-log.ts";

/** Sizes worth a try: Ethernet, PPPoE, tunnels. */
const SIZES: readonly number[] = [1500, 1492, 1480, 1452, 1420, 1400, 1360, 1320];
const TRIES_A_SIZE = 3;
/** The proof of the first one may take so long: on a slow line it tells how slow that is. */
const FIRST_MS = 1000;
/** Until then a path whose round trip is no shorter than this is not used, but no longer than that. */
const FRESH_ROUND_TRIP_MS = 10;
const FRESH_MS = 600;
/** A long datagram takes so much longer than a short one where the line is slow, and not only uneven. */
const SLOW_MS = 30;
/** So many long datagrams lost, and none that came: they are too long by now. */
const HOLE_DATAGRAMS = 8;
const MESSAGE_LENGTH = 4;

/**
 * How long the datagrams of a path may be: a datagram of each size is tried, the longest first, until one is answered. What the first one takes longer
 * than a short one also tells how slow the line is.
 */
export class SizeSearch {
  /** IP packets of the path's datagrams are at most so long. */
  size: number = BASE_SIZE;
  /** By which the proof goes that the peer waits for; -1: it waits for none. */
  proofRoute = -1;
  /** When the next probe is due. */
  probeAt: Instant = NEVER;
  #index = 0;
  #tries = 0;
  /** The first size that leaves at all, as far as is known. */
  #firstIndex = 0;
  #probedAt: Instant = instant(0);
  /** Nothing is known yet of how fast it is, not even roughly. */
  #isFresh = true;
  /** Of the challenge that was answered: of short datagrams, both ways by this path. */
  #shortTripMs: number = Number.POSITIVE_INFINITY;
  #longLost = 0;
  #proof = 0;

  /** How long the path is not used yet because it may be slow. */
  get freshMs(): number {
    const mayBeSlow = this.#isFresh && this.#shortTripMs > FRESH_ROUND_TRIP_MS;
    return mayBeSlow && this.probeAt !== NEVER ? FRESH_MS : 0;
  }

  /**
   * The path has proved itself.
   * @param isNew its way is another one than before
   * @param tripMs round trip of short datagrams
   * @param yields the answer to the other end's challenge goes before what takes long
   */
  handleProved(isNew: boolean, tripMs: number, yields: boolean, now: Instant): void {
    if (isNew) this.size = BASE_SIZE;
    this.#shortTripMs = tripMs;
    this.#begin(yields && this.#isFresh ? after(now, tripMs / 2) : now);
  }

  /** `octets[at, to)`: the peer tries a size. */
  handleProbe(octets: Uint8Array, at: number, to: number, route: number): void {
    if (to - at < MESSAGE_LENGTH) return;
    this.#proof = sizeIn(octets, at);
    this.proofRoute = route;
  }

  /** @returns octets a millisecond that the path carries, as the first proof tells, Infinity if they are many; 0: it tells nothing of that */
  handleProof(octets: Uint8Array, at: number, to: number, now: Instant): number {
    if (to - at < MESSAGE_LENGTH) return 0;
    const size = sizeIn(octets, at);
    // The proof of a size before may be late.
    if (size <= this.size || !SIZES.includes(size) || this.probeAt === NEVER) return 0;
    this.size = size;
    this.probeAt = NEVER;
    if (this.#tries !== 1 || !this.#isFresh) return 0;
    this.#isFresh = false;
    const longerMs = now - this.#probedAt - this.#shortTripMs;
    return longerMs > SLOW_MS ? size / longerMs : Number.POSITIVE_INFINITY;
  }

  /** A datagram was too long for the route's first step. */
  handleTooLong(now: Instant): void {
    if (this.size > BASE_SIZE) this.size = BASE_SIZE;
    this.#longLost = 0;
    if (this.probeAt === NEVER) this.#begin(now);
    else if (this.#tries === 1) {
      // It was the probe: the next size at once, which is the first to tell how slow the line is.
      this.#tries = TRIES_A_SIZE;
      this.#firstIndex = this.#index + 1;
      this.probeAt = now;
    }
  }

  /** So many datagrams came, or were lost, that are longer than every path carries. */
  handleReported(longAcked: number, longLost: number, now: Instant): void {
    this.#longLost = longAcked > 0 ? 0 : this.#longLost + longLost;
    if (this.#longLost >= HOLE_DATAGRAMS && this.size > BASE_SIZE) this.handleTooLong(now);
  }

  /** The IP packet that is due as a probe has so many octets; 0: none is. */
  pollProbe(now: Instant): number {
    if (now < this.probeAt) return 0;
    while (this.#tries >= TRIES_A_SIZE) {
      this.#tries = 0;
      this.#index++;
    }
    const size = SIZES[this.#index] ?? 0;
    if (size > this.size) return size;
    this.probeAt = NEVER;
    return 0;
  }

  /**
   * Writes the head of the probe that is due; the rest of it is padding.
   * @param shortMs how long the proof of a short one may take
   * @param rate octets a millisecond of the path
   * @returns octets of the head
   */
  writeProbe(octets: Uint8Array, into: number, shortMs: number, rate: number, now: Instant): number {
    const size = SIZES[this.#index] ?? 0;
    const answerMs = shortMs + size / rate;
    this.#tries++;
    this.#probedAt = now;
    const isFirst = this.#isFresh && this.#index === this.#firstIndex && this.#tries === 1;
    this.probeAt = after(now, isFirst ? Math.max(answerMs, FIRST_MS) : answerMs);
    return writeSize(octets, into, CONTROL_KINDS.sizeProbe, size);
  }

  /** Writes the proof that the peer waits for. */
  writeProof(octets: Uint8Array, into: number): number {
    this.proofRoute = -1;
    return writeSize(octets, into, CONTROL_KINDS.sizeProof, this.#proof);
  }

  #begin(at: Instant): void {
    this.#index = 0;
    this.#firstIndex = 0;
    this.#tries = 0;
    this.probeAt = at;
  }
}

const sizeIn = (octets: Uint8Array, at: number): number =>
  ((octets[at + 2] as number) << 8) | (octets[at + 3] as number);

function writeSize(octets: Uint8Array, into: number, kind: number, size: number): number {
  octets[into] = CONTROL;
  octets[into + 1] = kind;
  octets[into + 2] = size >>> 8;
  octets[into + 3] = size;
  return MESSAGE_LENGTH;
}
