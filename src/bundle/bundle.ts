import type { Link } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import type { BindingScheduler, Scheduler } from "../scheduler/scheduler.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import { FlowQueue } from "./flow-queue.ts";
import { BOUND_LIMIT, type Member } from "./member.ts";

/** A line is given its next frame when it has less than this left to send, milliseconds. */
export const HORIZON_MS = 8;
/** CoDel's target in packet times of the slowest link: three are needed to look ahead, less than five cost throughput. */
const TARGET_PACKETS = 5;
const MIN_TARGET_MS = 15;
/** CoDel's interval in targets: longer than the round trip, most of which is this very queue. */
const INTERVAL_TARGETS = 4;
/** IPv4 and TCP without options. */
const ACKNOWLEDGEMENT_OCTETS = 40;
/** The `order` of a bound packet that came from its link's own interface: it goes by this link or not at all. */
export const PINNED = -1;

/** Packets that were given up, by reason. */
export interface BundleDrops {
  noLink: number;
  queueFull: number;
  delayed: number;
  repeated: number;
  linkQueueFull: number;
  oversize: number;
}

/**
 * The master: packets that wait, and the links that take them. How they take them is for its two kinds to say.
 *
 * 1. `enqueue`: a packet joins the flow queue, or, with a binding scheduler, one link's own short queue.
 * 2. `poll`: links whose lines are nearly drained are given frames.
 */
export abstract class Bundle {
  readonly queue: FlowQueue;
  readonly drops: BundleDrops = {
    noLink: 0,
    queueFull: 0,
    delayed: 0,
    repeated: 0,
    linkQueueFull: 0,
    oversize: 0,
  };
  /** Longest packet of its interface, in octets. */
  mtu: number;
  sentPackets = 0;
  sentOctets = 0;
  protected readonly joined: Member[] = [];
  protected policy: Scheduler;
  /** Octets per millisecond of all members together, and of the slowest; 0 without any. */
  protected totalRate = 0;
  protected slowestRate = 0;
  #wake: Instant = NEVER;

  /** @param seed an unsigned 32-bit random number */
  constructor(scheduler: Scheduler, mtu: number, queuePackets: number, seed: number) {
    this.policy = scheduler;
    this.mtu = mtu;
    this.queue = new FlowQueue(queuePackets, seed);
  }

  /** In the order in which they joined. */
  get members(): readonly Member[] {
    return this.joined;
  }

  /** What waits for a link already begins by the new scheduler; what is bound to one stays bound. */
  set scheduler(scheduler: Scheduler) {
    this.policy = scheduler;
  }

  join(member: Member): void {
    this.joined.push(member);
  }

  /** Takes a member out. What waited for it waits for others. @param alive the line still sends */
  leave(member: Member, alive: boolean, now: Instant): void {
    const index = this.joined.indexOf(member);
    if (index < 0) return;
    this.joined.splice(index, 1);
    if (this.policy.kind === "binding") this.policy.forget(member.id);
    this.handleLeft(member, alive, now);
    for (const packet of member.bound.splice(0)) {
      if (packet.order === PINNED) this.drop(packet, "noLink");
      else this.enqueue(packet, now);
    }
  }

  /** Gives up what waits for any of its links. */
  clear(): void {
    while (this.queue.count > 0) this.drop(this.queue.take(0), "noLink");
  }

  /** Takes a packet from the master's interface, and keeps or releases it. Call `poll` when there are no more. */
  enqueue(packet: Packet, now: Instant): void {
    const first = this.joined[0];
    if (first === undefined) return this.drop(packet, "noLink");
    packet.frameLength = this.frameLength(packet, first.link);
    if (packet.frameLength === 0) return this.drop(packet, "oversize");
    if (this.policy.kind === "binding") {
      packet.order = 0;
      const index = this.policy.bind(packet.length, this.joined, now);
      return this.#bind(this.joined[index] as Member, packet);
    }
    const dropped = this.queue.enqueue(packet, now);
    if (dropped !== null) this.drop(dropped, dropped === packet ? "repeated" : "queueFull");
  }

  /** Takes a packet from a member's own interface: it goes by that link. */
  enqueuePinned(member: Member, packet: Packet): void {
    if (packet.length > member.link.mtu) return this.drop(packet, "oversize");
    packet.frameLength = member.link.frameLength(packet);
    packet.order = PINNED;
    this.#bind(member, packet);
  }

  /** Reads what arrived from the far side for what it tells of the lines. */
  handleInbound(_octets: Uint8Array, _at: number, _length: number, _now: Instant): void {}

