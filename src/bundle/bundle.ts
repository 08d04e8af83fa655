import type { LinkId } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import type { BindingScheduler, Choice, Scheduler } from "../scheduler/scheduler.ts";
import { after, type Instant, instant, NEVER } from "../time.ts";
import { ArrivalObserver, type Lateness } from "./arrival-observer.ts";
import { FlowQueue } from "./flow-queue.ts";
import { BOUND_LIMIT, type Member } from "./member.ts";

/**
 * The master, the classic way: whole unmarked packets over links whose far ends need not know of each other.
 *
 * 1. `enqueue`: a packet joins the flow queue, or, with a binding scheduler, one link's own short queue.
 * 2. `poll`: a link whose line is nearly drained takes the packet that the scheduler names, and its frame is begun at once.
 * 3. The frame's closing octet is held until the packet's turn to arrive has come: behind its predecessors in the flow, by estimate,
 *    wherever they are. So arrival order is send order without a number on any packet.
 * 4. `handleInbound`: acknowledgements that pass tell which line runs late; its estimate is corrected.
 */

/** A line is given its next frame when it has less than this left to send, milliseconds. */
const HORIZON_MS = 8;
/** Longest time by which a packet is timed behind its predecessor, milliseconds. */
const GUARD_MS = 5;
/** A frame is not held longer than this for others that do not come, milliseconds. */
const HOLD_LIMIT_MS = 1000;
/** Below this, lateness is the granularity of clocks, milliseconds. */
const LATE_MS = 3;
/** CoDel's target in packet times of the slowest link: three are needed to look ahead, less than five cost throughput. */
const TARGET_PACKETS = 5;
const MIN_TARGET_MS = 15;
/** CoDel's interval in targets: longer than the round trip, most of which is this very queue. */
const INTERVAL_TARGETS = 4;
/** A bound packet that came from its link's own interface: it goes by this link or not at all. */
const PINNED = -1;

export class Bundle {
  readonly queue: FlowQueue;
  readonly drops = { noLink: 0, queueFull: 0, delayed: 0, repeated: 0, linkQueueFull: 0, oversize: 0 };
  sentPackets = 0;
  sentOctets = 0;
  readonly #members: Member[] = [];
  readonly #observer: ArrivalObserver;
  readonly #choice: Choice = { packet: 0, link: 0, notBefore: NEVER };
  readonly #lateness: Lateness = { link: 0 as LinkId, lateMs: 0, plannedAt: instant(0), epoch: 0 };
  #scheduler: Scheduler;
  #mtu: number;
  #guardMs = 0;
  #wake: Instant = NEVER;

  /** @param seed an unsigned 32-bit random number */
  constructor(scheduler: Scheduler, mtu: number, queuePackets: number, seed: number) {
    this.#scheduler = scheduler;
    this.#mtu = mtu;
    this.queue = new FlowQueue(queuePackets, seed);
    this.#observer = new ArrivalObserver(seed);
  }

  /** In the order in which they joined. */
  get members(): readonly Member[] {
    return this.#members;
  }

  get mtu(): number {
    return this.#mtu;
  }

  set mtu(octets: number) {
    this.#mtu = octets;
  }

