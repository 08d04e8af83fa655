import type { LinkId } from "../src/link/link.ts";
import { Pacer } from "../src/link/pacer.ts";
import { PacketPool } from "../src/link/packet.ts";
import type { LinkView } from "../src/scheduler/scheduler.ts";
import { instant } from "../src/time.ts";

/** Octets without a pattern, the same each time (a linear congruential generator). */
export function randomOctets(length: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

const HEADERS = 40;

/** A TCP segment over IPv4 as a sender's kernel makes it, payload random. */
export function tcpPacket(length: number, sourcePort: number): Uint8Array {
  const packet = randomOctets(length, sourcePort);
  packet.fill(0, 0, HEADERS);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, length);
  view.setUint8(8, 64);
  view.setUint8(9, 6);
  packet.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
  view.setUint16(20, sourcePort);
  view.setUint16(22, 9);
  view.setUint8(32, 0x50);
  view.setUint8(33, 0x10);
  return packet;
}

/** A run of segments of TCP over IPv4 at offset 64, behind its virtio-net header, and as much room again. */
export function tcpRun(
  count: number,
  segmentOctets: number,
  headLength: number,
): { octets: Uint8Array; view: DataView; length: number } {
  const length = headLength + count * segmentOctets;
  const packet = tcpPacket(length, 5000);
  packet[32] = (headLength - 20) << 2;
  const octets = new Uint8Array(160_000);
  const view = new DataView(octets.buffer);
  octets.set(packet, 64);
  octets.set([1, 1, headLength, 0, segmentOctets & 255, segmentOctets >> 8, 20, 0, 16, 0], 54);
  return { octets, view, length };
}

/** Makes a packet of {@link tcpPacket} the one that follows `count` packets later in its connection. */
export function advance(packet: Uint8Array, count: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  view.setUint32(24, view.getUint32(24) + count * (packet.length - HEADERS));
}

export const makePool = (count: number, room: number): PacketPool =>
  new PacketPool(new Uint8Array(count * room), 0, count, room);

/** A link at rest, with so many milliseconds left to send. */
export function linkView(id: number, bps: number, busyMs: number): LinkView {
  return {
    id: id as LinkId,
    givenBps: bps,
    rate: new Pacer(bps).rate,
    delayMs: 0,
    startAt: instant(busyMs),
    ready: busyMs === 0,
    open: null,
    openArrival: instant(0),
    canHold: true,
  };
}
