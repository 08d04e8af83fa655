import { type Instant, instant, NEVER } from "../time.ts";
import { LatenessHistogram } from "./lateness.ts";
import { PROTOCOL_OCTETS, Reassembler, type ReceiveDrops } from "./reassembler.ts";

/** Numbers that may come ahead of the next one; a power of two, and less than half of the 12-bit ones. */
const WINDOW = 1024;
/** Parts that may wait for others before them. */
const SLOTS = 256;
/** So many numbers in a row from elsewhere, each near the one before: that is where the peer is now. */
const ELSEWHERE_RUN = 8;
/** A missing part is waited for at least this long, milliseconds, and a share of the longest packet's time on the slowest line. */
const LEAST_WAIT_MS = 100;
const LEAST_WAIT_PACKETS = 0.25;
/** And no longer than this, whatever has been seen. */
const MOST_WAIT_MS = 5000;
/** As long as no lateness has been seen: this longer than the longest packet takes on the slowest line, and how long at most. */
const UNKNOWN_WAIT_MS = 200;
const MOST_UNKNOWN_WAIT_MS = 3000;
/** What is waited for beside how late parts have been seen to come. */
const WAIT_PER_LATENESS = 1.5;

/** In place of a slot: the number has not come; it has, and none of its octets are kept. */
const MISSING = -1;
const NO_OCTETS = -2;
const FIRST = 1;
const LAST = 2;

/** What is known of the numbers that come by one link. On each link they only grow. */
export class FragmentSource {
  /** The last one, or what was the last one of all when the link joined. */
  number = 0;
  fragments = 0;
}

/**
 * The receiving end of a numbered bundle (RFC 1990, section 4): parts of packets in any order in, whole packets in order out.
 *
 * 1. `handleFragment`: the part that is next goes to the packet that is being put together, others wait in slots.
 * 2. A missing part is lost when every link has brought a later one, or when it has not come for longer than late parts take (than
 *    they are believed to take, until some have been seen), or when there is no slot left. Its packet is given up.
 * 3. `pollPacket`: the next packet that is whole.
 *
 * Nothing is allocated, whatever comes. Numbers beyond the window are dropped, unless they go on from there: then the peer does too.
 */
export class Resequencer {
  readonly drops: ReceiveDrops;
  /** Where `pollPacket` left a packet, its protocol field first. */
  readonly received: Uint8Array;
  receivedLength = 0;
  readonly #sources: FragmentSource[] = [];
  readonly #memory: Uint8Array;
  readonly #slotOctets: number;
  readonly #freeSlots = new Int16Array(SLOTS);
  #freeCount = 0;
  /** What came of each number of the window, by the number modulo its size: slot, flags, octets, and when. */
  readonly #slot = new Int16Array(WINDOW);
  readonly #flags = new Uint8Array(WINDOW);
  readonly #length = new Int32Array(WINDOW);
  readonly #arrivedAt = new Float64Array(WINDOW);
  readonly #reassembler: Reassembler;
  readonly #lateness = new LatenessHistogram();
  /** All ones of a number. */
  #mask = 0xffffff;
  /** The number that is next, and how many behind it wait. */
  #head = 0;
  #waiting = 0;
  /** A number has come, and has been taken, since the start. */
  #hasBegun = false;
  #hasTaken = false;
  /** Since when others have waited for `#missing`; NEVER: none do. */
  #missingSince: Instant = NEVER;
  #missing = 0;
  #unknownWaitMs = MOST_UNKNOWN_WAIT_MS;
  #leastWaitMs = LEAST_WAIT_MS;
  /** The last numbers that did not come in time, `[from, to)`, and since when they had been missing. */
  #gaveUpFrom = 0;
  #gaveUpTo = 0;
  #gaveUpSince: Instant = instant(0);
  #elsewhere = 0;
  #elsewhereRun = 0;

