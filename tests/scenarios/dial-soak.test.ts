import assert from "node:assert/strict";
import { it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DAY_MS, DialSoak } from "./dial-soak.ts";

const SEED = 1995;
const MINUTE_MS = 60_000;
/** Compiled code grows by about half of it. */
const MOST_GROWTH = 2_000_000;

/** Octets that are in use, all garbage apart. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc()");
  const { heapUsed: heap, arrayBuffers } = process.memoryUsage();
  assert.ok(arrayBuffers < 32_000_000, `${arrayBuffers} octets in buffers`);
  return heap;
}

it("four lines that fail in all ways for thirty days are reachable whenever one can connect, and none is ever stuck", (test) => {
  test.diagnostic(`seed ${SEED}`);
  const soak = new DialSoak(SEED);
  soak.run(8 * DAY_MS);
  const heapBefore = heapUsed();
  soak.run(22 * DAY_MS);
  const grown = heapUsed() - heapBefore;
  const { report } = soak;
  test.diagnostic(JSON.stringify({ report, grown }));

  // It was as bad as it was meant to be.
  assert.equal(report.crashes, 60);
  assert.ok(report.connected > 1500);
  assert.ok(Math.abs(report.busy / report.calls - 0.2) < 0.05);
  assert.ok(Math.abs(report.noCarrier / report.calls - 0.05) < 0.02);
  assert.ok(report.ableMs > 0.99 * 30 * DAY_MS);
  assert.equal(report.mostUp, 4);

  assert.ok(report.reachableMs >= 0.999 * report.ableMs, `${report.reachableMs} of ${report.ableMs} ms`);
  assert.ok(report.probes > 80_000);
  assert.ok(report.probesLost < 0.002 * report.probes, `${report.probesLost} of ${report.probes} packets`);
  assert.ok(report.longestDownMs < 10 * MINUTE_MS, `a line was down for ${report.longestDownMs} ms`);
  assert.ok(grown < MOST_GROWTH, `the heap grew by ${grown} octets`);
});

it("two of four lines are kept up by calling others in their places", (test) => {
  test.diagnostic(`seed ${SEED}`);
  const soak = new DialSoak(SEED, 2);
  soak.run(4 * DAY_MS);
  const { report } = soak;
  test.diagnostic(JSON.stringify(report));
  assert.ok(report.reachableMs >= 0.999 * report.ableMs, `${report.reachableMs} of ${report.ableMs} ms`);
  assert.equal(report.mostUp, 2);
});
