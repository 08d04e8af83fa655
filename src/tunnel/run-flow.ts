import { CoDel } from "./codel.ts";

/** What is known of the runs of one bucket of flows. */
export class RunFlow {
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
