import type { Instant } from "../time.ts";
import { NEVER } from "../time.ts";
import type { Report } from "../wire/tunnel-report.ts";

const MOST_GAPS = 63;
/** A report tells twice what no report has told yet, as one may be lost, and at least so many. */
const TOLD_GAPS = 20;

/**
 * Which counters of one session and link came: all up to the highest but what is in a gap. The newest gaps are remembered; of what was before
 * those, nothing is known any more.
 */
export class CounterGaps {
  /** null: none has begun. */
  session: number | null = null;
  /** -1: none came. */
  highest = -1;
  highestAt: Instant = NEVER;
  #floor = 0;
  /** The highest one when `told` was called last: what was missing below it then has been told. */
  toldHighest = -1;
  /** First and last of each gap, the oldest first. */
  readonly #lows = new Float64Array(MOST_GAPS);
  readonly #highs = new Float64Array(MOST_GAPS);
  #count = 0;

  begin(session: number): void {
    this.session = session;
    this.highest = -1;
    this.#floor = 0;
    this.toldHighest = -1;
    this.#count = 0;
  }

  /** One came that had not come before. The owner may move `highest` by one itself. */
  add(counter: number, now: Instant): void {
    if (counter <= this.highest) {
      this.#fill(counter);
      return;
    }
    if (counter > this.highest + 1) this.#open(this.#count, this.highest + 1, counter - 1);
    this.highest = counter;
    this.highestAt = now;
  }

  /** Since `told` was called last. */
  get untoldGaps(): number {
    let gaps = 0;
    while (gaps < this.#count && (this.#highs[this.#count - 1 - gaps] as number) > this.toldHighest) gaps++;
    return gaps;
  }

  /** The last counter of the oldest of those gaps; -1: there is none. */
  get untoldGapEnd(): number {
    const gaps = this.untoldGaps;
    return gaps === 0 ? -1 : (this.#highs[this.#count - gaps] as number);
  }

  told(): void {
    this.toldHighest = this.highest;
  }

  fillReport(report: Report): void {
    report.highest = this.highest;
    report.rangeCount = 0;
    const last = this.#count - Math.max(TOLD_GAPS, 2 * this.untoldGaps);
    let high = this.highest;
    for (let i = this.#count - 1; i >= 0; i--) {
      if (!report.addRange((this.#highs[i] as number) + 1, high) || i < last) return;
      high = (this.#lows[i] as number) - 1;
    }
    if (high >= this.#floor) report.addRange(this.#floor, high);
    else report.floor = this.#floor;
  }

  #fill(counter: number): void {
    for (let i = this.#count - 1; i >= 0; i--) {
      const low = this.#lows[i] as number;
      const high = this.#highs[i] as number;
      if (counter > high) return;
      if (counter < low) continue;
      if (low === high) this.#close(i);
      else if (counter === low) this.#lows[i] = low + 1;
      else {
        this.#highs[i] = counter - 1;
        if (counter < high) this.#open(i + 1, counter + 1, high);
      }
      return;
    }
  }

  /** A gap in place `i` of the list; when it is full, the oldest one is forgotten. */
  #open(i: number, low: number, high: number): void {
    let place = i;
    if (this.#count === MOST_GAPS) {
      this.#floor = (this.#highs[0] as number) + 1;
      this.#close(0);
      place--;
    }
    this.#lows.copyWithin(place + 1, place, this.#count);
    this.#highs.copyWithin(place + 1, place, this.#count);
    this.#lows[place] = low;
    this.#highs[place] = high;
    this.#count++;
  }

  #close(i: number): void {
    this.#lows.copyWithin(i, i + 1, this.#count);
    this.#highs.copyWithin(i, i + 1, this.#count);
    this.#count--;
  }
}
