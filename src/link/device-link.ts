import { ipTotalLength } from "../wire/ip-packet.ts";
import { type Link, Outbox, type Tap } from "./link.ts";
import type { Packet } from "./packet.ts";

/**
 * An existing kernel interface as a link: packets leave as they are, one after the other in the outbox, and each is cut off by its own
 * length field. What arrives on such an interface the kernel takes itself.
 */
export class DeviceLink implements Link {
  mtu: number;
  readonly fragmenting = null;
  readonly receivedFrom = 0;
  readonly canHold = false;
  readonly outbox: Outbox;
  readonly drops = {};
  readonly received: Uint8Array = new Uint8Array(0);
  readonly receivedLength = 0;
  tap: Tap | null = null;

  /** @param memory for two packets of the MTU or more */
  constructor(mtu: number, memory: Uint8Array) {
    this.mtu = mtu;
    this.outbox = new Outbox(memory);
  }

  get hasRoom(): boolean {
    return this.outbox.makeRoom(this.mtu);
  }

  frameLength(packet: Packet): number {
    return packet.length;
  }

  begin(packet: Packet): number {
    const { outbox } = this;
    // A packet whose own length field is longer than it is cannot be cut off again.
    if (ipTotalLength(packet.octets, packet.start, packet.length) !== packet.length) return 0;
    if (packet.length > this.mtu || !outbox.makeRoom(packet.length)) return 0;
    for (let i = 0; i < packet.length; i++) {
      outbox.octets[outbox.to + i] = packet.octets[packet.start + i] as number;
    }
    outbox.to += packet.length;
    this.tap?.handlePacket(packet.octets, packet.start, packet.start + packet.length, true);
    return packet.length;
  }

  end(): number {
    return 0;
  }

  handleReceive(_octets: Uint8Array, _from: number, to: number): number {
    return to;
  }

  reset(): void {
    this.outbox.clear();
  }
}
