import { type Packet, PacketPool } from "../../src/link/packet.ts";

/** A pool of `count` packets of up to `room` octets. */
export const poolOf = (count: number, room: number, headroom = 0): PacketPool =>
  new PacketPool(new Uint8Array(count * (headroom + room)), 0, count, room, headroom);

/** A packet with a copy of these octets, from a pool that has one left. */
export function packetOf(pool: PacketPool, octets: Uint8Array): Packet {
  const packet = pool.take();
  if (packet === undefined) throw new Error("the test's pool is empty");
  packet.octets.set(octets, packet.start);
  packet.length = octets.length;
  return packet;
}
