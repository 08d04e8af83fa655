import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FlowQueue } from "../../src/bundle/flow-queue.ts";
import type { Flow, Packet, PacketPool } from "../../src/link/packet.ts";
import { type Instant, instant } from "../../src/time.ts";
import { packetOf, poolOf } from "../link/packets.ts";
import { segment } from "../sim/tcp-model.ts";
import { ipv4, type PacketFields, slowChecksum } from "../wire/packets.ts";

const ROOM = 1500;

/** A queue, and where its packets come from. */
class Fixture {
  readonly queue: FlowQueue;
  readonly pool: PacketPool;
  readonly slots: number;

  constructor(limit = 64, slots = 400) {
    this.queue = new FlowQueue(limit, 12_345);
    this.slots = slots;
    this.pool = poolOf(slots, ROOM);
  }

  packet(octets: Uint8Array): Packet {
    const packet = packetOf(this.pool, octets);
    packet.frameLength = packet.length + 1;
    return packet;
  }

  /** @param flow a port: packets with the same one are of one flow @returns what was dropped for it, released */
  enqueue(flow: number, length: number, now: Instant = instant(0), fields: PacketFields = {}): Packet | null {
    const packet = this.packet(ipv4({ sourcePort: flow, length, ...fields }));
    const dropped = this.queue.enqueue(packet, now);
    dropped?.release();
    return dropped;
  }

  /** Serves the first. @returns its flow and length */
  serve(index = 0): { flow: number; length: number } {
    const packet = this.queue.take(index);
    this.queue.finish(packet);
    packet.release();
    return { flow: portOf(packet), length: packet.length };
  }

  get order(): number[] {
    return this.queue.packets.slice(0, this.queue.count).map((packet) => portOf(packet as Packet));
  }
}

const portOf = (packet: Packet): number =>
  new DataView(packet.octets.buffer, packet.octets.byteOffset).getUint16(20);

/** Octets served to each flow while `offer` keeps packets coming before each is served. */
function serveMany(fixture: Fixture, count: number, offer: () => void): Map<number, number> {
  const octets = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    offer();
    const { flow, length } = fixture.serve();
    octets.set(flow, (octets.get(flow) ?? 0) + length);
  }
  return octets;
}