  /** What waits for a link already begins by the new scheduler; what is bound to one stays bound. */
  set scheduler(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  join(member: Member): void {
    this.#members.push(member);
  }

  /**
   * Takes a member out. What waited for it waits for others; if its line is dead, so does the packet of an unfinished frame, which the
   * far side cannot have. @param alive the line still sends: an open frame is closed
   */
  leave(member: Member, alive: boolean, now: Instant): void {
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    if (this.#scheduler.kind === "binding") this.#scheduler.forget(member.id);
    if (member.open !== null) {
      if (alive) this.#finish(member, member.bodyEnd, now);
      else this.#abandon(member, now);
    }
    for (const packet of member.bound.splice(0)) {
      if (packet.order === PINNED) {
        this.drops.noLink++;
        packet.release();
      } else this.enqueue(packet, now);
    }
  }

  /** Takes a packet from the master's interface, and keeps or releases it. Call `poll` when there are no more. */
  enqueue(packet: Packet, now: Instant): void {
    const first = this.#members[0];
    if (first === undefined) return this.#drop(packet, "noLink");
    if (packet.length > first.link.mtu) return this.#drop(packet, "oversize");
    packet.frameLength = first.link.frameLength(packet);
    if (this.#scheduler.kind === "binding") {
      packet.order = 0;
      return this.#bind(
        this.#members[this.#scheduler.bind(packet.length, this.#members, now)] as Member,
        packet,
      );
    }
    const dropped = this.queue.enqueue(packet, now);
    if (dropped !== null) this.#drop(dropped, dropped === packet ? "repeated" : "queueFull");
  }

  /** Takes a packet from a member's own interface: it goes by that link. */
  enqueuePinned(member: Member, packet: Packet): void {
    if (packet.length > member.link.mtu) return this.#drop(packet, "oversize");
    packet.frameLength = member.link.frameLength(packet);
    packet.order = PINNED;
    this.#bind(member, packet);
  }

  /** Reads what arrived from the far side for what it tells of the lines. */
  handleInbound(octets: Uint8Array, at: number, length: number, now: Instant): void {
    if (this.#members.length < 2) return;
    const late = this.#lateness;
    if (!this.#observer.handleReceived(octets, at, length, now, late) || late.lateMs < LATE_MS) return;
    const member = this.#members.find((candidate) => candidate.id === late.link);
    if (member === undefined || member.pacer.epoch !== late.epoch) return;
    member.pacer.handleLate(late.lateMs, late.plannedAt, now);
    member.bodyEnd = instant(Math.max(member.bodyEnd, now) + late.lateMs);
  }

  /** Writes to the outboxes what can be written now. @returns when to call it again, if nothing happens before */
  poll(now: Instant): Instant {
    this.#setTimes();
    do this.#wake = NEVER;
    while (this.#closeFrames(now) || this.#beginFrame(now));
    return this.#wake;
  }

  /** What depends on the speeds of all members, which change. */
  #setTimes(): void {
    let rate = 0;
    let slowest = Number.POSITIVE_INFINITY;
    for (const member of this.#members) {
      rate += member.rate;
      slowest = Math.min(slowest, member.rate);
    }
    if (rate === 0) return;
    this.#guardMs = Math.min(GUARD_MS, (0.3 * this.#mtu) / rate);
    this.queue.targetMs = Math.max(MIN_TARGET_MS, (TARGET_PACKETS * this.#mtu) / slowest);
    this.queue.intervalMs = Math.max(100, INTERVAL_TARGETS * this.queue.targetMs);
  }

  #wakeAt(at: number): void {
    if (at < this.#wake) this.#wake = instant(at);
  }

  /** @returns whether a frame was closed */
  #closeFrames(now: Instant): boolean {
    let closed = false;
    for (const member of this.#members) {
      if (member.open !== null && this.#tryClose(member, member.open, now)) closed = true;
    }
    return closed;
  }

  #tryClose(member: Member, packet: Packet, now: Instant): boolean {
    let closeAt = member.bodyEnd;
    if (now < closeAt - HORIZON_MS) {
      this.#wakeAt(closeAt - HORIZON_MS);
      return false;
    }
    const flow = packet.flow;
    if (flow !== null && member.canHold && this.#members.length > 1) {
      const limit = member.bodyEnd + HOLD_LIMIT_MS;
      if (now < limit && this.#hasEarlier(member, packet)) {
        this.#wakeAt(limit);
        return false;
      }
      const octetMs = 1 / member.rate;
      // Behind its predecessor on the same line it needs no holding.
      const due =
        flow.arrivedOrder < packet.order && flow.arrivedBy !== member.id
          ? flow.arrivedAt + this.#guardMs - member.delayMs - octetMs
          : Number.NEGATIVE_INFINITY;
      if (due > closeAt) closeAt = instant(due);
      // Closed ahead, it may arrive ahead by as much: its line can be that much faster than its estimate.
      if (due > member.bodyEnd - HORIZON_MS && now < closeAt) {
        this.#wakeAt(closeAt);
        return false;
      }
    }
    this.#finish(member, closeAt, now);
    return true;
  }

  /** Whether a packet before this one in its flow waits, or is in an open frame of another member. */
  #hasEarlier(member: Member, packet: Packet): boolean {
    for (const other of this.#members) {
      const open = other.open;
      if (other !== member && open !== null && open.flow === packet.flow && open.order < packet.order)
        return true;
    }
    return this.queue.hasEarlier(packet);
  }

  /** Closes the frame, whose last octet leaves at `closeAt` or later. */
  #finish(member: Member, closeAt: Instant, now: Instant): void {
    const packet = member.open as Packet;
    member.open = null;
    const { pacer } = member;
    if (closeAt > pacer.freeAt) pacer.freeAt = closeAt;
    const octets = member.link.end(now);
    const arrival = after(octets > 0 ? pacer.charge(octets, now) : pacer.freeAt, member.delayMs);
    const flow = packet.flow;
    if (flow !== null) {
      if (flow.arrivedOrder < packet.order) flow.arrivedOrder = packet.order;
      if (flow.arrivedAt < arrival) {
        flow.arrivedAt = arrival;
        flow.arrivedBy = member.id;
      }
      if (this.#members.length > 1) this.#observer.handleSent(packet, member.id, arrival, pacer.epoch);
    }
    this.queue.finish(packet);
    packet.release();
  }

  /** The line died with a frame open. */
  #abandon(member: Member, now: Instant): void {
    const packet = member.open as Packet;
    member.open = null;
    if (packet.order === PINNED || this.#members.length === 0) this.#drop(packet, "noLink");
    else if (packet.flow !== null) this.queue.requeue(packet);
    else this.enqueue(packet, now);
  }

  /** Begins one frame, if a link is ready and there is one for it. @returns whether it did anything */
  #beginFrame(now: Instant): boolean {
    const waiting = this.queue.count > 0;
    for (const member of this.#members) {
      this.#refresh(member, now);
      if (member.blocked && waiting) this.#wakeAt(now + Math.max(HORIZON_MS, member.startAt - now));
      const idle = !member.ready && member.open === null && !member.blocked;
      if (idle && (waiting || member.bound.length > 0)) this.#wakeAt(member.pacer.freeAt - HORIZON_MS);
    }
    this.#orderOpenArrivals();
    for (const member of this.#members) {
      const first = member.bound[0];
      if (!member.ready || first === undefined || (member.servedBound && waiting)) continue;
      member.bound.shift();
      member.servedBound = true;
      this.#begin(member, first, now);
      return true;
    }
    return waiting && this.#beginPlanned(now);
  }

  #beginPlanned(now: Instant): boolean {
    const scheduler = this.#scheduler;
    if (scheduler.kind === "binding") return this.#bindQueue(scheduler, now) || this.#passTurn();
    const choice = this.#choice;
    if (!scheduler.choose(this.queue, this.#members, this.#guardMs, now, choice)) {
      this.#wakeAt(choice.notBefore);
      // A link that had let the queue go first may go on with its own.
      return this.#passTurn();
    }
    if (this.queue.judge(choice.packet, now)) {
      this.#drop(this.queue.drop(choice.packet), "delayed");
      return true;
    }
    const member = this.#members[choice.link] as Member;
    member.servedBound = false;
    this.#begin(member, this.queue.take(choice.packet), now);
    return true;
  }

  #passTurn(): boolean {
    let passed = false;
    for (const member of this.#members) {
      if (!member.ready || !member.servedBound || member.bound.length === 0) continue;
      member.servedBound = false;
      passed = true;
    }
    return passed;
  }

  /** A binding scheduler took over: what waited in the queue is bound, as links' own shorter queues have room for it. */
  #bindQueue(scheduler: BindingScheduler, now: Instant): boolean {
    const open = this.#members.filter((member) => member.bound.length < BOUND_LIMIT);
    if (open.length === 0) return false;
    const packet = this.queue.take(0);
    this.queue.finish(packet);
    packet.order = 0;
    this.#bind(open[scheduler.bind(packet.length, open, now)] as Member, packet);
    return true;
  }

