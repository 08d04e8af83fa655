import type { Instant } from "../time.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { DatagramSender } from "./datagram-sender.ts";
import type { Path } from "./path.ts";
import { isSlow, type PathChoice } from "./path-choice.ts";
import type { RunTable } from "./run-table.ts";

/** What has not come after so long is given up. */
const GIVE_UP_MS = 1500;
/** What comes to that so soon after is given up with it. */
const GIVE_UP_TOGETHER_MS = 250;
const MOST_SKIPPED = 0xffff;

/** Segments that were lost, or were on a path that died: they go before all else, by the path that is best then, or are given up. */
export class Repeats {
  /** Sent again. */
  repeated = 0;
  /** Repeated in vain. */
  givenUp = 0;
  readonly #runs: RunTable;
  readonly #choice: PathChoice;
  readonly #sender: DatagramSender;
  readonly #queue = new CommitQueue();
  /** What was sent last is a repeat. */
  #hasRepeated = false;

  constructor(runs: RunTable, choice: PathChoice, sender: DatagramSender) {
    this.#runs = runs;
    this.#choice = choice;
    this.#sender = sender;
  }

  get count(): number {
    return this.#queue.count;
  }

  /** Takes a segment that did not arrive by one path, with its hold on the run. */
  push(run: number, segment: number): void {
    if (this.#runs.settle(run, segment, false)) this.#runs.release(run);
    else this.#queue.push(run, segment, 1, this.#runs.octetsOf(run, segment));
  }

  /** What the path was given is for others. */
  takeBack({ commits }: Path): void {
    while (commits.count > 0) {
      const { run, segment } = commits;
      commits.advance(this.#runs.octetsOf(run, segment));
      this.push(run, segment);
    }
  }

  /** What waits has no number any more. */
  clear(): void {
    while (this.#queue.count > 0) this.#drop();
  }

  /** Sends what there is room for. @param isMoreWaiting there is something new, too */
  send(isMoreWaiting: boolean, now: Instant): void {
    const queue = this.#queue;
    const runs = this.#runs;
    const most = queue.count > 0 ? this.#choice.mostWaiting : 0;
    while (queue.count > 0) {
      const { run, segment } = queue;
      if (queue.octets > most || now - runs.sinceOf(run) > GIVE_UP_MS) {
        this.#giveUp(most, now);
        continue;
      }
      const octets = runs.octetsOf(run, segment);
      const path = this.#choice.best(octets, now);
      if (path === null || !path.hasRoom(now)) return;
      // Where each takes long, what is new takes turns with them: it may be a ping.
      if (this.#hasRepeated && isMoreWaiting && isSlow(path)) {
        this.#hasRepeated = false;
        return;
      }
      if (!this.#sender.sendSegment(path, run, segment, now)) return;
      queue.advance(octets);
      this.repeated++;
      this.#hasRepeated = true;
    }
  }

  /** Drops the first one, with those next to it that are too many or nearly as late: one message tells of all. */
  #giveUp(most: number, now: Instant): void {
    const queue = this.#queue;
    const runs = this.#runs;
    const lane = runs.laneOf(queue.run);
    const first = runs.numberOf(queue.run, queue.segment);
    let count = 0;
    do {
      this.#drop();
      count++;
    } while (
      queue.count > 0 &&
      count < MOST_SKIPPED &&
      (queue.octets > most || now - runs.sinceOf(queue.run) > GIVE_UP_MS - GIVE_UP_TOGETHER_MS) &&
      runs.laneOf(queue.run) === lane &&
      runs.numberOf(queue.run, queue.segment) === ((first + count) & 0xffffff)
    );
    const path = this.#choice.best(0, now);
    if (path !== null) this.#sender.sendSkip(path, lane, first, count, now);
  }

  #drop(): void {
    const { run, segment } = this.#queue;
    this.#queue.advance(this.#runs.octetsOf(run, segment));
    this.#runs.release(run);
    this.givenUp++;
  }
}
