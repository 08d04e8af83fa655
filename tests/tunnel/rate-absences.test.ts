import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AbsenceSettings } from "../../src/sim/absences.ts";
import { RateTrial, type RateTrialOptions } from "../../src/sim/rate-trial.ts";

/* The programs at both ends do not always get the processor: what they see is late then, and what they send. */

const FROM_MS = 3000;
const UNTIL_MS = 9000;
/** Five times a second, up to 50 ms. */
const OFTEN = { awayMs: [0, 50], awakeMs: [150, 200] } as const;
/** Half of the time, up to 100 ms. */
const HALF = { awayMs: [1, 100], awakeMs: [1, 100] } as const;

type Away = Omit<AbsenceSettings, "fromMs" | "untilMs">;

/** Shares of what the path carries: of all while the programs are away at times, of the worst second of it, and soon after. */
function measure(mbit: number, delayMs: number, seed: number, receiver: Away | null, sender: Away | null) {
  const span = { fromMs: FROM_MS, untilMs: UNTIL_MS };
  const options: RateTrialOptions = {
    path: { rateBps: mbit * 1_000_000, delayMs },
    seed,
    ...(receiver === null ? {} : { receiverAway: { ...receiver, ...span } }),
    ...(sender === null ? {} : { senderAway: { ...sender, ...span } }),
  };
  const trial = new RateTrial(options);
  const shareOf = (ms: number): number => {
    const before = trial.deliveredOctets;
    trial.run(ms);
    return (trial.deliveredOctets - before) / (mbit * 125 * ms);
  };
  trial.run(FROM_MS);
  const seconds = Array.from({ length: (UNTIL_MS - FROM_MS) / 1000 }, () => shareOf(1000));
  trial.run(700);
  const what = JSON.stringify({ options, seconds });
  const mean = seconds.reduce((a, b) => a + b) / seconds.length;
  return { mean, worst: Math.min(...seconds), later: shareOf(300), what };
}

const PATHS = [
  [1, 10],
  [5, 1],
  [20, 10],
  [20, 40],
  [100, 1],
  [100, 40],
] as const;

describe("the rate of a path whose ends do not always get the processor", () => {
  it("stays, and is there again when they do", () => {
    for (const [mbit, delayMs] of PATHS) {
      for (const seed of [1, 4]) {
        for (const [receiver, sender, least] of [
          [OFTEN, null, 0.9],
          [null, OFTEN, 0.75],
          [OFTEN, OFTEN, 0.7],
        ] as const) {
          const { worst, later, what } = measure(mbit, delayMs, seed, receiver, sender);
          assert.ok(worst >= least, `${worst}: ${what}`);
          assert.ok(later >= 0.9, `${later} afterwards: ${what}`);
        }
      }
    }
  });

  it("does not fall below what they have the time for", () => {
    for (const [mbit, delayMs] of PATHS) {
      for (const [receiver, sender, least] of [
        [HALF, null, 0.85],
        [null, HALF, 0.45],
        [HALF, HALF, 0.4],
      ] as const) {
        const { mean, later, what } = measure(mbit, delayMs, 1, receiver, sender);
        assert.ok(mean >= least, `${mean}: ${what}`);
        assert.ok(later >= 0.9, `${later} afterwards: ${what}`);
      }
    }
  });

  it("endures that they look at the clock long before they do something", () => {
    for (const [mbit, delayMs] of PATHS) {
      const stale = { ...OFTEN, staleShare: 0.5 };
      const { worst, later, what } = measure(mbit, delayMs, 2, stale, stale);
      assert.ok(worst >= 0.7, `${worst}: ${what}`);
      assert.ok(later >= 0.9, `${later} afterwards: ${what}`);
    }
  });
});
