import type { Link } from "../link/link.ts";
import type { Packet } from "../link/packet.ts";
import type { Choice, Scheduler } from "../scheduler/scheduler.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import { Bundle, type BundleDrops, PINNED } from "./bundle.ts";
import { Fragmenter } from "./fragmenter.ts";
import { BOUND_LIMIT, type Member } from "./member.ts";
import type { ReceiveDrops } from "./reassembler.ts";
import { Resequencer } from "./resequencer.ts";

/** What the two ends of a bundle agreed on. */
export interface Numbering {
  /** 12-bit numbers instead of 24-bit ones, each way. */
  readonly sendShort: boolean;
  readonly receiveShort: boolean;
  /** Our MRRU: longest packet that is received, octets. */
  readonly mrru: number;
}

/** A link that others have passed by for so long, milliseconds, carries the filler. */
const FILLER_AFTER_MS = 1000;
/** Numbers short of half of them at which nothing more is sent: more than one packet takes. */
const NUMBER_MARGIN = 64;

/**
 * The master, the numbered way (RFC 1990): packets or parts of them over links whose far end puts them in order by their numbers.
 *
 * 1. `enqueue`: a packet joins the flow queue, or, with a binding scheduler, one link's own short queue.
 * 2. `poll`: when links whose lines are nearly drained can carry most of it, the next packet is cut over all links so that its parts
 *    arrive together, and all of them are written at once. They take the next numbers, so on each link numbers grow.
 * 3. What belongs to one link alone (LCP, what is sent to its own interface) goes whole and without a number.
 * 4. `handleFragment`: received parts are put in order; `pollPacket` gives what they make.
 *
 * After `poll`, too, there may be packets to be polled: those that waited for what was given up.
 */
export class NumberedBundle extends Bundle {
  override readonly drops: BundleDrops & ReceiveDrops = {
    noLink: 0,
    queueFull: 0,
    delayed: 0,
    repeated: 0,
    linkQueueFull: 0,
    oversize: 0,
    fragmentLost: 0,
    resequencerFull: 0,
    reassembledTooLong: 0,
    fragmentLate: 0,
    badSequence: 0,
  };
  /**
   * What the far side ignores, so that it sees numbers go by on a link that has nothing to carry; null: nothing is sent there. A part is
   * known to be lost when all links have carried later ones, and Linux waits for that for ever.
   */
  filler: Packet | null = null;
  readonly #resequencer: Resequencer;
  readonly #fragmenter = new Fragmenter();
  readonly #choice: Choice = { packet: 0, link: 0, notBefore: NEVER };
  readonly #control: Packet[] = [];
  /** A packet of which the octets before `#restFrom` have been sent. */
  #rest: Packet | null = null;
  #restFrom = 0;
  /** When the last part of the packet that is being sent arrives, by estimate. */
  #arrival: Instant = instant(0);
  /** The next number, and all ones of one. */
  #number = 0;
  #mask = 0xffffff;

  /**
   * @param seed an unsigned 32-bit random number
   * @param memory of `resequencerMemory(longest)` octets; `received` lies at its beginning
   * @param longest octets of the longest packet of any numbering
   */
  constructor(
    scheduler: Scheduler,
    mtu: number,
    queuePackets: number,
    seed: number,
    memory: Uint8Array,
    longest: number,
  ) {
    super(scheduler, mtu, queuePackets, seed);
    this.#resequencer = new Resequencer(memory, longest, this.drops);
  }

  /** Before the first link joins: both ends begin at number 0. */
  start({ sendShort, receiveShort, mrru }: Numbering): void {
    this.#number = 0;
    this.#mask = sendShort ? 0xfff : 0xffffff;
    this.#resequencer.start(mrru, receiveShort);
  }

  /** Where `pollPacket` left a packet, its protocol field first: `received[receivedFrom, receivedFrom + receivedLength)`. */
  get received(): Uint8Array {
    return this.#resequencer.received;
  }

  readonly receivedFrom = 0;

  get receivedLength(): number {
    return this.#resequencer.receivedLength;
  }

  /** How long a part that is missing is waited for, milliseconds. */
  get waitMs(): number {
    return this.#resequencer.waitMs;
  }

  /** Packets held beside those of the queue and those bound to members. */
  get held(): number {
    return this.#control.length + (this.#rest === null ? 0 : 1);
  }

  /** Its link must be able to carry parts. */
  override join(member: Member): void {
    member.lastNumber = this.#number;
    member.numberBefore = this.#number;
    member.passedSince = NEVER;
    this.#resequencer.join(member.source);
    super.join(member);
  }

