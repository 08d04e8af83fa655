import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Coalescer } from "../../src/wire/coalescer.ts";
import { packetOf, type RunFields, runs, segmentsOf, virtioHeaderOf } from "./runs.ts";

const SLOT = 2048;
const SLOTS = 130;

/** A coalescer with a slot for each packet, and what it wrote. */
class Bench {
  readonly octets: Uint8Array = new Uint8Array(SLOT * SLOTS);
  readonly written: Uint8Array[] = [];
  readonly held: Set<number> = new Set();
  readonly coalescer: Coalescer;
  #slot = 0;

  constructor(options: { hasHeader?: boolean; mergeUdp?: boolean } = {}) {
    const { octets, written, held } = this;
    this.coalescer = new Coalescer(
      { octets, view: new DataView(octets.buffer) },
      {
        writeRun(pieces, count): void {
          const parts = Array.from({ length: count }, (_, i) => {
            const at = pieces[2 * i] as number;
            return [...octets.subarray(at, at + (pieces[2 * i + 1] as number))];
          });
          written.push(Uint8Array.from(parts.flat()));
        },
      },
      {
        hold(slot): void {
          assert.ok(!held.has(slot));
          held.add(slot);
        },
        release(slot): void {
          assert.ok(held.delete(slot));
        },
      },
      { hasHeader: true, mergeUdp: true, ...options },
    );
  }

  take(packet: Uint8Array, vouched = true): void {
    const slot = this.#slot++ % SLOTS;
    assert.ok(!this.held.has(slot));
    const from = slot * SLOT + 14;
    this.octets.set(packet, from);
    this.coalescer.take(slot, from, packet.length, vouched);
    if (!this.held.has(slot)) this.octets.fill(0xee, slot * SLOT, (slot + 1) * SLOT);
  }

  /** What was written since the last time. */
  flush(): Uint8Array[] {
    this.coalescer.flush();
    assert.equal(this.held.size, 0);
    return this.written.splice(0);
  }
}

const withHeader = (header: Uint8Array, packet: Uint8Array): Uint8Array =>
  Uint8Array.of(...header, ...packet);

describe("the coalescer", () => {
  it("makes the run again that was cut", () => {
    const bench = new Bench();
    fc.assert(
      fc.property(runs, (cut) => {
        const fields: RunFields = { ...cut, flags: cut.flags & ~0x80 };
        for (const segment of segmentsOf(fields, "partial")) bench.take(segment);
        const run = packetOf(fields, fields.payload, "partial");
        assert.deepEqual(bench.flush(), [withHeader(virtioHeaderOf(fields, true), run)]);
      }),
    );
  });
});
