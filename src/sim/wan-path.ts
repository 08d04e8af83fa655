import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { Random } from "./random.ts";

/** What an emulated link does to packets; all of it may change at any time. */
export interface WanSettings {
  /** Bits per second, counted over whole IP packets; Infinity: no limit. */
  readonly rateBps: number;
  /** From the end of the bottleneck to the far end, in milliseconds. */
  readonly delayMs: number;
  /** Each packet is up to so much later still, evenly spread. */
  readonly jitterMs: number;
  /** Packets may overtake each other by their jitter. */
  readonly reorder: boolean;
  /** Share of the packets that is lost before the bottleneck, 0 to 1. */
  readonly loss: number;
  /** The bottleneck's queue, in milliseconds of the rate; what finds it full is dropped. */
  readonly queueMs: number;
  /** The same in octets, in place of `queueMs`. */
  readonly queueOctets: number | null;
  /** The link is cut: what is on it is lost, and what comes. */
  readonly outage: boolean;
}

const DEFAULTS: WanSettings = {
  rateBps: Number.POSITIVE_INFINITY,
  delayMs: 0,
  jitterMs: 0,
  reorder: false,
  loss: 0,
  queueMs: 100,
  queueOctets: null,
  outage: false,
};

const DEFAULT_CAPACITY = 8192;
const NONE = -1;
const LONG_AGO = instant(Number.NEGATIVE_INFINITY);

/** A queue of packets in three parallel rings; its length is a power of two. */
class PacketRing {
  readonly handles: Int32Array;
  readonly octets: Uint32Array;
  readonly times: Float64Array;
  readonly mask: number;
  head = 0;
  tail = 0;

  constructor(capacity: number) {
    this.handles = new Int32Array(capacity);
    this.octets = new Uint32Array(capacity);
    this.times = new Float64Array(capacity);
    this.mask = capacity - 1;
  }

  get length(): number {
    return this.tail - this.head;
  }

  push(handle: number, octets: number, at: Instant): void {
    const i = this.tail++ & this.mask;
    this.handles[i] = handle;
    this.octets[i] = octets;
    this.times[i] = at;
  }

  /** As `push`, but before all that are later. */
  insert(handle: number, octets: number, at: Instant): void {
    let i = this.tail++;
    for (; i > this.head && (this.times[(i - 1) & this.mask] as number) > at; i--) {
      this.handles[i & this.mask] = this.handles[(i - 1) & this.mask] as number;
      this.octets[i & this.mask] = this.octets[(i - 1) & this.mask] as number;
      this.times[i & this.mask] = this.times[(i - 1) & this.mask] as number;
    }
    this.handles[i & this.mask] = handle;
    this.octets[i & this.mask] = octets;
    this.times[i & this.mask] = at;
  }

  /** Of the first; NEVER when empty. */
  get time(): Instant {
    return this.head === this.tail ? NEVER : instant(this.times[this.head & this.mask] as number);
  }

  get firstOctets(): number {
    return this.octets[this.head & this.mask] as number;
  }

  shift(): number {
    return this.handles[this.head++ & this.mask] as number;
  }
}

/**
 * One direction of an emulated IP link: loss, then a bottleneck with a drop-tail queue, then the way to the far end.
 * It carries no octets: packets are the caller's handles (any number from 0 to 2^31 - 1), which it gives back in
 * `pollDelivered` or `pollLost`, or refuses at once.
 *
 * The bottleneck takes one packet after the other, each for octets · 8 / rate, however late the caller looks. An idle
 * one saves nothing up: a packet begins when it came, or when the one before it is through.
 */
export class WanPath {
  readonly drops = { queueFull: 0, lost: 0, outage: 0 };
  deliveredPackets = 0;
  deliveredOctets = 0;

  // One for each, so that what is lost does not depend on when the caller looks.
  readonly #lossRandom: Random;
  readonly #jitterRandom: Random;
  readonly #capacity: number;
  /** What waits at the bottleneck or is in it, with when it came; in order. */
  readonly #waiting: PacketRing;
  /** What is through it, with when it arrives; in that order. */
  readonly #flying: PacketRing;
  /** What a cut has taken. */
  readonly #lost: PacketRing;
  #settings: WanSettings = DEFAULTS;
  #octetsPerMs = Number.POSITIVE_INFINITY;
  #queueLimit = Number.POSITIVE_INFINITY;
  /** Octets in `#waiting`. */
  #waitingOctets = 0;
  /** When the first that waits is through the bottleneck; NEVER when none does. */
  #throughAt: Instant = NEVER;
  /** When the last one was through. */
  #idleSince: Instant = LONG_AGO;
  #latestArrival: Instant = LONG_AGO;

  /** @param capacity most packets on it at once, a power of two; more count as a full queue */
  constructor(settings: Partial<WanSettings> = {}, seed: number = 1, capacity: number = DEFAULT_CAPACITY) {
    if (capacity < 1 || (capacity & (capacity - 1)) !== 0)
      throw new RangeError(`capacity must be a power of two: ${capacity}`);
    this.#lossRandom = new Random(seed);
    this.#jitterRandom = new Random(~seed);
    this.#capacity = capacity;
    this.#waiting = new PacketRing(capacity);
    this.#flying = new PacketRing(capacity);
    this.#lost = new PacketRing(capacity);
    this.change(settings, instant(0));
  }