describe("the flow queue", () => {
  it("serves flows with the same octets, whatever the lengths of their packets", () => {
    const fixture = new Fixture(200);
    const lengths = new Map([
      [1, 1500],
      [2, 100],
      [3, 576],
    ]);
    const waiting = (flow: number): number => fixture.order.filter((each) => each === flow).length;
    const octets = serveMany(fixture, 3000, () => {
      for (const [flow, length] of lengths) while (waiting(flow) < 30) fixture.enqueue(flow, length);
    });
    const sum = [...octets.values()].reduce((a, b) => a + b, 0);
    for (const [flow, each] of octets) {
      const share = (3 * each) / sum;
      // Shares are of octets on the line: a frame's own octet weighs more on short packets.
      assert.ok(Math.abs(share - 1) < 0.02, `flow ${flow} has ${share.toFixed(3)} of its share`);
    }
  });

  it("serves a flow that offers more than it gets, and so loses packets, with no less than others", () => {
    const fixture = new Fixture(32);
    let waitingB = 0;
    const octets = serveMany(fixture, 4000, () => {
      fixture.enqueue(1, 1000);
      fixture.enqueue(1, 1000);
      waitingB = fixture.order.filter((flow) => flow === 2).length;
      while (waitingB++ < 5) fixture.enqueue(2, 1000);
    });
    const share = (octets.get(1) ?? 0) / 4e6;
    assert.ok(share > 0.45 && share < 0.55, `${share}`);
  });

  it("serves a flow that starts before those that stand", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 20; i++) fixture.enqueue(1, 576);
    for (let i = 0; i < 20; i++) fixture.enqueue(2, 300);
    for (let i = 0; i < 7; i++) fixture.serve();
    fixture.enqueue(3, 84);
    assert.equal(fixture.order[0], 3);
    fixture.serve();
    for (let i = 0; i < 200; i++) {
      if (i % 10 === 9) {
        fixture.enqueue(3, 84);
        assert.equal(fixture.order[0], 3, `packet ${i}`);
      }
      fixture.enqueue(1, 576);
      fixture.serve();
      if (fixture.queue.count < 10) fixture.enqueue(2, 300);
    }
  });

  it("keeps order within a flow", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 30; i++) fixture.enqueue(i % 3, 100 + 40 * ((i * 5) % 7));
    const last = new Map<Flow, number>();
    while (fixture.queue.count > 0) {
      const packet = fixture.queue.take(0);
      assert.ok(packet.order > (last.get(packet.flow as Flow) ?? 0));
      last.set(packet.flow as Flow, packet.order);
    }
  });

  it("drops from the head of the flow with the most octets when it is full", () => {
    const fixture = new Fixture(10);
    for (let i = 0; i < 6; i++) fixture.enqueue(1, 100);
    for (let i = 0; i < 4; i++) fixture.enqueue(2, 500 + i);
    const head = fixture.queue.packets.find((packet) => portOf(packet as Packet) === 2) as Packet;
    const dropped = fixture.enqueue(3, 60);
    assert.equal(dropped, head);
    assert.equal(head.length, 500);
    assert.equal(fixture.queue.count, 10);
    assert.equal(fixture.order.filter((flow) => flow === 3).length, 1);
  });

  it("puts a packet back where it was", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 12; i++) fixture.enqueue(i % 2, 300 + i);
    const before = fixture.queue.packets.slice(0, 12);
    for (const index of [0, 5, 11]) {
      const packet = fixture.queue.take(index);
      assert.equal(fixture.queue.hasEarlier(packet), index > 1);
      fixture.queue.requeue(packet);
      assert.deepEqual(fixture.queue.packets.slice(0, 12), before);
    }
  });

  it("does not take a TCP segment twice while the first one waits", () => {
    const fixture = new Fixture();
    const enqueue = (octets: Uint8Array): boolean => {
      const packet = fixture.packet(octets);
      const dropped = fixture.queue.enqueue(packet, instant(0));
      dropped?.release();
      return dropped === packet;
    };
    const first = 0xffffff00;
    assert.equal(enqueue(segment(first, 536)), false);
    assert.equal(enqueue(segment((first + 536) >>> 0, 536)), false);
    assert.equal(enqueue(segment(first, 536)), true);
    const underWay = fixture.queue.take(0);
    assert.equal(enqueue(segment(first, 536)), true, "the first one is on a line");
    fixture.queue.requeue(underWay);
    assert.equal(enqueue(segment(first, 536)), true, "the first one waits again");
    assert.equal(enqueue(segment(first, 536, { port: 4001 })), false, "another connection");
    assert.equal(enqueue(segment(first, 0, { ack: 7 })), false, "an acknowledgement");
    assert.equal(enqueue(segment(first, 0, { ack: 7 })), false, "an acknowledgement again");
    while (fixture.queue.count > 0) fixture.serve();
    assert.equal(enqueue(segment(first, 536)), false, "the first one is gone");
    assert.equal(fixture.pool.available, fixture.slots - 1);
  });

  it("does not take a TCP segment that was sent again before it can be acknowledged", () => {
    const fixture = new Fixture();
    const { queue } = fixture;
    const enqueue = (octets: Uint8Array, ms: number): boolean => {
      const packet = fixture.packet(octets);
      const dropped = queue.enqueue(packet, instant(ms));
      dropped?.release();
      return dropped === packet;
    };
    const send = (arrival: number): void => {
      const packet = queue.take(0);
      queue.finishSent(packet, instant(arrival));
      packet.release();
    };
    queue.answerMs = 20;
    enqueue(segment(1, 500), 0);
    send(300);
    assert.equal(enqueue(segment(1, 500), 319), true);
    assert.equal(enqueue(segment(1, 499), 319), false, "another part of the data");
    assert.equal(enqueue(segment(1, 500, { port: 4001 }), 319), false, "another connection");
    assert.equal(enqueue(segment(1, 500), 320), false, "its acknowledgement is due");
    queue.forgetSent();
    while (queue.count > 0) send(400);
    enqueue(segment(1001, 500), 330);
    send(400);
    assert.equal(enqueue(segment(1001, 500), 400), true);
    queue.forgetSent();
    assert.equal(enqueue(segment(1001, 500), 400), false, "its line died");
    enqueue(segment(2001, 0, { ack: 7 }), 400);
    while (queue.count > 0) send(500);
    assert.equal(enqueue(segment(2001, 0, { ack: 7 }), 400), false, "an acknowledgement");
    assert.equal(fixture.pool.available, fixture.slots - 1);
  });

  it("remembers no more of what was sent than lines have on them", () => {
    const fixture = new Fixture();
    const { queue } = fixture;
    for (let i = 0; i < 1000; i++) {
      assert.equal(queue.enqueue(fixture.packet(segment(1 + 500 * i, 500)), instant(0)), null);
      const packet = queue.take(0);
      queue.finishSent(packet, instant(1000));
      packet.release();
    }
    const isKnown = (i: number): boolean => {
      const packet = fixture.packet(segment(1 + 500 * i, 500));
      return queue.enqueue(packet, instant(0)) === packet;
    };
    assert.deepEqual([999, 990, 500, 0].map(isKnown), [true, true, false, false]);
  });
});

