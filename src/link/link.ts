import type { Instant } from "../time.ts";
import type { Packet } from "./packet.ts";

declare const brand: unique symbol;
export type LinkId = number & { readonly [brand]: "LinkId" };

/** Octets waiting for a line: written by a link, taken by the host, which may take a part. Never grows. */
export class Outbox {
  readonly octets: Uint8Array;
  /** Octets `[from, to)` wait. */
  from = 0;
  to = 0;

  constructor(octets: Uint8Array) {
    this.octets = octets;
  }

  get length(): number {
    return this.to - this.from;
  }

  /** Moves what waits to the front if fewer than `room` octets are free behind it. @returns whether there is room then */
  makeRoom(room: number): boolean {
    if (this.octets.length - this.to >= room) return true;
    if (this.from > 0) {
      this.octets.copyWithin(0, this.from, this.to);
      this.to -= this.from;
      this.from = 0;
    }
    return this.octets.length - this.to >= room;
  }

  consume(count: number): void {
    this.from += count;
    if (this.from >= this.to) this.clear();
  }

  clear(): void {
    this.from = 0;
    this.to = 0;
  }
}

/**
 * Sees every packet that a link sends and receives, in the order in which it does; copies what it keeps. Of a PPP link it sees all
 * frames, from address or protocol on and without their check.
 */
export interface Tap {
  handlePacket(octets: Uint8Array, from: number, to: number, sent: boolean): void;
}

/**
 * What a link can do that takes part in a numbered bundle: carry numbered parts of packets.
 *
 * A part is `packet[start + from, start + to)`; the first one has `from` 0, the last one ends with the packet.
 */
export interface Fragmenting {
  /** Octets that a part takes on the line beyond its own and their escapes: header, check, flag. */
  readonly fragmentOverhead: number;
  /** Longest part, in octets. */
  readonly fragmentMax: number;
  /** Writes a whole frame. @param number its place in the bundle's order @returns octets written to the outbox; 0: no room */
  sendFragment(packet: Packet, from: number, to: number, number: number, now: Instant): number;
}

/**
 * One link: the protocol machine between packets and one line's octets. Owns no socket, timer or clock.
 *
 * A packet is sent in two steps, so that its frame can be closed later than its octets take: `begin` writes all but what closes the
 * frame, `end` the rest. A link that cannot do that (`canHold` false) writes everything at `begin`.
 * `handle*` takes what happened, `poll*` gives what to do. After any of them, drain the outbox and `pollReceive`.
 */
export interface Link {
  /** Largest packet `begin` takes, in octets. */
  readonly mtu: number;
  readonly canHold: boolean;
  readonly outbox: Outbox;
  /** Whether the outbox has room for any packet of the MTU. */
  readonly hasRoom: boolean;
  /** Received frames that were given up, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  /** Octets that a packet takes on the line, closing included. */
  frameLength(packet: Packet): number;
  /** @returns octets written to the outbox; 0: no room, the packet is still the caller's, as it always is */
  begin(packet: Packet, now: Instant): number;
  /** Closes the frame that `begin` opened. @returns octets written to the outbox */
  end(now: Instant): number;
  /** Takes octets of the line up to the end of the first packet in them. @returns the position after the last one taken */
  handleReceive(octets: Uint8Array, from: number, to: number, now: Instant): number;
  /** Where `handleReceive` left a packet: `received[receivedFrom, receivedFrom + receivedLength)`, valid until its next call; length 0: none. */
  readonly received: Uint8Array;
  readonly receivedFrom: number;
  readonly receivedLength: number;
  /** Null: it carries whole packets only, for now or for good. */
  readonly fragmenting: Fragmenting | null;
  /** The line is new: forget unfinished frames both ways. */
  reset(): void;
  /** Null: nobody looks. */
  tap: Tap | null;
}
