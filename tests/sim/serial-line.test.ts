import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SerialLine } from "../../src/sim/serial-line.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";

/** A moment as a machine has it after four months; rounding is at its worst there. */
const START = instant(1e10 + 0.1234);

/** Takes all that the line allows, from a sender that always has more. */
function takeAll(line: SerialLine, now: Instant): number {
  const octets = line.allowance(now);
  line.handlePassed(octets, false);
  return octets;
}

describe("a serial line on virtual time", () => {
  for (const rateBps of [9600, 14400, 28800, 57600, 115200]) {
    it(`passes ${rateBps / 10} octets a second, exact to one octet at each tick of a minute`, () => {
      const line = new SerialLine(rateBps);
      line.handleWaiting(START);
      let passed = 0;
      for (let tick = 1; tick <= 60_000; tick++) {
        const now = after(START, tick);
        passed += takeAll(line, now);
        const ideal = ((now - START) * rateBps) / 10_000;
        assert.ok(passed <= ideal + 1e-6 && passed > ideal - 1 - 1e-6, `${passed} of ${ideal} at ${tick} ms`);
      }
    });
  }

  it("catches up after stalls of any length, and is never ahead", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 4_000_000 }),
        fc.array(fc.double({ min: 0, max: 5000, noNaN: true }), { maxLength: 200 }),
        (rateBps, stalls) => {
          const line = new SerialLine(rateBps);
          line.handleWaiting(START);
          let now = START;
          let passed = 0;
          for (const stall of stalls) {
            now = after(now, stall);
            passed += takeAll(line, now);
            const ideal = ((now - START) * rateBps) / 10_000;
            const rounding = rateBps * 1e-9;
            assert.ok(passed <= ideal + rounding && passed > ideal - 1 - rounding, `${passed} of ${ideal}`);
          }
        },
      ),
    );
  });

  it("allows exactly n octets at the moment at which the n-th passes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4_000_000 }),
        fc.double({ min: 0, max: 1e10, noNaN: true }),
        fc.integer({ min: 1, max: 100_000 }),
        (rateBps, start, octets) => {
          const line = new SerialLine(rateBps);
          line.handleWaiting(instant(start));
          assert.equal(line.allowance(line.passesAt(octets)), octets);
          line.handlePassed(octets, false);
          assert.equal(line.allowance(line.pollTimeout()), 1);
        },
      ),
    );
  });

  it("saves nothing while it is idle: the next octet takes its full time", () => {
    const line = new SerialLine(9600);
    assert.equal(line.allowance(after(START, 1e6)), 0);
    assert.equal(line.pollTimeout(), NEVER);
    line.handleWaiting(START);
    const drainedAt = after(START, 100);
    assert.equal(line.allowance(drainedAt), 96);
    line.handlePassed(40, true);
    assert.equal(line.busy, false);
    assert.equal(line.allowance(after(START, 200)), 0);
    const again = after(START, 5000);
    line.handleWaiting(again);
    assert.equal(line.allowance(again), 0);
    assert.equal(line.allowance(after(again, 10_000 / 9600 - 0.01)), 0);
    assert.equal(line.allowance(after(again, 10_000 / 9600 + 0.01)), 1);
  });

  it("does not start again when more octets come to a busy line", () => {
    const line = new SerialLine(9600);
    line.handleWaiting(START);
    line.handleWaiting(after(START, 50));
    assert.equal(line.allowance(after(START, 100)), 96);
  });

  it("never passes more than its rate in the time in which it was busy, whatever the sender does", () => {
    const visit = fc.record({ pause: fc.double({ min: 0, max: 20, noNaN: true }), waiting: fc.nat(400) });
    fc.assert(
      fc.property(fc.integer({ min: 1200, max: 1_000_000 }), fc.array(visit), (rateBps, visits) => {
        const line = new SerialLine(rateBps);
        let now = START;
        let busyMs = 0;
        let passed = 0;
        let waiting = 0;
        for (const { pause, waiting: more } of visits) {
          now = after(now, pause);
          if (line.busy) busyMs += pause;
          const allowance = line.allowance(now);
          const octets = Math.min(allowance, waiting);
          line.handlePassed(octets, octets < allowance);
          passed += octets;
          waiting += more - octets;
          if (waiting > 0) line.handleWaiting(now);
          assert.ok(passed <= (busyMs * rateBps) / 10_000 + 0.01, `${passed} octets in ${busyMs} ms`);
        }
      }),
    );
  });

  it("with the cable pulled takes octets at the same pace and delivers none", () => {
    const line = new SerialLine(115_200);
    line.handleWaiting(START);
    assert.equal(line.handlePassed(line.allowance(after(START, 10)), false), 115);
    line.cut = true;
    assert.equal(line.allowance(after(START, 20)), 115);
    assert.equal(line.handlePassed(115, false), 0);
    line.cut = false;
    assert.equal(line.handlePassed(line.allowance(after(START, 30)), false), 115);
  });

  it("refuses a rate that is no rate", () => {
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => new SerialLine(rate), RangeError);
    }
  });
});
