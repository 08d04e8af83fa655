import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../src/sim/random.ts";
import { DelayGauge } from "../../src/tunnel/delay-gauge.ts";

const CLOCK_MS = 123_456_789;

describe("the gauge of one-way delays", () => {
  it("tells the queue by the least of a round trip, and a clear rise at once", () => {
    const gauge = new DelayGauge();
    const random = new Random(5);
    for (let i = 0; i < 100; i++) gauge.handle(10 * i, CLOCK_MS + random.next(), 40);
    assert.ok(gauge.queueMs < 1, `${gauge.queueMs}`);
    assert.ok(gauge.noiseMs > 0.1 && gauge.noiseMs < 0.6, `${gauge.noiseMs}`);
    gauge.handle(1000, CLOCK_MS + 30, 40);
    assert.ok(gauge.queueMs > 25, `${gauge.queueMs}`);
    assert.ok(gauge.latestMs > 29);
  });

  it("forgets a base that was, after a time", () => {
    const gauge = new DelayGauge();
    gauge.handle(0, CLOCK_MS, 40);
    let lastHigh = 0;
    for (let now = 10; now < 30_000; now += 10) {
      gauge.handle(now, CLOCK_MS + 50, 40);
      if (gauge.queueMs > 40) lastHigh = now;
    }
    assert.ok(lastHigh >= 9000 && lastHigh <= 21_000, `${lastHigh}`);
    assert.equal(gauge.queueMs, 0);
  });

  it("believes a much shorter way only when it is seen again, and does not take what was seen late for a queue", () => {
    const gauge = new DelayGauge();
    for (let now = 0; now < 100; now += 10) gauge.handle(now, CLOCK_MS, 40);
    gauge.handle(100, CLOCK_MS - 30, 40);
    gauge.handle(110, CLOCK_MS + 25, 40, 30);
    assert.equal(gauge.baseMs, CLOCK_MS);
    assert.equal(gauge.queueMs, 0);
    for (let now = 200; now < 230; now += 10) gauge.handle(now, CLOCK_MS - 30, 40);
    assert.equal(gauge.baseMs, CLOCK_MS - 30);
  });

  it("begins anew with another clock", () => {
    const gauge = new DelayGauge();
    gauge.handle(0, CLOCK_MS, 40);
    gauge.handle(10, CLOCK_MS + 8, 40);
    gauge.reset();
    gauge.handle(20, 17, 40);
    assert.equal(gauge.baseMs, 17);
    assert.equal(gauge.queueMs, 0);
  });
});
