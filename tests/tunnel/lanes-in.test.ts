import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { instant } from "../../src/time.ts";
import { LanesIn } from "../../src/tunnel/lanes-in.ts";
import type { Inlet, Memory } from "../../src/tunnel/memory.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";
import { LANE_NUMBERS } from "../../src/wire/tunnel-content.ts";

const BIG = 65_792;
const SMALL = 2048;

interface Delivered {
  readonly lane: number;
  readonly number: number;
  readonly length: number;
  readonly vouched: boolean;
  readonly at: number;
}

/** Lanes, and packets that say which they are. */
class Receiver implements Inlet {
  readonly memory: Memory;
  readonly slots: SlotPools;
  readonly lanes: LanesIn;
  readonly delivered: Delivered[] = [];
  /** Where the last one lay. */
  slot = -1;
  /** Whether what is delivered is what `packet` and `part` made. */
  isChecked = true;

  constructor(big = 8, small = 64) {
    const octets = new Uint8Array(big * BIG + small * SMALL);
    this.memory = { octets, view: new DataView(octets.buffer) };
    this.slots = new SlotPools(new Slots(0, 0, BIG, big), new Slots(big, big * BIG, SMALL, small));
    this.lanes = new LanesIn(this.slots, this.memory, this);
  }

  deliver(slot: number, from: number, length: number, vouched: boolean, now: number): void {
    const { octets, view } = this.memory;
    const start = this.slots.offsetOf(slot);
    const size = this.slots.big.owns(slot) ? BIG : SMALL;
    assert.ok(from - 14 >= start && from + length <= start + size, "within its slot");
    const number = view.getUint32(from + 1);
    for (let i = 5; i < length && this.isChecked; i += 101)
      assert.equal(octets[from + i], octetAt(number, i), "its octets");
    this.delivered.push({ lane: octets[from] as number, number, length, vouched, at: now });
    this.slot = slot;
    // It may be written over, as the coalescer does.
    octets.fill(0xee, from - 14, from);
  }

  #write(lane: number, number: number, length: number): [slot: number, from: number] {
    const slot = this.slots.big.take();
    assert.ok(slot >= 0, "a slot for what comes");
    const from = this.slots.offsetOf(slot) + 20;
    const { octets, view } = this.memory;
    for (let i = 0; i < length; i++) octets[from + i] = octetAt(number, i);
    octets[from] = lane;
    view.setUint32(from + 1, number);
    return [slot, from];
  }

  packet(lane: number, number: number, now: number, { length = 100, isCrowded = false } = {}): void {
    const [slot, from] = this.#write(lane, number, length);
    this.lanes.handle(slot, from, length, lane, number, number % 2 === 1, isCrowded, instant(now));
    this.slots.release(slot);
  }

  part(lane: number, number: number, total: number, begin: number, end: number, now: number): void {
    const [slot, from] = this.#write(lane, number, total);
    const vouched = number % 2 === 1;
    const [isFirst, isLast] = [begin === 0, end === total];
    this.lanes.handlePart(
      slot,
      from + begin,
      end - begin,
      lane,
      number,
      begin,
      isFirst,
      isLast,
      vouched,
      false,
      instant(now),
    );
    this.slots.release(slot);
  }

  numbers(): number[] {
    return this.delivered.splice(0).map(({ number }) => number);
  }

  assertNothingHeld(): void {
    assert.equal(this.lanes.heldPackets, 0);
    assert.equal(this.lanes.pollTimeout(), Number.POSITIVE_INFINITY);
    assert.deepEqual(
      [this.slots.big.free, this.slots.small.free],
      [this.slots.big.count, this.slots.small.count],
    );
  }
}

const octetAt = (number: number, i: number): number => (number * 7 + i * 13) & 0xff;

