import { type Instant, NEVER } from "../time.ts";
import { LANES } from "../wire/tunnel-content.ts";
import type { Memory } from "./memory.ts";
import type { RunTable } from "./run-table.ts";

const BUCKETS = 1024;
const NONE = -1;
const QUANTUM = 1500;
const INTERVALS = 4;
const LIMIT_OCTETS = 4 << 20;
const LANE_REST_MS = 1000;

const IDLE = 0;
const NEW = 1;
const OLD = 2;

/** Runs that wait, fair by flow (RFC 8290), each flow kept short by CoDel (RFC 8289). */
export class RunQueue {
  targetMs = 30;
  octets = 0;
  packets = 0;
  readonly drops = { queueFull: 0, delayed: 0 };
  // What was taken last.
  run = 0;
  segment = 0;
  count = 0;
  lane = 0;
  isSparse = false;
  readonly #runs: RunTable;
  readonly #next = new Grown();
  readonly #at = new GrownFloat();
  readonly #head = new Int32Array(BUCKETS).fill(NONE);
  readonly #tail = new Int32Array(BUCKETS).fill(NONE);
  readonly #backlog = new Float64Array(BUCKETS);
  readonly #deficit = new Float64Array(BUCKETS);
  readonly #state = new Uint8Array(BUCKETS);
  readonly #lanes = new Uint8Array(BUCKETS);
  readonly #restedAt = new Float64Array(BUCKETS).fill(Number.NEGATIVE_INFINITY);
  readonly #segment = new Uint8Array(BUCKETS);
  readonly #aboveSince = new Float64Array(BUCKETS).fill(NEVER);
  readonly #dropNext = new Float64Array(BUCKETS).fill(NEVER);
  readonly #dropCount = new Float64Array(BUCKETS);
  readonly #flowsOnLane = new Int32Array(LANES);
  /** Flows in the order of service, as rings of buckets. */
  readonly #fresh: number[] = [];
  readonly #old: number[] = [];

  constructor(runs: RunTable, _seed: number, _memory: Memory) {
    this.#runs = runs;
  }

