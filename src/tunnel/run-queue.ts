/**
 * Runs that wait for a path: fair by flow, with CoDel for each (FQ-CoDel, RFC 8290).
 *
 * 1. `enqueue` appends a run to its flow. What is too much is dropped from the head of the flow that has the most.
 * 2. `take` gives the segments that are next: of flows that have just begun first, then of all in turn, by octets. The first run of a flow is taken piece
 *    by piece.
 * 3. Before a run is begun, CoDel may mark it, or drop segments of it, if it has waited for long. A run that is begun is not cut any more: so the numbers that its
 *    segments get when they are taken follow one another, and {@link RunTable} needs to know only the first.
 *
 * Each flow keeps its lane, unless it has rested.
 */
import { type Instant, instant } from "../time.ts";
import { markCongestion } from "../wire/ip-packet.ts";
import type { Memory } from "./memory.ts";
import { FlowLanes, type RunFlow, RunFlowList, RunFlows } from "./run-flow.ts";
import type { RunTable } from "./run-table.ts";

const BUCKET_BITS = 10;
/** What a flow may send before others have their turn, octets. */
const QUANTUM = 1500;
/** Among so many flows that have just begun one with little traffic is looked for. */
const MOST_LOOKED = 16;
/** A flow with no more than this is not what stands in the queue, octets. */
const SHORT_OCTETS = 2 * QUANTUM;
/** A flow is sparse that sends no more than a quantum in so long, and what it sent beyond is remembered up to so much. */
const SPARSE_MS = 10;
const MOST_RECENT = 10 * QUANTUM;
const LIMIT_OCTETS = 4 * 1024 * 1024;
/** As each run has a slot, it counts for no less than this: a packet, and a run of several. */
const LEAST_CHARGE = 2048;
const LEAST_CHARGE_CUT = 8192;
/** Who has too many slots gives up so many runs for each that comes. */
const MOST_GIVEN_UP = 2;
const LONG_AGO = instant(Number.NEGATIVE_INFINITY);

export class RunQueue {
  /** CoDel's target, milliseconds. */
  targetMs = 30;
  /** Of IP packets, once cut. */
  octets = 0;
  /** Segments. */
  packets = 0;
  /** Segments, by why they were dropped. */
  readonly drops = { queueFull: 0, delayed: 0 };
  /** Runs that were marked instead (RFC 3168). */
  marked = 0;

  /* What was taken: `count` segments of a run from `segment` on. */
  run = -1;
  segment = 0;
  count = 0;
  lane = 0;
  /** It came from a flow that sends little, less than it may. */
  isSparse = false;

  readonly #runs: RunTable;
  readonly #memory: Memory;
  readonly #seed: number;
  readonly #limit: number;
  readonly #flows = new RunFlows(1 << BUCKET_BITS);
  readonly #lanes: FlowLanes;
  readonly #begun = new RunFlowList();
  readonly #old = new RunFlowList();
  #charged = 0;
  /* Runs that wait in slots of each size. */
  #big = 0;
  #small = 0;
  /** A run to be released, all of which was taken. */
  #finished = -1;

  /**
   * @param seed any number, kept from senders, so that they cannot make flows collide
   * @param limitOctets of all that waits; of small packets less
   */
  constructor(runs: RunTable, seed: number, memory: Memory, limitOctets: number = LIMIT_OCTETS) {
    this.#runs = runs;
    this.#seed = seed;
    this.#memory = memory;
    this.#limit = limitOctets;
    this.#lanes = new FlowLanes(this.#flows.all);
  }

