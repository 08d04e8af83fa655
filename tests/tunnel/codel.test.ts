import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "../../src/time.ts";
import { CoDel } from "../../src/tunnel/codel.ts";

const TARGET = 10;

/** When signals come while the delay is as told, asked each millisecond. */
function signals(codel: CoDel, from: number, to: number, sojournMs: number, isShort = false): number[] {
  const found: number[] = [];
  for (let now = from; now < to; now++) {
    while (codel.shouldSignal(sojournMs, isShort, TARGET, instant(now))) found.push(now);
  }
  return found;
}

describe("CoDel", () => {
  it("signals after an interval above the target, then more and more often", () => {
    // Each 40 / √n ms after the one before.
    assert.deepEqual(signals(new CoDel(), 100, 250, TARGET), [140, 180, 209, 232]);
  });

  it("begins anew when the delay was once below the target, or little waits", () => {
    const codel = new CoDel();
    assert.deepEqual(signals(codel, 0, 40, TARGET), []);
    assert.deepEqual(signals(codel, 40, 41, TARGET - 1), []);
    assert.deepEqual(signals(codel, 41, 82, TARGET), [81]);
    assert.deepEqual(signals(codel, 82, 83, TARGET, true), []);
    assert.deepEqual(signals(codel, 83, 123, TARGET), []);
  });

  it("goes on with what was needed when it begins again soon", () => {
    const codel = new CoDel();
    const before = signals(codel, 0, 400, TARGET);
    signals(codel, 400, 401, 0);
    const soon = signals(codel, 401, 600, TARGET);
    assert.deepEqual([soon[0], (soon[1] as number) - (soon[0] as number) < 20], [441, true]);
    signals(codel, 600, 601, 0);
    const late = signals(codel, 5000, 5200, TARGET);
    assert.deepEqual([late[0], late[1]], [5040, 5080]);
    assert.ok(before.length > 10);
  });
});
