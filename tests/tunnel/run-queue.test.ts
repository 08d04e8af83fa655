import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Instant, instant } from "../../src/time.ts";
import { RunQueue } from "../../src/tunnel/run-queue.ts";
import { RunTable } from "../../src/tunnel/run-table.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";
import { internetChecksum } from "../../src/wire/ip-packet.ts";

const SLOT = 128;
const HEAD = 40;
const BODY = 1000;

/** A queue whose runs have only their headers in memory. */
class Setup {
  readonly octets = new Uint8Array(SLOT * 4000);
  readonly slots = new SlotPools(new Slots(0, 0, SLOT, 4000), new Slots(4000, 0, SLOT, 0));
  readonly runs = new RunTable(this.slots);
  readonly queue: RunQueue;
  now: Instant = instant(1000);

  constructor(limit?: number) {
    this.queue = new RunQueue(
      this.runs,
      1,
      { octets: this.octets, view: new DataView(this.octets.buffer) },
      limit,
    );
  }

  /** @param ecn of its IPv4 header */
  enqueue(hash: number, segments = 1, ecn = 0): number {
    const slot = this.slots.big.take();
    assert.ok(slot >= 0, "a slot");
    const from = this.slots.offsetOf(slot);
    const length = HEAD + segments * BODY;
    this.octets.set(
      [0x45, ecn, length >> 8, length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
      from,
    );
    const sum = internetChecksum(this.octets, from, 20);
    this.octets.set([sum >> 8, sum], from + 10);
    const run = this.runs.add(slot, from, length, segments, segments === 1 ? 0 : HEAD, BODY, false);
    this.queue.enqueue(run, hash, this.now);
    return run;
  }

  /** @returns what was taken: run, first segment, count; null: nothing */
  take(most = 1): [number, number, number] | null {
    const { queue } = this;
    if (!queue.take(most, this.now)) return null;
    const taken: [number, number, number] = [queue.run, queue.segment, queue.count];
    queue.releaseTaken();
    return taken;
  }

  advance(ms: number): void {
    this.now = instant(this.now + ms);
  }

  assertEmpty(): void {
    const { queue, slots, runs } = this;
    assert.deepEqual([queue.octets, queue.packets, queue.peekOctets(), runs.count], [0, 0, 0, 0]);
    assert.equal(slots.big.free, 4000);
  }
}

describe("RunQueue", () => {
  it("takes a run piece by piece, whole segments and at least one", () => {
    const setup = new Setup();
    const run = setup.enqueue(1, 6);
    const { queue } = setup;
    assert.deepEqual([queue.octets, queue.packets, queue.peekOctets()], [6240, 6, 1040]);
    assert.deepEqual(setup.take(1), [run, 0, 1]);
    assert.deepEqual([queue.octets, queue.packets], [5200, 5]);
    assert.deepEqual(setup.take(1), [run, 1, 1]);
    assert.deepEqual(setup.take(2 * 1040 + 1039), [run, 2, 2]);
    assert.deepEqual(setup.take(Number.POSITIVE_INFINITY), [run, 4, 2]);
    assert.equal(setup.take(), null);
    setup.assertEmpty();
  });

  it("keeps what was taken until it is released, or the next call", () => {
    const setup = new Setup();
    const [first, second] = [setup.enqueue(1), setup.enqueue(1)];
    assert.ok(setup.queue.take(1, setup.now));
    assert.equal(setup.runs.count, 2);
    assert.ok(setup.queue.take(1, setup.now));
    assert.deepEqual([setup.runs.count, setup.queue.run], [1, second]);
    setup.queue.releaseTaken();
    assert.notEqual(first, second);
    setup.assertEmpty();
  });

  it("lets a ping pass a bulk flow, and says that it is sparse", () => {
    const setup = new Setup();
    for (let i = 0; i < 25; i++) setup.enqueue(1, 40);
    for (let i = 0; i < 10; i++) setup.take(5000);
    const { queue } = setup;
    for (let i = 0; i < 20; i++) {
      const ping = setup.enqueue(2);
      setup.advance(10);
      assert.deepEqual(setup.take(5000), [ping, 0, 1]);
      assert.equal(queue.isSparse, true);
      for (let j = 0; j < 3; j++) {
        assert.notEqual(setup.take(5000)?.[0], ping);
        assert.equal(queue.isSparse, false);
      }
    }
  });

  it("gives a new flow its turn before others, and no more", () => {
    const setup = new Setup();
    setup.enqueue(1, 10);
    assert.deepEqual(setup.take(50_000)?.slice(1), [0, 1]);
    assert.equal(setup.queue.isSparse, true);
    assert.deepEqual(setup.take(50_000)?.slice(1), [1, 1], "what is left of the quantum");
    assert.equal(setup.queue.isSparse, false);
    assert.deepEqual(setup.take(50_000)?.slice(1), [2, 8]);
    assert.equal(setup.queue.isSparse, false);
    setup.assertEmpty();
  });

  it("calls no flow sparse that sends much, but never waits", () => {
    const setup = new Setup();
    let sparse = 0;
    for (let i = 0; i < 100; i++) {
      setup.enqueue(1, 20);
      while (setup.take(50_000) !== null) if (setup.queue.isSparse) sparse++;
      setup.advance(10);
    }
    assert.equal(sparse, 1);
    setup.advance(100);
    setup.enqueue(1);
    assert.ok(setup.take() !== null && setup.queue.isSparse);
    setup.assertEmpty();
  });

  it("shares by octets, however flows are cut and whatever is taken at once", () => {
    const setup = new Setup();
    const flows = [1, 2, 20, 45].map((segments, i) => ({ hash: 100 + i, segments, octets: 0, waits: 0 }));
    const byRun = new Map<number, (typeof flows)[number]>();
    for (let i = 0; i < 4000; i++) {
      for (const flow of flows) {
        while (flow.waits < 60) {
          byRun.set(setup.enqueue(flow.hash, flow.segments), flow);
          flow.waits += flow.segments;
        }
      }
      const [run, segment, count] = setup.take(500 + ((i * 7919) % 20_000)) ?? assert.fail("empty");
      const flow = byRun.get(run) ?? assert.fail("a run that nobody enqueued");
      flow.waits -= count;
      flow.octets +=
        flow.segments === 1 ? HEAD + BODY : setup.runs.octetsFrom(run, segment, count) || count * 1040;
      setup.advance(0.1);
    }
    const total = flows.reduce((sum, { octets }) => sum + octets, 0);
    for (const { octets, segments } of flows) {
      const share = octets / (total / flows.length);
      assert.ok(Math.abs(share - 1) < 0.05, `${segments}: ${share}`);
    }
    setup.queue.clear();
    setup.assertEmpty();
  });

  it("lets no flow keep others from their turn by pausing after each packet", () => {
    const setup = new Setup();
    const counts = { pausing: 0, bulk: 0 };
    let pausing = setup.enqueue(1);
    for (let i = 0; i < 10; i++) setup.enqueue(2, 40);
    for (let i = 0; i < 300; i++) {
      const run = setup.take()?.[0];
      if (run !== pausing) counts.bulk++;
      else {
        counts.pausing++;
        assert.ok(setup.queue.peekOctets() > 0, "the turn of the other one");
        pausing = setup.enqueue(1);
      }
    }
    assert.ok(counts.bulk > 100 && counts.pausing > 100, `${counts.bulk} to ${counts.pausing}`);
  });

  it("takes all that was enqueued and not dropped, once, each flow's in order", () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ hash: fc.nat(5), segments: fc.integer({ min: 1, max: 45 }), ecn: fc.constantFrom(0, 1) }),
        fc.record({ most: fc.integer({ min: 1, max: 70_000 }), ms: fc.nat(60) }),
      ),
      { maxLength: 150 },
    );
    fc.assert(
      fc.property(steps, fc.integer({ min: 8192, max: 400_000 }), (list, limit) => {
        const setup = new Setup(limit);
        const { queue, runs } = setup;
        queue.targetMs = 5;
        const state = { enqueued: 0, taken: 0 };
        const flowOf = new Map<number, number>();
        const orderOf = new Map<number, number>();
        const lastOf = new Map<number, { order: number; run: number; next: number; left: number }>();
        const take = (most: number): boolean => {
          if (!queue.take(most, setup.now)) return false;
          const { run, segment, count } = queue;
          const flow = flowOf.get(run) ?? assert.fail("a flow");
          const order = orderOf.get(run) ?? assert.fail("an order");
          const last = lastOf.get(flow);
          const segments = runs.segmentsOf(run);
          assert.ok(count >= 1 && segment + count <= segments);
          assert.ok(count === 1 || runs.octetsFrom(run, segment, count) <= most);
          if (last !== undefined && last.left > 0) assert.deepEqual([run, segment], [last.run, last.next]);
          else assert.ok(last === undefined || order > last.order);
          lastOf.set(flow, { order, run, next: segment + count, left: segments - segment - count });
          state.taken += count;
          return true;
        };
        for (const step of list) {
          if ("most" in step) {
            take(step.most);
            setup.advance(step.ms);
          } else {
            // The id is known before: the table gives it to whom it was taken from last.
            const before = setup.runs.count;
            const run = setup.enqueue(step.hash, step.segments, step.ecn);
            flowOf.set(run, step.hash);
            orderOf.set(run, state.enqueued);
            state.enqueued += step.segments;
            assert.ok(setup.runs.count <= before + 1);
          }
          const { queueFull, delayed } = queue.drops;
          assert.equal(queue.packets, state.enqueued - state.taken - queueFull - delayed);
          assert.ok(queue.octets <= Math.max(limit, 8 * 45_040));
        }
        while (take(3000));
        const { queueFull, delayed } = queue.drops;
        assert.equal(state.enqueued, state.taken + queueFull + delayed);
        queue.releaseTaken();
        setup.assertEmpty();
      }),
      { numRuns: 150 },
    );
  });

  it("drops from the head of the flow that has the most when it is full", () => {
    const setup = new Setup(200_000);
    const ping = setup.enqueue(2);
    const runs = [0, 1, 2, 3].map(() => setup.enqueue(1, 45));
    assert.equal(setup.queue.drops.queueFull, 0);
    const pong = setup.enqueue(3);
    setup.enqueue(1, 45);
    assert.equal(setup.queue.drops.queueFull, 45);
    const order: (number | undefined)[] = [];
    for (let i = 0; i < 5; i++) order.push(setup.take(9000)?.[0]);
    assert.deepEqual(order, [ping, runs[1], runs[1], pong, runs[1]]);
  });

  it("never cuts a run that was begun", () => {
    const setup = new Setup(100_000);
    const begun = setup.enqueue(1, 45);
    assert.deepEqual(setup.take(), [begun, 0, 1]);
    for (let i = 0; i < 5; i++) setup.enqueue(1, 45);
    assert.equal(setup.queue.drops.queueFull, 4 * 45);
    setup.advance(10_000);
    for (let segment = 1; segment < 45; segment++) assert.deepEqual(setup.take(), [begun, segment, 1]);
    assert.equal(setup.queue.packets, 45);
    setup.queue.clear();
    setup.assertEmpty();
  });

  it("drops what is left of begun runs when their numbers mean nothing any more", () => {
    const setup = new Setup();
    for (const flow of [1, 2]) for (let i = 0; i < 2; i++) setup.enqueue(flow, 10);
    assert.deepEqual(setup.take(3000)?.slice(1), [0, 1]);
    setup.queue.dropBegun();
    assert.deepEqual([setup.queue.packets, setup.queue.drops.queueFull], [30, 9]);
    for (let rest = 30; rest > 0; rest -= setup.take(99_999)?.[2] ?? assert.fail())
      assert.equal(setup.queue.packets, rest);
    setup.assertEmpty();
  });

  it("counts small runs for the slots that they have", () => {
    const setup = new Setup(1_000_000);
    for (let i = 0; i < 600; i++) setup.enqueue(i);
    assert.equal(setup.queue.packets, 488);
    setup.queue.clear();
    for (let i = 0; i < 300; i++) setup.enqueue(i, 2);
    assert.equal(setup.queue.packets, 2 * 122);
    setup.queue.clear();
    setup.assertEmpty();
  });
});