describe("CoDel in the flow queue (RFC 8289)", () => {
  const INTERVAL = 100;

  /** Six packets of a flow, all of them waiting since then. */
  function fill(fixture: Fixture, since: number, fields: PacketFields = {}): void {
    while (fixture.queue.count < 6) fixture.enqueue(1, 500, instant(since), fields);
    for (const packet of fixture.queue.packets) if (packet !== undefined) packet.enqueuedAt = since;
  }

  /** A flow that stands: each packet waits `delayMs`; one leaves each 10 ms. @returns when one was dropped */
  function stand(fixture: Fixture, delayMs: number, ms: number, from = 0): number[] {
    const { queue } = fixture;
    queue.targetMs = 20;
    queue.intervalMs = INTERVAL;
    const drops: number[] = [];
    for (let now = from; now < from + ms; now += 10) {
      fill(fixture, now - delayMs);
      while (queue.judge(0, instant(now))) {
        drops.push(now - from);
        queue.drop(0).release();
        fill(fixture, now - delayMs);
      }
      fixture.serve();
    }
    return drops;
  }

  it("drops nothing that waits less than the target, for ever", () => {
    assert.deepEqual(stand(new Fixture(), 19, 60_000), []);
  });

  it("drops the first after an interval above the target, and then faster and faster", () => {
    const drops = stand(new Fixture(), 50, 1000);
    assert.equal(drops[0], INTERVAL);
    // RFC 8289, section 3.3: the interval, divided by the square root of the count.
    let due = INTERVAL;
    const expected = [INTERVAL];
    for (let count = 1; expected.length < drops.length; count++) {
      due += INTERVAL / Math.sqrt(count);
      expected.push(Math.ceil(due / 10) * 10);
    }
    assert.deepEqual(drops, expected);
    assert.ok(drops.length > 10);
  });

  it("forgives everything when one packet has waited less", () => {
    const fixture = new Fixture();
    assert.deepEqual(stand(fixture, 50, 90), []);
    while (fixture.queue.count > 0) fixture.serve();
    stand(fixture, 5, 50, 1000);
    while (fixture.queue.count > 0) fixture.serve();
    assert.deepEqual(stand(fixture, 50, 90, 2000), []);
  });

  it("drops nothing of a flow of two packets or fewer, however long they wait", () => {
    const fixture = new Fixture();
    fixture.queue.targetMs = 5;
    for (let now = 0; now < 10_000; now += 50) {
      while (fixture.queue.count < 2) fixture.enqueue(1, 500, instant(now - 400));
      assert.equal(fixture.queue.judge(0, instant(now)), false);
      fixture.serve();
    }
  });

  it("judges the head of a flow only, not what a slow link takes from its depth", () => {
    const fixture = new Fixture();
    fixture.queue.targetMs = 5;
    for (let i = 0; i < 10; i++) fixture.enqueue(1, 500, instant(0));
    assert.equal(fixture.queue.judge(0, instant(1000)), false);
    assert.equal(fixture.queue.judge(4, instant(1200)), false);
    assert.equal(fixture.queue.judge(0, instant(1200)), true);
  });

  it("marks instead of dropping where the sender understands it, at the same times", () => {
    const fixture = new Fixture();
    const { queue } = fixture;
    queue.targetMs = 20;
    queue.intervalMs = INTERVAL;
    const marked: number[] = [];
    for (let now = 0; now < 1000; now += 10) {
      fill(fixture, now - 50, { ecn: 2 });
      assert.equal(queue.judge(0, instant(now)), false);
      const packet = queue.take(0);
      if (((packet.octets[1] as number) & 3) === 3) marked.push(now);
      assert.equal(slowChecksum(packet.octets.subarray(0, 20)), 0);
      queue.finish(packet);
      packet.release();
    }
    assert.deepEqual(marked, stand(new Fixture(), 50, 1000));
  });
});

