import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  flowHash,
  internetChecksum,
  ipProtocol,
  ipTotalLength,
  ipVersion,
  markCongestion,
  transportOffset,
  vanJacobsonKind,
} from "../../src/wire/ip-packet.ts";
import { segment } from "../sim/tcp-model.ts";
import { ipv4, ipv6, type PacketFields, slowChecksum } from "./packets.ts";

const SEED = 0x9abcdef0;
const hashOf = (packet: Uint8Array, reverse = false, seed = SEED): number =>
  flowHash(packet, 0, packet.length, seed, reverse);

/** Mostly what looks like a packet: arbitrary octets behind a likely first one. */
const octets = fc
  .tuple(
    fc.constantFrom(0x45, 0x46, 0x4f, 0x44, 0x60, 0x75, 0x00, 0xff, 0x85),
    fc.uint8Array({ maxLength: 90 }),
    fc.boolean(),
  )
  .map(([first, rest, fit]) => {
    const packet = Uint8Array.of(first, ...rest);
    if (fit && packet.length >= 20) {
      packet[2] = 0;
      packet[3] = packet.length;
      packet[4] = 0;
      packet[5] = Math.max(0, packet.length - 40);
    }
    return packet;
  });

describe("an IP packet", () => {
  it("is told by its version and by lengths that agree", () => {
    assert.equal(ipVersion(ipv4(), 0, 48), 4);
    assert.equal(ipVersion(ipv6(), 0, 64), 6);
    assert.equal(ipVersion(ipv4({ length: 20 }), 0, 20), 4);
    assert.equal(ipVersion(ipv6({ length: 40 }), 0, 40), 6);
    assert.equal(ipVersion(ipv4(), 0, 47), 0);
    assert.equal(ipVersion(ipv6(), 0, 63), 0);
    assert.equal(ipVersion(ipv4(), 0, 19), 0);
    assert.equal(ipVersion(new Uint8Array(60), 0, 60), 0);
    const shortHeader = ipv4();
    shortHeader[0] = 0x44;
    assert.equal(ipVersion(shortHeader, 0, 48), 0);
    const longHeader = ipv4({ length: 40 });
    longHeader[0] = 0x4f;
    assert.equal(ipVersion(longHeader, 0, 40), 0);
  });

  it("may be followed by octets that are not its own", () => {
    const padded = new Uint8Array(70);
    padded.set(ipv4());
    assert.equal(ipVersion(padded, 0, 70), 4);
    assert.equal(ipTotalLength(padded, 0, 70), 48);
    assert.equal(ipTotalLength(ipv6(), 0, 64), 64);
    assert.equal(ipTotalLength(padded, 0, 30), 0);
  });

  it("has its transport header behind its own, but in later fragments", () => {
    assert.equal(transportOffset(ipv4(), 0, 48), 20);
    assert.equal(transportOffset(ipv6(), 0, 64), 40);
    assert.equal(transportOffset(ipv4({ fragment: 0x2000 }), 0, 48), 20);
    assert.equal(transportOffset(ipv4({ fragment: 0x2005 }), 0, 48), 0);
    assert.equal(transportOffset(ipv4({ fragment: 5 }), 0, 48), 0);
    const options = ipv4();
    options[0] = 0x47;
    assert.equal(transportOffset(options, 0, 48), 28);
    assert.equal(ipProtocol(ipv4({ protocol: 132 }), 0), 132);
    assert.equal(ipProtocol(ipv6({ protocol: 58 }), 0), 58);
  });

  it("is read within its length only, wherever it stands", () => {
    fc.assert(
      fc.property(
        octets,
        fc.nat(5),
        fc.uint8Array({ minLength: 80, maxLength: 80 }),
        (packet, at, around) => {
          const read = (buffer: Uint8Array, from: number) => [
            ipVersion(buffer, from, packet.length),
            ipTotalLength(buffer, from, packet.length),
            transportOffset(buffer, from, packet.length),
            flowHash(buffer, from, packet.length, SEED),
            flowHash(buffer, from, packet.length, SEED, true),
            vanJacobsonKind(buffer, from, packet.length),
          ];
          const placed = Uint8Array.of(...around.subarray(0, at), ...packet, ...around);
          assert.deepEqual(read(placed, at), read(packet, 0));
        },
      ),
    );
  });
});

