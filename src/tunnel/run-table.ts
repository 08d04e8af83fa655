import type { Instant } from "../time.ts";
import type { SlotPools } from "./slots.ts";

const FIRST_COUNT = 256;
/* A run is a record of so many words, so that it lies in one line of the cache. */
const WORDS = 8;
const SLOT = 0;
/** Of an unused record: the next one. */
const FROM = 1;
const LENGTH = 2;
const SEGMENTS = 3;
const HEAD = 4;
const BODY = 5;
const REFERENCES = 6;
/** The number that segment 0 has or would have, its lane, and two flags. */
const MARKS = 7;

const NUMBER = 0xffffff;
const LANE_SHIFT = 24;
const LANE = 15;
const VOUCHED = 1 << 28;
const NUMBERED = 1 << 29;
/** The copies of its segments are known. */
const COPIED = 1 << 30;

/** So many segments of a run can have a copy; what becomes of one of the others is taken as if there was none. */
const MOST_COPIED = 64;
/* Of a segment. */
const SINGLE = 0;
const UNDECIDED = 1;
const CAME = 2;

/**
 * The runs that wait or are under way: one packet each, or segments with one header for all of them.
 *
 * A run has references: of who enqueued it, and one for each segment that is committed, or sent and not acknowledged. With the last one its
 * slot is released, and its id is used again. Its numbers are set once, when its first segment is taken, and go on for the rest, since a run
 * that is begun is not cut: what is dropped of a run is dropped before. Each run has a slot, so their count is bounded by that of slots.
 */
export class RunTable {
  /** Runs in it. */
  count = 0;
  readonly slots: SlotPools;
  #words = new Int32Array(FIRST_COUNT * WORDS);
  /** For the queue that it waits in: the one behind it. */
  #next = new Int32Array(FIRST_COUNT);
  #since = new Float64Array(FIRST_COUNT);
  /** Of each segment, whether two copies of it are under way. */
  #copies = new Uint8Array(FIRST_COUNT * MOST_COPIED);
  /** Records that were in use once; those behind have never been. */
  #used = 0;
  /** The first of those that are unused again; -1: none. */
  #unused = -1;

  constructor(slots: SlotPools) {
    this.slots = slots;
  }

  /**
   * @param slot passes to the run, with one reference
   * @param from of the packet, `length` octets of it
   * @param segments how many; the first `headLength` octets are the header of each
   * @param headLength 0: it is one packet that goes as it is
   * @param segmentOctets payload of each segment but the last
   * @param vouched its transport checksums are partial
   * @returns its id, with one reference
   */
  add(
    slot: number,
    from: number,
    length: number,
    segments: number,
    headLength: number,
    segmentOctets: number,
    vouched: boolean,
  ): number {
    const id = this.#take();
    const words = this.#words;
    const at = id * WORDS;
    words[at + SLOT] = slot;
    words[at + FROM] = from;
    words[at + LENGTH] = length;
    words[at + SEGMENTS] = segments;
    words[at + HEAD] = headLength;
    words[at + BODY] = segmentOctets;
    words[at + REFERENCES] = 1;
    words[at + MARKS] = vouched ? VOUCHED : 0;
    this.count++;
    return id;
  }

  hold(id: number, references = 1): void {
    const at = id * WORDS + REFERENCES;
    const before = this.#words[at] as number;
    if (!(before > 0)) throw new Error(`run ${id} was held when nobody had it`);
    this.#words[at] = before + references;
  }

  release(id: number, references = 1): void {
    const words = this.#words;
    const at = id * WORDS;
    const left = (words[at + REFERENCES] as number) - references;
    if (!(left >= 0)) throw new Error(`run ${id} was released once too often`);
    words[at + REFERENCES] = left;
    if (left > 0) return;
    this.slots.release(words[at + SLOT] as number);
    words[at + FROM] = this.#unused;
    this.#unused = id;
    this.count--;
  }

  slotOf(id: number): number {
    return this.#words[id * WORDS + SLOT] as number;
  }

  fromOf(id: number): number {
    return this.#words[id * WORDS + FROM] as number;
  }

  lengthOf(id: number): number {
    return this.#words[id * WORDS + LENGTH] as number;
  }

  segmentsOf(id: number): number {
    return this.#words[id * WORDS + SEGMENTS] as number;
  }

