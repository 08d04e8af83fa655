import type { Instant } from "../time.ts";
import { LANES } from "../wire/tunnel-content.ts";
import { CoDel } from "./codel.ts";

/** After so long another lane cannot make its packets overtake each other. */
const REST_MS = 1000;
/** Flows are counted anew so often at most. */
const COUNT_MS = 100;

/** What is known of the runs of one bucket of flows. */
export class RunFlow {
  readonly bucket: number;
  /** The first and the last run that wait; -1: none. */
  head = -1;
  tail = -1;
  /** Which segment of the first run is next. */
  segment = 0;
  /** A segment of the first run was taken, so the rest of it is not dropped. */
  isBegun = false;
  octets = 0;
  /** Octets that may be taken before it is another one's turn. */
  credit = 0;
  /** Octets that were taken of late. */
  recent = 0;
  recentAt = 0;
  lane = 0;
  /** When it was emptied last. */
  restedAt: number = Number.NEGATIVE_INFINITY;
  isListed = false;
  next: RunFlow | null = null;
  readonly codel: CoDel = new CoDel();

  constructor(bucket: number) {
    this.bucket = bucket;
  }

  /** Nothing that is known of it matters any more. */
  hasRested(now: Instant): boolean {
    return this.head < 0 && !this.isListed && now - this.restedAt >= REST_MS;
  }
}

/** The flows that there are, by their buckets: with many peers, all buckets of each would be too much. */
export class RunFlows {
  readonly all: RunFlow[] = [];
  /** By bucket: one more than the place of its flow; 0: it has none. */
  readonly #places: Uint16Array;
  #sweepAt = 0;

  constructor(buckets: number) {
    this.#places = new Uint16Array(buckets);
  }

  flowOf(bucket: number, now: Instant): RunFlow {
    const place = this.#places[bucket] as number;
    if (place > 0) return this.all[place - 1] as RunFlow;
    if (now >= this.#sweepAt) this.#sweep(now);
    const flow = new RunFlow(bucket);
    this.#places[bucket] = this.all.push(flow);
    return flow;
  }

  /** Forgets those that have rested. */
  #sweep(now: Instant): void {
    const { all } = this;
    this.#sweepAt = now + REST_MS;
    for (let i = all.length - 1; i >= 0; i--) {
      const flow = all[i] as RunFlow;
      if (!flow.hasRested(now)) continue;
      const last = all.pop() as RunFlow;
      this.#places[flow.bucket] = 0;
      if (last === flow) continue;
      all[i] = last;
      this.#places[last.bucket] = i + 1;
    }
  }
}

/** Flows in the order of their turns. */
export class RunFlowList {
  first: RunFlow | null = null;
  #last: RunFlow | null = null;

  push(flow: RunFlow): void {
    flow.isListed = true;
    flow.next = null;
    if (this.#last === null) this.first = flow;
    else this.#last.next = flow;
    this.#last = flow;
  }

  /** Takes the first one out. */
  shift(): void {
    const flow = this.first as RunFlow;
    this.first = flow.next;
    if (this.first === null) this.#last = null;
    flow.next = null;
    flow.isListed = false;
  }
}

/** Which lanes flows go by: each keeps its own until it has rested, then gets one that few use. */
export class FlowLanes {
  readonly #flows: readonly RunFlow[];
  readonly #counts = new Int32Array(LANES);
  #countedAt: number = Number.NEGATIVE_INFINITY;

  constructor(flows: readonly RunFlow[]) {
    this.#flows = flows;
  }

  /** Something of a flow comes that had nothing. */
  settle(flow: RunFlow, now: Instant): void {
    if (now - flow.restedAt < REST_MS) return;
    const counts = this.#counts;
    if (now - this.#countedAt >= COUNT_MS) this.#count(now);
    let lane = 0;
    for (let i = 1; i < LANES; i++) if ((counts[i] as number) < (counts[lane] as number)) lane = i;
    counts[lane] = (counts[lane] as number) + 1;
    flow.lane = lane;
  }

  #count(now: Instant): void {
    const counts = this.#counts;
    this.#countedAt = now;
    counts.fill(0);
    for (let i = 0; i < this.#flows.length; i++) {
      const { head, restedAt, lane } = this.#flows[i] as RunFlow;
      if (head >= 0 || now - restedAt < REST_MS) counts[lane] = (counts[lane] as number) + 1;
    }
  }
}
