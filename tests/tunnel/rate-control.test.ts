import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { measureRate, type RateEvent } from "../../src/sim/rate-measure.ts";
import { RateTrial, type RateTrialOptions } from "../../src/sim/rate-trial.ts";
import { instant } from "../../src/time.ts";
import { RateControl } from "../../src/tunnel/rate-control.ts";

const MBIT = 1_000_000;
const line = (
  mbit: number,
  delayMs: number,
  more: Partial<RateTrialOptions["path"]> = {},
): RateTrialOptions => ({
  path: { rateBps: mbit * MBIT, delayMs, ...more },
});

/** Every five seconds, beginning with `factor`. */
const steps = (mbit: number, factor: number): RateEvent[] =>
  [0, 1, 2, 3].map((i) => ({
    atMs: 5000 + 5000 * i,
    act: (trial) => trial.change({ rateBps: mbit * MBIT * (i % 2 === 0 ? factor : 1) }),
  }));

describe("the rate of one path", () => {
  it("is found from nothing, and kept with a small queue", () => {
    for (const [mbit, delayMs, atMost] of [
      [1, 10, 40],
      [5, 1, 15],
      [5, 40, 20],
      [20, 10, 10],
      [20, 40, 12],
      [100, 1, 8],
      [100, 10, 8],
      [1000, 10, 8],
    ] as const) {
      const found = measureRate(line(mbit, delayMs), mbit > 100 ? 3000 : 6000);
      const what = `${mbit} Mbit/s, ${delayMs} ms: ${JSON.stringify(found)}`;
      assert.ok(found.to90Ms <= Math.max(550, 30 * delayMs), what);
      assert.ok(found.use >= 0.99, what);
      assert.ok(found.queueMs.p95 <= atMost, what);
      assert.deepEqual(found.drops, { early: 0, late: 0 }, what);
    }
  });

  it("is found on the slowest lines, and their first queue goes away", () => {
    for (const kbit of [9.6, 14.4, 28.8, 33.6, 56]) {
      for (const delayMs of [10, 150]) {
        const found = measureRate(line(kbit / 1000, delayMs, { queueOctets: 150_000 }), 180_000, 120_000);
        const what = `${kbit} kbit/s, ${delayMs} ms: ${JSON.stringify(found)}`;
        assert.ok(found.use >= 0.88, what);
        assert.ok(found.queueMs.p95 <= (4.5 * 1498 * 8) / kbit, what);
        assert.deepEqual(found.drops, { early: 0, late: 0 }, what);
      }
    }
  });

  it("is found within some round trips where these are long", () => {
    const found = measureRate(line(20, 300), 12_000, 4000);
    assert.ok(found.to90Ms <= 5 * 600, JSON.stringify(found));
    assert.ok(found.use >= 0.98, JSON.stringify(found));
    assert.deepEqual(found.drops, { early: 0, late: 0 });
  });

  it("is not lowered by loss by chance, nor by jitter", () => {
    for (const more of [{ loss: 0.01 }, { loss: 0.05 }, { jitterMs: 5 }, { loss: 0.01, jitterMs: 5 }]) {
      for (const delayMs of [10, 40]) {
        const found = measureRate(line(20, delayMs, more), 8000);
        const what = `${delayMs} ms, ${JSON.stringify(more)}: ${JSON.stringify(found)}`;
        assert.ok(found.use >= 0.98, what);
        assert.ok(found.queueMs.p50 <= 15, what);
        assert.equal(found.drops.late, 0, what);
      }
    }
  });

  it("finds what gets through a path that loses up to a third of all by chance", () => {
    for (const [mbit, delayMs, ms] of [
      [5, 5, 12_000],
      [5, 40, 12_000],
      [20, 5, 8000],
      [20, 40, 8000],
      [100, 5, 6000],
      [100, 40, 6000],
    ] as const) {
      for (const loss of [0.2, 0.3]) {
        const found = measureRate(line(mbit, delayMs, { loss }), ms, 4000);
        assert.ok(found.use >= 0.9, `${mbit} Mbit/s, ${delayMs} ms, ${loss}: ${JSON.stringify(found)}`);
      }
    }
  });

  it("tells that loss from a policer's when one takes the place of the other", () => {
    const policer = { rate: 1250, burstOctets: 60_000 };
    // So little that it is the policer that counts, and is lost by chance as well.
    const both = measureRate({ ...line(20, 10, { loss: 0.1 }), policer }, 16_000, 6000);
    assert.ok(both.use >= 0.8 * 0.45, JSON.stringify(both));
    assert.ok(both.loss <= 0.16, JSON.stringify(both));
    const later = measureRate({ ...line(20, 10, { loss: 0.3 }), policer }, 20_000, 10_000, [
      { atMs: 8000, act: (trial) => trial.change({ loss: 0 }) },
    ]);
    assert.ok(later.use >= 0.45, JSON.stringify(later));
    assert.ok(later.loss <= 0.06, JSON.stringify(later));
  });

  it("follows a path that changes, up as well as down", () => {
    const near = measureRate(line(20, 10), 25_000, 2000, steps(20, 0.5));
    assert.ok(near.use >= 0.97, JSON.stringify(near));
    assert.equal(near.drops.late, 0);
    const far = measureRate(line(20, 40), 25_000, 2000, steps(20, 0.5));
    assert.ok(far.use >= 0.95, JSON.stringify(far));
    const steep = measureRate(line(50, 10), 25_000, 2000, steps(50, 0.1));
    assert.ok(steep.use >= 0.9, JSON.stringify(steep));
  });

  it("takes from a policer what it lets through, and sends it little more", () => {
    for (const [mbit, delayMs, rate] of [
      [20, 1, 1250],
      [20, 10, 250],
      [100, 1, 1250],
      [100, 10, 10_000],
      [100, 40, 1250],
    ] as const) {
      for (const burstOctets of [15_000, 60_000, 200_000, 1_000_000]) {
        const found = measureRate({ ...line(mbit, delayMs), policer: { rate, burstOctets } }, 12_000, 4000);
        const what = `${mbit} Mbit/s, ${delayMs} ms, ${rate}, ${burstOctets}: ${JSON.stringify(found)}`;
        assert.ok(found.use >= (0.9 * rate) / (mbit * 125), what);
        assert.ok(found.loss <= 0.06, what);
      }
    }
  });

  it("keeps to a queue that is shorter than the one it would like", () => {
    const found = measureRate(line(20, 10, { queueMs: 3 }), 10_000);
    assert.ok(found.use >= 0.93, JSON.stringify(found));
    assert.ok(found.loss <= 0.02, JSON.stringify(found));
  });

  it("leaves others theirs and takes the rest", () => {
    const found = measureRate({ ...line(20, 10), others: () => 1250 }, 8000, 3000);
    assert.ok(found.use >= 0.47 && found.use <= 0.52, JSON.stringify(found));
    assert.ok(found.queueMs.p95 <= 30, JSON.stringify(found));
  });

  it("adopts a way that has become longer, in either direction", () => {
    for (const delayMs of [10, 40]) {
      const found = measureRate(line(20, delayMs), 14_000, 8000, [
        { atMs: 8000, act: (trial) => trial.change({ delayMs: delayMs + 30 }) },
      ]);
      assert.ok(found.use >= 0.85, JSON.stringify(found));
      const later = measureRate(line(20, delayMs), 14_000, 11_000, [
        { atMs: 11_000, act: (trial) => trial.change({ delayMs: delayMs - 8 }) },
      ]);
      assert.ok(later.use >= 0.98, JSON.stringify(later));
    }
  });

  it("endures lost and late reports, coarse and wrong clocks", () => {
    for (const more of [
      { reportLoss: 0.2 },
      { backMs: 100, backJitterMs: 20 },
      { readEveryMs: 2 },
      { clockDriftPpm: 100 },
      { clockDriftPpm: -100 },
    ]) {
      const found = measureRate({ ...line(20, 10), ...more }, 25_000);
      assert.ok(found.use >= 0.98, `${JSON.stringify(more)}: ${JSON.stringify(found)}`);
      assert.ok(found.queueMs.p95 <= 15, `${JSON.stringify(more)}: ${JSON.stringify(found)}`);
    }
    const fast = measureRate({ ...line(1000, 10), readEveryMs: 2 }, 3000);
    assert.ok(fast.use >= 0.99, JSON.stringify(fast));
  });

  it("makes do with reports as often or seldom as they come", () => {
    for (const reportEveryMs of [1, 50, 100, 200]) {
      const found = measureRate({ ...line(20, 10), reportEveryMs }, 8000, 3000);
      assert.ok(found.use >= 0.95, `every ${reportEveryMs} ms: ${JSON.stringify(found)}`);
    }
  });

  it("is there again soon after an outage, and sends no more than its window into one", () => {
    const trial = new RateTrial(line(20, 10));
    trial.run(3000);
    trial.change({ outage: true });
    trial.run(100);
    // The round trip, two intervals of reports, the queue and some slack.
    assert.ok(trial.inFlight <= trial.control.window);
    assert.ok(trial.control.window <= 2500 * 1.1 * 70, `${trial.control.window}`);
    trial.run(1900);
    trial.change({ outage: false });
    trial.restore();
    trial.run(500);
    const before = trial.deliveredOctets;
    trial.run(1000);
    assert.ok(trial.deliveredOctets - before >= 0.95 * 2500 * 1000);
  });

  it("is not changed by a time with little to send, and begins with less after a long one", () => {
    for (const [restMs, least, most] of [
      [5000, 2300, 2800],
      [14_000, 1100, 2000],
    ] as const) {
      const end = 3000 + restMs;
      const trial = new RateTrial({
        ...line(20, 10),
        demand: (now) => (now < 3000 || now >= end ? 10_000 : 250),
      });
      trial.run(end - 1);
      const { rate } = trial.control;
      assert.ok(rate >= least && rate <= most, `after ${restMs} ms: ${rate}`);
      trial.run(300);
      const before = trial.deliveredOctets;
      trial.run(1000);
      assert.ok(trial.deliveredOctets - before >= 0.97 * 2500 * 1000);
      assert.equal(trial.path.drops.queueFull, 0);
    }
  });

  it("sees a path become worse though there is little to send", () => {
    const trial = new RateTrial({ ...line(20, 10), demand: (now) => (now < 3000 ? 10_000 : 750) });
    trial.run(4000);
    trial.change({ rateBps: 4 * MBIT });
    trial.run(1000);
    assert.ok(trial.control.rate <= 600, `${trial.control.rate}`);
    assert.ok(trial.path.queuedOctets <= 20 * 500, `${trial.path.queuedOctets}`);
  });

  it("never exceeds its ceiling, and forgets it at once", () => {
    const trial = new RateTrial({ ...line(20, 10), control: { ceiling: 1000 } });
    trial.onMoment = ({ at, rate }) => assert.ok(at > 3000 || rate <= 1000);
    trial.run(3000);
    assert.ok(trial.deliveredOctets >= 0.95 * 1000 * 3000);
    trial.control.ceiling = Number.POSITIVE_INFINITY;
    trial.run(1000);
    const before = trial.deliveredOctets;
    trial.run(1000);
    assert.ok(trial.deliveredOctets - before >= 0.95 * 2500 * 1000);
  });

  it("is known to be found where a queue stands from the first, or all is used that may be", () => {
    for (const mbit of [3.3, 3.6, 3.8, 4.1]) {
      const trial = new RateTrial(line(mbit, 10));
      trial.run(2000);
      assert.ok(!trial.control.isStarting, `${mbit} Mbit/s`);
    }
    const trial = new RateTrial({ ...line(20, 10), control: { ceiling: 1000 } });
    trial.run(2000);
    assert.ok(!trial.control.isStarting);
    trial.control.ceiling = Number.POSITIVE_INFINITY;
    assert.ok(trial.control.isStarting, "there is more once it may be used");
  });

  it("has no queue where datagrams take less than was thought", () => {
    const trial = new RateTrial(line(5, 40));
    trial.run(5001);
    trial.change({ delayMs: 10 });
    for (let ms = 0; ms < 300; ms++) {
      trial.run(1);
      assert.ok(trial.control.queueMs >= 0, `${trial.control.queueMs} after ${ms} ms`);
    }
  });

  it("does not take a short datagram for a shorter way", () => {
    const trial = new RateTrial(line(5, 10));
    trial.run(3000);
    const { control } = trial;
    const { baseOneWayMs } = control;
    for (const sampleOctets of [100, 600, 1000]) {
      control.handleReport(
        instant(trial.now),
        {
          deliveredOctets: 1498,
          deliveredMs: 2.4,
          hasSample: true,
          oneWayMs: baseOneWayMs + 1 - (1498 - sampleOctets) / 625,
          sampleOctets,
          clockRebased: false,
          reportGapMs: 10,
          roundTripMs: 25,
          lostOctets: 0,
        },
        true,
      );
      assert.equal(control.baseOneWayMs, baseOneWayMs);
    }
  });

  it("leaves others room when they come, and takes it back when they go", () => {
    const trial = new RateTrial({
      ...line(20, 10),
      others: (now) => (Math.floor(now / 3000) % 2 === 0 ? 0 : 1250),
    });
    trial.run(3000);
    for (const part of [0.5, 1, 0.5, 1]) {
      trial.run(800);
      const before = trial.deliveredOctets;
      trial.run(2200);
      const share = (trial.deliveredOctets - before) / (2500 * 2200);
      assert.ok(share >= 0.93 * part && share <= 1.05 * part, `${share} of ${part}`);
      assert.ok(trial.path.queuedOctets <= 25 * 2500, `${trial.path.queuedOctets}`);
    }
  });

  it("stays a rate whatever the receiver says", () => {
    const ms = fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(0), fc.constant(1e-9));
    const octets = fc.oneof(fc.nat(20_000), fc.nat(0xffff_ffff), fc.constant(0));
    const figures = fc.record({
      deliveredOctets: octets,
      deliveredMs: ms,
      hasSample: fc.boolean(),
      oneWayMs: fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      sampleOctets: fc.integer({ min: 60, max: 1500 }),
      clockRebased: fc.boolean(),
      reportGapMs: ms,
      roundTripMs: fc.oneof(ms, fc.constant(-1)),
      lostOctets: octets,
    });
    const report = fc.record({
      figures,
      limited: fc.boolean(),
      afterMs: fc.oneof(ms, fc.double({ min: 0, max: 50, noNaN: true })),
    });
    fc.assert(
      fc.property(fc.array(report, { maxLength: 60 }), (reports) => {
        const control = new RateControl();
        let now = 1e9;
        for (const { figures: told, limited, afterMs } of reports) {
          now += afterMs;
          control.handleTimeout(instant(now));
          const before = control.rate;
          control.handleReport(instant(now), told, limited);
          assert.ok(
            control.rate >= 1 && control.rate <= 10 * Math.max(before, 500),
            `${before} → ${control.rate}`,
          );
          assert.ok(Number.isFinite(control.window) && control.window > 0, `${control.window}`);
        }
      }),
      { numRuns: 300 },
    );
  });
});