describe("CoDel of the run queue", () => {
  /** A sender that halves its window for each round trip with a signal, on 8 Mbit/s with 20 ms. @returns delays of the last half, in order */
  function overload(segments: number, ecn: number): { setup: Setup; delays: number[] } {
    const setup = new Setup();
    const { queue } = setup;
    queue.targetMs = 20;
    const delays: number[] = [];
    let window = 10;
    let flying = 0;
    let signals = 0;
    let heldBackUntil = 0;
    const since = new Map<number, number>();
    const answers: number[] = [];
    const end = 20_000;
    for (let time = 0; time < end; time += 1) {
      while (answers.length > 0 && (answers[0] as number) <= time) {
        answers.shift();
        flying--;
        window += 1 / window;
      }
      const told = queue.drops.delayed + queue.drops.queueFull + queue.marked;
      if (told > signals && time >= heldBackUntil) {
        window = Math.max(4, window / 2);
        heldBackUntil = time + 40;
      }
      flying -= ecn === 0 ? told - signals : 0;
      signals = told;
      while (flying + segments <= window) {
        since.set(setup.enqueue(1, segments, ecn), time);
        flying += segments;
      }
      const taken = setup.take(1040);
      if (taken !== null) {
        answers.push(time + 20);
        if (time > end / 2) delays.push(time - (since.get(taken[0]) as number));
      }
      setup.advance(1);
    }
    delays.sort((a, b) => a - b);
    return { setup, delays };
  }

  for (const [what, segments, ecn] of [
    ["drops packets", 1, 0],
    ["drops segments of runs", 4, 0],
    ["marks packets of who understands it", 1, 1],
  ] as const) {
    it(`${what} to keep the delay near the target`, () => {
      const { setup, delays } = overload(segments, ecn);
      const { delayed, queueFull } = setup.queue.drops;
      const median = delays[delays.length >> 1] as number;
      assert.ok(median > 2 && median < 40, `${median} ms`);
      assert.ok((delays.at(-1) as number) < 150, `${delays.at(-1)} ms`);
      assert.ok(delays.length > 9000, "and the line full");
      assert.equal(queueFull, 0);
      if (ecn === 0) assert.ok(delayed > 10);
      else assert.ok(delayed === 0 && setup.queue.marked > 10);
    });
  }

  it("leaves a queue alone that is short, or was short within the interval", () => {
    const setup = new Setup();
    for (let i = 0; i < 200; i++) {
      setup.enqueue(1);
      setup.enqueue(2);
      setup.advance(200);
      setup.take();
      setup.take();
    }
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 10; j++) setup.enqueue(3);
      setup.advance(29);
      for (let j = 0; j < 10; j++) setup.take();
      setup.advance(29);
    }
    setup.assertEmpty();
    assert.deepEqual(setup.queue.drops, { queueFull: 0, delayed: 0 });
  });

  it("mends the header checksum of what it marks", () => {
    const setup = new Setup();
    const runs = Array.from({ length: 100 }, () => setup.enqueue(1, 1, 2));
    setup.advance(1000);
    for (const run of runs) {
      setup.advance(10);
      const from = setup.runs.fromOf(run);
      assert.equal(setup.take()?.[0], run);
      assert.equal(internetChecksum(setup.octets, from, 20), 0);
    }
    assert.ok(setup.queue.marked > 0);
    const isMarked = (i: number): boolean => ((setup.octets[i * SLOT + 1] as number) & 3) === 3;
    assert.equal(runs.filter((_, i) => isMarked(i)).length, setup.queue.marked);
  });
});

