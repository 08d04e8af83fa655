import type { LinkId } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import type { Instant } from "../time.ts";

/** What a scheduler may know about a link: figures, never the link itself. */
export interface LinkView {
  readonly id: LinkId;
  /** Speed as its owner gave it, bits per second. */
  readonly givenBps: number;
  /** Octets per millisecond, as estimated now. */
  readonly rate: number;
  /** From the last octet sent to its arrival, milliseconds. */
  readonly delayMs: number;
  /** When it can begin another frame, by estimate; never in the past. */
  readonly startAt: Instant;
  /** Whether it may begin a frame now: its line is nearly drained and no frame of it is open. */
  readonly ready: boolean;
  /** The packet whose frame is open, and when it arrives; null: none. */
  readonly open: Packet | null;
  readonly openArrival: Instant;
  /** Whether it can close a frame later than its octets take, so that the packet arrives when it is due. */
  readonly canHold: boolean;
}

/** The packets that wait, in the order in which they would be served. */
export interface QueueView {
  readonly packets: readonly (Packet | undefined)[];
  readonly count: number;
}

/** Which packet begins on which link: indices. `notBefore`: when to ask again if nothing else happens. */
export interface Choice {
  packet: number;
  link: number;
  notBefore: Instant;
}

/** Decides late: when a link has room, which packet of the queue it takes. */
export interface PlanningScheduler {
  readonly kind: "planning";
  /** Whether packets may be cut over all links, where links can carry parts: then it is not asked which link a packet takes. */
  readonly mayCut: boolean;
  /**
   * @param guardMs how long after its predecessor a packet must arrive to be sure of its place
   * @returns whether a packet is to begin on a link that is ready, both written to `into`
   */
  choose(queue: QueueView, links: readonly LinkView[], guardMs: number, now: Instant, into: Choice): boolean;
}

/** Decides at once: which link's own queue a packet joins as it comes, as the driver of 1995 did. */
export interface BindingScheduler {
  readonly kind: "binding";
  /** @param length of the packet, octets @param links at least one @returns an index into `links` */
  bind(length: number, links: readonly LinkView[], now: Instant): number;
  /** A link left: if it comes back, it is a new one. */
  forget(link: LinkId): void;
}

/** Says which packet goes where. Pure bookkeeping: no I/O, no timers, no randomness. */
export type Scheduler = PlanningScheduler | BindingScheduler;