describe("LanesIn", () => {
  it("delivers at once what is in order, from 0, from the slot that it came in", () => {
    const receiver = new Receiver();
    for (let i = 0; i < 5; i++) receiver.packet(3, i, i);
    assert.deepEqual(
      receiver.delivered.map(({ number, lane, vouched, at }) => [number, lane, vouched, at]),
      [0, 1, 2, 3, 4].map((i) => [i, 3, i % 2 === 1, i]),
    );
    assert.equal(receiver.slots.big.owns(receiver.slot), true);
    receiver.assertNothingHeld();
  });

  it("goes through few numbers for each message of a peer that lies about them", () => {
    const receiver = new Receiver();
    const { lanes } = receiver;
    const messages = 2000;
    // Each claims that some thousand numbers more are lost, or skips as many.
    for (let i = 1; i <= messages; i++) {
      receiver.packet(0, 16_000 * i, 0);
      lanes.handleSkip(1, (16_000 * i) % LANE_NUMBERS, 16_000, instant(0));
    }
    // The others are behind, as numbers go round.
    const { far } = lanes.drops;
    assert.ok(far > messages / 2, `${far} messages were refused`);
    lanes.reset();
    receiver.assertNothingHeld();
  });

  it("lets no lane wait for another", () => {
    const receiver = new Receiver();
    receiver.packet(0, 1, 0);
    receiver.packet(1, 0, 0);
    assert.deepEqual(receiver.numbers(), [0]);
    receiver.packet(0, 0, 0);
    assert.deepEqual(receiver.numbers(), [0, 1]);
    receiver.assertNothingHeld();
  });

  it("delivers what came in time, once, in order, and as soon as that allows", () => {
    const arrivals = fc.array(
      fc.record({
        lane: fc.nat(2),
        lateness: fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(260) }),
        lost: fc.nat(9).map((n) => n === 0),
        skipped: fc.nat(3).map((n) => n === 0),
        again: fc.option(fc.nat(200)),
        length: fc.integer({ min: 20, max: 3000 }),
        isCrowded: fc.boolean(),
      }),
      { maxLength: 150, size: "max" },
    );
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 300 }), (list, patience) => {
        const receiver = new Receiver(180, 100);
        receiver.lanes.patienceMs = patience;
        const packets = list.map((packet, i) => ({
          ...packet,
          number: list.slice(0, i).filter(({ lane }) => lane === packet.lane).length,
          at: packet.lost ? Number.POSITIVE_INFINITY : i + packet.lateness,
          skippedAt: packet.lost && packet.skipped ? i + packet.lateness : Number.POSITIVE_INFINITY,
        }));
        const events = new Map<number, (() => void)[]>();
        const plan = (at: number, event: () => void): void =>
          void events.set(at, [...(events.get(at) ?? []), event]);
        for (const packet of packets) {
          const { lane, number, at, skippedAt, again } = packet;
          plan(at, () => receiver.packet(lane, number, at, packet));
          if (again !== null) plan(at + again, () => receiver.packet(lane, number, at + again, packet));
          plan(skippedAt, () => receiver.lanes.handleSkip(lane, number, 1, instant(skippedAt)));
        }
        for (let now = 0; now < 1000; now++) {
          if (receiver.lanes.pollTimeout() <= now) receiver.lanes.handleTimeout(instant(now));
          for (const event of events.get(now) ?? []) event();
        }
        receiver.assertNothingHeld();
        for (let lane = 0; lane < 3; lane++) {
          const own = packets.filter((packet) => packet.lane === lane);
          let settled = 0;
          const expected: [number, number, number][] = [];
          for (const [i, { number, at, skippedAt, length }] of own.entries()) {
            // Since when it was missed: a later one came, or was said not to.
            const since = Math.min(...own.slice(i + 1).map((later) => Math.min(later.at, later.skippedAt)));
            const isInTime = at < since + patience;
            settled = Math.max(settled, isInTime ? at : Math.min(since + patience, skippedAt));
            if (isInTime) expected.push([number, length, settled]);
          }
          const delivered = receiver.delivered.filter((packet) => packet.lane === lane);
          assert.deepEqual(
            delivered.map(({ number, length, at }) => [number, length, at]),
            expected.filter(([, , at]) => Number.isFinite(at)),
          );
          assert.ok(delivered.every(({ number, vouched }) => vouched === (number % 2 === 1)));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("goes on over the end of numbers", () => {
    const receiver = new Receiver(8, 1024);
    receiver.lanes.patienceMs = 10;
    const step = 2 ** 21;
    for (let number = step; number < LANE_NUMBERS; number += step) receiver.packet(0, number - 1, 0);
    receiver.lanes.handleTimeout(instant(10));
    assert.equal(receiver.numbers().length, LANE_NUMBERS / step - 1);
    receiver.packet(0, LANE_NUMBERS - 2, 20);
    receiver.lanes.handleTimeout(instant(30));
    assert.deepEqual(receiver.numbers(), [LANE_NUMBERS - 2]);
    for (const number of [2, 1, 0]) receiver.packet(0, number, 40);
    receiver.packet(0, LANE_NUMBERS - 1, 40);
    assert.deepEqual(receiver.numbers(), [LANE_NUMBERS - 1, 0, 1, 2]);
    receiver.assertNothingHeld();
  });

  it("gives several holes up by their own times", () => {
    const receiver = new Receiver();
    receiver.lanes.patienceMs = 100;
    receiver.packet(0, 1, 10);
    receiver.packet(0, 3, 50);
    receiver.packet(0, 5, 60);
    assert.equal(receiver.lanes.pollTimeout(), 110);
    receiver.lanes.handleTimeout(instant(109.9));
    assert.deepEqual(receiver.numbers(), []);
    receiver.lanes.handleTimeout(instant(110));
    assert.deepEqual(receiver.numbers(), [1]);
    assert.equal(receiver.lanes.pollTimeout(), 150);
    receiver.packet(0, 2, 120);
    assert.deepEqual(receiver.numbers(), [2, 3]);
    assert.equal(receiver.lanes.pollTimeout(), 160);
    receiver.lanes.patienceMs = 30;
    receiver.lanes.handleTimeout(instant(120));
    assert.deepEqual(receiver.numbers(), [5]);
    assert.equal(receiver.lanes.drops.lost, 2);
    receiver.packet(0, 4, 130);
    assert.equal(receiver.lanes.drops.late, 1);
    receiver.assertNothingHeld();
  });

  it("knows since when it waits, however many numbers it waits in", () => {
    const receiver = new Receiver(8, 1024);
    const { lanes } = receiver;
    lanes.patienceMs = 100;
    receiver.packet(0, 30, 5);
    receiver.packet(0, 32, 7);
    receiver.packet(0, 900, 9);
    assert.equal(lanes.pollTimeout(), 105);
    lanes.handleTimeout(instant(105));
    assert.deepEqual([receiver.numbers(), lanes.pollTimeout()], [[30], 107]);
    lanes.handleTimeout(instant(107));
    assert.deepEqual([receiver.numbers(), lanes.pollTimeout()], [[32], 109]);
    lanes.handleTimeout(instant(109));
    assert.deepEqual(receiver.numbers(), [900]);
    receiver.assertNothingHeld();
  });

  it("does not wait for what the peer skips", () => {
    const receiver = new Receiver();
    const { lanes } = receiver;
    lanes.handleSkip(0, 0, 3, instant(0));
    receiver.packet(0, 3, 0);
    assert.deepEqual(receiver.numbers(), [3]);
    receiver.packet(0, 9, 0);
    lanes.handleSkip(0, 6, 3, instant(0));
    // With one that has come.
    lanes.handleSkip(0, 2, 8, instant(0));
    assert.deepEqual(receiver.numbers(), [9]);
    lanes.handleSkip(0, 0, 10, instant(0));
    assert.deepEqual([lanes.drops.lost, lanes.drops.far], [8, 0]);
    lanes.handleSkip(0, 2 ** 22 + 11, 1, instant(0));
    assert.equal(lanes.drops.far, 1);
    // It came all the same.
    lanes.handleSkip(0, 12, 1, instant(0));
    receiver.packet(0, 12, 0);
    for (const number of [10, 11]) receiver.packet(0, number, 0);
    assert.deepEqual(receiver.numbers(), [10, 11, 12]);
    receiver.assertNothingHeld();
  });

  it("counts what comes again", () => {
    const receiver = new Receiver();
    receiver.packet(0, 0, 0);
    receiver.packet(0, 0, 0);
    receiver.packet(0, 2, 0);
    receiver.packet(0, 2, 0);
    receiver.packet(0, 2 ** 22 + 2, 0);
    assert.deepEqual(receiver.numbers(), [0]);
    const { late, repeated, far, lost } = receiver.lanes.drops;
    assert.deepEqual([late, repeated, far, lost], [1, 1, 1, 0]);
    receiver.lanes.reset();
    receiver.assertNothingHeld();
    receiver.packet(0, 0, 0);
    assert.deepEqual(receiver.numbers(), [0]);
  });

  it("slides on when a packet is further ahead than can be waited", () => {
    const receiver = new Receiver(8, 26_400);
    const { lanes } = receiver;
    for (let number = 1; number < 16_384; number++) receiver.packet(0, number, 0, { length: 20 });
    assert.deepEqual([lanes.heldPackets, receiver.delivered.length], [16_383, 0]);
    receiver.packet(0, 16_384, 0);
    assert.equal(receiver.delivered.length, 16_384);
    receiver.packet(0, 50_000, 0);
    assert.equal(lanes.drops.lost, 1 + (50_000 - 16_383 - 16_385));
    receiver.packet(0, 50_000 - 16_383, 0);
    assert.equal(receiver.delivered.at(-1)?.number, 50_000 - 16_383);
    lanes.reset();
    receiver.assertNothingHeld();
  });
});

