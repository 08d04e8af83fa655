import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Pacer } from "../../src/link/pacer.ts";
import { type Instant, instant } from "../../src/time.ts";

/** The share of its estimate at which a line is paced. */
const SAFETY = 0.997;
const rateOf = (bps: number): number => (bps / 10_000) * SAFETY;
const near = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.abs(expected), `${actual}, not ${expected}`);

/** A line at rest since `now`. */
function pacerAt(bps: number, now = 1e6): Pacer {
  const pacer = new Pacer(bps);
  pacer.reset(instant(now));
  return pacer;
}

describe("pacing", () => {
  it("is a little below the speed given, eight bits taking ten", () => {
    const pacer = pacerAt(28_800);
    near(pacer.rate, 2.88 * SAFETY);
    assert.equal(pacer.givenBps, 28_800);
    near(pacer.estimatedBps, 28_800);
  });

  it("adds up what the line is given, and forgets while it rests", () => {
    const pacer = pacerAt(28_800, 0);
    near(pacer.charge(576, instant(0)), 576 / rateOf(28_800));
    near(pacer.charge(100, instant(10)), 676 / rateOf(28_800));
    near(pacer.backlog(instant(10)), 676 - 10 * rateOf(28_800));
    assert.equal(pacer.backlog(instant(5000)), 0);
    near(pacer.charge(288, instant(5000)), 5000 + 288 / rateOf(28_800));
  });

  it("begins anew with what its owner says", () => {
    const pacer = pacerAt(28_800);
    const { epoch } = pacer;
    pacer.setGiven(14_400, instant(2e6));
    assert.equal(pacer.givenBps, 14_400);
    near(pacer.rate, rateOf(14_400));
    assert.notEqual(pacer.epoch, epoch);
  });
});

/** Two latenesses of the same share, as a rate too high by it shows itself again and again. */
function runLate(pacer: Pacer, share: number, from: number): number {
  let now = from;
  for (let i = 0; i < 2; i++) {
    for (let n = 0; n < 10; n++) now = pacer.charge(576, instant(now));
    const planned = now;
    now += (now - from) * share;
    pacer.handleLate(now - planned, instant(planned), instant(now));
    from = now;
  }
  return now;
}

describe("lateness", () => {
  it("puts the line behind its estimate by as much, and makes a new epoch", () => {
    const pacer = pacerAt(28_800, 0);
    const freeAt = pacer.charge(2880, instant(0));
    const { epoch } = pacer;
    pacer.handleLate(50, instant(900), instant(950));
    near(pacer.freeAt, freeAt + 50);
    assert.notEqual(pacer.epoch, epoch);
    const resting = pacerAt(28_800, 0);
    resting.handleLate(50, instant(100), instant(5000));
    assert.equal(resting.freeAt, 5050);
  });

  it("that comes again lowers the rate by the share of time by which the line was late", () => {
    const pacer = pacerAt(28_800);
    runLate(pacer, 0.02, 1e6);
    const lowered = pacer.rate / rateOf(28_800);
    assert.ok(lowered > 0.955 && lowered < 0.985, `${lowered}`);
  });

  it("of a stall leaves the rate as it was", () => {
    const pacer = pacerAt(28_800);
    const now = pacer.charge(576, instant(1e6));
    for (let i = 0; i < 3; i++) pacer.handleLate(2000, now, instant(now + 2000));
    near(pacer.rate, rateOf(28_800));
  });

  it("lowers a rate that creeps back as octets are sent, up to what was given", () => {
    const pacer = pacerAt(28_800);
    const from = runLate(pacer, 0.05, 1e6);
    const lowered = pacer.rate;
    assert.ok(lowered < 0.98 * rateOf(28_800));
    let now = from;
    for (let i = 0; i < 60; i++) pacer.charge(100, instant((now += 1000)));
    const after60 = pacer.rate / lowered;
    assert.ok(after60 > 1.02 && after60 < 1.04, `0.05 % a second: ${after60} after a minute`);
    for (let i = 0; i < 2000; i++) pacer.charge(100, instant((now += 1000)));
    near(pacer.rate, rateOf(28_800));
  });
});

