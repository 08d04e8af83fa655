import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "../../src/time.ts";
import { LanesIn } from "../../src/tunnel/lanes-in.ts";
import { RunQueue } from "../../src/tunnel/run-queue.ts";
import { RunTable } from "../../src/tunnel/run-table.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";

/* Bundles of one tunnel share its slots: as many as an engine has, but short ones. */

const BIG = 768;
const SMALL = 4096;
const SIZE = 128;
const NOW = instant(1000);

class Shared {
  readonly octets = new Uint8Array((BIG + SMALL) * SIZE);
  readonly memory = { octets: this.octets, view: new DataView(this.octets.buffer) };
  readonly slots = new SlotPools(new Slots(0, 0, SIZE, BIG), new Slots(BIG, BIG * SIZE, SIZE, SMALL));
  readonly runs = new RunTable(this.slots);
  delivered = 0;

  queue(): RunQueue {
    return new RunQueue(this.runs, 1, this.memory);
  }

  lanes(): LanesIn {
    return new LanesIn(this.slots, this.memory, { deliver: () => this.delivered++ });
  }

  /** What an interface does with a run. @returns false: there is no slot for it */
  enqueue(queue: RunQueue, segments: number, flow = 1): boolean {
    const small = segments === 1 ? this.slots.small.take() : -1;
    const slot = small >= 0 ? small : this.slots.big.take();
    if (slot < 0) return false;
    const from = this.slots.offsetOf(slot);
    const length = 40 + segments * 1000;
    const run = this.runs.add(slot, from, length, segments, segments === 1 ? 0 : 40, 1000, false);
    queue.enqueue(run, flow, NOW);
    return true;
  }

  isEmpty(): boolean {
    return this.slots.big.free === BIG && this.slots.small.free === SMALL && this.runs.count === 0;
  }
}

const drain = (queue: RunQueue): number => {
  let taken = 0;
  while (queue.take(1e6, NOW)) taken += queue.count;
  queue.releaseTaken();
  return taken;
};

describe("slots that bundles share", () => {
  for (const segments of [1, 5]) {
    it(`are left by full queues to one that goes on (runs of ${segments})`, () => {
      const shared = new Shared();
      const blocked = Array.from({ length: 8 }, () => shared.queue());
      const open = shared.queue();
      let taken = 0;
      for (let i = 0; i < 6000; i++) {
        for (const queue of blocked) assert.ok(shared.enqueue(queue, segments, i), "a slot");
        assert.ok(shared.enqueue(open, segments), "a slot");
        if (i % 20 === 19) taken += drain(open);
      }
      assert.equal(taken, 6000 * segments);
      assert.equal(open.drops.queueFull, 0);
      const packets = blocked.map((queue) => queue.packets / segments);
      assert.ok(Math.max(...packets) <= 2 * Math.min(...packets), `they have ${packets.join(" ")}`);
      for (const queue of blocked) queue.clear();
      assert.ok(shared.isEmpty());
    });
  }

  it("are given back by a queue that has most of them when others need them", () => {
    const shared = new Shared();
    const [first, second] = [shared.queue(), shared.queue()];
    for (let i = 0; i < 1000; i++) assert.ok(shared.enqueue(first, 5, i));
    assert.equal(first.packets / 5, (BIG * 5) / 8);
    for (let i = 0; i < 1000; i++) {
      assert.ok(shared.enqueue(second, 5, i));
      assert.ok(shared.enqueue(first, 5, i));
    }
    const each = [first.packets / 5, second.packets / 5];
    assert.ok(
      each.every((runs) => runs > BIG / 3 && runs < BIG / 2),
      `they have ${each.join(" ")}`,
    );
    first.clear();
    second.clear();
    assert.ok(shared.isEmpty());
  });

  it("are enough for a packet of each when all is taken", () => {
    const shared = new Shared();
    for (let slot = shared.slots.big.take(); shared.slots.big.free > 1; slot = shared.slots.big.take())
      assert.ok(slot >= 0);
    const queue = shared.queue();
    assert.ok(shared.enqueue(queue, 5));
    assert.equal(queue.drops.queueFull, 0);
    assert.equal(drain(queue), 5);
  });

  it("are left by what waits for order, however much of it there is", () => {
    const shared = new Shared();
    const clients = Array.from({ length: 8 }, () => shared.lanes());
    for (let i = 1; i < 2000; i++) {
      for (const lanes of clients) {
        const slot = shared.slots.big.take();
        assert.ok(slot >= 0, "a slot for what comes");
        lanes.handle(slot, shared.slots.offsetOf(slot), 100, 3, i, false, true, NOW);
        shared.slots.release(slot);
      }
    }
    const held = clients.map(({ heldPackets }) => heldPackets);
    assert.ok(shared.slots.big.free > BIG / 16, `${shared.slots.big.free} are free`);
    assert.ok(Math.max(...held) <= 2 * Math.min(...held), `they have ${held.join(" ")}`);
    for (const lanes of clients) lanes.reset();
    assert.ok(shared.isEmpty());
  });

  it("count once, whatever lies in them", () => {
    const shared = new Shared();
    const lanes = shared.lanes();
    for (let i = 0; i < 100; i++) {
      const slot = shared.slots.big.take();
      const from = shared.slots.offsetOf(slot);
      for (let k = 0; k < 45; k++) lanes.handle(slot, from + k, 20, 3, 1 + 45 * i + k, false, true, NOW);
      shared.slots.release(slot);
    }
    assert.equal(lanes.heldPackets, 4500);
    lanes.handle(0, 0, 20, 3, 0, false, true, NOW);
    assert.equal(shared.delivered, 4501);
    assert.ok(shared.isEmpty());
  });

  it("are left by packets whose parts never all come", () => {
    const shared = new Shared();
    const clients = Array.from({ length: 40 }, () => shared.lanes());
    for (let i = 1; i < 300; i++) {
      for (const lanes of clients) {
        const slot = shared.slots.big.take();
        assert.ok(slot >= 0, "a slot for what comes");
        // More than a small slot has room for.
        const from = shared.slots.offsetOf(slot);
        lanes.handlePart(slot, from, 8, 3, i, 110 + (i % 8), false, false, false, true, NOW);
        shared.slots.release(slot);
      }
    }
    assert.ok(shared.slots.big.free >= BIG / 20, `${shared.slots.big.free} are free`);
    for (const lanes of clients) lanes.reset();
    assert.ok(shared.isEmpty());
  });
});