  /** Writes to the outboxes what can be written now. @returns when to call it again, if nothing happens before */
  poll(now: Instant): Instant {
    this.#setRates();
    this.prepare(now);
    do this.#wake = NEVER;
    while (this.turn(now));
    return this.#wake;
  }

  /** Octets that a packet takes on a line of the bundle, framing included; 0: it is too long. */
  protected abstract frameLength(packet: Packet, link: Link): number;
  /** The member is one no more. */
  protected abstract handleLeft(member: Member, alive: boolean, now: Instant): void;
  /** Before the turns of a poll: the rates may have changed. */
  protected abstract prepare(now: Instant): void;
  /** Does one thing. @returns whether it did anything; if not, `wakeAt` was told when there will be something */
  protected abstract turn(now: Instant): boolean;
  /** Begins the frame of a packet that was bound to this member; keeps, releases or drops it. */
  protected abstract begin(member: Member, packet: Packet, now: Instant): void;

  protected wakeAt(at: number): void {
    if (at < this.#wake) this.#wake = instant(at);
  }

  protected drop(packet: Packet, reason: keyof BundleDrops): void {
    this.drops[reason]++;
    this.queue.finish(packet);
    packet.release();
  }

  /** Brings the figures of a member without an open frame up to now. */
  protected refreshIdle(member: Member, now: Instant): void {
    const { pacer } = member;
    member.startAt = instant(Math.max(pacer.freeAt, now + blockedMs(member, now)));
    member.ready = pacer.freeAt - now <= HORIZON_MS && !member.blocked && member.link.hasRoom;
  }

  /** Asks to be polled when this member can go on, if there is or may be something for it. */
  protected wakeFor(member: Member, waiting: boolean, now: Instant): void {
    if (member.blocked && waiting) this.wakeAt(now + Math.max(HORIZON_MS, member.startAt - now));
    const idle = !member.ready && member.open === null && !member.blocked;
    if (idle && (waiting || member.bound.length > 0)) this.wakeAt(member.pacer.freeAt - HORIZON_MS);
  }

  /** Begins the first packet that is bound to a ready member. They take turns with the queue's, if any waits. */
  protected beginBound(waiting: boolean, now: Instant): boolean {
    for (const member of this.joined) {
      const first = member.bound[0];
      if (!member.ready || first === undefined || (member.servedBound && waiting)) continue;
      member.bound.shift();
      member.servedBound = true;
      this.begin(member, first, now);
      return true;
    }
    return false;
  }

  /** A link that had let the queue go first may go on with its own. */
  protected passTurn(): boolean {
    let passed = false;
    for (const member of this.joined) {
      if (!member.ready || !member.servedBound || member.bound.length === 0) continue;
      member.servedBound = false;
      passed = true;
    }
    return passed;
  }

  /** A binding scheduler took over: what waited in the queue is bound, as links' own shorter queues have room for it. */
  protected bindQueue(scheduler: BindingScheduler, now: Instant): boolean {
    const open = this.joined.filter((member) => member.bound.length < BOUND_LIMIT);
    if (open.length === 0) return false;
    const packet = this.queue.take(0);
    this.queue.finish(packet);
    packet.order = 0;
    this.#bind(open[scheduler.bind(packet.length, open, now)] as Member, packet);
    return true;
  }

  #bind(member: Member, packet: Packet): void {
    packet.flow = null;
    if (member.bound.length >= BOUND_LIMIT) return this.drop(packet, "linkQueueFull");
    member.bound.push(packet);
  }

  /** What depends on the speeds of all members, which change. */
  #setRates(): void {
    let fastestRate = 0;
    this.totalRate = 0;
    this.slowestRate = this.joined.length > 0 ? Number.POSITIVE_INFINITY : 0;
    for (const member of this.joined) {
      this.totalRate += member.rate;
      this.slowestRate = Math.min(this.slowestRate, member.rate);
      fastestRate = Math.max(fastestRate, member.rate);
    }
    if (this.totalRate === 0) return;
    this.queue.answerMs = ACKNOWLEDGEMENT_OCTETS / fastestRate;
    this.queue.targetMs = Math.max(MIN_TARGET_MS, (TARGET_PACKETS * this.mtu) / this.slowestRate);
    this.queue.intervalMs = Math.max(100, INTERVAL_TARGETS * this.queue.targetMs);
  }
}

/** For how long its driver has been full, and, as nothing better is known, goes on to be. */
function blockedMs(member: Member, now: Instant): number {
  if (!member.blocked) member.blockedAt = null;
  else member.blockedAt ??= now;
  return member.blockedAt === null ? 0 : now - member.blockedAt;
}