  #begin(member: Member, packet: Packet, now: Instant): void {
    const octets = member.link.begin(packet, now);
    if (octets === 0) return this.#drop(packet, "oversize");
    member.bodyEnd = member.pacer.charge(octets, now);
    member.open = packet;
    member.sentPackets++;
    member.sentOctets += packet.length;
    this.sentPackets++;
    this.sentOctets += packet.length;
  }

  #bind(member: Member, packet: Packet): void {
    packet.flow = null;
    if (member.bound.length >= BOUND_LIMIT) return this.#drop(packet, "linkQueueFull");
    member.bound.push(packet);
  }

  #drop(packet: Packet, reason: keyof Bundle["drops"]): void {
    this.drops[reason]++;
    this.queue.finish(packet);
    packet.release();
  }

  /** Brings a member's figures up to now, as if no other link had a frame open. */
  #refresh(member: Member, now: Instant): void {
    const { pacer, open } = member;
    const octetMs = 1 / pacer.rate;
    if (open === null) {
      member.startAt = instant(Math.max(pacer.freeAt, now + this.#blockedMs(member, now)));
      member.ready = pacer.freeAt - now <= HORIZON_MS && !member.blocked && member.link.hasRoom;
      return;
    }
    member.ready = false;
    let arrival = Math.max(member.bodyEnd, now) + octetMs + member.delayMs;
    const flow = open.flow;
    if (flow !== null && this.#members.length > 1 && flow.arrivedOrder < open.order) {
      arrival = Math.max(arrival, flow.arrivedAt + this.#guardMs);
    }
    this.#setOpenArrival(member, arrival);
  }

  /** For how long its driver has been full, and, as nothing better is known, goes on to be. */
  #blockedMs(member: Member, now: Instant): number {
    if (!member.blocked) member.blockedAt = null;
    else member.blockedAt ??= now;
    return member.blockedAt === null ? 0 : now - member.blockedAt;
  }

  #setOpenArrival(member: Member, arrival: number): void {
    member.openArrival = instant(arrival);
    member.startAt = instant(arrival - member.delayMs);
  }

  /** Open frames of one flow wait for each other: count those holds too, or equal lines fall into step. */
  #orderOpenArrivals(): void {
    const members = this.#members;
    for (let round = 1; round < members.length; round++) {
      for (const late of members) {
        if (late.open?.flow == null) continue;
        for (const early of members) {
          const first = early.open;
          if (first === null || first.flow !== late.open.flow || first.order >= late.open.order) continue;
          const due = early.openArrival + this.#guardMs;
          if (late.openArrival < due) this.#setOpenArrival(late, due);
        }
      }
    }
  }
}