  /** Takes a run, with one reference to it. @param hash of its flow, 32 bits */
  enqueue(run: number, hash: number, now: Instant): void {
    const bucket = Math.imul(hash ^ this.#seed, 0x9e3779b1) >>> (32 - BUCKET_BITS);
    const flow = this.#flows.flowOf(bucket, now);
    this.#runs.setSince(run, now);
    this.#runs.setNext(run, -1);
    if (!flow.isListed) {
      flow.credit = QUANTUM;
      this.#begun.push(flow);
    }
    if (flow.head < 0) {
      this.#lanes.settle(flow, now);
      flow.head = run;
    } else this.#runs.setNext(flow.tail, run);
    flow.tail = run;
    const segments = this.#runs.segmentsOf(run);
    const octets = this.#runs.octetsFrom(run, 0, segments);
    flow.octets += octets;
    this.octets += octets;
    this.packets += segments;
    this.#charged += this.#chargeOf(run);
    const { big } = this.#runs.slots;
    if (big.owns(this.#runs.slotOf(run))) this.#big++;
    else this.#small++;
    while (this.#charged > this.#limit) if (!this.#dropFromFattest(now)) return;
    for (let i = 0; i < MOST_GIVEN_UP && this.#isTooMuch(); i++) if (!this.#dropFromFattest(now)) return;
  }

  /** Drops the oldest of the flows that have the most until no more than so many octets wait. */
  trim(mostOctets: number, now: Instant): void {
    while (this.octets > mostOctets) if (!this.#dropFromFattest(now)) return;
  }

  /** Octets of the segment that is next, unless it is dropped; 0: there is none. */
  peekOctets(): number {
    const flow = this.#select();
    return flow === null ? 0 : this.#runs.octetsOf(flow.head, flow.segment);
  }

  /**
   * Takes segments of one run, which remains until the next call, or `releaseTaken`.
   * @param mostOctets one segment is taken even if it has more
   * @returns false: there is none
   */
  take(mostOctets: number, now: Instant): boolean {
    this.releaseTaken();
    for (let flow = this.#select(); flow !== null; flow = this.#select()) {
      if (!flow.isBegun) this.#signal(flow, now);
      if (flow.head < 0) continue;
      this.#takeFrom(flow, mostOctets, now);
      return true;
    }
    return false;
  }

  /** Takes a packet of a flow with little traffic, before all others. @returns false: none is found soon */
  takeSparse(now: Instant): boolean {
    this.releaseTaken();
    let flow = this.#begun.first;
    for (let looked = 0; flow !== null && looked < MOST_LOOKED; looked++) {
      const { head, segment } = flow;
      const octets = head < 0 ? QUANTUM : this.#runs.octetsOf(head, segment);
      if (head >= 0 && recentOf(flow, now) + octets <= QUANTUM && this.#runs.segmentsOf(head) === 1) {
        this.#takeFrom(flow, octets, now);
        this.isSparse = true;
        return true;
      }
      flow = flow.next;
    }
    return false;
  }

  /** What was taken is not needed any more, or held by whoever needs it. */
  releaseTaken(): void {
    if (this.#finished < 0) return;
    this.#runs.release(this.#finished);
    this.#finished = -1;
  }

  /** Drops what is left of runs that were begun: their numbers mean nothing any more. */
  dropBegun(): void {
    for (const flow of this.#flows.all) {
      if (!flow.isBegun) continue;
      this.drops.queueFull += this.#runs.segmentsOf(flow.head) - flow.segment;
      this.#dropHead(flow, LONG_AGO);
    }
  }

  /** Drops all. */
  clear(): void {
    this.releaseTaken();
    for (const flow of this.#flows.all) while (flow.head >= 0) this.#dropHead(flow, LONG_AGO);
  }

  /** Whose turn it is (RFC 8290 §4.2). What has become empty goes to the end of the turns once, so that a flow does not gain by pausing. */
  #select(): RunFlow | null {
    for (;;) {
      const isNew = this.#begun.first !== null;
      const list = isNew ? this.#begun : this.#old;
      const flow = list.first;
      if (flow === null) return null;
      if (flow.head >= 0 && flow.credit > 0) return flow;
      list.shift();
      if (flow.head >= 0) flow.credit += QUANTUM;
      if (flow.head >= 0 || isNew) this.#old.push(flow);
    }
  }

  #takeFrom(flow: RunFlow, mostOctets: number, now: Instant): void {
    const runs = this.#runs;
    const { head: run, segment } = flow;
    const isNew = flow === this.#begun.first;
    // A new flow gets no more before others than what is its turn.
    const room = isNew && flow.credit < mostOctets ? flow.credit : mostOctets;
    const left = runs.segmentsOf(run) - segment;
    let count = left;
    if (left > 1) count = Math.max(1, Math.min(left, Math.floor(room / runs.octetsOf(run, segment))));
    const octets = runs.octetsFrom(run, segment, count);
    this.run = run;
    this.segment = segment;
    this.count = count;
    this.lane = flow.lane;
    this.isSparse = this.#addRecent(flow, octets, now) <= QUANTUM && isNew;
    flow.credit -= octets;
    this.#remove(flow, count, octets);
    if (count < left) {
      flow.isBegun = true;
      return;
    }
    this.#finished = run;
    this.#advance(flow, now);
  }

  /** Octets that the flow sent of late, and these. */
  #addRecent(flow: RunFlow, octets: number, now: Instant): number {
    const recent = recentOf(flow, now) + octets;
    flow.recent = recent < MOST_RECENT ? recent : MOST_RECENT;
    flow.recentAt = now;
    return recent;
  }

  /** Counts segments of the first run out. */
  #remove(flow: RunFlow, count: number, octets: number): void {
    flow.segment += count;
    flow.octets -= octets;
    this.octets -= octets;
    this.packets -= count;
  }

  /** Goes on to the run behind the first one. */
  #advance(flow: RunFlow, now: Instant): void {
    this.#countOut(flow.head);
    flow.head = this.#runs.nextOf(flow.head);
    flow.segment = 0;
    flow.isBegun = false;
    if (flow.head < 0) flow.restedAt = now;
  }

  #dropHead(flow: RunFlow, now: Instant): void {
    const runs = this.#runs;
    const { head: run, segment } = flow;
    const count = runs.segmentsOf(run) - segment;
    this.#remove(flow, count, runs.octetsFrom(run, segment, count));
    this.#advance(flow, now);
    runs.release(run);
  }

  /** CoDel on the first run of a flow, none of which was taken. */
  #signal(flow: RunFlow, now: Instant): void {
    const runs = this.#runs;
    while (flow.head >= 0) {
      const { head: run, segment } = flow;
      const sojournMs = now - runs.sinceOf(run);
      if (!flow.codel.shouldSignal(sojournMs, flow.octets <= SHORT_OCTETS, this.targetMs, now)) return;
      // A mark in the header of a run is in all its segments: senders count them as one within a round trip.
      if (markCongestion(this.#memory.octets, runs.fromOf(run), runs.lengthOf(run))) {
        this.marked++;
        return;
      }
      this.drops.delayed++;
      this.#remove(flow, 1, runs.octetsOf(run, segment));
      if (flow.segment < runs.segmentsOf(run)) continue;
      this.#advance(flow, now);
      runs.release(run);
    }
  }

  /** It has so many slots that others may miss them. */
  #isTooMuch(): boolean {
    const { big, small } = this.#runs.slots;
    return big.isTooMuch(this.#big) || small.isTooMuch(this.#small);
  }

  /** A run does not wait any more. */
  #countOut(run: number): void {
    this.#charged -= this.#chargeOf(run);
    if (this.#runs.slots.big.owns(this.#runs.slotOf(run))) this.#big--;
    else this.#small--;
  }

  /** @returns false: all runs are begun */
  #dropFromFattest(now: Instant): boolean {
    const fattest = this.#fattest();
    if (fattest === null) return false;
    const run = fattest.isBegun ? this.#runs.nextOf(fattest.head) : fattest.head;
    this.drops.queueFull += this.#runs.segmentsOf(run) - (fattest.isBegun ? 0 : fattest.segment);
    if (!fattest.isBegun) {
      this.#dropHead(fattest, now);
      return true;
    }
    const segments = this.#runs.segmentsOf(run);
    const octets = this.#runs.octetsFrom(run, 0, segments);
    fattest.octets -= octets;
    this.octets -= octets;
    this.packets -= segments;
    this.#countOut(run);
    this.#runs.setNext(fattest.head, this.#runs.nextOf(run));
    if (fattest.tail === run) fattest.tail = fattest.head;
    this.#runs.release(run);
    return true;
  }

  /** The flow with the most octets, of those that have a run that is not begun; null: there is none. */
  #fattest(): RunFlow | null {
    let fattest: RunFlow | null = null;
    for (let list = this.#begun; ; list = this.#old) {
      for (let flow = list.first; flow !== null; flow = flow.next) {
        if (flow.head < 0 || (flow.isBegun && flow.head === flow.tail)) continue;
        if (fattest === null || flow.octets > fattest.octets) fattest = flow;
      }
      if (list === this.#old) return fattest;
    }
  }

  #chargeOf(run: number): number {
    const runs = this.#runs;
    const length = runs.lengthOf(run);
    const least = runs.segmentsOf(run) === 1 ? LEAST_CHARGE : LEAST_CHARGE_CUT;
    return length < least ? least : length;
  }
}

/** Octets that it sent of late. */
function recentOf({ recent, recentAt }: RunFlow, now: Instant): number {
  const gone = (now - recentAt) * (QUANTUM / SPARSE_MS);
  return gone < recent ? recent - gone : 0;
}
