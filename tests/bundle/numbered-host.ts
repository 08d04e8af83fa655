import type { Member } from "../../src/bundle/member.ts";
import { NumberedBundle } from "../../src/bundle/numbered-bundle.ts";
import { resequencerMemory } from "../../src/bundle/resequencer.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import type { Scheduler } from "../../src/scheduler/scheduler.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";
import { PPP_IPCP } from "../../src/wire/ppp-packet.ts";
import { packetOf, poolOf } from "../link/packets.ts";
import { labelOf } from "./host.ts";
import { type PartsLink, partsMember, type SentPart } from "./parts-link.ts";

const MTU = 1500;

/** A numbered bundle with a host around it that does what an engine does, on virtual time. Lines take whatever they are given. */
export class NumberedHost {
  readonly bundle: NumberedBundle;
  readonly members: Member[] = [];
  readonly links: PartsLink[] = [];
  readonly slots = 200;
  readonly pool: ReturnType<typeof poolOf> = poolOf(this.slots, MTU + 100);
  now: Instant = instant(1e6);
  wake: Instant = NEVER;
  polls = 0;

  constructor(scheduler: Scheduler = new EarliestArrival(), short = false) {
    this.bundle = new NumberedBundle(scheduler, MTU, 64, 1, new Uint8Array(resequencerMemory(MTU)), MTU);
    this.bundle.start({ sendShort: short, receiveShort: short, mrru: MTU });
  }

  /** A line that is no member yet. */
  addLine(bps: number): Member {
    const { member, link } = partsMember(bps, MTU, this.members.length, this.now);
    this.members.push(member);
    this.links.push(link);
    return member;
  }

  joined(...bps: number[]): Member[] {
    return bps.map((rate) => {
      const member = this.addLine(rate);
      this.bundle.join(member);
      return member;
    });
  }

  send(octets: Uint8Array): void {
    this.bundle.enqueue(packetOf(this.pool, octets), this.now);
    this.wake = this.now;
  }

  sendControl(octets: Uint8Array): void {
    const packet = packetOf(this.pool, octets);
    packet.protocol = PPP_IPCP;
    this.bundle.enqueueControl(packet, this.now);
    this.wake = this.now;
  }

  sendPinned(member: Member, octets: Uint8Array): void {
    this.bundle.enqueuePinned(member, packetOf(this.pool, octets));
    this.wake = this.now;
  }

  /** Turns whenever the bundle asks for one, until `ms` later. @throws when it asks again and again without doing anything */
  run(ms: number): void {
    const until = after(this.now, ms);
    let idle = 0;
    while (this.wake <= until) {
      const before = this.now;
      this.now = instant(Math.max(this.now, this.wake));
      this.polls++;
      this.wake = this.bundle.poll(this.now);
      idle = this.#flush() || this.now - before > 1e-3 ? 0 : idle + 1;
      if (idle > 3) throw new Error(`a busy loop at ${this.now}: polled ${idle} times, and nothing left`);
    }
    this.now = until;
  }

  /** Packets that are neither released nor in anybody's hands but the bundle's. */
  get held(): number {
    const bound = this.members.reduce((sum, member) => sum + member.bound.length, 0);
    return this.bundle.queue.count + bound + this.bundle.held;
  }

  get dropped(): number {
    return Object.values(this.bundle.drops).reduce((sum, count) => sum + count, 0);
  }

  /** All parts that left with a number, in the order of the numbers. */
  get parts(): SentPart[] {
    const parts = this.links.flatMap(({ sent }) => sent).filter(({ number }) => number !== null);
    return parts.toSorted((a, b) => (a.number as number) - (b.number as number));
  }

  /** What they make: whole packets, in order. */
  get packets(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    let open: number[] | null = null;
    for (const { first, last, octets } of this.parts) {
      if (first) open = [];
      open?.push(...octets);
      if (!last || open === null) continue;
      packets.push(Uint8Array.from(open));
      open = null;
    }
    return packets;
  }

  get labels(): number[] {
    return this.packets.map(labelOf);
  }

  /** Labels of what left by one line without a number. */
  plain(line: number): number[] {
    const { sent } = this.links[line] as PartsLink;
    return sent.filter(({ number }) => number === null).map(({ octets }) => labelOf(octets));
  }

  #flush(): boolean {
    let wrote = false;
    for (const [i, { outbox }] of this.links.entries()) {
      // A line that is blocked takes nothing.
      if (outbox.length === 0 || (this.members[i] as Member).blocked) continue;
      wrote = true;
      outbox.clear();
    }
    return wrote;
  }
}
