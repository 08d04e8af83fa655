import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Link } from "../../src/link/link.ts";
import { instant } from "../../src/time.ts";
import { ipv4, ipv6 } from "../wire/packets.ts";
import { packetOf, poolOf } from "./packets.ts";

/** A kind of link, as the suite needs it. */
export interface LinkKind {
  readonly name: string;
  /** A new link with memory as its users give it. */
  make(mtu: number): Link;
  /** Packets that the far side finds in these octets of the line. */
  deliver(line: Uint8Array): Uint8Array[];
  /** What the tap sees in front of an IPv6 packet. */
  readonly tapHeader: readonly number[];
  /** Octets for the line that one packet may take beyond its `frameLength`. */
  readonly extra: number;
}

/** Valid packets, some of octets that every framing must escape. */
const packets = fc
  .tuple(
    fc.boolean(),
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom<number | null>(null, 0xc0, 0xdb, 0x7e, 0x7d),
  )
  .map(([isV6, payload, fill]) => {
    const header = isV6 ? 48 : 28;
    const packet = (isV6 ? ipv6 : ipv4)({ length: header + payload.length });
    packet.set(fill === null ? payload : new Uint8Array(payload.length).fill(fill), header);
    return packet;
  });

/** Takes octets out of the outbox as a line does that accepts at most `most` at a time. */
function drain(link: Link, line: number[], most = Number.POSITIVE_INFINITY): void {
  const { outbox } = link;
  const count = Math.min(most, outbox.length);
  line.push(...outbox.octets.subarray(outbox.from, outbox.from + count));
  outbox.consume(count);
}

/** What every link does, whatever its framing. */
export function describeLink(kind: LinkKind): void {
  describe(`${kind.name}, as any link`, () => {
    const now = instant(1e6);

    it("carries packets whole and in order, however the line takes its octets", () => {
      fc.assert(
        fc.property(
          fc.array(packets, { maxLength: 8 }),
          fc.infiniteStream(fc.integer({ min: 1, max: 400 })),
          (sent, takes) => {
            const link = kind.make(400);
            const pool = poolOf(1, 400);
            const line: number[] = [];
            for (const octets of sent) {
              while (!link.hasRoom) drain(link, line, takes.next().value);
              const packet = packetOf(pool, octets);
              assert.ok(link.begin(packet, now) > 0);
              drain(link, line, takes.next().value);
              link.end(now);
              assert.deepEqual(packet.octets.subarray(packet.start, packet.start + packet.length), octets);
              packet.release();
              drain(link, line, takes.next().value);
            }
            drain(link, line);
            assert.deepEqual(kind.deliver(Uint8Array.from(line)), sent);
          },
        ),
      );
    });

    it("says how many octets it writes, and beforehand how many a packet will take", () => {
      fc.assert(
        fc.property(packets, (octets) => {
          const link = kind.make(400);
          const packet = packetOf(poolOf(1, 400), octets);
          const expected = link.frameLength(packet);
          const begun = link.begin(packet, now);
          assert.equal(link.outbox.length, begun);
          const ended = link.end(now);
          assert.equal(link.outbox.length, begun + ended);
          assert.ok(begun + ended >= expected && begun + ended <= expected + kind.extra);
          assert.equal(ended > 0, link.canHold);
        }),
      );
    });

    for (const mtu of [68, 576, 1500, 16_384]) {
      it(`takes packets up to its MTU of ${mtu}, of the worst octets, and no longer ones`, () => {
        const link = kind.make(mtu);
        const pool = poolOf(2, mtu + 1);
        const worst = ipv4({ length: mtu });
        worst.fill(0xc0, 20);
        const longest = packetOf(pool, worst);
        const longer = packetOf(pool, ipv4({ length: mtu + 1 }));
        assert.equal(link.mtu, mtu);
        const line: number[] = [];
        for (let i = 0; i < 4; i++) {
          assert.equal(link.begin(longer, now), 0);
          assert.ok(link.begin(longest, now) > 0);
          link.end(now);
          assert.ok(link.outbox.to <= link.outbox.octets.length);
          drain(link, line, i);
          if (!link.hasRoom) drain(link, line);
        }
        drain(link, line);
        assert.deepEqual(kind.deliver(Uint8Array.from(line)), [worst, worst, worst, worst]);
      });
    }

    it("writes nothing when its outbox is full, and goes on when the line has taken some", () => {
      const link = kind.make(400);
      const packet = packetOf(poolOf(1, 400), ipv4({ length: 400 }).fill(0xdb, 20));
      let begun = 0;
      while (link.hasRoom) {
        assert.ok(link.begin(packet, now) > 0, "it said that there was room");
        link.end(now);
        begun++;
      }
      assert.ok(begun >= 1);
      const before = link.outbox.octets.slice(link.outbox.from, link.outbox.to);
      if (link.begin(packet, now) === 0) {
        assert.deepEqual(link.outbox.octets.slice(link.outbox.from, link.outbox.to), before);
      }
      drain(link, []);
      assert.ok(link.hasRoom);
      assert.ok(link.begin(packet, now) > 0);
    });

    it("shows the tap each packet that it sends, as it is on the line", () => {
      const link = kind.make(400);
      const seen: { packet: Uint8Array; sent: boolean }[] = [];
      link.tap = {
        handlePacket: (octets, from, to, sent) => seen.push({ packet: octets.slice(from, to), sent }),
      };
      const pool = poolOf(2, 500);
      const octets = ipv6({ length: 99 });
      const longer = packetOf(pool, ipv4({ length: 450 }));
      link.begin(longer, now);
      link.begin(packetOf(pool, octets), now);
      link.end(now);
      assert.deepEqual(seen, [{ packet: Uint8Array.of(...kind.tapHeader, ...octets), sent: true }]);
    });

    it("uses up whatever comes from the line, and never throws", () => {
      const link = kind.make(100);
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (octets) => {
          let at = 0;
          while (at < octets.length) {
            const next = link.handleReceive(octets, at, octets.length, now);
            assert.ok(next > at && next <= octets.length);
            assert.ok(link.receivedLength <= link.received.length);
            at = next;
          }
        }),
      );
    });

    it("is as new after a reset", () => {
      const link = kind.make(400);
      const pool = poolOf(2, 400);
      link.begin(packetOf(pool, ipv4({ length: 77 })), now);
      link.reset();
      assert.equal(link.outbox.length, 0);
      assert.equal(link.receivedLength, 0);
      const line: number[] = [];
      const octets = ipv4({ length: 88 });
      link.begin(packetOf(pool, octets), now);
      link.end(now);
      drain(link, line);
      assert.deepEqual(kind.deliver(Uint8Array.from(line)), [octets]);
    });
  });
}
