import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { ClassicPath } from "../../src/sim/classic-path.ts";
import { instant } from "../../src/time.ts";
import { labelled, labelOf } from "./host.ts";

const MTU = 576;
const HORIZON_MS = 8;
const PING = { protocol: 1, length: 84 };
/** A ping has this bit in its label. */
const IS_PING = 0x80000000;

/** Small and seeded (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How long pings sent at random times take while `bulk` keeps that many packets waiting. */
function pings(bps: readonly number[], seed: number, bulk: number): number[] {
  const random = randomOf(seed);
  const path = new ClassicPath(
    new EarliestArrival(),
    bps.map((rate) => ({ bps: rate })),
    MTU,
    64,
    seed,
  );
  const sentAt: number[] = [];
  const delays: number[] = [];
  let label = 0;
  const fill = (): void => {
    while (path.bundle.queue.count < bulk) path.send(labelled(label++, { length: MTU, protocol: 6 }));
  };
  const runTo = (ms: number): void => {
    for (;;) {
      fill();
      const arrival = path.next(instant(Math.min(ms, path.now + 20)));
      if (arrival === undefined && path.now >= ms) return;
      if (arrival === undefined) continue;
      const got = labelOf(arrival.packet);
      if (got >= IS_PING) delays.push(arrival.at - (sentAt[got - IS_PING] as number));
    }
  };
  runTo(3000);
  while (sentAt.length < 150) {
    runTo(path.now + 300 + 400 * random());
    path.send(labelled(IS_PING + sentAt.length, { ...PING, destinationPort: 1 }));
    sentAt.push(path.now);
  }
  runTo(path.now + 5000);
  assert.equal(delays.length, sentAt.length, "a ping was lost");
  return delays.sort((a, b) => a - b);
}

const p95 = (sorted: readonly number[]): number => sorted[Math.floor(0.95 * sorted.length)] as number;

describe("a sparse flow beside one that saturates the lines", () => {
  for (const bps of [
    [57_600, 14_400],
    [115_200, 9600],
    [28_800, 28_800],
  ]) {
    for (const seed of [1, 2]) {
      it(`${bps.join(" + ")}: waits for one packet of the fastest line, the horizon and 20 ms at most, in 95 % (seed ${seed})`, () => {
        const idle = p95(pings(bps, seed, 0));
        const loaded = p95(pings(bps, seed, 24));
        const mtuMs = (MTU + 1) / (Math.max(...bps) / 10_000);
        const most = idle + mtuMs + HORIZON_MS + 20;
        assert.ok(
          loaded <= most,
          `seed ${seed}: idle ${idle.toFixed(1)}, loaded ${loaded.toFixed(1)}, at most ${most.toFixed(1)} ms`,
        );
      });
    }
  }
});
