import { measureRate, type RateEvent, type RateMeasure } from "../src/sim/rate-measure.ts";
import type { RateTrialOptions } from "../src/sim/rate-trial.ts";
import { instant } from "../src/time.ts";
import { RateControl } from "../src/tunnel/rate-control.ts";

/**
 * How well the rate of one path fits it, on virtual time: `npx tsc -b && node dist/bench/rate-control.js`, or with a part of the lines'
 * names after it. Then what a report costs the processor.
 */

const MBIT = 1_000_000;
const wish = process.argv[2] ?? "";

function row(name: string, measure: RateMeasure): void {
  const { use, queueMs, loss, drops, to90Ms } = measure;
  const columns = [
    (100 * use).toFixed(1),
    queueMs.p50.toFixed(1),
    queueMs.p95.toFixed(1),
    queueMs.most.toFixed(0),
    (100 * loss).toFixed(2),
    `${drops.early} + ${drops.late}`,
    to90Ms.toFixed(0),
  ];
  console.log(`| ${[name.padEnd(40), ...columns.map((column) => column.padStart(8))].join(" | ")} |`);
}

function line(
  name: string,
  options: RateTrialOptions,
  ms: number,
  settleMs = 2000,
  events: readonly RateEvent[] = [],
): void {
  if (name.includes(wish)) row(name, measureRate(options, ms, settleMs, events));
}

console.log("| path | % used | queue p50 ms | p95 | most | % lost | drops | ms to 90 % |");
console.log("|---|---|---|---|---|---|---|---|");
for (const mbit of [0.25, 1, 5, 20, 100, 1000]) {
  for (const delayMs of [1, 10, 40, 300]) {
    if (mbit * delayMs > 100_000) continue; // more under way than the model holds
    for (const loss of [0, 0.01, 0.05]) {
      for (const jitterMs of [0, 5]) {
        const settleMs = Math.max(2000, 10 * delayMs);
        const path = { rateBps: mbit * MBIT, delayMs, loss, jitterMs };
        const extra = `${loss > 0 ? `, loss ${100 * loss} %` : ""}${jitterMs > 0 ? `, jitter ${jitterMs} ms` : ""}`;
        line(
          `${mbit} Mbit/s, ${delayMs} ms${extra}`,
          { path },
          settleMs + (mbit > 100 ? 3000 : 10_000),
          settleMs,
        );
      }
    }
  }
}

for (const mbit of [5, 20, 100]) {
  for (const delayMs of [5, 40]) {
    for (const loss of [0.1, 0.2, 0.3]) {
      const path = { rateBps: mbit * MBIT, delayMs, loss };
      line(`${mbit} Mbit/s, ${delayMs} ms, loss ${100 * loss} %`, { path }, 14_000, 4000);
    }
  }
}
for (const kbit of [9.6, 14.4, 28.8, 33.6, 56]) {
  for (const delayMs of [10, 40, 150]) {
    const path = { rateBps: kbit * 1000, delayMs, queueOctets: 150_000 };
    line(`${kbit} kbit/s, ${delayMs} ms`, { path }, 180_000, 120_000);
  }
}

/** Every five seconds. */
const steps = (mbit: number, factor: number): RateEvent[] =>
  Array.from({ length: 6 }, (_, i) => ({
    atMs: 5000 + 5000 * i,
    act: (trial) => trial.change({ rateBps: mbit * MBIT * (i % 2 === 0 ? factor : 1) }),
  }));
for (const delayMs of [1, 10, 40]) {
  for (const jitterMs of [0, 5]) {
    const extra = `${delayMs} ms${jitterMs > 0 ? `, jitter ${jitterMs} ms` : ""}`;
    const path = (mbit: number): RateTrialOptions => ({ path: { rateBps: mbit * MBIT, delayMs, jitterMs } });
    line(`steps 20 and 10 Mbit/s, ${extra}`, path(20), 35_000, 2000, steps(20, 0.5));
    line(`steps 50 and 5 Mbit/s, ${extra}`, path(50), 35_000, 2000, steps(50, 0.1));
  }
}

for (const delayMs of [1, 10, 40]) {
  for (const mbit of [2, 10, 16]) {
    for (const burstOctets of [15_000, 60_000, 1_000_000]) {
      const path = { rateBps: 20 * MBIT, delayMs };
      const name = `20 Mbit/s, ${delayMs} ms, policer of ${mbit}, burst ${burstOctets / 1000} kB`;
      line(name, { path, policer: { rate: 125 * mbit, burstOctets } }, 16_000, 4000);
    }
  }
}

for (const delayMs of [10, 40]) {
  const path = { rateBps: 20 * MBIT, delayMs };
  const at = `20 Mbit/s, ${delayMs} ms`;
  line(`${at}, policer of 10`, { path, policer: { rate: 1250, burstOctets: 15_000 } }, 20_000);
  line(`${at}, policer of 10, burst 200 kB`, { path, policer: { rate: 1250, burstOctets: 200_000 } }, 20_000);
  line(`${at}, others 10 Mbit/s from 5 s`, { path, others: (now) => (now > 5000 ? 1250 : 0) }, 20_000);
  line(`${at}, 30 ms longer at 8 s`, { path }, 20_000, 2000, [
    { atMs: 8000, act: (trial) => trial.change({ delayMs: delayMs + 30 }) },
  ]);
  line(`${at}, away for 2 s at 8 s`, { path }, 20_000, 2000, [
    { atMs: 8000, act: (trial) => trial.change({ outage: true }) },
    {
      atMs: 10_000,
      act: (trial) => {
        trial.change({ outage: false });
        trial.restore();
      },
    },
  ]);
  line(`${at}, back 100 ms, jitter 20 ms`, { path, backMs: 100, backJitterMs: 20 }, 15_000);
  line(`${at}, a fifth of the reports lost`, { path, reportLoss: 0.2 }, 15_000);
  line(`${at}, read every 2 ms`, { path, readEveryMs: 2 }, 15_000);
  line(`${at}, clock 100 ppm fast`, { path, clockDriftPpm: 100 }, 60_000);
  line(`${at}, queue of 10 ms`, { path: { ...path, queueMs: 10 } }, 15_000);
  line(`${at}, queue of 3 ms`, { path: { ...path, queueMs: 3 } }, 15_000);
}

const control = new RateControl();
const figures = {
  deliveredOctets: 25_000,
  deliveredMs: 10,
  hasSample: true,
  oneWayMs: 10,
  sampleOctets: 1498,
  clockRebased: false,
  reportGapMs: 10,
  roundTripMs: 20,
  lostOctets: 0,
};
const REPORTS = 1_000_000;
const begun = performance.now();
for (let i = 0; i < REPORTS; i++) {
  figures.oneWayMs = 14 + (i % 3);
  control.handleReport(instant(10 * i), figures, false);
}
console.log(`\na report: ${(((performance.now() - begun) * 1e6) / REPORTS).toFixed(0)} ns`);
