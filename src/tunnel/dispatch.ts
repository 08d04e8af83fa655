/**
 * Which packets go by which path, and when.
 *
 * 1. Segments are *committed* in the order of the run queue: they get the next numbers of their lane, and the path on which they arrive first, after what it
 *    was given before. A path with a longer delay takes what the others would bring later, so that all arrives nearly in order; if too little waits
 *    for that, it stays idle.
 * 2. As its pace allows, a path sends what it was given, each segment as a datagram.
 * 3. What was lost, or was on a path that died, goes before all else.
 *
 * Each segment that is committed, under way or to be repeated holds its run.
 */
import { type Instant, instant, NEVER } from "../time.ts";
import { LANES } from "../wire/tunnel-content.ts";
import { DatagramSender } from "./datagram-sender.ts";
import { BURST_MS, type Path } from "./path.ts";
import { PathChoice, REVIEW_MS } from "./path-choice.ts";
import type { Redundancy } from "./redundancy.ts";
import { Repeats } from "./repeats.ts";
import { RunQueue } from "./run-queue.ts";
import type { BundleShare } from "./share.ts";

/** Of a packet of a flow with little traffic, roughly. */
const SPARSE_OCTETS = 200;
/** Nothing is given to a path further ahead. */
const MOST_AHEAD_MS = 600;

export class Dispatch {
  readonly queue: RunQueue;
  readonly choice: PathChoice;
  readonly sender: DatagramSender;
  /** Which packets go by two paths; may be set at any time. */
  redundancy: Redundancy;
  sentPackets = 0;
  sentOctets = 0;
  /** When there is something to do that was put off. */
  wakeAt: Instant = NEVER;
  readonly #share: BundleShare;
  readonly #paths: readonly Path[];
  readonly #repeats: Repeats;
  readonly #numbers = new Uint32Array(LANES);
  #noPath = 0;

  constructor(share: BundleShare, paths: readonly Path[], redundancy: Redundancy, seed: number) {
    this.#share = share;
    this.#paths = paths;
    this.redundancy = redundancy;
    this.queue = new RunQueue(share.runs, seed, share.memory);
    this.choice = new PathChoice(paths);
    this.sender = new DatagramSender(share, this);
    this.#repeats = new Repeats(share.runs, this.choice, this.sender);
  }

  get repeated(): number {
    return this.#repeats.repeated;
  }

  /** `noPath`: there was none for too long. `givenUp`: repeated in vain. */
  get drops(): { noPath: number; givenUp: number } {
    return { noPath: this.#noPath, givenUp: this.#repeats.givenUp };
  }

  /** Octets a millisecond that leave by all paths together at most, at IP level. */
  get limit(): number {
    return this.sender.limit;
  }

  set limit(rate: number) {
    this.sender.limit = rate;
  }

  /** What the path was given, and what is under way on it, is for others. */
  retire(path: Path): void {
    path.sent.abandon(this);
    this.#repeats.takeBack(path);
    this.choice.leave(path);
  }

  /** All that has a number is dropped, and numbers begin anew. */
  restart(): void {
    for (const path of this.#paths) this.retire(path);
    this.#repeats.clear();
    this.queue.dropBegun();
    this.#numbers.fill(0);
  }

  /** There is no path, and has been none for long: what waits would only take room that others need. */
  dropWaiting(): void {
    this.#noPath += this.queue.packets;
    this.queue.clear();
  }

  /** By SentLog. */
  acked(run: number, segment: number): void {
    if (run < 0) return;
    const { runs } = this.#share;
    runs.settle(run, segment, true);
    runs.release(run);
  }

  /** By SentLog. */
  lost(run: number, segment: number): void {
    if (run >= 0) this.#repeats.push(run, segment);
  }

  /** Sends what is due, as the sender has begun. */
  send(now: Instant): void {
    this.wakeAt = NEVER;
    if (this.choice.review(now)) this.#handleReview(now);
    const { eligible } = this.choice;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      if (path.freeAt < now - path.catchUpMs) path.freeAt = instant(now - path.catchUpMs);
      path.isOpen = path.freeAt <= now;
      path.rate.handleTimeout(now);
    }
    if (this.#repeats.count > 0) this.#sendSparse(now);
    this.#repeats.send(this.queue.octets > 0, now);
    for (let sent = true; sent; ) {
      this.#commit(now);
      sent = false;
      for (let i = 0; i < eligible.length; i++) {
        const path = eligible[i] as Path;
        if (path.commits.count > 0 && path.hasRoom(now)) {
          this.#drain(path, now);
          sent = true;
        }
      }
    }
    this.#planWake(now);
  }

  #handleReview(now: Instant): void {
    for (let i = 0; i < this.#paths.length; i++) {
      const path = this.#paths[i] as Path;
      if (path.commits.count > 0 && !this.choice.uses(path)) this.#repeats.takeBack(path);
    }
    this.queue.targetMs = this.choice.targetMs(this.limit);
    this.queue.trim(this.choice.mostWaiting, now);
  }

  /** Gives segments to paths, in order, until every open path has some, or none would be better for them. */
  #commit(now: Instant): void {
    const { queue, choice } = this;
    while (queue.octets > 0 && this.sender.freeAt <= now && this.#isWanted(now)) {
      const next = queue.peekOctets();
      const path = choice.earliest(next, null, now);
      if (path === null) return;
      if (path.freeAt - now + path.commits.octets / path.pace > MOST_AHEAD_MS) return;
      if (!queue.take(Math.max(next, path.rate.rate * BURST_MS), now)) return;
      this.#commitTaken(path, now);
    }
  }