describe("what the driver tells", () => {
  /** A line of `trueRate` octets a millisecond whose driver tells its queue; one packet each time less than two wait. */
  function drive(pacer: Pacer, trueRate: number, ms: number, step = 7): void {
    let queued = 0;
    for (let t = 0; t < ms; t += step) {
      const now = instant(1e6 + t);
      queued = Math.max(0, queued - trueRate * step);
      pacer.handleOutputQueue(Math.ceil(queued), now);
      if (queued < 1200) {
        pacer.charge(577, now);
        queued += 577;
      }
    }
  }

  it("is where the line is: the backlog is the driver's", () => {
    const pacer = pacerAt(28_800);
    pacer.charge(5000, instant(1e6));
    pacer.handleOutputQueue(288, instant(1e6 + 100));
    near(pacer.freeAt, 1e6 + 100 + 288 / rateOf(28_800));
    pacer.handleOutputQueue(0, instant(1e6 + 300));
    assert.equal(pacer.freeAt, 1e6 + 300);
  });

  it("corrects a rate given too high, whatever it is", () => {
    for (const given of [29_664, 57_600, 115_200]) {
      const pacer = pacerAt(given);
      drive(pacer, 2.88, 20_000);
      near(pacer.estimatedBps, 28_800, 0.02);
    }
  });

  it("never makes a line faster than given", () => {
    const pacer = pacerAt(14_400);
    drive(pacer, 2.88, 20_000);
    assert.ok(pacer.rate <= rateOf(14_400));
  });

  it("of a line that paused, as modems do, does not make it useless", () => {
    const pacer = pacerAt(28_800);
    const at = (t: number): Instant => instant(1e6 + t);
    pacer.charge(3000, at(0));
    pacer.handleOutputQueue(2999, at(1));
    // One octet in three seconds, and then on as before.
    for (let t = 100; t <= 3000; t += 100) pacer.handleOutputQueue(2998, at(t));
    assert.ok(pacer.rate >= rateOf(28_800) / 16, `${pacer.estimatedBps} bit/s`);
    let queued = 2998;
    for (let t = 3010; t < 8000; t += 10) {
      queued = Math.max(0, queued - 28.8);
      pacer.handleOutputQueue(Math.ceil(queued), at(t));
      if (queued < 600) {
        queued += 577;
        pacer.charge(577, at(t));
      }
    }
    assert.ok(pacer.rate > 0.9 * rateOf(28_800), `${pacer.estimatedBps} bit/s`);
  });

  it("is no measure of the rate while the line rests", () => {
    const pacer = pacerAt(28_800);
    for (let t = 0; t < 60_000; t += 600) {
      pacer.handleOutputQueue(0, instant(1e6 + t));
      pacer.charge(100, instant(1e6 + t));
      pacer.handleOutputQueue(90, instant(1e6 + t + 4));
    }
    near(pacer.rate, rateOf(28_800), 0.001);
  });

  it("measures between moments at which it was full", () => {
    const pacer = pacerAt(57_600);
    for (let i = 0; i < 10; i++) {
      pacer.handleUnblocked(instant(1e6 + i * 1000));
      pacer.charge(2880, instant(1e6 + i * 1000));
      pacer.handleBlocked(10_000 + 2880 * i, instant(1e6 + i * 1000));
    }
    near(pacer.estimatedBps, 28_800, 0.005);
  });

  it("does not measure over a rest between two moments at which it was full", () => {
    const pacer = pacerAt(57_600);
    pacer.charge(3000, instant(1e6));
    pacer.handleBlocked(3000, instant(1e6));
    pacer.handleUnblocked(instant(1e6 + 500));
    pacer.charge(100, instant(1e6 + 501));
    // Ten seconds of rest, and a burst.
    pacer.charge(9000, instant(1e6 + 10_500));
    pacer.handleBlocked(12_100, instant(1e6 + 11_000));
    near(pacer.rate, rateOf(57_600), 0.01);
  });

  it("is not mixed: a driver that tells its queue is not measured when it is full", () => {
    const pacer = pacerAt(28_800);
    let charged = 0;
    let worst = pacer.rate;
    for (let t = 0; t < 8000; t += 200) {
      pacer.charge(576, instant(1e6 + t));
      charged += 576;
      // The driver holds 1000 octets, which it has taken and not sent.
      if (t % 400 === 0) pacer.handleOutputQueue(1000, instant(1e6 + t));
      if (t % 1200 === 600) pacer.handleBlocked(charged, instant(1e6 + t + 1));
      worst = Math.min(worst, pacer.rate);
    }
    near(worst, rateOf(28_800), 0.02);
  });

  it("and all the rest keep figures that are figures", () => {
    const ms = fc.double({ min: 0, max: 5000, noNaN: true });
    const octets = fc.nat(20_000);
    const call = fc.oneof(
      octets.map((n) => (pacer: Pacer, now: Instant) => void pacer.charge(n, now)),
      octets.map((n) => (pacer: Pacer, now: Instant) => pacer.handleOutputQueue(n, now)),
      octets.map((n) => (pacer: Pacer, now: Instant) => pacer.handleBlocked(n, now)),
      fc.tuple(ms, ms).map(
        ([late, ago]) =>
          (pacer: Pacer, now: Instant) =>
            pacer.handleLate(late, instant(now - ago), now),
      ),
      fc
        .integer({ min: 300, max: 4_000_000 })
        .map((bps) => (pacer: Pacer, now: Instant) => pacer.setGiven(bps, now)),
      fc.constant((pacer: Pacer, now: Instant) => pacer.reset(now)),
      fc.constant((pacer: Pacer, now: Instant) => pacer.handleUnblocked(now)),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 4_000_000 }),
        fc.array(fc.tuple(ms, call), { maxLength: 60 }),
        (bps, calls) => {
          const pacer = pacerAt(bps);
          let now = 1e6;
          for (const [pause, act] of calls) {
            now += pause;
            act(pacer, instant(now));
            assert.ok(
              pacer.rate > 0 && pacer.rate <= rateOf(pacer.givenBps) * (1 + 1e-9),
              `rate ${pacer.rate}`,
            );
            assert.ok(Number.isFinite(pacer.freeAt));
            assert.ok(pacer.backlog(instant(now)) >= 0);
          }
        },
      ),
    );
  });
});
