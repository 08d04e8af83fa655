import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { finishChecksum } from "../../src/wire/checksum.ts";
import { Segments } from "../../src/wire/segments.ts";
import { headLengthOf, packetOf, runs, segmentsOf, virtioHeaderOf } from "./runs.ts";

const FROM = 64;
const INTO = 70_000;

/** A packet behind its virtio-net header, in a memory with room for another one. */
function place(header: Uint8Array, packet: Uint8Array): { octets: Uint8Array; view: DataView } {
  const octets = new Uint8Array(INTO + 1024);
  octets.set(header, FROM - 10);
  octets.set(packet, FROM);
  return { octets, view: new DataView(octets.buffer) };
}

describe("a run of segments", () => {
  it("is cut into what the sender's kernel would have cut", () => {
    fc.assert(
      fc.property(runs, (fields) => {
        const run = packetOf(fields, fields.payload, "partial");
        const memory = place(virtioHeaderOf(fields, true), run);
        const segments = new Segments();
        assert.ok(segments.read(memory, FROM, run.length));
        const expected = segmentsOf(fields, "complete");
        const partial = segmentsOf(fields, "partial");
        assert.deepEqual(
          { ...segments },
          {
            count: expected.length,
            headLength: headLengthOf(fields),
            segmentOctets: fields.size,
            vouched: true,
          },
        );
        for (let i = expected.length - 1; i >= 0; i--) {
          const { octets, view } = memory;
          const head = segments.headLength;
          segments.writeHead(octets, view, FROM, run.length, head, segments.segmentOctets, i, INTO);
          const body = octets.subarray(
            FROM + head + i * fields.size,
            FROM + Math.min(run.length, head + (i + 1) * fields.size),
          );
          octets.set(body, INTO + head);
          const segment = octets.subarray(INTO, INTO + head + body.length);
          assert.deepEqual(segment, partial[i]);
          assert.ok(finishChecksum(octets, view, INTO, segment.length));
          assert.deepEqual(segment, expected[i]);
        }
        assert.deepEqual(memory.octets.subarray(FROM, FROM + run.length), run);
      }),
    );
  });
});
