const FIRST_CAPACITY = 64;
const MOST_CAPACITY = 65_536;
/** Entries whose bits stand in one word. */
const WORD = 32;
const ALL = -1;

/**
 * The newest of a row of numbered entries, and which of them wait for their verdict. Numbers begin at 0. Its owner reads and writes the columns
 * at `number & mask`.
 */
export class SentRing {
  /** Number of the oldest entry that is here, a multiple of 32. */
  tail = 0;
  /** Number of the next entry. */
  next = 0;
  mask: number = FIRST_CAPACITY - 1;
  sentAt: Float64Array = new Float64Array(FIRST_CAPACITY);
  octets: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  runs: Int32Array = new Int32Array(FIRST_CAPACITY);
  segments: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  /** Bits, a word for each 32 entries: without a verdict. */
  waiting: Int32Array = new Int32Array(FIRST_CAPACITY / WORD);
  /** Told as lost, and not reported since. */
  lost: Int32Array = new Int32Array(FIRST_CAPACITY / WORD);
  /** The receiver is to report them. */
  eliciting: Int32Array = new Int32Array(FIRST_CAPACITY / WORD);

  has(number: number): boolean {
    return number >= this.tail && number < this.next;
  }

  /** The next 32 entries would take the place of the oldest 32. */
  get isFull(): boolean {
    return this.next - this.tail > this.mask;
  }

  /** Forgets the oldest 32 entries. */
  dropOldest(): void {
    const word = (this.tail & this.mask) / WORD;
    this.waiting[word] = 0;
    this.lost[word] = 0;
    this.eliciting[word] = 0;
    this.tail += WORD;
  }

  /** Twice as much. @returns false: it has grown as far as it may */
  grow(): boolean {
    const { mask, sentAt, octets, runs, segments, waiting, lost, eliciting } = this;
    const capacity = 2 * (mask + 1);
    if (capacity > MOST_CAPACITY) return false;
    this.mask = capacity - 1;
    this.sentAt = new Float64Array(capacity);
    this.octets = new Uint16Array(capacity);
    this.runs = new Int32Array(capacity);
    this.segments = new Uint16Array(capacity);
    this.waiting = new Int32Array(capacity / WORD);
    this.lost = new Int32Array(capacity / WORD);
    this.eliciting = new Int32Array(capacity / WORD);
    for (let number = this.tail; number < this.next; number += WORD) {
      const from = number & mask;
      const to = number & this.mask;
      this.sentAt.set(sentAt.subarray(from, from + WORD), to);
      this.octets.set(octets.subarray(from, from + WORD), to);
      this.runs.set(runs.subarray(from, from + WORD), to);
      this.segments.set(segments.subarray(from, from + WORD), to);
      this.waiting[to / WORD] = waiting[from / WORD] as number;
      this.lost[to / WORD] = lost[from / WORD] as number;
      this.eliciting[to / WORD] = eliciting[from / WORD] as number;
    }
    return true;
  }

  /** The first number in `[from, to)` whose bit is set; `to`: none. Both are here, or `to` is the next. */
  firstOf(bits: Int32Array, from: number, to: number): number {
    let number = from;
    while (number < to) {
      const at = number & this.mask;
      const rest = (bits[at >>> 5] as number) & (ALL << (at % WORD));
      if (rest !== 0) {
        const found = number + (31 - Math.clz32(rest & -rest)) - (at % WORD);
        return found < to ? found : to;
      }
      number += WORD - (at % WORD);
    }
    return to;
  }
}