  get settings(): WanSettings {
    return this.#settings;
  }

  /** Octets that wait at the bottleneck, the packet in it included. */
  get queuedOctets(): number {
    return this.#waitingOctets;
  }

  /** What is not named stays. A packet in the bottleneck goes on with what is left of it at the new rate. */
  change(settings: Partial<WanSettings>, now: Instant): void {
    const next = { ...this.#settings, ...settings };
    if (!(next.rateBps > 0)) throw new RangeError(`rateBps must be positive: ${next.rateBps}`);
    this.#pass(now);
    const octetsPerMs = next.rateBps / 8000;
    if (this.#throughAt !== NEVER && octetsPerMs !== this.#octetsPerMs) {
      // Something waits, so the old rate was finite.
      const leftOctets = (this.#throughAt - now) * this.#octetsPerMs;
      this.#throughAt = after(now, leftOctets / octetsPerMs);
    }
    this.#settings = next;
    this.#octetsPerMs = octetsPerMs;
    this.#queueLimit = next.queueOctets ?? octetsPerMs * next.queueMs;
    if (next.outage) this.#loseAll(now);
  }

  /**
   * A packet comes to the link.
   * @param since a caller that was held up says since when the packet may have been there (at most `now`): if the
   *   bottleneck was free, it begins then, so that the caller's lateness costs none of the rate. The packet arrives as
   *   late as one that came now at least.
   * @returns false: dropped, and the handle is not kept
   */
  handlePacket(handle: number, octets: number, now: Instant, since: Instant = now): boolean {
    this.#pass(now);
    if (this.#settings.outage) {
      this.drops.outage++;
      return false;
    }
    if (this.#settings.loss > 0 && this.#lossRandom.next() < this.#settings.loss) {
      this.drops.lost++;
      return false;
    }
    if (!this.#hasRoom(octets, now)) {
      this.drops.queueFull++;
      return false;
    }
    this.#waiting.push(handle, octets, since);
    this.#waitingOctets += octets;
    if (this.#throughAt === NEVER) this.#begin();
    this.#pass(now, now); // none but this one: the others have been let through
    return true;
  }

  /** When to look again: the next packet arrives no sooner; NEVER when none is under way. */
  pollTimeout(): Instant {
    // What is still at the bottleneck arrives no sooner than its delay after it is through.
    return earlier(this.#flying.time, after(this.#throughAt, this.#settings.delayMs));
  }

  /** The handle of a packet that has arrived by now, in order of arrival; -1 when there is none. */
  pollDelivered(now: Instant): number {
    this.#pass(now);
    if (this.#flying.time > now) return NONE;
    this.deliveredPackets++;
    this.deliveredOctets += this.#flying.firstOctets;
    return this.#flying.shift();
  }

  /** The handle of a packet that was on the link when it was cut, so that its owner can free it; -1 when there is none. */
  pollLost(): number {
    return this.#lost.length === 0 ? NONE : this.#lost.shift();
  }

  #hasRoom(octets: number, now: Instant): boolean {
    if (this.#waiting.length + this.#flying.length >= this.#capacity) return false;
    if (this.#throughAt === NEVER) return true; // a link takes a packet when it is idle, however short its queue
    const begun = this.#waiting.firstOctets - (this.#throughAt - now) * this.#octetsPerMs;
    return this.#waitingOctets - Math.max(0, begun) + octets <= this.#queueLimit;
  }

  /** The first that waits enters the bottleneck. */
  #begin(): void {
    const from = Math.max(this.#idleSince, this.#waiting.time);
    this.#throughAt = after(instant(from), this.#waiting.firstOctets / this.#octetsPerMs);
  }

  /** Lets through the bottleneck what has had the time for it, as if not before `least`. */
  #pass(now: Instant, least: Instant = LONG_AGO): void {
    const { delayMs, jitterMs, reorder } = this.#settings;
    while (this.#throughAt <= now) {
      const late = jitterMs > 0 ? jitterMs * this.#jitterRandom.next() : 0;
      let at = after(this.#throughAt > least ? this.#throughAt : least, delayMs + late);
      if (!reorder && at < this.#latestArrival) at = this.#latestArrival;
      this.#latestArrival = at;
      const octets = this.#waiting.firstOctets;
      this.#waitingOctets -= octets;
      this.#idleSince = this.#throughAt;
      this.#flying.insert(this.#waiting.shift(), octets, at);
      if (this.#waiting.length === 0) this.#throughAt = NEVER;
      else this.#begin();
    }
  }

  #loseAll(now: Instant): void {
    this.#lose(this.#flying, now);
    this.#lose(this.#waiting, now);
    this.#waitingOctets = 0;
    this.#throughAt = NEVER;
    this.#idleSince = now;
  }

  #lose(ring: PacketRing, now: Instant): void {
    while (ring.length > 0) {
      this.drops.outage++;
      if (this.#lost.length === this.#capacity) this.#lost.shift(); // nobody asks for them
      this.#lost.push(ring.shift(), 0, now);
    }
  }
}
