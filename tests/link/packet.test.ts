import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Packet, PacketPool } from "../../src/link/packet.ts";

function takeAll(pool: PacketPool): Packet[] {
  const packets: Packet[] = [];
  for (let packet = pool.take(); packet !== undefined; packet = pool.take()) packets.push(packet);
  return packets;
}

describe("a pool of packets", () => {
  it("gives each slot to one holder, with headroom, until none is left", () => {
    const memory = new Uint8Array(5 * (8 + 100) + 7);
    const pool = new PacketPool(memory, 4096, 5, 100, 8);
    assert.equal(pool.available, 5);
    const packets = takeAll(pool);
    assert.equal(packets.length, 5);
    assert.equal(pool.available, 0);
    for (const [i, packet] of packets.entries()) {
      assert.equal(packet.start, 8);
      assert.equal(packet.length, 0);
      assert.equal(packet.octets.length, 108);
      assert.equal(packet.address - 4096, packet.octets.byteOffset);
      packet.octets.fill(i + 1);
    }
    for (const [i, packet] of packets.entries()) assert.ok(packet.octets.every((octet) => octet === i + 1));
    assert.ok(memory.subarray(540).every((octet) => octet === 0));
  });

  it("has address 0 for all where it is not in native memory", () => {
    assert.ok(takeAll(new PacketPool(new Uint8Array(30), 0, 3, 10)).every((packet) => packet.address === 0));
  });

  it("gives a packet anew after its release, with headers that were prepended gone", () => {
    const pool = new PacketPool(new Uint8Array(60), 0, 1, 50, 10);
    const packet = pool.take() as Packet;
    packet.start -= 6;
    packet.length = 46;
    packet.release();
    assert.equal(pool.available, 1);
    const again = pool.take() as Packet;
    assert.equal(again.start, 10);
    assert.equal(again.length, 0);
    assert.equal(again.flow, null);
  });
});
