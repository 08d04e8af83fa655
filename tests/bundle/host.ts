import { ClassicBundle } from "../../src/bundle/classic-bundle.ts";
import { Member } from "../../src/bundle/member.ts";
import { DeviceLink } from "../../src/link/device-link.ts";
import type { LinkId } from "../../src/link/link.ts";
import { Pacer } from "../../src/link/pacer.ts";
import type { PacketPool } from "../../src/link/packet.ts";
import { SlipLink, slipLinkMemory } from "../../src/link/slip-link.ts";
import type { Scheduler } from "../../src/scheduler/scheduler.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";
import { SlipDecoder } from "../../src/wire/slip.ts";
import { packetOf, poolOf } from "../link/packets.ts";
import { ipv4, type PacketFields } from "../wire/packets.ts";

/** A packet that left, by which line, and when its last octet was written. */
export interface Departure {
  readonly line: number;
  readonly at: Instant;
  readonly packet: Uint8Array;
}

/** What a packet was made to say, so that it can be told from the others. */
export const labelOf = (packet: Uint8Array): number =>
  new DataView(packet.buffer, packet.byteOffset).getUint32(24);

/** A packet of 28 octets or more that carries a label. */
export function labelled(label: number, fields: PacketFields = {}): Uint8Array {
  const packet = ipv4({ length: 400, ...fields });
  new DataView(packet.buffer).setUint32(24, label);
  return packet;
}

/** A bundle with a host around it that does what an engine does, on virtual time: polls when it should, and empties outboxes. */
export class BundleHost {
  readonly bundle: ClassicBundle;
  readonly members: Member[] = [];
  readonly pool: PacketPool;
  readonly slots: number;
  readonly departures: Departure[] = [];
  now: Instant = instant(1e6);
  /** When the bundle wants to be polled. */
  wake: Instant = NEVER;
  polls = 0;
  readonly #decoders: SlipDecoder[] = [];

  constructor(scheduler: Scheduler, options: { mtu?: number; queuePackets?: number; slots?: number } = {}) {
    const mtu = options.mtu ?? 576;
    this.slots = options.slots ?? 300;
    this.bundle = new ClassicBundle(scheduler, mtu, options.queuePackets ?? 64, 1);
    this.pool = poolOf(this.slots, mtu + 24);
  }

  /** A SLIP line that is no member yet. */
  addLine(bps: number): Member {
    const { mtu } = this.bundle;
    const link = new SlipLink(mtu, new Uint8Array(slipLinkMemory(mtu, mtu)));
    return this.#add(
      new Member(this.members.length as LinkId, `sl${this.members.length}`, link, new Pacer(bps)),
    );
  }

  addDevice(bps: number): Member {
    const link = new DeviceLink(this.bundle.mtu, new Uint8Array(4 * this.bundle.mtu));
    return this.#add(
      new Member(this.members.length as LinkId, `ppp${this.members.length}`, link, new Pacer(bps)),
    );
  }

  #add(member: Member): Member {
    member.pacer.reset(this.now);
    this.members.push(member);
    this.#decoders.push(new SlipDecoder(new Uint8Array(this.bundle.mtu)));
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

  sendPinned(member: Member, octets: Uint8Array): void {
    this.bundle.enqueuePinned(member, packetOf(this.pool, octets));
    this.wake = this.now;
  }

  /** The line of a member is gone, with what was in its outbox. */
  die(member: Member): void {
    this.bundle.leave(member, false, this.now);
    member.link.reset();
    this.#decoders[this.members.indexOf(member)]?.reset();
    this.wake = this.now;
  }

  leave(member: Member): void {
    this.bundle.leave(member, true, this.now);
    this.#flush();
    this.wake = this.now;
  }

  /** One turn at `now`. @returns whether anything left */
  poll(): boolean {
    this.polls++;
    this.wake = this.bundle.poll(this.now);
    return this.#flush();
  }

  /** Turns whenever the bundle asks for one, until `ms` later. @throws when it asks again and again without doing anything */
  run(ms: number): void {
    const until = after(this.now, ms);
    let idle = 0;
    while (this.wake <= until) {
      const before = this.now;
      this.now = instant(Math.max(this.now, this.wake));
      const left = this.poll();
      idle = left || this.now - before > 1e-3 ? 0 : idle + 1;
      if (idle > 3) throw new Error(`a busy loop at ${this.now}: polled ${idle} times, and nothing left`);
    }
    this.now = until;
  }

  /** Packets that are neither released nor in anybody's hands but the bundle's. */
  get held(): number {
    const open = this.members.filter((member) => member.open !== null).length;
    const bound = this.members.reduce((sum, member) => sum + member.bound.length, 0);
    return this.bundle.queue.count + open + bound;
  }

  get dropped(): number {
    return Object.values(this.bundle.drops).reduce((sum, count) => sum + count, 0);
  }

  /** Labels of what left, by line. */
  labels(line?: number): number[] {
    return this.departures
      .filter((departure) => line === undefined || departure.line === line)
      .map(({ packet }) => labelOf(packet));
  }

  #flush(): boolean {
    let wrote = false;
    for (const [line, { link }] of this.members.entries()) {
      const { outbox } = link;
      if (outbox.length === 0) continue;
      wrote = true;
      if (link.canHold) this.#decode(line, outbox.octets, outbox.from, outbox.to);
      else this.#split(line, outbox.octets.slice(outbox.from, outbox.to));
      outbox.clear();
    }
    return wrote;
  }

  #decode(line: number, octets: Uint8Array, from: number, to: number): void {
    const decoder = this.#decoders[line] as SlipDecoder;
    for (let at = from; at < to; ) {
      at = decoder.decode(octets, at, to);
      if (decoder.frameLength > 0) this.#note(line, decoder.frame.slice(0, decoder.frameLength));
    }
  }

  #split(line: number, octets: Uint8Array): void {
    const view = new DataView(octets.buffer);
    for (let at = 0; at < octets.length; at += view.getUint16(at + 2)) {
      this.#note(line, octets.slice(at, at + view.getUint16(at + 2)));
    }
  }

  #note(line: number, packet: Uint8Array): void {
    this.departures.push({ line, at: this.now, packet });
  }
}