describe("the flow hash", () => {
  const same = (a: Uint8Array, b: Uint8Array): void => assert.equal(hashOf(a), hashOf(b));
  const differ = (a: Uint8Array, b: Uint8Array): void => assert.notEqual(hashOf(a), hashOf(b));

  for (const [name, build] of [
    ["IPv4", ipv4],
    ["IPv6", ipv6],
  ] as const) {
    it(`of ${name} looks at addresses, protocol and ports, and at nothing else`, () => {
      same(build(), build({ length: 100, ecn: 2 }));
      differ(build(), build({ sourcePort: 4001 }));
      differ(build(), build({ destinationPort: 54 }));
      differ(build(), build({ protocol: 6 }));
      const other = build();
      other[name === "IPv4" ? 15 : 23] = 77;
      differ(build(), other);
    });

    it(`of ${name} is that of the opposite direction when asked for`, () => {
      const ports = { sourcePort: 7, destinationPort: 9000 };
      const there = build(ports);
      const size = name === "IPv4" ? 4 : 16;
      const from = name === "IPv4" ? 12 : 8;
      const back = build({
        source: [...there.subarray(from + size, from + 2 * size)],
        destination: [...there.subarray(from, from + size)],
        sourcePort: 9000,
        destinationPort: 7,
      });
      assert.equal(hashOf(back, true), hashOf(there));
      assert.notEqual(hashOf(back), hashOf(there));
    });
  }

  it("tells pings by their identifier, and their answers belong to them", () => {
    const ping = (identifier: number, isAnswer = false): Uint8Array => {
      const ends = isAnswer ? { source: [192, 168, 7, 9], destination: [10, 1, 2, 3] } : {};
      const packet = ipv4({ protocol: 1, sourcePort: isAnswer ? 0 : 0x0800, destinationPort: 999, ...ends });
      new DataView(packet.buffer).setUint16(24, identifier);
      return packet;
    };
    assert.notEqual(hashOf(ping(1)), hashOf(ping(2)));
    assert.equal(hashOf(ping(1, true), true), hashOf(ping(1)));
  });

  it("is the same for all fragments of a datagram, the first included", () => {
    const fragments = [0x2000, 0x2042, 0x0084].map((fragment, i) =>
      ipv4({ fragment, sourcePort: 1000 + i, length: 80 }),
    );
    assert.equal(new Set(fragments.map((packet) => hashOf(packet))).size, 1);
  });

  it("depends on the seed, and is the seed for what is not IP", () => {
    assert.notEqual(hashOf(ipv4(), false, 1), hashOf(ipv4(), false, 2));
    assert.equal(flowHash(new Uint8Array(60), 0, 60, 0xfedcba98), 0xfedcba98);
  });

  it("spreads similar flows over the queue's 1024 buckets as chance would", () => {
    const families: ((i: number) => PacketFields)[] = [
      (i) => ({ sourcePort: 32768 + i }),
      (i) => ({ sourcePort: 32768 + 2 * i, protocol: 6 }),
      (i) => ({ source: [10, 0, i >> 8, i & 255] }),
      (i) => ({ destination: [i & 255, 1, 1, i >> 8] }),
    ];
    for (const family of families) {
      for (const seed of [0, 1, 0x9e3779b1, 0xffffffff]) {
        const used = new Set<number>();
        for (let i = 0; i < 500; i++) used.add(hashOf(ipv4(family(i)), false, seed) % 1024);
        // Chance leaves 395 of 500 in buckets of their own, give or take 11.
        assert.ok(used.size > 340, `${used.size} buckets for 500 flows, seed ${seed}, ${String(family)}`);
      }
    }
  });
});

describe("the Internet checksum (RFC 1071)", () => {
  it("is that of the RFC's example, section 3", () => {
    const example = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    assert.equal(internetChecksum(example, 0, 8), ~0xddf2 & 0xffff);
  });

  it("is what the definition says, for any octets, of any length, anywhere", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(9), (data, at) => {
        const placed = new Uint8Array(at + data.length + 3).fill(0xa5);
        placed.set(data, at);
        assert.equal(internetChecksum(placed, at, data.length), slowChecksum(data));
      }),
    );
  });

  it("carries as often as it must, and goes on from a sum given", () => {
    const ones = new Uint8Array(65_534).fill(0xff);
    assert.equal(internetChecksum(ones, 0, ones.length), 0);
    // 0x3ffff folds to 0x0002 + 0xffff, and that to 3: the complement of 3.
    assert.equal(internetChecksum(ones, 0, ones.length, 0x3ffff), 0xfffc);
    assert.equal(
      internetChecksum(Uint8Array.of(0x12, 0x34), 0, 2, 0x1111),
      slowChecksum(Uint8Array.of(0x12, 0x34, 0x11, 0x11)),
    );
  });
});

describe("marking congestion (RFC 3168)", () => {
  for (const [name, build, ecnOf] of [
    ["IPv4", ipv4, (packet: Uint8Array) => (packet[1] as number) & 3],
    ["IPv6", ipv6, (packet: Uint8Array) => ((packet[1] as number) >> 4) & 3],
  ] as const) {
    it(`of ${name} sets both bits where the sender understands them`, () => {
      for (const ecn of [0, 1, 2, 3]) {
        const packet = build({ ecn });
        const before = packet.slice();
        assert.equal(markCongestion(packet, 0, packet.length), ecn !== 0);
        assert.equal(ecnOf(packet), ecn === 0 ? 0 : 3);
        if (name === "IPv4") assert.equal(slowChecksum(packet.subarray(0, 20)), 0);
        packet[1] = before[1] as number;
        if (name === "IPv4") packet.set(before.subarray(10, 12), 10);
        assert.deepEqual(packet, before);
      }
    });
  }

  it("leaves alone what is not IP", () => {
    const noise = new Uint8Array(60).fill(0xff);
    assert.equal(markCongestion(noise, 0, 60), false);
    assert.deepEqual(noise, new Uint8Array(60).fill(0xff));
  });
});

describe("what a VJ-compressing peer sends (RFC 1144)", () => {
  it("is told where a connection begins: a header whose protocol is a connection number", () => {
    const packet = segment(1, 20);
    assert.equal(vanJacobsonKind(packet, 0, packet.length), null);
    packet[0] = (packet[0] as number) | 0x70;
    packet[9] = 3;
    assert.equal(vanJacobsonKind(packet, 0, packet.length), "uncompressed");
    assert.equal(vanJacobsonKind(packet, 0, packet.length - 1), null);
  });

  it("is told by its first bit when it is compressed", () => {
    assert.equal(vanJacobsonKind(Uint8Array.of(0x9f, 1, 2, 3), 0, 4), "compressed");
    assert.equal(vanJacobsonKind(Uint8Array.of(0x9f, 1), 0, 2), null);
    assert.equal(vanJacobsonKind(ipv6(), 0, 64), null);
  });
});