  /** Takes a packet of the bundle's own control protocols: it goes before those of the queue, in one part if frames can be as long. */
  enqueueControl(packet: Packet, _now: Instant): void {
    if (this.joined.length === 0) return this.drop(packet, "noLink");
    if (this.#control.length >= BOUND_LIMIT) return this.drop(packet, "queueFull");
    packet.flow = null;
    this.#control.push(packet);
  }

  /** Takes a part of a packet that came by a member: `octets[from, to)`, which are copied. Poll packets, and the bundle, afterwards. */
  handleFragment(
    member: Member,
    octets: Uint8Array,
    from: number,
    to: number,
    number: number,
    first: boolean,
    last: boolean,
    now: Instant,
  ): void {
    this.#resequencer.handleFragment(member.source, octets, from, to, number, first, last, now);
  }

  /** @returns whether there is a next packet in `received`, valid until anything else is called */
  pollPacket(): boolean {
    return this.#resequencer.pollPacket();
  }

  protected override frameLength(packet: Packet, link: Link): number {
    return packet.length > this.mtu ? 0 : packet.length + (link.fragmenting?.fragmentOverhead ?? 0);
  }

  /** Parts on a dead line are lost: they are not sent again under numbers that the far side has seen pass. */
  protected override handleLeft(member: Member): void {
    this.#resequencer.leave(member.source);
    this.queue.forgetSent();
    if (this.joined.length > 0) return;
    for (const packet of this.#control.splice(0)) this.drop(packet, "noLink");
    if (this.#rest === null) return;
    this.drop(this.#rest, "noLink");
    this.#rest = null;
  }

  protected override prepare(now: Instant): void {
    if (this.slowestRate > 0) this.#resequencer.slowestRate = this.slowestRate;
    this.#resequencer.handleTimeout(now);
  }

  protected override turn(now: Instant): boolean {
    const waiting = this.queue.count > 0 || this.held > 0;
    const canNumber = this.#canNumber(now);
    for (const member of this.joined) {
      this.refreshIdle(member, now);
      this.wakeFor(member, waiting, now);
      if (!canNumber && member.bound[0]?.order !== PINNED) member.ready = false;
    }
    this.wakeAt(this.#resequencer.pollTimeout());
    return (
      (canNumber && this.#sendUrgent(now)) ||
      this.beginBound(waiting, now) ||
      (canNumber && waiting && this.#sendQueued(now)) ||
      (canNumber && this.#sendFiller(now))
    );
  }

  /** Numbers under way must be told apart: no more than half of them may be, RFC 1990, section 3. Only a line that is stopped holds so many. */
  #canNumber(now: Instant): boolean {
    for (const member of this.joined) {
      if (!member.blocked && member.pacer.freeAt <= now) {
        member.lastNumber = this.#number;
        member.numberBefore = this.#number;
      } else if (((this.#number - member.numberBefore) & this.#mask) > (this.#mask >> 1) - NUMBER_MARGIN)
        return false;
    }
    return true;
  }

  /** What is left of a packet that has begun, then control packets. */
  #sendUrgent(now: Instant): boolean {
    const rest = this.#rest;
    if (rest !== null) {
      const octets = this.#fragmenter.divide(rest.length - this.#restFrom, this.joined);
      return octets > 0 && this.#sendShares(rest, this.#restFrom, now);
    }
    const packet = this.#control[0];
    if (packet === undefined) return false;
    if (!this.#isTimely(this.#fragmenter.assign(packet.length, this.joined))) return false;
    this.#control.shift();
    return this.#sendShares(packet, 0, now);
  }

  #sendQueued(now: Instant): boolean {
    // Control packets wait for a link: what is in the queue does not take it.
    if (this.held > 0 || this.queue.count === 0) return this.passTurn();
    const scheduler = this.policy;
    if (scheduler.kind === "binding") return this.bindQueue(scheduler, now) || this.passTurn();
    if (!scheduler.mayCut) return this.#sendPlanned(now);
    const length = (this.queue.packets[0] as Packet).length;
    if (!this.#isTimely(this.#fragmenter.divide(length, this.joined))) return this.passTurn();
    const packet = this.#takeQueued(now);
    return packet === null || this.#sendShares(packet, 0, now);
  }

  /** A scheduler that names one link for each packet. */
  #sendPlanned(now: Instant): boolean {
    const choice = this.#choice;
    const scheduler = this.policy;
    if (scheduler.kind !== "planning") return false;
    if (!scheduler.choose(this.queue, this.joined, 0, now, choice)) {
      this.wakeAt(choice.notBefore);
      return this.passTurn();
    }
    const packet = this.#takeQueued(now);
    if (packet === null) return true;
    const member = this.joined[choice.link] as Member;
    member.servedBound = false;
    this.#sendWhole(member, packet, now);
    return true;
  }

  /** @returns the packet that is next; null: it had to be dropped to tell its sender */
  #takeQueued(now: Instant): Packet | null {
    if (!this.queue.judge(0, now)) return this.queue.take(0);
    this.drop(this.queue.drop(0), "delayed");
    return null;
  }

  /** Whether most of what was divided begins soon. If not, waiting costs nothing, and what comes meanwhile may go first. */
  #isTimely(divided: number): boolean {
    let soon = 0;
    for (let i = 0; i < this.joined.length; i++) {
      if ((this.joined[i] as Member).ready) soon += this.#fragmenter.shares[i] as number;
    }
    return soon > 0 && 2 * soon >= divided;
  }

  /** Sends parts as they were divided; what is more than frames can be long waits. @returns true */
  #sendShares(packet: Packet, from: number, now: Instant): true {
    let at = from;
    for (let i = 0; i < this.joined.length; i++) {
      const share = this.#fragmenter.shares[i] as number;
      if (share === 0) continue;
      const member = this.joined[i] as Member;
      member.servedBound = false;
      if (!this.#sendPart(member, packet, at, at + share, now)) {
        // It cannot be sent at all: its link said that there was room.
        this.#rest = null;
        this.drop(packet, "oversize");
        return true;
      }
      at += share;
    }
    if (at < packet.length) {
      this.#rest = packet;
      this.#restFrom = at;
    } else {
      this.#rest = null;
      this.#finish(packet);
    }
    return true;
  }

  /** One link carries it all, in as few parts as frames are long. */
  #sendWhole(member: Member, packet: Packet, now: Instant): void {
    const most = member.link.fragmenting?.fragmentMax ?? 0;
    for (let at = 0; at < packet.length; ) {
      const to = Math.min(packet.length, at + most);
      if (most <= 0 || !this.#sendPart(member, packet, at, to, now)) return this.drop(packet, "oversize");
      at = to;
    }
    this.#finish(packet);
  }

  #sendPart(member: Member, packet: Packet, from: number, to: number, now: Instant): boolean {
    if (!this.#writePart(member, packet, from, to, now)) return false;
    const arrival = member.pacer.freeAt + member.delayMs;
    if (from === 0 || arrival > this.#arrival) this.#arrival = instant(arrival);
    for (const other of this.joined) {
      if (other !== member && other.passedSince === NEVER) other.passedSince = now;
    }
    if (packet.protocol === 0) {
      member.sentOctets += to - from;
      if (from === 0) member.sentPackets++;
    }
    return true;
  }

  /** On one link at a time, and never between the parts of a packet. */
  #sendFiller(now: Instant): boolean {
    const { filler } = this;
    if (filler === null || this.#rest !== null) return false;
    for (const member of this.joined) {
      const due = member.passedSince + FILLER_AFTER_MS;
      if (due > now) this.wakeAt(due);
      else if (member.ready) return this.#writePart(member, filler, 0, filler.length, now);
      else if (member.startAt > now) this.wakeAt(member.startAt);
    }
    return false;
  }

  #writePart(member: Member, packet: Packet, from: number, to: number, now: Instant): boolean {
    member.passedSince = NEVER;
    const octets = member.link.fragmenting?.sendFragment(packet, from, to, this.#number, now) ?? 0;
    if (octets === 0) return false;
    member.pacer.charge(octets, now);
    member.numberBefore = member.lastNumber;
    member.lastNumber = this.#number;
    this.#number = (this.#number + 1) & this.#mask;
    member.sentFragments++;
    return true;
  }

  /** All of it is written, and on lines until `#arrival`. */
  #finish(packet: Packet): void {
    if (packet.protocol === 0) {
      this.sentPackets++;
      this.sentOctets += packet.length;
    }
    this.queue.finishSent(packet, this.#arrival);
    packet.release();
  }

  protected override begin(member: Member, packet: Packet, now: Instant): void {
    if (packet.order !== PINNED) return this.#sendWhole(member, packet, now);
    const { link, pacer } = member;
    const octets = link.begin(packet, now);
    if (octets === 0) return this.drop(packet, "oversize");
    this.#arrival = pacer.charge(octets + link.end(now), now);
    if (packet.protocol === 0) {
      member.sentPackets++;
      member.sentOctets += packet.length;
    }
    this.#finish(packet);
  }
}
