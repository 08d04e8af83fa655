import assert from "node:assert/strict";
import { it } from "node:test";
import { findTool } from "../../src/lab/tool.ts";
import type { WanCase } from "../../src/lab/wan-cases.ts";
import type { WanMeasurement } from "../../src/lab/wan-measure.ts";
import { rivalOf, runWan } from "../../src/lab/wan-runs.ts";
import { needsHosts } from "./lab-support.ts";

const BRIEF: WanCase = { name: "brief", summary: "", links: [null, null], seconds: 0.5, changes: [] };

const isInstalled = ((): boolean => {
  try {
    return findTool("fastd") !== "";
  } catch {
    return false;
  }
})();

it("measures ours and fastd by turns, or says what to install", async (t) => {
  if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
  const running = runWan({ wan: BRIEF, repeat: 1, beside: "fastd", idlePings: 1 });
  if (!isInstalled) {
    await assert.rejects(running, { code: "TOOL_MISSING", message: /install the package fastd/ });
    return;
  }
  const { measured, beside } = await running;
  assert.equal(measured.intact, true);
  assert.equal(beside?.name, "fastd");
  // Clock ticks may count none of so short a time.
  assert.ok(beside.goodputBps > 0 && (beside.processorSecondsPerGB ?? -1) >= 0, JSON.stringify(beside));
});

it("divides ours by the other's", () => {
  const run = (goodputBps: number, processorSecondsPerGB: number | null): WanMeasurement => ({
    goodputBps,
    percentOfSum: null,
    percentOfMean: null,
    pingMs: { idle: 1, p50: 2, p95: 3 },
    longestStallMs: 1,
    longestStallAt: 1,
    intact: true,
    tcp: { retransmitted: 0, timeouts: 0 },
    udp: null,
    processorSecondsPerGB,
    machinePercent: 1,
    emulatorLateMs: null,
  });
  const { throughputRatio, processorRatio } = rivalOf("fastd", run(6e8, 16), run(18e8, 6));
  assert.deepEqual([throughputRatio, processorRatio], [3, 0.38]);
  assert.equal(rivalOf("fastd", run(6e8, 16), run(18e8, null)).processorRatio, null);
});
