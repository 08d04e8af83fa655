import { type Instant, instant, NEVER } from "../time.ts";
import { FragmentWindow, SLOTS, WINDOW } from "./fragment-window.ts";
import { LatenessHistogram } from "./lateness.ts";
import { PROTOCOL_OCTETS, Reassembler, type ReceiveDrops } from "./reassembler.ts";

/** So many numbers in a row from elsewhere, each near the one before: that is where the peer is now. */
const ELSEWHERE_RUN = 8;
/**
 * A missing part is waited for at least this long, milliseconds, and the longest packet's time on the slowest line: a peer that begins to
 * fill its lines has one of them ahead by so much, whatever was seen while it sent little (pppd: with a quarter of it, 6 to 10 parts).
 */
const LEAST_WAIT_MS = 100;
/** And no longer than this, whatever has been seen. */
const MOST_WAIT_MS = 5000;
/** As long as no lateness has been seen: this longer than the longest packet takes on the slowest line, and how long at most. */
const UNKNOWN_WAIT_MS = 200;
const MOST_UNKNOWN_WAIT_MS = 3000;
/** What is waited for beside how late parts have been seen to come. */
const WAIT_PER_LATENESS = 1.5;

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
  readonly #window: FragmentWindow;
  readonly #reassembler: Reassembler;
  readonly #lateness = new LatenessHistogram();
  /** All ones of a number. */
  #mask = 0xffffff;
  /** The number that is next. */
  #head = 0;
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
    const packetOctets = longest + PROTOCOL_OCTETS;
    this.received = memory.subarray(0, packetOctets);
    this.#window = new FragmentWindow(memory.subarray(packetOctets), packetOctets);
    this.drops = drops;
    this.#reassembler = new Reassembler(this.received, drops);
    this.#clear(0);
  }

  /** The bundle is new: forgets what came. @param mrru octets of the longest packet, without its protocol field */
  start(mrru: number, short: boolean): void {
    this.#reassembler.mrru = Math.min(mrru, this.received.length - PROTOCOL_OCTETS);
    this.#mask = short ? 0xfff : 0xffffff;
    this.#hasBegun = false;
    this.#lateness.clear();
    this.#clear(0);
  }

  /** @param octetsPerMs of the slowest line */
  set slowestRate(octetsPerMs: number) {
    const packetMs = (this.#reassembler.mrru + PROTOCOL_OCTETS) / octetsPerMs;
    this.#unknownWaitMs = Math.min(MOST_UNKNOWN_WAIT_MS, UNKNOWN_WAIT_MS + packetMs);
    this.#leastWaitMs = Math.min(MOST_UNKNOWN_WAIT_MS, LEAST_WAIT_MS + packetMs);
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
    if (this.#distance(number, this.#head) < 0) this.#handleLate(number, now);
    else if (this.#window.has(number)) this.drops.fragmentLate++;
    else {
      if (!this.#isNext(number) && !this.#window.hasRoom(to - from)) this.#makeRoom(number);
      const isBehind = this.#distance(number, this.#head) < 0;
      if (this.#isNext(number)) this.#take(octets, from, to, first, last, now);
      else if (!isBehind && this.#window.hasRoom(to - from))
        this.#window.put(octets, from, to, number, first, last, now);
      else this.drops.resequencerFull++;
    }
    // Only now: until it has its place, no link has passed it.
    if (this.#distance(number, source.number) > 0) source.number = number;
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
    while (!this.#window.has(this.#head)) this.#giveUp("fragmentLost");
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
    this.#missingSince = NEVER;
    this.#gaveUpFrom = head;
    this.#gaveUpTo = head;
    this.#elsewhereRun = 0;
    this.#hasTaken = false;
    this.#window.clear();
    this.#reassembler.reset();
    for (const source of this.#sources) source.number = (head - 1) & this.#mask;
  }

  #handleLate(number: number, now: Instant): void {
    this.drops.fragmentLate++;
    const isGivenUp =
      this.#distance(number, this.#gaveUpFrom) >= 0 && this.#distance(number, this.#gaveUpTo) < 0;
    if (isGivenUp) this.#lateness.observe(now - this.#gaveUpSince);
  }

  /** Whether a part with this number can be taken as it comes. */
  #isNext(number: number): boolean {
    return number === this.#head && !this.#window.has(number) && !this.#reassembler.isComplete;
  }

  #take(octets: Uint8Array, from: number, to: number, first: boolean, last: boolean, now: Instant): void {
    if (this.#missingSince !== NEVER && this.#missing === this.#head)
      this.#lateness.observe(now - this.#missingSince);
    this.#step();
    this.#reassembler.handlePart(octets, from, to, first, last);
  }

  #takeWaiting(): void {
    const number = this.#head;
    const window = this.#window;
    const from = window.remove(number);
    this.#step();
    const to = from + window.length(number);
    this.#reassembler.handlePart(window.memory, from, to, window.isFirst(number), window.isLast(number));
  }

  #step(): void {
    this.#head = (this.#head + 1) & this.#mask;
    this.#hasTaken = true;
  }

  /** Gives up the oldest of what is missing, but not `number`, which has just come. */
  #makeRoom(number: number): void {
    if (this.#reassembler.isComplete) return;
    while (this.#head !== number && !this.#window.has(this.#head)) this.#giveUp("resequencerFull");
    if (this.#head !== number) this.#advance();
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
      if (this.#window.has(this.#head)) this.#takeWaiting();
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
    if (this.#window.count === 0) {
      this.#missingSince = NEVER;
      return;
    }
    if (this.#reassembler.isComplete) return;
    if (this.#missingSince !== NEVER && this.#missing === this.#head) return;
    let next = this.#head;
    while (!this.#window.has(next)) next++;
    this.#missing = this.#head;
    this.#missingSince = instant(this.#window.arrivedAt(next));
  }
}

/** Octets of memory that a {@link Resequencer} needs for packets of up to `longest` octets. */
export const resequencerMemory = (longest: number): number => (SLOTS + 1) * (longest + PROTOCOL_OCTETS);
