import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { type Job, runPool } from "../../src/lab/pool.ts";

describe("runPool", () => {
  it("never runs more than there is room for, but for one job that is too large by itself", async () => {
    const weights = [1, 2, 3, 9, 1, 1, 2];
    let used = 0;
    const jobs = weights.map(
      (weight): Job<void> =>
        async () => {
          used += weight;
          assert.ok(used <= 4 || used === weight, `${used} of 4`);
          await new Promise((resolve) => setImmediate(resolve));
          used -= weight;
        },
    );
    await runPool(jobs, 4, undefined, weights);
    assert.equal(used, 0);
  });

  it("gives all results in order, never with more at a time than allowed", async () => {
    const cases = fc.record({
      delays: fc.array(fc.nat(3), { maxLength: 12 }),
      parallel: fc.integer({ min: 1, max: 5 }),
    });
    const property = fc.asyncProperty(cases, async ({ delays, parallel }) => {
      let running = 0;
      let most = 0;
      const jobs = delays.map(
        (ms, i): Job<number> =>
          async () => {
            most = Math.max(most, ++running);
            await delay(ms);
            running--;
            return i;
          },
      );
      assert.deepEqual(await runPool(jobs, parallel), [...delays.keys()]);
      assert.equal(most, Math.min(parallel, delays.length));
    });
    await fc.assert(property, { numRuns: 30 });
  });

  it("aborts the others at the first failure, starts no more, and waits for their end", async () => {
    const ended: string[] = [];
    const patient: Job<void> = async (signal) => {
      await delay(60_000, undefined, { signal }).catch(() => {});
      ended.push("patient");
    };
    const failing: Job<void> = () => Promise.reject(new Error("broken"));
    const never: Job<void> = () => assert.fail("it was started");
    await assert.rejects(runPool([patient, failing, never], 2), /broken/);
    assert.deepEqual(ended, ["patient"]);
  });

  it("rejects with the reason of the caller's signal", async () => {
    const controller = new AbortController();
    const waiting: Job<void> = (signal) => delay(60_000, undefined, { signal });
    const pool = runPool([waiting], 1, controller.signal);
    controller.abort(new Error("enough"));
    await assert.rejects(pool, /enough/);
  });
});