describe("the flow queue under any operations", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: fc.tuple(fc.nat(4), fc.integer({ min: 40, max: ROOM })) }) },
    { weight: 2, arbitrary: fc.record({ take: fc.nat(63) }) },
    { weight: 1, arbitrary: fc.record({ drop: fc.nat(63) }) },
    { weight: 1, arbitrary: fc.record({ back: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ judge: fc.nat(63) }) },
  );

  it("counts what it holds, keeps flows in order, and gives each packet back once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 150 }), (limit, steps) => {
        const fixture = new Fixture(limit, 200);
        const { queue, pool } = fixture;
        const held: Packet[] = [];
        const inside = new Set<Packet>();
        let now = 0;
        for (const each of steps) {
          now += 37;
          if ("put" in each) {
            const packet = fixture.packet(ipv4({ sourcePort: each.put[0], length: each.put[1] }));
            const dropped = queue.enqueue(packet, instant(now));
            inside.add(packet);
            if (dropped !== null) {
              assert.ok(inside.delete(dropped), "dropped what it did not have");
              dropped.release();
            }
          } else if (queue.count > 0 && !("back" in each)) {
            const index =
              ("take" in each ? each.take : "drop" in each ? each.drop : each.judge) % queue.count;
            if ("judge" in each) queue.judge(index, instant(now));
            else {
              const packet = "take" in each ? queue.take(index) : queue.drop(index);
              assert.ok(inside.delete(packet), "gave what it did not have");
              if ("take" in each && held.length < 10) held.push(packet);
              else {
                queue.finish(packet);
                packet.release();
              }
            }
          } else if ("back" in each && held.length > 0) {
            const packet = held.splice(each.back % held.length, 1)[0] as Packet;
            queue.requeue(packet);
            inside.add(packet);
          }
          check(queue, inside);
          assert.equal(pool.available, 200 - inside.size - held.length);
        }
      }),
    );
  });

  function check(queue: FlowQueue, inside: ReadonlySet<Packet>): void {
    const packets = queue.packets.slice(0, queue.count) as Packet[];
    assert.deepEqual(new Set(packets), inside);
    assert.equal(
      queue.octets,
      packets.reduce((sum, packet) => sum + packet.length, 0),
    );
    assert.ok(queue.packets.slice(queue.count).every((packet) => packet === undefined));
    const flows = new Map<Flow, Packet[]>();
    for (const packet of packets) {
      const flow = packet.flow as Flow;
      flows.set(flow, [...(flows.get(flow) ?? []), packet]);
    }
    for (const [flow, own] of flows) {
      assert.equal(flow.packets, own.length);
      assert.equal(
        flow.octets,
        own.reduce((sum, packet) => sum + packet.frameLength, 0),
      );
      for (const [i, packet] of own.entries())
        assert.ok(i === 0 || packet.order > (own[i - 1] as Packet).order);
    }
  }
});
