import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";

describe("Slots", () => {
  it("gives each slot once, until it is released", () => {
    const slots = new Slots(10, 1000, 100, 3);
    const taken = [slots.take(), slots.take(), slots.take()];
    assert.deepEqual(taken, [10, 11, 12]);
    assert.deepEqual([slots.take(), slots.free, slots.count], [-1, 0, 3]);
    assert.deepEqual(
      taken.map((slot) => slots.offsetOf(slot)),
      [1000, 1100, 1200],
    );
    slots.release(11);
    assert.deepEqual([slots.free, slots.take()], [1, 11]);
  });

  it("keeps a slot as long as anybody holds it", () => {
    const slots = new Slots(0, 0, 100, 1);
    const slot = slots.take();
    slots.hold(slot);
    slots.release(slot);
    assert.equal(slots.free, 0);
    slots.release(slot);
    assert.equal(slots.free, 1);
  });

  it("throws at what would corrupt packets", () => {
    const slots = new Slots(5, 0, 100, 2);
    const slot = slots.take();
    slots.release(slot);
    assert.throws(() => slots.release(slot), /once too often/);
    assert.throws(() => slots.hold(slot), /cannot be held/);
    assert.throws(() => slots.release(4), /once too often/);
    assert.throws(() => slots.hold(7), /cannot be held/);
    assert.equal(slots.free, 2);
    const held = slots.take();
    for (let i = 1; i < 0xffff; i++) slots.hold(held);
    assert.throws(() => slots.hold(held), /cannot be held/);
  });
});

describe("SlotPools", () => {
  it("finds the pool by the number", () => {
    const pools = new SlotPools(new Slots(0, 0, 1000, 2), new Slots(2, 2000, 100, 2));
    const big = pools.big.take();
    const small = pools.small.take();
    assert.deepEqual([pools.offsetOf(big), pools.offsetOf(small)], [0, 2000]);
    pools.hold(small);
    pools.release(big);
    pools.release(small);
    assert.deepEqual([pools.big.free, pools.small.free], [2, 1]);
    pools.release(small);
    assert.deepEqual([pools.big.free, pools.small.free], [2, 2]);
    assert.throws(() => pools.release(4), /once too often/);
  });
});
