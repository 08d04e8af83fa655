import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RateTrial } from "../../src/sim/rate-trial.ts";

describe("the rate of one path", () => {
  it("is found from nothing and kept, with a small queue", () => {
    for (const mbit of [20, 100]) {
      const trial = new RateTrial({ path: { rateBps: mbit * 1e6, delayMs: 10 } });
      trial.run(2000);
      const before = trial.deliveredOctets;
      let longestMs = 0;
      trial.onMoment = ({ queueMs }) => {
        longestMs = Math.max(longestMs, queueMs);
      };
      trial.run(4000);
      const share = (trial.deliveredOctets - before) / (mbit * 125 * 4000);
      assert.ok(share > 0.99, `${mbit} Mbit/s: ${share}`);
      assert.ok(longestMs < 40, `${mbit} Mbit/s: ${longestMs} ms`);
      assert.equal(trial.path.drops.queueFull, 0);
    }
  });
});