describe("what lanes hold", () => {
  it("holds copies of what comes alone, and slots of what comes together", () => {
    const receiver = new Receiver();
    const { small, big } = receiver.slots;
    receiver.packet(0, 1, 0);
    assert.deepEqual([small.free, big.free], [small.count - 1, big.count]);
    receiver.packet(0, 2, 0, { isCrowded: true });
    assert.deepEqual([small.free, big.free], [small.count - 1, big.count - 1]);
    receiver.packet(0, 3, 0, { length: SMALL - 16 });
    receiver.packet(0, 4, 0, { length: SMALL - 15 });
    assert.deepEqual([small.free, big.free], [small.count - 2, big.count - 2]);
    receiver.packet(0, 0, 0);
    assert.deepEqual(receiver.numbers(), [0, 1, 2, 3, 4]);
    receiver.assertNothingHeld();
  });

  it("gives back the memory of lanes in which much was waited for once", () => {
    const receiver = new Receiver();
    const { lanes } = receiver;
    for (let lane = 0; lane < 16; lane++) receiver.packet(lane, 16_000, 0);
    const most = lanes.room;
    assert.ok(most >= 16 * 16_000);
    lanes.handleTimeout(instant(1000));
    receiver.packet(3, 20_000, 9000);
    lanes.handleTimeout(instant(12_000));
    assert.equal(lanes.room, most / 16);
    for (let number = 20_001; number < 20_100; number++) receiver.packet(3, number, 12_000);
    receiver.packet(5, 16_002, 12_000);
    lanes.handleTimeout(instant(13_000));
    assert.equal(receiver.delivered.at(-1)?.number, 16_002);
    lanes.handleTimeout(instant(23_000));
    lanes.handleTimeout(instant(33_000));
    assert.equal(lanes.room, 64);
    receiver.packet(3, 20_100, 33_000);
    assert.equal(receiver.delivered.at(-1)?.number, 20_100);
    receiver.assertNothingHeld();
  });

  it("gives up holes early when others have the slots", () => {
    const receiver = new Receiver(32, 0);
    const { big } = receiver.slots;
    const others = Array.from({ length: 29 }, () => big.take());
    for (let i = 1; i <= 10; i++) receiver.packet(2, 2 * i, i);
    assert.deepEqual([big.free, receiver.lanes.heldPackets], [2, 1]);
    for (const slot of others) big.release(slot);
    receiver.lanes.handleTimeout(instant(1000));
    assert.equal(receiver.delivered.length, 10);
    receiver.assertNothingHeld();
  });

  it("gives up holes early, the oldest first, before it has most of the slots", () => {
    const receiver = new Receiver(32, 0);
    const { lanes } = receiver;
    receiver.packet(1, 1, 0);
    for (let i = 1; i <= 19; i++) receiver.packet(2, 2 * i, i);
    assert.deepEqual([receiver.slots.big.free, lanes.drops.lost], [12, 0]);
    receiver.packet(2, 40, 20);
    assert.deepEqual(
      receiver.delivered.map(({ lane, number }) => [lane, number]),
      [[1, 1]],
    );
    receiver.packet(2, 42, 21);
    assert.equal(receiver.delivered.at(-1)?.number, 2);
    assert.equal(lanes.drops.lost, 3);
    for (let i = 22; i < 500; i++) receiver.packet(2, 2 * i, i);
    assert.equal(lanes.heldPackets, 20);
    lanes.handleTimeout(instant(1000));
    const numbers = receiver.delivered.filter(({ lane }) => lane === 2).map(({ number }) => number);
    assert.deepEqual(
      numbers,
      Array.from({ length: 499 }, (_, i) => 2 * (i + 1)),
    );
    receiver.assertNothingHeld();
  });
});

