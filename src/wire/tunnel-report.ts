import { readCounter, readIndex, writeWord } from "./tunnel-datagram.ts";

/** Where the fields of a report stand, after the two octets that say what it is. */
const AT = {
  link: 0,
  session: 1,
  highest: 5,
  arrival: 9,
  hold: 13,
  octets: 16,
  datagrams: 20,
  patience: 24,
  ranges: 26,
} as const;
/** So that a report stays small, whatever came. */
const RANGE_OCTETS = 128;
/** Each takes two octets at least, a gap and what came below it, but for the first. */
const MOST_RANGES: number = RANGE_OCTETS / 2;
/** The first one, which a report always has, takes as much at most. */
const LONGEST_RANGE = 5;
const GROUP_BITS = 7;
const GROUP = 2 ** GROUP_BITS;
/** Enough for 32 bits. */
const MOST_GROUPS = 5;

/** Room that every report fits into. */
export const REPORT_BOUND: number = AT.ranges + RANGE_OCTETS;
/** Where `holdUs` stops: so long, or longer. */
export const LONGEST_HOLD_US = 0xffffff;

/**
 * What the receiver of a link tells its sender: which counters came, when the highest one did, and how much in all
 * (docs/tunnel-format.md). One object is used again and again, for `read` or to be filled and written.
 */
export class Report {
  link = 0;
  /** The receiver's index of the session. */
  session = 0;
  highest = 0;
  /** When that one came, by the receiver's clock, modulo 2^32. */
  arrivalUs = 0;
  /** From then until the report was made. */
  holdUs = 0;
  /** All that has come by the link, in all sessions, at IP level, modulo 2^32. */
  totalOctets = 0;
  totalDatagrams = 0;
  /** How long the receiver waits for what is missing, at most 65,535. */
  patienceMs = 0;
  /** What came: `lows[i]` to `highs[i]`, the newest first, at least one missing between two. The first one ends with `highest`. */
  readonly lows: Float64Array = new Float64Array(MOST_RANGES);
  readonly highs: Float64Array = new Float64Array(MOST_RANGES);
  rangeCount = 0;
  /** What is in no range and not below this one has not come. Of those below it, nothing is said. */
  floor = 0;

  /** The first range, or one that is older than all before. @returns false: one more cannot be told */
  addRange(low: number, high: number): boolean {
    if (this.rangeCount === MOST_RANGES) return false;
    this.lows[this.rangeCount] = low;
    this.highs[this.rangeCount++] = high;
    this.floor = low;
    return true;
  }

  /** Writes what stands after the kind; of the oldest ranges, those that there is room for. @returns its length; 0: there is no room */
  write(into: Uint8Array, at: number, room: number): number {
    if (room < AT.ranges + LONGEST_RANGE) return 0;
    into[at + AT.link] = this.link;
    writeWord(into, at + AT.session, this.session);
    writeWord(into, at + AT.highest, this.highest);
    writeWord(into, at + AT.arrival, this.arrivalUs);
    into[at + AT.hold] = this.holdUs >>> 16;
    into[at + AT.hold + 1] = this.holdUs >>> 8;
    into[at + AT.hold + 2] = this.holdUs;
    writeWord(into, at + AT.octets, this.totalOctets);
    writeWord(into, at + AT.datagrams, this.totalDatagrams);
    into[at + AT.patience] = this.patienceMs >>> 8;
    into[at + AT.patience + 1] = this.patienceMs;
    const end = at + Math.min(room, REPORT_BOUND);
    let to = at + AT.ranges;
    let below = this.highest;
    for (let i = 0; i < this.rangeCount; i++) {
      const low = this.lows[i] as number;
      const high = this.highs[i] as number;
      const gap = i === 0 ? -1 : below - high - 2;
      if (to + groupsOf(gap) + groupsOf(high - low) > end) return to - at;
      if (i > 0) to = writeGroups(into, to, gap);
      to = writeGroups(into, to, high - low);
      below = low;
    }
    // The oldest may be a gap.
    const gap = below - this.floor - 1;
    if (gap >= 0 && to + groupsOf(gap) <= end) to = writeGroups(into, to, gap);
    return to - at;
  }

  /** `octets[from, to)`: what stands after the kind. @returns false: malformed, and the fields mean nothing */
  read(octets: Uint8Array, from: number, to: number): boolean {
    if (to > octets.length || to - from <= AT.ranges || to - from > REPORT_BOUND) return false;
    this.link = octets[from + AT.link] as number;
    this.session = readIndex(octets, from + AT.session);
    this.highest = readCounter(octets, from + AT.highest);
    this.arrivalUs = readCounter(octets, from + AT.arrival);
    this.holdUs = readCounter(octets, from + AT.hold) >>> 8;
    this.totalOctets = readCounter(octets, from + AT.octets);
    this.totalDatagrams = readCounter(octets, from + AT.datagrams);
    this.patienceMs = readCounter(octets, from + AT.patience - 2) & 0xffff;
    return this.#readRanges(octets, from + AT.ranges, to);
  }

  #readRanges(octets: Uint8Array, from: number, to: number): boolean {
    this.rangeCount = 0;
    // Numbers are in turn one less than the counters of a range, and one less than those of a gap.
    let next = this.highest;
    let isGap = false;
    let at = from;
    while (at < to) {
      let value = 0;
      let scale = 1;
      const last = at + MOST_GROUPS;
      for (;;) {
        if (at >= to || at >= last) return false;
        const group = octets[at++] as number;
        value += (group % GROUP) * scale;
        if (group < GROUP) break;
        scale *= GROUP;
      }
      const low = next - value;
      if (low < 0) return false;
      if (isGap) this.floor = low;
      else if (!this.addRange(low, next)) return false;
      next = low - 1;
      isGap = !isGap;
    }
    return true;
  }
}

/** Octets that a number takes: 7 bits in each, the lowest first, all but the last with the highest bit set. */
function groupsOf(value: number): number {
  let groups = value < 0 ? 0 : 1;
  for (let rest = value; rest >= GROUP; rest = Math.floor(rest / GROUP)) groups++;
  return groups;
}

function writeGroups(into: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value;
  for (; rest >= GROUP; rest = Math.floor(rest / GROUP)) into[to++] = (rest % GROUP) | GROUP;
  into[to++] = rest;
  return to;
}
