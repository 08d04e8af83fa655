import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { DueHeap, type Scheduled } from "../../../src/host/engine/due-heap.ts";
import { instant, NEVER } from "../../../src/time.ts";

it("gives what is due, the first one first, as a list does that is sorted each time", () => {
  const who = fc.nat(11);
  const step = fc.oneof(
    fc.record({ does: fc.constant("set" as const), who, at: fc.nat(50) }),
    fc.record({ does: fc.constant("remove" as const), who, at: fc.constant(0) }),
    fc.record({ does: fc.constant("take" as const), who, at: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const heap = new DueHeap<Scheduled>();
      const items = Array.from({ length: 12 }, () => ({ place: -1 }));
      const times = new Map<Scheduled, number>();
      for (const { does, who: number, at } of steps) {
        const item = items[number] as Scheduled;
        if (does === "set") {
          heap.set(item, instant(at));
          times.set(item, at);
        } else if (does === "remove") {
          heap.remove(item);
          times.delete(item);
        } else {
          const first = Math.min(...times.values());
          const taken = heap.takeDue(instant(at));
          assert.equal(taken !== undefined, first <= at);
          if (taken === undefined) continue;
          assert.equal(times.get(taken), first);
          times.delete(taken);
        }
        assert.equal(heap.dueAt, times.size === 0 ? NEVER : Math.min(...times.values()));
      }
    }),
  );
});
