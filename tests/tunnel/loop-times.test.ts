import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LoopTimes } from "../../src/tunnel/loop-times.ts";

describe("round trips of a path", () => {
  it("are known when they are shorter than the clocks can tell", () => {
    const times = new LoopTimes();
    times.handleReport(0, -1, false);
    assert.equal(times.roundTripMs, Number.POSITIVE_INFINITY);
    times.handleReport(10, 0, false);
    assert.ok(times.roundTripMs > 0 && times.roundTripMs < 0.1, `${times.roundTripMs} ms`);
    assert.ok(times.latestRoundTripMs > 0);
  });
});
