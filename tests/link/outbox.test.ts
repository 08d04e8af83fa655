import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Outbox } from "../../src/link/link.ts";

describe("an outbox", () => {
  it("keeps order, and has room for as much as is free, however it is filled and emptied", () => {
    const step = fc.record({ write: fc.nat(12), take: fc.nat(20) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), fc.array(step), (size, steps) => {
        const outbox = new Outbox(new Uint8Array(size));
        const model: number[] = [];
        let next = 0;
        for (const { write, take } of steps) {
          assert.equal(outbox.makeRoom(write), model.length + write <= size);
          if (model.length + write <= size) {
            for (let i = 0; i < write; i++) {
              outbox.octets[outbox.to++] = next;
              model.push(next);
              next = (next + 1) & 0xff;
            }
          }
          const taken = Math.min(take, model.length);
          assert.deepEqual(
            [...outbox.octets.subarray(outbox.from, outbox.from + taken)],
            model.splice(0, taken),
          );
          outbox.consume(taken);
          assert.equal(outbox.length, model.length);
        }
        outbox.clear();
        assert.equal(outbox.length, 0);
      }),
    );
  });
});
