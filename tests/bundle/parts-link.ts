import { Member } from "../../src/bundle/member.ts";
import { type Fragmenting, type Link, type LinkId, Outbox } from "../../src/link/link.ts";
import { Pacer } from "../../src/link/pacer.ts";
import type { Packet } from "../../src/link/packet.ts";
import type { Instant } from "../../src/time.ts";

/** What was written as one frame. */
export interface SentPart {
  readonly at: Instant;
  /** Null: a whole packet without a number. */
  readonly number: number | null;
  readonly first: boolean;
  readonly last: boolean;
  readonly octets: Uint8Array;
}

/** Header, check and flag of a part. */
export const PART_OVERHEAD = 9;

/** A link that carries numbered parts and notes what it was given; its outbox has room for two frames. */
export class PartsLink implements Link, Fragmenting {
  readonly mtu: number;
  readonly canHold = true;
  readonly outbox: Outbox;
  readonly drops = {};
  readonly received: Uint8Array = new Uint8Array(0);
  readonly receivedFrom = 0;
  readonly receivedLength = 0;
  readonly fragmentOverhead: number = PART_OVERHEAD;
  fragmentMax: number;
  tap = null;
  readonly sent: SentPart[] = [];

  constructor(mtu: number) {
    this.mtu = mtu;
    this.fragmentMax = mtu;
    this.outbox = new Outbox(new Uint8Array(2 * (mtu + PART_OVERHEAD)));
  }

  get fragmenting(): Fragmenting {
    return this;
  }

  get hasRoom(): boolean {
    return this.outbox.makeRoom(this.mtu + PART_OVERHEAD);
  }

  frameLength(packet: Packet): number {
    return packet.length + PART_OVERHEAD - 4;
  }

  begin(packet: Packet, now: Instant): number {
    return this.#write(packet, 0, packet.length, null, PART_OVERHEAD - 5, now);
  }

  end(): number {
    this.outbox.to++;
    return 1;
  }

  sendFragment(packet: Packet, from: number, to: number, number: number, now: Instant): number {
    if (to - from > this.fragmentMax) return 0;
    return this.#write(packet, from, to, number, PART_OVERHEAD, now);
  }

  handleReceive(_octets: Uint8Array, _from: number, to: number): number {
    return to;
  }

  reset(): void {
    this.outbox.clear();
  }

  #write(
    packet: Packet,
    from: number,
    to: number,
    number: number | null,
    overhead: number,
    at: Instant,
  ): number {
    const length = to - from + overhead;
    if (!this.outbox.makeRoom(length)) return 0;
    this.outbox.to += length;
    const octets = packet.octets.slice(packet.start + from, packet.start + to);
    this.sent.push({ at, number, first: from === 0, last: to === packet.length, octets });
    return length;
  }
}

export interface PartsMember {
  readonly member: Member;
  readonly link: PartsLink;
}

export function partsMember(bps: number, mtu: number, id: number, now: Instant): PartsMember {
  const link = new PartsLink(mtu);
  const member = new Member(id as LinkId, `ppp${id}`, link, new Pacer(bps));
  member.pacer.reset(now);
  member.startAt = now;
  return { member, link };
}
