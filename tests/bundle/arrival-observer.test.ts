import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ArrivalObserver, type Lateness } from "../../src/bundle/arrival-observer.ts";
import type { LinkId } from "../../src/link/link.ts";
import { instant } from "../../src/time.ts";
import { packetOf, poolOf } from "../link/packets.ts";
import { segment } from "../sim/tcp-model.ts";
import { ipv4 } from "../wire/packets.ts";

const MSS = 500;
const FAST = 0 as LinkId;
const SLOW = 1 as LinkId;

/** A connection that begins at `start`; segments are counted from 0. */
class Fixture {
  readonly observer = new ArrivalObserver(77);
  readonly #pool = poolOf(1, 1500);
  readonly #start: number;

  constructor(start = 1000) {
    this.#start = start;
  }

  at(index: number): number {
    return (this.#start + index * MSS) >>> 0;
  }

  sent(index: number, link: LinkId, plannedAt: number, epoch = 0): void {
    const packet = packetOf(this.#pool, segment(this.at(index), MSS));
    this.observer.handleSent(packet, link, instant(plannedAt), epoch);
    packet.release();
  }

  /** An acknowledgement comes in. @param sack the segments [from, to) of its first block @returns what it shows, or null */
  acked(upTo: number, now: number, sack?: [number, number]): Lateness | null {
    const into: Lateness = { link: -1 as LinkId, lateMs: -1, plannedAt: instant(-1), epoch: -1 };
    const blocks =
      sack === undefined ? {} : { sack: [this.at(sack[0]), this.at(sack[1])] as [number, number] };
    const packet = segment(9, 0, { ack: this.at(upTo), toSender: true, ...blocks });
    return this.observer.handleReceived(packet, 0, packet.length, instant(now), into) ? into : null;
  }
}

/** Segment 1 goes by the slow line and is believed to arrive at 200, the others by the fast one at 100, 300, 400. */
function sendFour(start?: number): Fixture {
  const fixture = new Fixture(start);
  fixture.sent(0, FAST, 100);
  fixture.sent(1, SLOW, 200, 3);
  fixture.sent(2, FAST, 300);
  fixture.sent(3, FAST, 400);
  assert.equal(fixture.acked(0, 50), null);
  assert.equal(fixture.acked(1, 140), null);
  return fixture;
}

describe("the arrival observer", () => {
  it("sees a slow line run late: others' segments come before the one that fills the hole", () => {
    // The return trip takes 40 ms; segment 1 arrives at 420 instead of 200.
    const fixture = sendFour();
    assert.equal(fixture.acked(1, 340, [2, 3]), null);
    assert.equal(fixture.acked(1, 440, [2, 4]), null);
    assert.deepEqual(fixture.acked(4, 460), { link: SLOW, lateMs: 220, plannedAt: 200, epoch: 3 });
  });

  it("believes the order, not the times, where acknowledgements wait for data that comes in", () => {
    const fixture = sendFour();
    const data = segment(9, MSS, { ack: fixture.at(1), toSender: true });
    const into: Lateness = { link: FAST, lateMs: 0, plannedAt: instant(0), epoch: 0 };
    assert.equal(fixture.observer.handleReceived(data, 0, data.length, instant(300), into), false);
    assert.equal(fixture.acked(1, 340, [2, 3]), null);
    // Segment 2, planned 100 ms after segment 1, came before it: that much is sure, the rest is the queue at the far side.
    assert.equal(fixture.acked(3, 460)?.lateMs, 100);
  });

  it("believes no more than the order of arrivals allows", () => {
    const fixture = sendFour();
    assert.equal(fixture.acked(1, 340, [2, 3]), null);
    // Segment 3, planned 200 ms after segment 1, has not arrived: whatever held this acknowledgement up, it was not the line.
    assert.equal(fixture.acked(3, 700)?.lateMs, 200);
  });

  it("sees a fast line run late just so", () => {
    const fixture = new Fixture();
    fixture.sent(0, FAST, 100);
    fixture.sent(1, FAST, 200, 8);
    fixture.sent(2, SLOW, 300);
    assert.equal(fixture.acked(0, 10), null);
    assert.equal(fixture.acked(1, 130), null);
    assert.equal(fixture.acked(1, 330, [2, 3]), null);
    assert.deepEqual(fixture.acked(3, 345), { link: FAST, lateMs: 115, plannedAt: 200, epoch: 8 });
  });

  it("sees it where the numbers of TCP wrap at 2^32", () => {
    for (const before of [1, 400, 500, 600, 999, 1000, 1200, 2000]) {
      const fixture = sendFour(2 ** 32 - before);
      assert.equal(fixture.acked(1, 340, [2, 3]), null);
      assert.equal(fixture.acked(1, 440, [2, 4]), null);
      assert.equal(fixture.acked(4, 460)?.lateMs, 220, `${before} octets before the wrap`);
    }
  });

  it("takes the least delay of the run for the return trip's, so that a late acknowledgement does no harm", () => {
    const fixture = sendFour();
    fixture.acked(1, 390, [2, 3]);
    fixture.acked(1, 440, [2, 4]);
    assert.equal(fixture.acked(4, 460)?.lateMs, 220);
  });

  it("says nothing when all comes in order", () => {
    const fixture = sendFour();
    for (let i = 2; i <= 4; i++) assert.equal(fixture.acked(i, 1000 * i), null);
  });

  it("says nothing of a hole that a repetition filled", () => {
    const fixture = sendFour();
    fixture.acked(1, 340, [2, 3]);
    fixture.sent(1, FAST, 600);
    assert.equal(fixture.acked(4, 650), null);
  });

  it("says nothing of a hole that the link itself tore which filled it", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 4; i++) fixture.sent(i, FAST, 100 * (i + 1));
    fixture.acked(0, 10);
    fixture.acked(1, 140);
    fixture.acked(1, 340, [2, 3]);
    assert.equal(fixture.acked(3, 360), null);
  });

  it("takes no run from reports of what came twice (RFC 2883)", () => {
    const fixture = sendFour();
    // A block below the acknowledgement is a duplicate's, and tells of no hole.
    fixture.acked(2, 260, [0, 1]);
    fixture.acked(2, 270, [1, 2]);
    assert.equal(fixture.acked(4, 900), null);
  });

  it("ends a run when all that was beyond the hole is acknowledged", () => {
    const fixture = sendFour();
    fixture.sent(4, SLOW, 500);
    fixture.acked(1, 340, [2, 3]);
    fixture.acked(1, 440, [2, 4]);
    assert.notEqual(fixture.acked(4, 460), null);
    assert.equal(fixture.acked(5, 2000), null);
  });

  it("judges each hole of a run", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 6; i++) fixture.sent(i, i % 2 === 1 ? SLOW : FAST, 100 * (i + 1));
    fixture.acked(0, 10);
    fixture.acked(1, 140);
    fixture.acked(1, 340, [2, 3]);
    fixture.acked(1, 540, [4, 5]);
    assert.equal(fixture.acked(3, 560, [4, 5])?.lateMs, 560 - 200 - 40);
    assert.equal(fixture.acked(5, 600)?.lateMs, 600 - 400 - 40);
  });

  it("keeps connections apart", () => {
    const fixture = sendFour();
    const other = segment(9, 0, { ack: fixture.at(4), toSender: true, port: 4001 });
    fixture.acked(1, 340, [2, 3]);
    const into: Lateness = { link: FAST, lateMs: 0, plannedAt: instant(0), epoch: 0 };
    assert.equal(fixture.observer.handleReceived(other, 0, other.length, instant(400), into), false);
    assert.equal(fixture.acked(4, 460)?.lateMs, 220);
  });

  it("remembers the last segments of a long connection, and no older ones", () => {
    const fixture = new Fixture(0);
    fixture.acked(0, 0);
    for (let i = 0; i < 3000; i++) {
      fixture.sent(i, i % 2 === 0 ? FAST : SLOW, 100 * i);
      if (i % 7 === 0 && i < 2990) fixture.acked(i, 100 * i + 40);
    }
    fixture.acked(2995, 299_540);
    fixture.acked(2995, 299_640, [2996, 2997]);
    assert.equal(fixture.acked(2997, 299_700)?.lateMs, 299_700 - 299_500 - 40);
  });

  it("takes no harm from anything that looks like a packet", () => {
    const observer = new ArrivalObserver(1);
    const pool = poolOf(1, 200);
    const into: Lateness = { link: FAST, lateMs: 0, plannedAt: instant(0), epoch: 0 };
    const garbage = fc
      .tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 80 }))
      .map(([isTcp, tail]) => {
        if (!isTcp) return tail;
        const packet = ipv4({ protocol: 6, length: 20 + tail.length });
        packet.set(tail, 20);
        return packet;
      });
    const numbers = fc.record({
      sequence: fc.integer({ min: 0, max: 0xffffffff }),
      ack: fc.integer({ min: 0, max: 0xffffffff }),
      sack: fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff })),
    });
    fc.assert(
      fc.property(
        fc.oneof(garbage, numbers),
        fc.integer({ min: 0, max: 3 }),
        fc.double({ min: 0, max: 1e9, noNaN: true }),
        (what, link, now) => {
          const outward = what instanceof Uint8Array ? what : segment(what.sequence, 60);
          const inward =
            what instanceof Uint8Array
              ? what
              : segment(1, 0, { ack: what.ack, sack: what.sack, toSender: true });
          const packet = packetOf(pool, outward);
          observer.handleSent(packet, link as LinkId, instant(now), link);
          packet.release();
          if (observer.handleReceived(inward, 0, inward.length, instant(now), into)) {
            assert.ok(into.lateMs > 0 && Number.isFinite(into.lateMs));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
