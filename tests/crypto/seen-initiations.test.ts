import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeenInitiations } from "../../src/crypto/seen-initiations.ts";

describe("what is known of a peer's initiations", () => {
  it("is the greatest of each epoch", () => {
    const seen = new SeenInitiations();
    assert.ok(seen.take("a", 5));
    assert.ok(seen.take("b", 1));
    assert.ok(!seen.take("a", 5));
    assert.ok(!seen.take("a", 4));
    assert.ok(seen.take("a", 6));
    assert.ok(!seen.take("b", 0));
  });

  it("is forgotten of old epochs, and never of the one that the peer is in", () => {
    const seen = new SeenInitiations();
    seen.take("a", 5);
    seen.prove("a");
    for (let epoch = 0; epoch < 100; epoch++) assert.ok(seen.take(`${epoch}`, 1));
    assert.ok(!seen.take("a", 5));
    assert.ok(!seen.take("99", 1));
    assert.ok(seen.take("0", 1));
  });
});
