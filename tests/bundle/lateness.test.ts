import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatenessHistogram } from "../../src/bundle/lateness.ts";

function after(...observed: readonly [times: number, ms: number][]): LatenessHistogram {
  const lateness = new LatenessHistogram();
  for (const [times, ms] of observed) for (let i = 0; i < times; i++) lateness.observe(ms);
  return lateness;
}

describe("what is known of lateness", () => {
  it("is nothing until there were some", () => {
    assert.equal(after([7, 20]).high, null);
    assert.notEqual(after([8, 20]).high, null);
  });

  it("is what nearly all stay below, to within 1.5 times", () => {
    for (const ms of [0, 0.5, 1, 3, 20, 777, 5000]) {
      const high = after([20, ms]).high ?? 0;
      assert.ok(high >= ms && high <= Math.max(1, 1.5 * ms), `${high} for ${ms}`);
    }
    assert.ok((after([50, 10], [1, 900]).high ?? 0) >= 900, "one in fifty is more than one may lose");
  });

  it("is bounded for whatever is seen", () => {
    assert.ok((after([20, Number.POSITIVE_INFINITY]).high ?? 0) < 200_000);
    assert.equal(after([20, -5]).high, 1);
  });

  it("forgets, slowly", () => {
    assert.ok((after([5, 900], [100, 10]).high ?? 0) >= 900);
    assert.ok((after([5, 900], [1500, 10]).high ?? 0) < 20);
  });

  it("begins anew", () => {
    const lateness = after([20, 900]);
    lateness.clear();
    assert.equal(lateness.high, null);
    for (let i = 0; i < 8; i++) lateness.observe(2);
    assert.equal(lateness.high, 2);
  });
});
