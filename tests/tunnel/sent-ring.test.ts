import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SentRing } from "../../src/tunnel/sent-ring.ts";

/** After a link has sent for days. */
const FAR = 2 ** 33 + 96;

function filled(count: number): SentRing {
  const ring = new SentRing();
  ring.tail = FAR;
  ring.next = FAR;
  for (let i = 0; i < count; i++) {
    if (ring.isFull) assert.ok(ring.grow());
    const at: number = ring.next & ring.mask;
    ring.sentAt[at] = i;
    ring.octets[at] = 2 * i;
    ring.runs[at] = 3 * i;
    ring.segments[at] = i % 700;
    if (i % 41 === 0) ring.waiting[at >>> 5] = (ring.waiting[at >>> 5] as number) | (1 << (at & 31));
    ring.next++;
  }
  return ring;
}

describe("SentRing", () => {
  it("keeps what it has when it grows", () => {
    const ring = filled(1000);
    assert.equal(ring.mask, 1023);
    for (let i = 0; i < 1000; i++) {
      const at: number = (FAR + i) & ring.mask;
      assert.deepEqual(
        [ring.sentAt[at], ring.octets[at], ring.runs[at], ring.segments[at]],
        [i, 2 * i, 3 * i, i % 700],
      );
    }
  });

  it("finds what is marked, over its end and however high the numbers are", () => {
    const ring = filled(1000);
    const found: number[] = [];
    for (
      let n = ring.firstOf(ring.waiting, FAR, ring.next);
      n < ring.next;
      n = ring.firstOf(ring.waiting, n + 1, ring.next)
    )
      found.push(n - FAR);
    assert.deepEqual(
      found,
      Array.from({ length: 25 }, (_, i) => 41 * i),
    );
    assert.equal(ring.firstOf(ring.waiting, FAR + 1, FAR + 41), FAR + 41);
    assert.equal(ring.firstOf(ring.waiting, FAR + 42, FAR + 60), FAR + 60);
  });

  it("forgets the oldest, and grows to 65,536 entries", () => {
    const ring = filled(65_536);
    assert.ok(ring.isFull);
    assert.equal(ring.grow(), false);
    ring.dropOldest();
    assert.equal(ring.isFull, false);
    assert.equal(ring.has(FAR + 31), false);
    assert.ok(ring.has(FAR + 32));
    assert.equal(ring.firstOf(ring.waiting, FAR + 32, ring.next), FAR + 41);
  });
});