describe("parts of packets", () => {
  it("puts packets together from parts in any order, cut in several ways", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 2999 }), { maxLength: 7 });
    const events = fc.record({
      totals: fc.array(fc.integer({ min: 40, max: 3000 }), { minLength: 1, maxLength: 6 }),
      ways: fc.array(cuts, { minLength: 12, maxLength: 12 }),
      order: fc.array(fc.nat(0xffff), { minLength: 200, maxLength: 200 }),
    });
    fc.assert(
      fc.property(events, ({ totals, ways, order }) => {
        const receiver = new Receiver(16);
        const parts: { number: number; begin: number; end: number; rank: number }[] = [];
        for (const [number, total] of totals.entries()) {
          for (const way of [ways[2 * number], ways[2 * number + 1]]) {
            const ends = [...new Set([...(way ?? []).filter((end) => end < total), total])].sort(
              (a, b) => a - b,
            );
            let begin = 0;
            for (const end of ends) {
              // A packet is not cut into one part.
              if (end - begin < total) parts.push({ number, begin, end, rank: order[parts.length] ?? 0 });
              begin = end;
            }
          }
        }
        parts.sort((a, b) => a.rank - b.rank);
        const whole = totals.map((_, number) => parts.every((part) => part.number !== number));
        for (const { number, begin, end } of parts) {
          receiver.part(0, number, totals[number] as number, begin, end, 0);
        }
        for (const [number, isWhole] of whole.entries()) {
          if (isWhole) receiver.packet(0, number, 0, { length: totals[number] as number });
        }
        assert.deepEqual(
          receiver.delivered.map(({ number, length, vouched }) => [number, length, vouched]),
          totals.map((total, number) => [number, total, number % 2 === 1]),
        );
        assert.deepEqual([receiver.lanes.drops.badParts, receiver.lanes.drops.full], [0, 0]);
        receiver.assertNothingHeld();
      }),
      { numRuns: 100 },
    );
  });

  it("waits for parts as for packets", () => {
    const receiver = new Receiver();
    const { lanes } = receiver;
    lanes.patienceMs = 50;
    receiver.part(0, 0, 1000, 0, 500, 10);
    assert.equal(lanes.pollTimeout(), 60);
    receiver.packet(0, 1, 20);
    lanes.handleTimeout(instant(60));
    assert.deepEqual(receiver.numbers(), [1]);
    receiver.part(0, 0, 1000, 500, 1000, 61);
    assert.deepEqual([lanes.drops.late, lanes.drops.lost], [1, 1]);
    receiver.assertNothingHeld();
  });

  it("takes the whole packet in place of its parts", () => {
    const receiver = new Receiver();
    receiver.part(0, 1, 1000, 0, 500, 0);
    receiver.packet(0, 1, 0, { length: 1000 });
    receiver.part(0, 1, 1000, 500, 1000, 0);
    assert.equal(receiver.lanes.drops.repeated, 1);
    receiver.part(0, 0, 1000, 0, 500, 0);
    receiver.packet(0, 0, 0, { length: 1000 });
    assert.deepEqual(receiver.numbers(), [0, 1]);
    receiver.assertNothingHeld();
  });

  it("refuses parts that contradict each other or are too many", () => {
    const receiver = new Receiver();
    const { lanes } = receiver;
    const part = (offset: number, length: number, isFirst: boolean, isLast: boolean): void =>
      lanes.handlePart(0, 20, length, 0, 0, offset, isFirst, isLast, false, false, instant(0));
    part(0, 100, false, false);
    part(10, 100, true, false);
    part(10, 0, false, false);
    part(65_500, 36, false, false);
    assert.equal(lanes.drops.badParts, 4);
    part(0, 100, true, false);
    part(300, 100, false, true);
    part(350, 100, false, false);
    part(300, 50, false, true);
    assert.equal(lanes.drops.badParts, 6);
    lanes.reset();
    for (let i = 0; i < 9; i++) part(20 * i + 10, 10, false, false);
    assert.equal(lanes.drops.full, 1);
    part(100, 20, false, true);
    assert.equal(lanes.drops.badParts, 7);
    lanes.reset();
    for (let number = 1; number < 300; number++) receiver.part(0, number, 100, 0, 50, 0);
    assert.deepEqual([receiver.slots.small.free, receiver.slots.big.free], [23, 4]);
    assert.ok(lanes.drops.full > 200);
    lanes.reset();
    receiver.assertNothingHeld();
  });
});

