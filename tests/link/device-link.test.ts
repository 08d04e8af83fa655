import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DeviceLink } from "../../src/link/device-link.ts";
import { ipv4, ipv6 } from "../wire/packets.ts";
import { describeLink } from "./compliance.ts";
import { packetOf, poolOf } from "./packets.ts";

const make = (mtu: number): DeviceLink => new DeviceLink(mtu, new Uint8Array(4 * mtu));

/** Cuts packets off by their length fields, as the host does that sends each by a call of its own. */
function split(octets: Uint8Array): Uint8Array[] {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const packets: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const isV4 = (octets[at] as number) >> 4 === 4;
    const length = isV4 ? view.getUint16(at + 2) : view.getUint16(at + 4) + 40;
    packets.push(octets.slice(at, at + length));
    at += length;
  }
  return packets;
}

describeLink({ name: "a device link", make, deliver: split, tapHeader: [], extra: 0 });

describe("a device link", () => {
  it("refuses what could not be cut off again", () => {
    const link = make(576);
    const pool = poolOf(3, 576);
    const padded = packetOf(pool, ipv4({ length: 60 }));
    padded.length = 70;
    const cut = packetOf(pool, ipv6({ length: 90 }));
    cut.length = 80;
    const noise = packetOf(pool, new Uint8Array(64).fill(0xff));
    for (const packet of [padded, cut, noise]) assert.equal(link.begin(packet), 0);
    assert.equal(link.outbox.length, 0);
  });

  it("receives nothing: the kernel takes what arrives", () => {
    const link = make(576);
    const packet = ipv4();
    assert.equal(link.handleReceive(packet, 0, packet.length), packet.length);
    assert.equal(link.receivedLength, 0);
  });

  it("stays within its memory when the interface's MTU grows", () => {
    const link = make(100);
    link.mtu = 1500;
    const packet = packetOf(poolOf(1, 1500), ipv4({ length: 450 }));
    assert.equal(link.begin(packet), 0);
    assert.equal(link.outbox.length, 0);
  });
});