describe("lanes of the run queue", () => {
  const laneOf = (setup: Setup, hash: number): number => {
    setup.enqueue(hash);
    assert.notEqual(setup.take(), null);
    return setup.queue.lane;
  };

  it("gives flows lanes of their own, as long as there are some", () => {
    const setup = new Setup();
    const lanes = Array.from({ length: 16 }, (_, i) => laneOf(setup, i * 7919));
    assert.equal(new Set(lanes).size, 16);
  });

  it("keeps the lane of a flow until it has rested", () => {
    const setup = new Setup();
    const lane = laneOf(setup, 1);
    for (let i = 0; i < 50; i++) {
      setup.advance(900);
      assert.equal(laneOf(setup, 1), lane);
      laneOf(setup, 2 + i);
    }
    setup.advance(1000);
    assert.equal(laneOf(setup, 99), lane, "nobody uses it");
    assert.notEqual(laneOf(setup, 1), lane);
  });

  it("counts flows that wait, and those that do not rest yet", () => {
    const setup = new Setup();
    const rush = (from: number): number[] =>
      Array.from({ length: 8 }, (_, i) => laneOf(setup, (from + i) * 7919));
    const lanes = rush(0);
    setup.advance(150);
    assert.equal(new Set([...lanes, ...rush(8)]).size, 16);
    setup.advance(1000);
    for (let i = 0; i < 5; i++) setup.enqueue(1);
    // What it had before others.
    for (let i = 0; i < 2; i++) assert.notEqual(setup.take(), null);
    const { lane } = setup.queue;
    setup.advance(2000);
    assert.equal(
      [...rush(16), ...rush(24)].filter((other) => other === lane).length,
      1,
      "that of a bulk flow last",
    );
  });

  it("takes the lane that the fewest use", () => {
    const setup = new Setup();
    for (let i = 0; i < 40; i++) setup.enqueue(i * 7919, 1);
    const counts = Array.from({ length: 16 }, () => 0);
    while (setup.take() !== null) counts[setup.queue.lane] = (counts[setup.queue.lane] ?? 0) + 1;
    assert.ok(Math.max(...counts) <= 3, counts.join());
    setup.advance(1000);
    const lanes = Array.from({ length: 16 }, (_, i) => laneOf(setup, 99 + i * 7919));
    assert.equal(new Set(lanes).size, 16, "those that rest do not count");
  });
});