describe("hostile numbers", () => {
  it("never throws, keeps no more than it may, and lets go of all", () => {
    const number = fc.oneof(fc.nat(40), fc.nat(20_000), fc.integer({ min: 0, max: LANE_NUMBERS - 1 }));
    const lane = fc.nat(15);
    const event = fc.oneof(
      fc.record({ kind: fc.constant("packet" as const), lane, number, isCrowded: fc.boolean() }),
      fc.record({ kind: fc.constant("skip" as const), lane, number, count: fc.nat(0xffff) }),
      fc.record({
        kind: fc.constant("part" as const),
        lane,
        number,
        offset: fc.oneof(fc.constant(0), fc.nat(0xffff)),
        length: fc.integer({ min: 1, max: 1400 }),
        isLast: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(100) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const receiver = new Receiver(20, 40);
        const { lanes, slots } = receiver;
        lanes.patienceMs = 150;
        receiver.isChecked = false;
        let now = 0;
        for (const one of events) {
          if (one.kind === "packet") receiver.packet(one.lane, one.number, now, one);
          else if (one.kind === "skip") lanes.handleSkip(one.lane, one.number, one.count, instant(now));
          else if (one.kind === "wait") {
            now += one.ms;
            lanes.handleTimeout(instant(now));
          } else {
            const slot = slots.big.take();
            const { length, offset, lane: index, isLast } = one;
            const from = slots.offsetOf(slot) + 20;
            const isFirst = offset === 0;
            lanes.handlePart(
              slot,
              from,
              length,
              index,
              one.number,
              offset,
              isFirst,
              isLast,
              false,
              false,
              instant(now),
            );
            slots.release(slot);
          }
          assert.ok(lanes.pollTimeout() > now - 1);
        }
        lanes.handleTimeout(instant(now + 150));
        receiver.assertNothingHeld();
      }),
      { numRuns: 100 },
    );
  });
});
