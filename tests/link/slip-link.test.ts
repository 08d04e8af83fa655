import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SlipLink, slipLinkMemory } from "../../src/link/slip-link.ts";
import { type Instant, instant } from "../../src/time.ts";
import { segment } from "../sim/tcp-model.ts";
import { ipv4, ipv6 } from "../wire/packets.ts";
import { describeLink } from "./compliance.ts";
import { packetOf, poolOf } from "./packets.ts";

const END = 0xc0;
const ESC = 0xdb;
const make = (mtu: number): SlipLink => new SlipLink(mtu, new Uint8Array(slipLinkMemory(mtu, mtu)));

function receive(link: SlipLink, octets: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    at = link.handleReceive(octets, at, octets.length, instant(0));
    if (link.receivedLength > 0) packets.push(link.received.slice(0, link.receivedLength));
  }
  return packets;
}

/** A frame by the RFC's rules, written anew. */
const frame = (packet: Uint8Array): number[] => [
  ...[...packet].flatMap((octet) => (octet === END ? [ESC, 0xdc] : octet === ESC ? [ESC, 0xdd] : [octet])),
  END,
];

function send(link: SlipLink, octets: Uint8Array, now: Instant, endAt = now): number[] {
  const packet = packetOf(poolOf(1, 2000), octets);
  link.begin(packet, now);
  link.end(endAt);
  const line = [...link.outbox.octets.subarray(link.outbox.from, link.outbox.to)];
  link.outbox.clear();
  return line;
}

describeLink({
  name: "a SLIP link",
  make,
  deliver: (line) => receive(make(16_384), line),
  tapHeader: [],
  extra: 1,
});

describe("a SLIP link, sending", () => {
  it("begins with an END on a new line, and after 100 ms of quiet, and not between", () => {
    const link = make(1500);
    const packet = ipv4();
    const framed = frame(packet);
    assert.deepEqual(send(link, packet, instant(5000)), [END, ...framed]);
    assert.deepEqual(send(link, packet, instant(5100), instant(5600)), framed);
    assert.deepEqual(send(link, packet, instant(5650)), framed);
    assert.deepEqual(send(link, packet, instant(5751)), [END, ...framed]);
    link.reset();
    assert.deepEqual(send(link, packet, instant(5752)), [END, ...framed]);
  });

  it("keeps the closing END back until it is told", () => {
    const link = make(1500);
    const far = make(1500);
    const octets = ipv4();
    link.begin(packetOf(poolOf(1, 1500), octets), instant(0));
    assert.deepEqual(receive(far, link.outbox.octets.slice(0, link.outbox.to)), []);
    link.outbox.clear();
    link.end(instant(900));
    assert.deepEqual(receive(far, Uint8Array.of(END)), [octets]);
  });

  it("has room for two frames of the worst octets with a line that takes nothing in between", () => {
    fc.assert(
      fc.property(fc.integer({ min: 68, max: 2000 }), fc.integer({ min: 0, max: 300 }), (mtu, taken) => {
        const link = make(mtu);
        const packet = packetOf(poolOf(1, mtu), ipv4({ length: mtu }).fill(END, 20));
        assert.ok(link.begin(packet, instant(1000)) > 0);
        link.outbox.consume(Math.min(taken, link.outbox.length));
        link.end(instant(2000));
        assert.ok(link.begin(packet, instant(3000)) > 0);
        link.end(instant(4000));
        assert.ok(link.outbox.to <= link.outbox.octets.length);
      }),
    );
  });
});

describe("a SLIP link, receiving", () => {
  it("delivers the packet behind noise, and counts the noise", () => {
    const link = make(576);
    const good = ipv4({ length: 100 });
    const noise = Uint8Array.of(1, 2, 3, ESC, 7, 9, END, 0x45, 0, 0, 44, END, ...new Uint8Array(700), END);
    assert.deepEqual(receive(link, Uint8Array.of(...noise, ...frame(good))), [good]);
    assert.deepEqual(link.drops, { oversize: 1, badEscape: 1, notIp: 1, vjCompressed: 0 });
  });

  it("forgets a packet when garbage follows, and shows the tap packets only", () => {
    const link = make(576);
    const seen: Uint8Array[] = [];
    link.tap = {
      handlePacket: (octets, from, to, sent) => {
        assert.equal(sent, false);
        seen.push(octets.slice(from, to));
      },
    };
    const good = ipv6({ length: 90 });
    assert.deepEqual(receive(link, Uint8Array.from(frame(good))), [good]);
    assert.deepEqual(receive(link, Uint8Array.of(0x10, 0x20, END)), []);
    assert.equal(link.receivedLength, 0);
    assert.deepEqual(seen, [good]);
  });

  it("finds every packet of any stream of packets and noise between ENDs", () => {
    const part = fc.oneof(
      fc.record({ noise: fc.uint8Array({ maxLength: 60 }) }),
      fc.record({ length: fc.integer({ min: 28, max: 300 }) }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), (parts, chunk) => {
        const link = make(300);
        const line: number[] = [];
        const sent: Uint8Array[] = [];
        for (const each of parts) {
          if ("noise" in each) {
            // Noise that is no packet by chance.
            line.push(...frame(Uint8Array.of(0x12, ...each.noise)));
          } else {
            sent.push(ipv4({ length: each.length }));
            line.push(END, ...frame(ipv4({ length: each.length })));
          }
        }
        const received: Uint8Array[] = [];
        for (let at = 0; at < line.length; at += chunk) {
          received.push(...receive(link, Uint8Array.from(line.slice(at, at + chunk))));
        }
        assert.deepEqual(received, sent);
        assert.equal(link.drops.notIp, parts.length - sent.length);
      }),
    );
  });

  it("forgets an unfinished frame when the line is new", () => {
    const link = make(576);
    const good = ipv4();
    receive(link, Uint8Array.of(0x45, 1, 2, ESC));
    link.reset();
    assert.deepEqual(receive(link, Uint8Array.from(frame(good))), [good]);
    assert.deepEqual(link.drops, { oversize: 0, badEscape: 0, notIp: 0, vjCompressed: 0 });
  });

  it("takes packets longer than its own MTU where it has memory for them", () => {
    const link = new SlipLink(296, new Uint8Array(slipLinkMemory(296, 1500)));
    const long = ipv4({ length: 1500 });
    assert.deepEqual(receive(link, Uint8Array.from(frame(long))), [long]);
  });

  it("believes in VJ compression only after the packet that begins a compressed connection", () => {
    const link = make(576);
    const compressed = Uint8Array.of(0x90, 0x12, 0x34, 1, 2, 3);
    receive(link, Uint8Array.from(frame(compressed)));
    assert.equal(link.drops.vjCompressed, 0);
    assert.equal(link.drops.notIp, 1);
    const beginning = segment(1, 30);
    beginning[0] = 0x75;
    beginning[9] = 0;
    receive(link, Uint8Array.from(frame(beginning)));
    receive(link, Uint8Array.from(frame(compressed)));
    assert.equal(link.drops.vjCompressed, 2);
    assert.equal(link.drops.notIp, 1);
  });
});
