import { Flow, type Packet } from "../link/packet.ts";
import type { QueueView } from "../scheduler/scheduler.ts";
import { after, type Instant } from "../time.ts";
import { flowHash, markCongestion } from "../wire/ip-packet.ts";
import { sequenceDistance, TcpHeader } from "../wire/tcp-header.ts";
import { SentSegments } from "./sent-segments.ts";

const BUCKETS = 1024;
/** A flow with no more packets than this is not what stands in the queue. */
const STANDING_PACKETS = 2;

/**
 * The queue of a bundle: fair by flow, with CoDel for each flow (RFC 8290, RFC 8289), and a bounded number of packets.
 *
 * Fairness is by finish tags (self-clocked fair queueing) where RFC 8290 turns a wheel: a packet's tag is what its flow would have sent after it
 * at an equal share, so the order of service of all that waits is known at once, and a scheduler can look ahead in it. A flow that
 * starts is served next, as RFC 8290's new flows are. A full queue drops from the head of the flow that has the most octets in it.
 *
 * A TCP segment that is sent again while the first one still waits here, or is on a line, or its acknowledgement is, is not queued twice. On slow lines that is
 * most repetitions: the queue takes longer than the sender, who has seen only the quick answer to its SYN, is willing to wait.
 */
export class FlowQueue implements QueueView {
  readonly packets: (Packet | undefined)[] = [];
  count = 0;
  octets = 0;
  /** Packets that may wait. */
  limit: number;
  /** CoDel's target and interval, milliseconds. */
  targetMs = 5;
  intervalMs = 100;
  /** What an acknowledgement takes at least to come back, milliseconds. */
  answerMs = 0;
  readonly #flows: Flow[] = [];
  readonly #seed: number;
  readonly #header = new TcpHeader();
  /** Taken by links, their frames not closed. */
  readonly #taken: Packet[] = [];
  readonly #sent = new SentSegments();
  #virtual = 0;
  #order = 0;

  /** @param seed an unsigned 32-bit random number, so that nobody can make flows collide */
  constructor(limit: number, seed: number) {
    this.limit = limit;
    this.#seed = seed;
    for (let i = 0; i < BUCKETS; i++) this.#flows.push(new Flow());
  }