  /** Flows with little traffic are not kept waiting by all that a path took with it when it died. */
  #sendSparse(now: Instant): void {
    const { queue, choice } = this;
    while (this.sender.freeAt <= now) {
      const path = choice.best(SPARSE_OCTETS, now);
      if (path === null || !path.hasRoom(now) || !queue.takeSparse(now)) break;
      this.#commitTaken(path, now);
    }
    const { eligible } = choice;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      while (path.commits.urgent > 0 && path.hasRoom(now)) if (!this.#sendCommitted(path, now)) break;
    }
  }

  /** Gives what was taken from the queue to the path; a second copy, and what is of a flow with little traffic, may go by another. */
  #commitTaken(path: Path, now: Instant): void {
    const { queue, choice } = this;
    const { memory, runs } = this.#share;
    const { run, segment, count } = queue;
    this.#number(run, segment, count, queue.lane, now);
    const octets = runs.octetsFrom(run, segment, count);
    runs.hold(run, count);
    // It goes before what waits, so that does not count.
    const first = queue.isSparse ? (choice.best(octets, now) ?? path) : path;
    give(first, run, segment, count, octets, queue.isSparse);
    if (this.redundancy.isAny && this.redundancy.includes(memory.octets, runs.fromOf(run), queue.isSparse))
      this.#commitTwice(first, run, segment, count, octets, now);
    queue.releaseTaken();
  }

  #commitTwice(first: Path, run: number, segment: number, count: number, octets: number, now: Instant): void {
    const path = this.choice.earliest(octets, first, now);
    if (path === null) return;
    this.#share.runs.hold(run, count);
    this.#share.runs.setCopied(run, segment, count);
    give(path, run, segment, count, octets, this.queue.isSparse);
  }

  /** Whether an open path has nothing, which is noted of those that get nothing. */
  #isWanted(now: Instant): boolean {
    const { eligible } = this.choice;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      if (path.commits.count === 0 && path.hasRoom(now)) return true;
    }
    return false;
  }

  #number(run: number, segment: number, count: number, lane: number, now: Instant): void {
    const { runs } = this.#share;
    if (!runs.isNumbered(run)) {
      runs.setNumbers(run, lane, this.#numbers[lane] as number, segment);
      runs.setSince(run, now);
    }
    this.#numbers[lane] = ((this.#numbers[lane] as number) + count) & 0xffffff;
  }

  #drain(path: Path, now: Instant): void {
    while (path.commits.count > 0 && path.hasRoom(now)) if (!this.#sendCommitted(path, now)) return;
  }

  /** Sends what the path was given first. @returns false: not now */
  #sendCommitted(path: Path, now: Instant): boolean {
    const { commits } = path;
    const { run, segment } = commits;
    if (!this.sender.sendSegment(path, run, segment, now)) return false;
    const octets = this.#share.runs.octetsOf(run, segment);
    commits.advance(octets);
    this.sentPackets++;
    this.sentOctets += octets;
    return true;
  }

  #planWake(now: Instant): void {
    const { eligible } = this.choice;
    const { freeAt: limitedUntil } = this.sender;
    const repeats = this.#repeats.count;
    const waiting = this.queue.octets > 0 || repeats > 0;
    let at: number = NEVER;
    for (let i = 0; i < eligible.length; i++) {
      const path = eligible[i] as Path;
      const wants = waiting || path.commits.count > 0;
      path.setWaiting(false);
      // A full window opens with a report, or when it is found that none comes.
      if (path.sent.inFlight >= path.rate.window) {
        if (wants) path.fullAt = now;
        continue;
      }
      const isHeld = path.commits.count === 0 && limitedUntil > now;
      if (path.commits.count === 0 && (isHeld || path.freeAt <= now)) path.limitedAt = now;
      else path.setWaiting(wants);
      if (wants) {
        const freeAt = isHeld && limitedUntil > path.freeAt ? limitedUntil : path.freeAt;
        at = Math.min(at, freeAt);
      }
    }
    if (repeats > 0) at = Math.min(at, now + REVIEW_MS);
    this.wakeAt = instant(at <= now ? now + BURST_MS / 4 : at);
  }
}

function give(
  { commits }: Path,
  run: number,
  segment: number,
  count: number,
  octets: number,
  isUrgent: boolean,
): void {
  if (isUrgent) commits.pushUrgent(run, segment, count, octets);
  else commits.push(run, segment, count, octets);
}
