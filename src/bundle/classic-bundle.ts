import type { Link, LinkId } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import type { Choice, Scheduler } from "../scheduler/scheduler.ts";
import { after, type Instant, instant, NEVER } from "../time.ts";
import { ArrivalObserver, type Lateness } from "./arrival-observer.ts";
import { Bundle, HORIZON_MS, PINNED } from "./bundle.ts";
import type { Member } from "./member.ts";

/** Longest time by which a packet is timed behind its predecessor, milliseconds. */
const GUARD_MS = 5;
/** A frame is not held longer than this for others that do not come, milliseconds. */
const HOLD_LIMIT_MS = 1000;
/** Below this, lateness is the granularity of clocks, milliseconds. */
const LATE_MS = 3;

/**
 * The master, the classic way: whole unmarked packets over links whose far ends need not know of each other.
 *
 * 1. `enqueue`: a packet joins the flow queue, or, with a binding scheduler, one link's own short queue.
 * 2. `poll`: a link whose line is nearly drained takes the packet that the scheduler names, and its frame is begun at once.
 * 3. The frame's closing octet is held until the packet's turn to arrive has come: behind its predecessors in the flow, by estimate,
 *    wherever they are. So arrival order is send order without a number on any packet.
 * 4. `handleInbound`: acknowledgements that pass tell which line runs late; its estimate is corrected.
 */
export class ClassicBundle extends Bundle {
  readonly #observer: ArrivalObserver;
  readonly #choice: Choice = { packet: 0, link: 0, notBefore: NEVER };
  readonly #lateness: Lateness = { link: 0 as LinkId, lateMs: 0, plannedAt: instant(0), epoch: 0 };
  #guardMs = 0;

  /** @param seed an unsigned 32-bit random number */
  constructor(scheduler: Scheduler, mtu: number, queuePackets: number, seed: number) {
    super(scheduler, mtu, queuePackets, seed);
    this.#observer = new ArrivalObserver(seed);
  }

  override handleInbound(octets: Uint8Array, at: number, length: number, now: Instant): void {
    if (this.joined.length < 2) return;
    const late = this.#lateness;
    if (!this.#observer.handleReceived(octets, at, length, now, late) || late.lateMs < LATE_MS) return;
    const member = this.joined.find((candidate) => candidate.id === late.link);
    if (member === undefined || member.pacer.epoch !== late.epoch) return;
    member.pacer.handleLate(late.lateMs, late.plannedAt, now);
    member.bodyEnd = instant(Math.max(member.bodyEnd, now) + late.lateMs);
  }

  protected override frameLength(packet: Packet, link: Link): number {
    return packet.length > link.mtu ? 0 : link.frameLength(packet);
  }

  protected override prepare(): void {
    if (this.totalRate > 0) this.#guardMs = Math.min(GUARD_MS, (0.3 * this.mtu) / this.totalRate);
  }

  protected override turn(now: Instant): boolean {
    return this.#closeFrames(now) || this.#beginFrame(now);
  }

  /** If its line is dead, so is the packet of an unfinished frame, which the far side cannot have; otherwise the frame is closed. */
  protected override handleLeft(member: Member, alive: boolean, now: Instant): void {
    this.queue.forgetSent();
    if (member.open === null) return;
    if (alive) this.#finish(member, member.bodyEnd, now);
    else this.#abandon(member, now);
  }

  protected override begin(member: Member, packet: Packet, now: Instant): void {
    const octets = member.link.begin(packet, now);
    if (octets === 0) return this.drop(packet, "oversize");
    member.bodyEnd = member.pacer.charge(octets, now);
    member.open = packet;
    if (packet.protocol !== 0) return;
    member.sentPackets++;
    member.sentOctets += packet.length;
    this.sentPackets++;
    this.sentOctets += packet.length;
  }

  /** @returns whether a frame was closed */
  #closeFrames(now: Instant): boolean {
    let closed = false;
    for (const member of this.joined) {
      if (member.open !== null && this.#tryClose(member, member.open, now)) closed = true;
    }
    return closed;
  }

  #tryClose(member: Member, packet: Packet, now: Instant): boolean {
    let closeAt = member.bodyEnd;
    if (now < closeAt - HORIZON_MS) {
      this.wakeAt(closeAt - HORIZON_MS);
      return false;
    }
    const flow = packet.flow;
    if (flow !== null && member.canHold && this.joined.length > 1) {
      const limit = member.bodyEnd + HOLD_LIMIT_MS;
      if (now < limit && this.#hasEarlier(member, packet)) {
        this.wakeAt(limit);
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
        this.wakeAt(closeAt);
        return false;
      }
    }
    this.#finish(member, closeAt, now);
    return true;
  }

  /** Whether a packet before this one in its flow waits, or is in an open frame of another member. */
  #hasEarlier(member: Member, packet: Packet): boolean {
    for (const other of this.joined) {
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
      if (this.joined.length > 1) this.#observer.handleSent(packet, member.id, arrival, pacer.epoch);
    }
    this.queue.finishSent(packet, arrival);
    packet.release();
  }

  /** The line died with a frame open. */
  #abandon(member: Member, now: Instant): void {
    const packet = member.open as Packet;
    member.open = null;
    if (packet.order === PINNED || this.joined.length === 0) this.drop(packet, "noLink");
    else if (packet.flow !== null) this.queue.requeue(packet);
    else this.enqueue(packet, now);
  }

  /** Begins one frame, if a link is ready and there is one for it. @returns whether it did anything */
  #beginFrame(now: Instant): boolean {
    const waiting = this.queue.count > 0;
    for (const member of this.joined) {
      this.#refresh(member, now);
      this.wakeFor(member, waiting, now);
    }
    this.#orderOpenArrivals();
    return this.beginBound(waiting, now) || (waiting && this.#beginPlanned(now));
  }

  #beginPlanned(now: Instant): boolean {
    const scheduler = this.policy;
    if (scheduler.kind === "binding") return this.bindQueue(scheduler, now) || this.passTurn();
    const choice = this.#choice;
    if (!scheduler.choose(this.queue, this.joined, this.#guardMs, now, choice)) {
      this.wakeAt(choice.notBefore);
      return this.passTurn();
    }
    if (this.queue.judge(choice.packet, now)) {
      this.drop(this.queue.drop(choice.packet), "delayed");
      return true;
    }
    const member = this.joined[choice.link] as Member;
    member.servedBound = false;
    this.begin(member, this.queue.take(choice.packet), now);
    return true;
  }

  /** Brings a member's figures up to now, as if no other link had a frame open. */
  #refresh(member: Member, now: Instant): void {
    const { open } = member;
    if (open === null) return this.refreshIdle(member, now);
    member.ready = false;
    let arrival = Math.max(member.bodyEnd, now) + 1 / member.rate + member.delayMs;
    const flow = open.flow;
    if (flow !== null && this.joined.length > 1 && flow.arrivedOrder < open.order) {
      arrival = Math.max(arrival, flow.arrivedAt + this.#guardMs);
    }
    this.#setOpenArrival(member, arrival);
  }

  #setOpenArrival(member: Member, arrival: number): void {
    member.openArrival = instant(arrival);
    member.startAt = instant(arrival - member.delayMs);
  }

  /** Open frames of one flow wait for each other: count those holds too, or equal lines fall into step. */
  #orderOpenArrivals(): void {
    const members = this.joined;
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