  /**
   * @param memory of {@link resequencerMemory} octets; a received packet lies at its beginning
   * @param longest octets of the longest packet of any start
   * @param drops where it counts
   */
  constructor(memory: Uint8Array, longest: number, drops: ReceiveDrops) {
    this.#memory = memory;
    this.#slotOctets = longest + PROTOCOL_OCTETS;
    this.received = memory.subarray(0, this.#slotOctets);
    this.drops = drops;
    this.#reassembler = new Reassembler(this.received, drops);
    this.#clear(0);
  }

  /** The bundle is new: forgets what came. @param mrru octets of the longest packet, without its protocol field */
  start(mrru: number, short: boolean): void {
    this.#reassembler.mrru = Math.min(mrru, this.#slotOctets - PROTOCOL_OCTETS);
    this.#mask = short ? 0xfff : 0xffffff;
    this.#hasBegun = false;
    this.#lateness.clear();
    this.#clear(0);
  }

  /** @param octetsPerMs of the slowest line */
  set slowestRate(octetsPerMs: number) {
    const packetMs = (this.#reassembler.mrru + PROTOCOL_OCTETS) / octetsPerMs;
    this.#unknownWaitMs = Math.min(MOST_UNKNOWN_WAIT_MS, UNKNOWN_WAIT_MS + packetMs);
    this.#leastWaitMs = Math.min(MOST_UNKNOWN_WAIT_MS, LEAST_WAIT_MS + LEAST_WAIT_PACKETS * packetMs);
  }

  /** How long a missing part is waited for, milliseconds. */
  get waitMs(): number {
    const late = this.#lateness.high;
    if (late === null) return this.#unknownWaitMs;
    return Math.max(this.#leastWaitMs, Math.min(MOST_WAIT_MS, WAIT_PER_LATENESS * late));
  }

  join(source: FragmentSource): void {
    source.number = (this.#head - 1) & this.#mask;
    this.#sources.push(source);
  }

  /** What only this link could still have brought is lost. Poll packets afterwards. */
  leave(source: FragmentSource): void {
    const index = this.#sources.indexOf(source);
    if (index < 0) return;
    this.#sources.splice(index, 1);
    this.#advance();
  }

  /** Takes a part: `octets[from, to)`, which are copied. Poll packets afterwards. */
  handleFragment(
    source: FragmentSource,
    octets: Uint8Array,
    from: number,
    to: number,
    number: number,
    first: boolean,
    last: boolean,
    now: Instant,
  ): void {
    source.fragments++;
    if (!this.#isHere(number)) return;
    if (this.#distance(number, source.number) > 0) source.number = number;
    const flags = (first ? FIRST : 0) | (last ? LAST : 0);
    if (this.#distance(number, this.#head) < 0) this.#handleLate(number, now);
    else if (this.#canTake(number)) this.#takeNow(octets, from, to, flags, now);
    else if (this.#slot[number & (WINDOW - 1)] !== MISSING) this.drops.fragmentLate++;
    else this.#store(octets, from, to, number, flags, now);
    this.#advance();
  }

  /** @returns whether there is a next packet: `received[0, receivedLength)`, valid until anything else is called */
  pollPacket(): boolean {
    const reassembler = this.#reassembler;
    this.#advance();
    if (!reassembler.isComplete) return false;
    reassembler.isComplete = false;
    this.receivedLength = reassembler.length;
    return true;
  }

  /** When `handleTimeout` has something to do; at once while a packet waits to be polled. */
  pollTimeout(): Instant {
    return this.#reassembler.isComplete ? instant(0) : instant(this.#missingSince + this.waitMs);
  }

  /** Gives up what has been missing for too long. Poll packets afterwards. */
  handleTimeout(now: Instant): void {
    if (this.#reassembler.isComplete || now < this.#missingSince + this.waitMs) return;
    this.#gaveUpFrom = this.#head;
    this.#gaveUpSince = this.#missingSince;
    while (this.#slot[this.#head & (WINDOW - 1)] === MISSING) this.#giveUp("fragmentLost");
    this.#gaveUpTo = this.#head;
    this.#advance();
  }

  /** From one number to another by the shorter way, negative if it is behind. */
  #distance(to: number, from: number): number {
    const ahead = (to - from) & this.#mask;
    return ahead > this.#mask >> 1 ? ahead - this.#mask - 1 : ahead;
  }

  /** Whether the number lies where the peer is. Where it begins, and where it goes on from elsewhere, it is by definition. */
  #isHere(number: number): boolean {
    const ahead = this.#distance(number, this.#head);
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      // A peer that has been there for longer than we have does not begin at 0.
      if (ahead < 0 || ahead >= WINDOW) this.#clear(number);
      return true;
    }
    if (ahead < WINDOW && ahead >= -WINDOW) {
      this.#elsewhereRun = 0;
      return true;
    }
    this.drops.badSequence++;
    const on = this.#distance(number, this.#elsewhere);
    this.#elsewhereRun = on !== 0 && on < WINDOW && on > -WINDOW ? this.#elsewhereRun + 1 : 1;
    this.#elsewhere = number;
    if (this.#elsewhereRun >= ELSEWHERE_RUN) this.#clear((number + 1) & this.#mask);
    return false;
  }

  /** Begins at `head`, with nothing. */
  #clear(head: number): void {
    this.#head = head;
    this.#waiting = 0;
    this.#missingSince = NEVER;
    this.#gaveUpFrom = head;
    this.#gaveUpTo = head;
    this.#elsewhereRun = 0;
    this.#hasTaken = false;
    this.#slot.fill(MISSING);
    for (let i = 0; i < SLOTS; i++) this.#freeSlots[i] = i;
    this.#freeCount = SLOTS;
    this.#reassembler.reset();
    for (const source of this.#sources) source.number = (head - 1) & this.#mask;
  }

  #handleLate(number: number, now: Instant): void {
    this.drops.fragmentLate++;
    const isGivenUp =
      this.#distance(number, this.#gaveUpFrom) >= 0 && this.#distance(number, this.#gaveUpTo) < 0;
    if (isGivenUp) this.#lateness.observe(now - this.#gaveUpSince);
  }

  #canTake(number: number): boolean {
    const isMissing = this.#slot[number & (WINDOW - 1)] === MISSING;
    return number === this.#head && isMissing && !this.#reassembler.isComplete;
  }

  /** Takes the next part as it comes. */
  #takeNow(octets: Uint8Array, from: number, to: number, flags: number, now: Instant): void {
    if (this.#missingSince !== NEVER && this.#missing === this.#head)
      this.#lateness.observe(now - this.#missingSince);
    this.#take(octets, from, to, flags);
  }

  #take(octets: Uint8Array, from: number, to: number, flags: number): void {
    this.#head = (this.#head + 1) & this.#mask;
    this.#hasTaken = true;
    this.#reassembler.handlePart(octets, from, to, (flags & FIRST) !== 0, (flags & LAST) !== 0);
  }

  #takeStored(): void {
    const at = this.#head & (WINDOW - 1);
    const slot = this.#slot[at] as number;
    const from = this.#slotAt(slot);
    this.#slot[at] = MISSING;
    this.#waiting--;
    if (slot !== NO_OCTETS) this.#freeSlots[this.#freeCount++] = slot;
    this.#take(this.#memory, from, from + (this.#length[at] as number), this.#flags[at] as number);
  }

  /** Keeps a part until its turn comes. */
  #store(octets: Uint8Array, from: number, to: number, number: number, flags: number, now: Instant): void {
    const length = to - from;
    const isKept = length > 0 && length <= this.#slotOctets;
    if (isKept && this.#freeCount === 0) {
      this.#makeRoom(number);
      if (this.#canTake(number)) return this.#take(octets, from, to, flags);
      if (this.#freeCount === 0) {
        this.drops.resequencerFull++;
        return;
      }
    }
    const at = number & (WINDOW - 1);
    const slot = isKept ? (this.#freeSlots[--this.#freeCount] as number) : NO_OCTETS;
    if (isKept) {
      const base = this.#slotAt(slot);
      for (let i = 0; i < length; i++) this.#memory[base + i] = octets[from + i] as number;
    }
    this.#slot[at] = slot;
    this.#length[at] = length;
    this.#flags[at] = flags;
    this.#arrivedAt[at] = now;
    this.#waiting++;
  }

  /** Gives up the oldest of what is missing, but not `number`, which has just come. */
  #makeRoom(number: number): void {
    if (this.#reassembler.isComplete) return;
    while (this.#head !== number && this.#slot[this.#head & (WINDOW - 1)] === MISSING) {
      this.#giveUp("resequencerFull");
    }
    if (this.#head !== number) this.#advance();
  }

  #slotAt(slot: number): number {
    return slot < 0 ? 0 : (slot + 1) * this.#slotOctets;
  }

  /** The next part is missing, and not waited for any more. */
  #giveUp(reason: "fragmentLost" | "resequencerFull"): void {
    // Where the peer had got to before we began is not known.
    if (this.#hasTaken) this.drops[reason]++;
    this.#head = (this.#head + 1) & this.#mask;
    this.#reassembler.handleMissing();
  }

  /** Takes what is next, and gives up what no link can bring any more, as far as the end of a packet. */
  #advance(): void {
    const reassembler = this.#reassembler;
    let passed = this.#passed();
    while (!reassembler.isComplete) {
      if (this.#slot[this.#head & (WINDOW - 1)] !== MISSING) this.#takeStored();
      else if (passed >= 0) this.#giveUp("fragmentLost");
      else break;
      passed--;
    }
    this.#noteMissing();
  }

  /** How far ahead of the next number all links have got (RFC 1990's M); below 0: some have not. */
  #passed(): number {
    if (this.#sources.length === 0) return -1;
    let passed = WINDOW;
    for (const source of this.#sources) {
      let ahead = this.#distance(source.number, this.#head);
      if (ahead < -WINDOW) {
        // A link that rests must not seem to be ahead some day.
        source.number = (this.#head - 1) & this.#mask;
        ahead = -1;
      }
      if (ahead < passed) passed = ahead;
    }
    return passed;
  }

  #noteMissing(): void {
    if (this.#waiting === 0) {
      this.#missingSince = NEVER;
      return;
    }
    if (this.#reassembler.isComplete) return;
    if (this.#missingSince !== NEVER && this.#missing === this.#head) return;
    let next = this.#head;
    while (this.#slot[next & (WINDOW - 1)] === MISSING) next++;
    this.#missing = this.#head;
    this.#missingSince = instant(this.#arrivedAt[next & (WINDOW - 1)] as number);
  }
}

/** Octets of memory that a {@link Resequencer} needs for packets of up to `longest` octets. */
export const resequencerMemory = (longest: number): number => (SLOTS + 1) * (longest + PROTOCOL_OCTETS);
