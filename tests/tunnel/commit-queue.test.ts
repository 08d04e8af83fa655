import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CommitQueue } from "../../src/tunnel/commit-queue.ts";

describe("CommitQueue", () => {
  it("gives segments in order, urgent chunks first and in their own order", () => {
    const operation = fc.record({
      kind: fc.constantFrom("push", "urgent", "advance", "advance"),
      segments: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
        const queue = new CommitQueue();
        // What is urgent, and what is not; of each chunk the run, the first segment and how many.
        const urgent: [number, number, number][] = [];
        const others: [number, number, number][] = [];
        let run = 0;
        for (const { kind, segments } of operations) {
          const list = kind === "urgent" ? urgent : others;
          if (kind === "advance") {
            const first = urgent[0] ?? others[0];
            assert.equal(queue.count === 0, first === undefined);
            if (first === undefined) continue;
            assert.deepEqual([queue.run, queue.segment, queue.segments], first);
            queue.advance(10);
            first[1]++;
            first[2]--;
            if (first[2] === 0) (urgent.length > 0 ? urgent : others).shift();
          } else {
            list.push([run, 3, segments]);
            if (kind === "urgent") queue.pushUrgent(run, 3, segments, 10 * segments);
            else queue.push(run, 3, segments, 10 * segments);
            run++;
          }
          const left = [...urgent, ...others].reduce((sum, [, , count]) => sum + count, 0);
          assert.equal(queue.octets, 10 * left);
        }
      }),
    );
  });
});
