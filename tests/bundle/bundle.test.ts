import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { ClassicPath } from "../../src/sim/classic-path.ts";
import { type Outcome, saturate } from "../sim/tcp-model.ts";

const MTU = 576;
const SECONDS = 60;

function run(bps: readonly number[], given = bps): { outcome: Outcome; percent: number } {
  const lines = bps.map((rate, i) => ({ bps: rate, givenBps: given[i] as number }));
  const outcome = saturate(new ClassicPath(new EarliestArrival(), lines, MTU), SECONDS * 1000);
  const octets = bps.reduce((sum, rate) => sum + rate / 10, 0) * SECONDS;
  return { outcome, percent: (100 * outcome.delivered) / (octets * ((MTU - 40) / (MTU + 1))) };
}

describe("a classic bundle with earliest arrival, on virtual time", () => {
  for (const bps of [
    [28_800, 28_800],
    [57_600, 14_400],
    [115_200, 9_600],
    [57_600, 57_600, 57_600],
    [28_800, 14_400, 9_600, 2_400],
  ]) {
    it(`${bps.join(" + ")}: arrival order is send order, and the lines are full`, () => {
      const { outcome, percent } = run(bps);
      assert.equal(outcome.outOfOrder, 0);
      assert.ok(percent > 97, `${percent.toFixed(1)} %`);
    });
  }

  for (const bps of [
    [57_600, 14_400],
    [115_200, 9_600],
    [1_000_000, 9_600],
    [28_800, 28_800],
  ]) {
    for (const wrong of [0, 1]) {
      for (const factor of [0.97, 1.03]) {
        it(`${bps.join(" + ")}, line ${wrong} given ${factor} of its speed: the estimate is corrected`, () => {
          const { outcome, percent } = run(
            bps,
            bps.map((rate, i) => (i === wrong ? rate * factor : rate)),
          );
          assert.ok(percent > 94, `${percent.toFixed(1)} %`);
          assert.ok(outcome.outOfOrder < 20, `${outcome.outOfOrder} out of order`);
        });
      }
    }
  }
});
