import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { onlyLink, WAN_CASES, type WanCase } from "../../src/lab/wan-cases.ts";
import { measureWan, PING_INTERVAL_MS } from "../../src/lab/wan-measure.ts";
import { medianOf, runWan } from "../../src/lab/wan-runs.ts";
import { WanRecorder } from "../../src/lab/wan-timeline.ts";
import { needsHosts } from "./lab-support.ts";

const BRIEF: WanCase = {
  name: "brief",
  summary: "20 Mbit/s, 5 ms, cut for a while",
  links: [{ rateBps: 20_000_000, delayMs: 5 }],
  // Long enough that the cut is in it though it begins late, where the machine is busy.
  seconds: 5,
  changes: [
    { atMs: 500, link: 0, settings: { outage: true } },
    { atMs: 1300, link: 0, settings: { outage: false } },
  ],
};

describe("measuring a case without a bond", { concurrency: true }, () => {
  it("tells of goodput, round trips and the stall of an outage", async (t) => {
    if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
    const recorder = new WanRecorder();
    const measured = await measureWan({ wan: BRIEF, way: "direct", idlePings: 2, recorder });
    assert.equal(measured.intact, true);
    assert.ok(measured.goodputBps > 0 && (measured.percentOfSum ?? 100) < 84, `${measured.percentOfSum}`);
    // There were 84 % of the link.
    const ratio = (measured.percentOfMean ?? 0) / (measured.percentOfSum ?? 1);
    assert.ok(Math.abs(ratio - 1 / 0.84) < 0.01, `${ratio}`);
    assert.ok((measured.longestStallMs ?? 0) > 790, `${measured.longestStallMs}`);
    assert.ok(measured.pingMs.idle >= 10);
    assert.equal(measured.processorSecondsPerGB, null);
    const { carried, payload, pings } = recorder.timeline(PING_INTERVAL_MS);
    assert.equal(payload.length, 50);
    const goodputBps = payload.reduce((sum, { bps }) => sum + bps, 0) / 50;
    assert.equal(Math.round(goodputBps), measured.goodputBps);
    assert.ok(
      carried.some(({ bps }) => (bps[0] ?? 0) > 0),
      JSON.stringify(carried),
    );
    assert.ok(carried.every(({ atMs, bps }, i) => bps.length === 1 && atMs > (carried[i - 1]?.atMs ?? 0)));
    assert.ok(pings.length > 0 && pings.every(({ rttMs }) => rttMs === null || rttMs >= 10));
  });

  it("counts datagrams that are lost, and those alone", async (t) => {
    if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
    const options = { wan: BRIEF, way: "direct", traffic: "udp", idlePings: 2, repeat: 1 } as const;
    const { measured, runs, percentOfAlone, timeline } = await runWan(options);
    assert.equal(runs.length, 1);
    assert.deepEqual([percentOfAlone, timeline], [null, null]);
    const { lostPercent = 0, reorderedPercent } = measured.udp ?? {};
    // A sixth of the time, and more when the sender was held up and made up for it.
    assert.ok(lostPercent > 10 && lostPercent < 100, `${lostPercent} % lost`);
    assert.equal(reorderedPercent, 0);
    assert.equal(measured.longestStallMs, null);
  });
});

it("takes each figure's own median, and damage as damage", () => {
  const run = (goodputBps: number, idle: number, intact: boolean) => ({
    goodputBps,
    percentOfSum: null,
    percentOfMean: null,
    pingMs: { idle, p50: 2, p95: 3 },
    longestStallMs: goodputBps,
    longestStallAt: 1,
    intact,
    tcp: { retransmitted: goodputBps, timeouts: 0 },
    udp: null,
    processorSecondsPerGB: 1,
    machinePercent: 1,
    emulatorLateMs: null,
  });
  const middle = medianOf([run(5, 9, true), run(1, 8, false), run(3, 7, true)]);
  assert.deepEqual(middle, { ...run(3, 8, false), longestStallAt: 1 });
});

it("can leave one link of a case, with its changes", () => {
  const g = WAN_CASES.find(({ name }) => name === "g") as WanCase;
  assert.deepEqual(onlyLink(g, 0).changes, []);
  assert.deepEqual(
    onlyLink(g, 1).changes.map(({ link }) => link),
    [0, 0],
  );
  const h = onlyLink(WAN_CASES.find(({ name }) => name === "h") as WanCase, 0);
  assert.deepEqual([h.links.length, h.alone], [1, undefined]);
});