  /**
   * Takes a packet with its `frameLength` set.
   * @returns the packet given up, the caller's to release: this one, if it waits here already, or one that made room; or null
   */
  enqueue(packet: Packet, now: Instant): Packet | null {
    const hash = flowHash(packet.octets, packet.start, packet.length, this.#seed);
    const flow = this.#flows[hash % BUCKETS] as Flow;
    packet.flow = flow;
    if (this.#isRepetition(packet, flow, now)) return packet;
    const dropped = this.count >= this.limit ? this.#dropFromLongest() : null;
    packet.order = ++this.#order;
    packet.enqueuedAt = now;
    packet.tag = Math.max(this.#virtual, flow.lastTag) + packet.frameLength;
    flow.lastTag = packet.tag;
    this.#insert(packet);
    return dropped;
  }

  /** Puts a packet back to its old place, when its link died under it. The queue may exceed its limit by it. */
  requeue(packet: Packet): void {
    this.finish(packet);
    this.#insert(packet);
  }

  /** A packet that was taken is on its way, or lost: one like it is no repetition any more. */
  finish(packet: Packet): void {
    const index = this.#taken.indexOf(packet);
    if (index < 0) return;
    const last = this.#taken.pop() as Packet;
    if (last !== packet) this.#taken[index] = last;
  }

  /** As `finish`, of a packet that is wholly on lines. @param arrival when it arrives, by estimate */
  finishSent(packet: Packet, arrival: Instant): void {
    this.finish(packet);
    this.#sent.add(packet, after(arrival, this.answerMs));
  }

  /** A line died: nobody knows any more what arrives. */
  forgetSent(): void {
    this.#sent.clear();
  }

  /** Takes the packet at `index` out, for a link. */
  take(index: number): Packet {
    const packet = this.#remove(index);
    this.#taken.push(packet);
    if (index === 0) this.#virtual = Math.max(this.#virtual, packet.tag - packet.frameLength);
    return packet;
  }

  /**
   * CoDel's word on the packet at `index` as it is about to leave: true when it has to be dropped to tell its sender. A packet of a
   * sender that understands ECN is marked instead. Only the first packet of a flow is judged.
   */
  judge(index: number, now: Instant): boolean {
    const packet = this.packets[index] as Packet;
    const flow = packet.flow as Flow;
    for (let i = 0; i < index; i++) if (this.packets[i]?.flow === flow) return false;
    return (
      this.#shouldSignal(packet, flow, now) && !markCongestion(packet.octets, packet.start, packet.length)
    );
  }

  /** Takes the packet at `index` out for good; it is the caller's to release. */
  drop(index: number): Packet {
    const dropped = this.#remove(index);
    const flow = dropped.flow as Flow;
    // A flow is not charged for what it does not get, or one that always offers too much would never get anything.
    flow.lastTag -= dropped.frameLength;
    for (let i = index; i < this.count; i++) {
      const packet = this.packets[i] as Packet;
      if (packet.flow !== flow) continue;
      packet.tag -= dropped.frameLength;
      this.#moveUp(packet, i);
    }
    return dropped;
  }

  /** Whether an earlier packet of the same flow still waits here. */
  hasEarlier(packet: Packet): boolean {
    for (let i = 0; i < this.count; i++) {
      const other = this.packets[i] as Packet;
      if (other.flow === packet.flow && other.order < packet.order) return true;
    }
    return false;
  }

  #isRepetition(packet: Packet, flow: Flow, now: Instant): boolean {
    const header = this.#header;
    packet.payload = header.read(packet.octets, packet.start, packet.length) ? header.payload : 0;
    if (packet.payload === 0) return false;
    packet.sequence = header.sequence;
    const end = (header.sequence + header.payload) >>> 0;
    if (flow.sequenceEnd === null || sequenceDistance(end, flow.sequenceEnd) > 0) {
      flow.sequenceEnd = end;
      return false;
    }
    for (let i = 0; i < this.count; i++) {
      if (isSameSegment(this.packets[i] as Packet, packet)) return true;
    }
    for (const other of this.#taken) if (isSameSegment(other, packet)) return true;
    return this.#sent.has(packet, now);
  }

  #insert(packet: Packet): void {
    this.#moveUp(packet, this.count++);
    this.octets += packet.length;
    const flow = packet.flow as Flow;
    flow.packets++;
    flow.octets += packet.frameLength;
  }

  /** Puts a packet to its place by its tag, which is `from` or before it. */
  #moveUp(packet: Packet, from: number): void {
    const { packets } = this;
    let at = from;
    while (at > 0 && (packets[at - 1] as Packet).tag > packet.tag) {
      packets[at] = packets[at - 1];
      at--;
    }
    packets[at] = packet;
  }

  #remove(index: number): Packet {
    const { packets } = this;
    const packet = packets[index] as Packet;
    this.count--;
    for (let i = index; i < this.count; i++) packets[i] = packets[i + 1];
    packets[this.count] = undefined;
    this.octets -= packet.length;
    const flow = packet.flow as Flow;
    flow.packets--;
    flow.octets -= packet.frameLength;
    return packet;
  }

  #dropFromLongest(): Packet {
    let at = 0;
    for (let i = 1; i < this.count; i++) {
      if (this.#octetsOfFlowAt(i) > this.#octetsOfFlowAt(at)) at = i;
    }
    return this.drop(at);
  }

  #octetsOfFlowAt(index: number): number {
    return ((this.packets[index] as Packet).flow as Flow).octets;
  }

  /** RFC 8289, section 5: the sojourn time has stayed above target for an interval, and the next signal is due. */
  #shouldSignal(packet: Packet, flow: Flow, now: Instant): boolean {
    const above = this.#isAbove(packet, flow, now);
    if (flow.dropping) {
      if (!above) flow.dropping = false;
      else if (now >= flow.dropNext) {
        flow.dropCount++;
        flow.dropNext += this.intervalMs / Math.sqrt(flow.dropCount);
        return true;
      }
      return false;
    }
    if (!above) return false;
    flow.dropping = true;
    const recent = flow.dropCount > 2 && now - flow.dropNext < 8 * this.intervalMs;
    flow.dropCount = recent ? flow.dropCount - 2 : 1;
    flow.dropNext = now + this.intervalMs / Math.sqrt(flow.dropCount);
    return true;
  }

  #isAbove(packet: Packet, flow: Flow, now: Instant): boolean {
    if (now - packet.enqueuedAt < this.targetMs || flow.packets <= STANDING_PACKETS) {
      flow.aboveUntil = 0;
      return false;
    }
    if (flow.aboveUntil === 0) flow.aboveUntil = now + this.intervalMs;
    return now >= flow.aboveUntil;
  }
}

const isSameSegment = (a: Packet, b: Packet): boolean =>
  a.flow === b.flow && a.sequence === b.sequence && a.payload === b.payload;
