import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { LinkId } from "../../src/link/link.ts";
import { Eql1995 } from "../../src/scheduler/eql-1995.ts";
import type { LinkView } from "../../src/scheduler/scheduler.ts";
import { instant, NEVER } from "../../src/time.ts";

interface Measurement {
  /** In the order of enslaving. */
  readonly prioritiesBps: readonly number[];
  readonly packetOctets: number;
  readonly packetsPerSecond: number;
  readonly packets: number;
  readonly sentPackets: readonly number[];
  readonly shares: readonly number[];
}

/** What the real driver did, measured by measure-eql-1995-shares.ts. */
const { measurements } = JSON.parse(
  readFileSync(new URL("../../../tests/scheduler/eql-1995-shares.json", import.meta.url), "utf8"),
) as { measurements: readonly Measurement[] };

type Shares = readonly number[];

/** The formula in the driver's own terms, with its timer first expiring `phase` seconds after the first packet. */
function modelShares(measured: Measurement, phase: number): Shares {
  const { prioritiesBps, packetOctets, packetsPerSecond, packets } = measured;
  const slaves = prioritiesBps.map((bps) => ({ priorityBps: Math.floor(bps / 8), bytesQueued: 0, sent: 0 }));
  const loadOf = (slave: (typeof slaves)[number]) => 2 ** 31 - slave.priorityBps + slave.bytesQueued * 8;
  let timer = phase;
  for (let packet = 0; packet < packets; packet++) {
    for (; timer <= packet / packetsPerSecond; timer++) {
      for (const slave of slaves) slave.bytesQueued = Math.max(0, slave.bytesQueued - slave.priorityBps);
    }
    const best = slaves.reduceRight((best, slave) => (loadOf(slave) < loadOf(best) ? slave : best));
    best.bytesQueued += packetOctets;
    best.sent++;
  }
  return slaves.map((slave) => slave.sent / packets);
}

/** What our scheduler does with the same packets. */
function ourShares({ prioritiesBps, packetOctets, packetsPerSecond, packets }: Measurement): Shares {
  const links = prioritiesBps.map(
    (givenBps, index): LinkView => ({
      id: index as LinkId,
      givenBps,
      rate: givenBps / 1e4,
      delayMs: 0,
      startAt: instant(0),
      ready: true,
      open: null,
      openArrival: NEVER,
      canHold: false,
    }),
  );
  const scheduler = new Eql1995();
  const sent = links.map(() => 0);
  for (let packet = 0; packet < packets; packet++) {
    const index = scheduler.bind(packetOctets, links, instant((packet * 1000) / packetsPerSecond));
    sent[index] = (sent[index] ?? 0) + 1;
  }
  return sent.map((count) => count / packets);
}

/** Percentage points by which the shares of a slave differ, at most. */
const difference = (a: Shares, b: Shares): number =>
  100 * Math.max(...a.map((share, index) => Math.abs(share - (b[index] ?? 0))));

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe("shares measured on the original driver", () => {
  it("are complete", () => {
    assert.ok(measurements.length >= 36);
    for (const { packets, sentPackets, shares } of measurements) {
      assert.equal(
        sentPackets.reduce((sum, count) => sum + count, 0),
        packets,
      );
      assert.ok(
        difference(
          shares,
          sentPackets.map((count) => count / packets),
        ) < 0.01,
      );
    }
  });

  it("are what the driver's formula says", () => {
    // When its timer expires is not known: mean of four phases.
    const phases = [0.125, 0.375, 0.625, 0.875];
    const errors = measurements.map((measured) => {
      const models = phases.map((phase) => modelShares(measured, phase));
      return difference(
        measured.shares,
        measured.shares.map((_, slave) => mean(models.map((model) => model[slave] ?? 0))),
      );
    });
    assert.ok(mean(errors) < 1.5, `mean error ${mean(errors)} points`);
    assert.ok(Math.max(...errors) < 4, `largest error ${Math.max(...errors)} points`);
  });

  it("are what our scheduler gives", () => {
    const errors = measurements.map((measured) => difference(measured.shares, ourShares(measured)));
    assert.ok(mean(errors) < 1.5, `mean error ${mean(errors)} points`);
    assert.ok(Math.max(...errors) < 4, `largest error ${Math.max(...errors)} points`);
  });
});
