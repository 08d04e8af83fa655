import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PauseWatch } from "../../src/tunnel/pause-watch.ts";

describe("the watch for pauses between reports", () => {
  it("tells what is much longer than usual, and learns what is", () => {
    const watch = new PauseWatch();
    for (let i = 0; i < 50; i++) watch.handleReport(i % 5 === 0 ? 60 : 10, 0.6);
    watch.handleReport(60, 0.6);
    assert.ok(watch.pauseMs > 40 && watch.pauseMs <= 50, `${watch.pauseMs}`);
    for (const gapMs of [10, 22, 0]) {
      watch.handleReport(gapMs, 0.6);
      assert.equal(watch.pauseMs, 0, `${gapMs} ms`);
    }
    for (let i = 0; i < 30; i++) watch.handleReport(60, 0.6);
    assert.equal(watch.pauseMs, 0);
  });

  it("leaves a slow line the time for its datagrams", () => {
    const watch = new PauseWatch();
    for (let i = 0; i < 10; i++) watch.handleReport(10, 0.6);
    watch.handleReport(60, 40);
    assert.equal(watch.pauseMs, 0);
  });
});
