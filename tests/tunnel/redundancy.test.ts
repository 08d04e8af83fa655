import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Redundancy } from "../../src/tunnel/redundancy.ts";

const PLAIN = Uint8Array.of(0x45, 0);
const VOICE = Uint8Array.of(0x45, 46 << 2);
const VOICE_6 = Uint8Array.of(0x60 | (46 >>> 2), 0x80);

const included = (redundancy: Redundancy): boolean[] =>
  [PLAIN, VOICE, VOICE_6].flatMap((packet) =>
    [false, true].map((isSparse) => redundancy.includes(packet, 0, isSparse)),
  );

describe("redundancy", () => {
  it("is of all packets, or of none", () => {
    assert.deepEqual(
      included(new Redundancy(true)),
      Array.from({ length: 6 }, () => true),
    );
    assert.deepEqual(
      included(new Redundancy(false)),
      Array.from({ length: 6 }, () => false),
    );
    assert.ok(new Redundancy(true).isAny);
    assert.ok(!new Redundancy(false).isAny && !new Redundancy([]).isAny);
  });

  it("is of sparse flows", () => {
    assert.deepEqual(included(new Redundancy(["sparse"])), [false, true, false, true, false, true]);
  });

  it("is of code points", () => {
    assert.deepEqual(included(new Redundancy([46])), [false, false, true, true, true, true]);
    assert.deepEqual(included(new Redundancy(["sparse", 46])), [false, true, true, true, true, true]);
    assert.ok(new Redundancy([0]).isAny);
  });
});