  headLengthOf(id: number): number {
    return this.#words[id * WORDS + HEAD] as number;
  }

  segmentOctetsOf(id: number): number {
    return this.#words[id * WORDS + BODY] as number;
  }

  isVouched(id: number): boolean {
    return ((this.#words[id * WORDS + MARKS] as number) & VOUCHED) !== 0;
  }

  /** Octets of the IP packet that the segment is. */
  octetsOf(id: number, segment: number): number {
    const words = this.#words;
    const at = id * WORDS;
    const length = words[at + LENGTH] as number;
    const last = (words[at + SEGMENTS] as number) - 1;
    const body = words[at + BODY] as number;
    if (segment >= last) return length - last * body;
    return (words[at + HEAD] as number) + body;
  }

  /** Octets of the IP packets that `count` segments from `segment` on are. */
  octetsFrom(id: number, segment: number, count: number): number {
    return count === 0
      ? 0
      : (count - 1) * this.octetsOf(id, segment) + this.octetsOf(id, segment + count - 1);
  }

  /** Its segments have numbers in a lane. @param first of the segment `from`; the others follow from there */
  setNumbers(id: number, lane: number, first: number, from: number): void {
    const at = id * WORDS + MARKS;
    const vouched = (this.#words[at] as number) & VOUCHED;
    this.#words[at] = vouched | NUMBERED | (lane << LANE_SHIFT) | ((first - from) & NUMBER);
  }

  isNumbered(id: number): boolean {
    return ((this.#words[id * WORDS + MARKS] as number) & NUMBERED) !== 0;
  }

  laneOf(id: number): number {
    return ((this.#words[id * WORDS + MARKS] as number) >> LANE_SHIFT) & LANE;
  }

  numberOf(id: number, segment: number): number {
    return ((this.#words[id * WORDS + MARKS] as number) + segment) & NUMBER;
  }

  /** `count` segments from `segment` on go by two paths: each copy has a hold, and is to be settled. */
  setCopied(id: number, segment: number, count: number): void {
    const at = id * WORDS + MARKS;
    const from = id * MOST_COPIED;
    if (((this.#words[at] as number) & COPIED) === 0) {
      this.#words[at] = (this.#words[at] as number) | COPIED;
      this.#copies.fill(SINGLE, from, from + MOST_COPIED);
    }
    const to = Math.min(MOST_COPIED, segment + count);
    for (let i = segment; i < to; i++) this.#copies[from + i] = UNDECIDED;
  }

  /** What becomes of one copy says nothing about the other. */
  setSingle(id: number, segment: number): void {
    if (segment < MOST_COPIED) this.#copies[id * MOST_COPIED + segment] = SINGLE;
  }

  /** It is known what became of the segment, or of one copy of it. @returns whether the other copy came, or may still come */
  settle(id: number, segment: number, came: boolean): boolean {
    if (((this.#words[id * WORDS + MARKS] as number) & COPIED) === 0 || segment >= MOST_COPIED) return false;
    const at = id * MOST_COPIED + segment;
    const before = this.#copies[at] as number;
    this.#copies[at] = came && before === UNDECIDED ? CAME : SINGLE;
    return before !== SINGLE;
  }

  /** The run that was set as the next one of a queue. */
  nextOf(id: number): number {
    return this.#next[id] as number;
  }

  setNext(id: number, next: number): void {
    this.#next[id] = next;
  }

  /** Since when it waits: in the queue, then, from its first commit on, to be acknowledged. */
  sinceOf(id: number): number {
    return this.#since[id] as number;
  }

  setSince(id: number, now: Instant): void {
    this.#since[id] = now;
  }

  #take(): number {
    const id = this.#unused;
    if (id >= 0) {
      this.#unused = this.#words[id * WORDS + FROM] as number;
      return id;
    }
    if (this.#used === this.#next.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const count = 2 * this.#used;
    const [words, next, since, copies] = [this.#words, this.#next, this.#since, this.#copies];
    this.#words = new Int32Array(count * WORDS);
    this.#next = new Int32Array(count);
    this.#since = new Float64Array(count);
    this.#words.set(words);
    this.#next.set(next);
    this.#since.set(since);
    this.#copies = new Uint8Array(count * MOST_COPIED);
    this.#copies.set(copies);
  }
}
