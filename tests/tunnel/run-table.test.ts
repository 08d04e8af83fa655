import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RunTable } from "../../src/tunnel/run-table.ts";
import { SlotPools, Slots } from "../../src/tunnel/slots.ts";

const makePools = (count: number): SlotPools =>
  new SlotPools(new Slots(0, 0, 65_792, count), new Slots(count, count * 65_792, 2048, 0));

describe("RunTable", () => {
  it("knows what each segment is", () => {
    const pools = makePools(2);
    const runs = new RunTable(pools);
    const run = runs.add(pools.big.take(), 74, 52 + 2 * 1000 + 1, 3, 52, 1000, true);
    assert.deepEqual(
      [runs.slotOf(run), runs.fromOf(run), runs.lengthOf(run), runs.segmentsOf(run)],
      [0, 74, 2053, 3],
    );
    assert.deepEqual(
      [runs.headLengthOf(run), runs.segmentOctetsOf(run), runs.isVouched(run)],
      [52, 1000, true],
    );
    assert.deepEqual(
      [0, 1, 2].map((segment) => runs.octetsOf(run, segment)),
      [1052, 1052, 53],
    );
    assert.deepEqual(
      [0, 1, 2, 3].map((count) => runs.octetsFrom(run, 0, count)),
      [0, 1052, 2104, 2157],
    );
    assert.equal(runs.octetsFrom(run, 1, 2), 1105);
    const packet = runs.add(pools.big.take(), 74, 1500, 1, 0, 1500, false);
    assert.deepEqual([runs.octetsOf(packet, 0), runs.isVouched(packet)], [1500, false]);
  });

  it("numbers segments from the one that was taken first, round the end of numbers", () => {
    const pools = makePools(1);
    const runs = new RunTable(pools);
    const run = runs.add(pools.big.take(), 74, 10_040, 10, 40, 1000, true);
    assert.equal(runs.isNumbered(run), false);
    runs.setNumbers(run, 15, 0xfffffe, 3);
    assert.deepEqual([runs.isNumbered(run), runs.laneOf(run), runs.isVouched(run)], [true, 15, true]);
    assert.deepEqual(
      [3, 4, 5, 9].map((segment) => runs.numberOf(run, segment)),
      [0xfffffe, 0xffffff, 0, 4],
    );
    runs.setNumbers(run, 2, 0, 9);
    assert.deepEqual([runs.laneOf(run), runs.numberOf(run, 9)], [2, 0]);
  });

  it("releases the slot with the last reference, and uses ids again", () => {
    const pools = makePools(1000);
    const runs = new RunTable(pools);
    const ids = Array.from({ length: 1000 }, () => runs.add(pools.big.take(), 74, 1500, 1, 0, 1500, false));
    assert.equal(new Set(ids).size, 1000);
    assert.deepEqual(
      ids.map((id) => runs.slotOf(id)),
      ids.map((_, i) => i),
    );
    for (const id of ids) {
      runs.hold(id, 2);
      runs.release(id);
    }
    assert.deepEqual([pools.big.free, runs.count], [0, 1000]);
    for (const id of ids) runs.release(id, 2);
    assert.deepEqual([pools.big.free, runs.count], [1000, 0]);
    const again = Array.from({ length: 1000 }, () => runs.add(pools.big.take(), 74, 1500, 1, 0, 1500, false));
    assert.deepEqual(new Set(again), new Set(ids));
  });

  it("throws at a reference too few or too many", () => {
    const pools = makePools(1);
    const runs = new RunTable(pools);
    const run = runs.add(pools.big.take(), 74, 1500, 1, 0, 1500, false);
    assert.throws(() => runs.release(run, 2), /once too often/);
    runs.release(run);
    assert.throws(() => runs.release(run), /once too often/);
    assert.throws(() => runs.hold(run), /nobody had it/);
    assert.throws(() => runs.release(77), /once too often/);
    assert.equal(pools.big.free, 1);
  });
});
