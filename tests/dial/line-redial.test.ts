import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { type LineFailure, LineRedial } from "../../src/dial/line-redial.ts";
import { MODEM } from "./line-bench.ts";

const FAILURES: readonly LineFailure[] = [
  "busy",
  "no-answer",
  "no-carrier",
  "no-dialtone",
  "voice",
  "modem",
  "timeout",
  "aborted",
  "refused",
  "command",
  "broken",
  "open",
  "limit",
  "lost",
];

it("a pause is up to a fifth shorter or longer, so that lines do not go in step", () => {
  const pause = (random: number): number => {
    const redial = new LineRedial(MODEM, () => random);
    redial.fail("modem");
    return redial.takePause();
  };
  assert.equal(pause(0), 4000);
  assert.equal(pause(0.5), 5000);
  assert.equal(pause(0.9999), 6000);
});

it("after any failures the pause is within its limits, and all numbers come in turn", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...FAILURES), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 0, max: 4 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, count, random) => {
        const numbers = Array.from({ length: count }, (_, index) => String(index));
        const redial = new LineRedial({ ...MODEM, numbers }, () => random);
        let atOnce = 0;
        let costly = 0;
        for (const failure of failures) {
          const before = redial.number;
          redial.fail(failure);
          const pause = redial.takePause();
          atOnce = pause === 0 ? atOnce + 1 : 0;
          assert.ok(pause === 0 || (pause >= 4000 && pause <= 720_000), `${pause}`);
          assert.ok(atOnce < Math.max(1, count), "each number is tried at once only once");
          if (before === null) assert.equal(redial.number, null);
          else assert.ok([before, numbers[(Number(before) + 1) % count]].includes(redial.number ?? ""));
          if (pause === 0) assert.notEqual(redial.number, before, "the same number is never called at once");
          if (failure !== "open") costly += 1;
          assert.equal(redial.failures, costly);
          assert.equal(redial.takePause(), 0);
        }
      },
    ),
    { numRuns: 200 },
  );
});