  enqueue(run: number, hash: number, now: Instant): void {
    const runs = this.#runs;
    const bucket = hash % BUCKETS;
    const octets = this.#octetsFrom(run, 0);
    this.#next.set(run, NONE);
    this.#at.set(run, now);
    if (this.#head[bucket] === NONE) {
      this.#head[bucket] = run;
      this.#segment[bucket] = 0;
    } else this.#next.set(this.#tail[bucket] as number, run);
    this.#tail[bucket] = run;
    this.#backlog[bucket] = (this.#backlog[bucket] as number) + octets;
    this.octets += octets;
    this.packets += runs.segmentsOf(run);
    if (this.#state[bucket] === IDLE) {
      this.#state[bucket] = NEW;
      this.#deficit[bucket] = QUANTUM;
      this.#fresh.push(bucket);
      if (now - (this.#restedAt[bucket] as number) >= LANE_REST_MS) {
        let best = 0;
        for (let lane = 1; lane < LANES; lane++)
          if ((this.#flowsOnLane[lane] as number) < (this.#flowsOnLane[best] as number)) best = lane;
        this.#lanes[bucket] = best;
      }
      const lane = this.#lanes[bucket] as number;
      this.#flowsOnLane[lane] = (this.#flowsOnLane[lane] as number) + 1;
    }
    while (this.octets > LIMIT_OCTETS) {
      let fattest = 0;
      for (let i = 1; i < BUCKETS; i++)
        if ((this.#backlog[i] as number) > (this.#backlog[fattest] as number)) fattest = i;
      if (!this.#dropHead(fattest)) break;
      this.drops.queueFull++;
    }
  }

  peekOctets(): number {
    const bucket = this.#bucket();
    return bucket === NONE ? 0 : this.#runs.octetsOf(this.#head[bucket] as number, this.#segment[bucket] as number);
  }

  take(mostOctets: number, now: Instant): boolean {
    const runs = this.#runs;
    for (;;) {
      const bucket = this.#bucket();
      if (bucket === NONE) return false;
      if (this.#judge(bucket, now)) continue;
      const run = this.#head[bucket] as number;
      const first = this.#segment[bucket] as number;
      const total = runs.segmentsOf(run);
      let octets = runs.octetsOf(run, first);
      let count = 1;
      while (first + count < total) {
        const more = runs.octetsOf(run, first + count);
        if (octets + more > mostOctets) break;
        octets += more;
        count++;
      }
      this.run = run;
      this.segment = first;
      this.count = count;
      this.lane = this.#lanes[bucket] as number;
      this.isSparse = this.#state[bucket] === NEW && (this.#backlog[bucket] as number) <= 2 * QUANTUM;
      this.#deficit[bucket] = (this.#deficit[bucket] as number) - octets;
      this.#backlog[bucket] = (this.#backlog[bucket] as number) - octets;
      this.octets -= octets;
      this.packets -= count;
      // The hold of the queue becomes one of the segments'.
      runs.hold(run, count);
      if (first + count === total) {
        this.#shift(bucket, now);
        runs.release(run);
      } else this.#segment[bucket] = first + count;
      return true;
    }
  }

  clear(): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      while (this.#head[bucket] !== NONE) {
        const run = this.#head[bucket] as number;
        this.#forget(bucket, run);
        this.#shift(bucket, NEVER);
        this.#runs.release(run);
      }
    }
  }

  #forget(bucket: number, run: number): void {
    const segment = this.#segment[bucket] as number;
    const octets = this.#octetsFrom(run, segment);
    this.octets -= octets;
    this.packets -= this.#runs.segmentsOf(run) - segment;
    this.#backlog[bucket] = (this.#backlog[bucket] as number) - octets;
  }

  #octetsFrom(run: number, segment: number): number {
    const runs = this.#runs;
    const left = runs.segmentsOf(run) - segment;
    return left === 1
      ? runs.octetsOf(run, segment)
      : (left - 1) * runs.octetsOf(run, segment) + runs.octetsOf(run, segment + left - 1);
  }

  /** The flow whose turn it is. */
  #bucket(): number {
    for (;;) {
      const list = this.#fresh.length > 0 ? this.#fresh : this.#old;
      if (list.length === 0) return NONE;
      const bucket = list[0] as number;
      if (this.#head[bucket] === NONE) {
        list.shift();
        if (list === this.#fresh && this.#old.length > 0) {
          this.#state[bucket] = OLD;
          this.#old.push(bucket);
        } else this.#rest(bucket);
        continue;
      }
      if ((this.#deficit[bucket] as number) > 0) return bucket;
      list.shift();
      this.#deficit[bucket] = (this.#deficit[bucket] as number) + QUANTUM;
      this.#state[bucket] = OLD;
      this.#old.push(bucket);
    }
  }

  #rest(bucket: number): void {
    this.#state[bucket] = IDLE;
    const lane = this.#lanes[bucket] as number;
    this.#flowsOnLane[lane] = (this.#flowsOnLane[lane] as number) - 1;
  }

  #shift(bucket: number, now: Instant): void {
    const next = this.#next.get(this.#head[bucket] as number);
    this.#head[bucket] = next;
    this.#segment[bucket] = 0;
    if (next === NONE) {
      this.#tail[bucket] = NONE;
      this.#aboveSince[bucket] = NEVER;
      this.#restedAt[bucket] = now;
    }
  }

  #dropHead(bucket: number): boolean {
    const run = this.#head[bucket] as number;
    if (run === NONE) return false;
    if ((this.#segment[bucket] as number) > 0) {
      const next = this.#next.get(run);
      if (next === NONE) return false;
      this.#next.set(run, this.#next.get(next));
      if (this.#tail[bucket] === next) this.#tail[bucket] = run;
      const octets = this.#octetsFrom(next, 0);
      this.octets -= octets;
      this.packets -= this.#runs.segmentsOf(next);
      this.#backlog[bucket] = (this.#backlog[bucket] as number) - octets;
      this.#runs.release(next);
      return true;
    }
    this.#forget(bucket, run);
    this.#shift(bucket, NEVER);
    this.#runs.release(run);
    return true;
  }

  /** CoDel, at a run that has not been begun. @returns whether it was dropped */
  #judge(bucket: number, now: Instant): boolean {
    if ((this.#segment[bucket] as number) > 0) return false;
    const run = this.#head[bucket] as number;
    const sojourn = now - this.#at.get(run);
    const intervalMs = INTERVALS * this.targetMs;
    if (sojourn < this.targetMs || (this.#backlog[bucket] as number) <= 2 * QUANTUM) {
      this.#aboveSince[bucket] = NEVER;
      this.#dropNext[bucket] = NEVER;
      return false;
    }
    if (this.#aboveSince[bucket] === NEVER) {
      this.#aboveSince[bucket] = now;
      this.#dropNext[bucket] = now + intervalMs;
      this.#dropCount[bucket] = 0;
      return false;
    }
    if (now < (this.#dropNext[bucket] as number)) return false;
    const count = (this.#dropCount[bucket] as number) + 1;
    this.#dropCount[bucket] = count;
    this.#dropNext[bucket] = now + intervalMs / Math.sqrt(count);
    this.#forget(bucket, run);
    this.#shift(bucket, now);
    this.#runs.release(run);
    this.drops.delayed++;
    return true;
  }
}

class Grown {
  #values = new Int32Array(256);

  get(at: number): number {
    return this.#values[at] as number;
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) {
      const grown = new Int32Array(2 * at);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[at] = value;
  }
}

class GrownFloat {
  #values = new Float64Array(256);

  get(at: number): number {
    return this.#values[at] as number;
  }

  set(at: number, value: number): void {
    if (at >= this.#values.length) {
      const grown = new Float64Array(2 * at);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[at] = value;
  }
}
