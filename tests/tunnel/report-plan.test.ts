import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "../../src/time.ts";
import { RateControl } from "../../src/tunnel/rate-control.ts";
import { ReportPlan } from "../../src/tunnel/report-plan.ts";
import { RoundTrip } from "../../src/tunnel/round-trip.ts";
import { CONTROL, CONTROL_KINDS } from "../../src/wire/tunnel-content.ts";
import { TRANSPORT } from "../../src/wire/tunnel-datagram.ts";
import { numbered, World } from "./world.ts";

const PING = 84;
const PACKET = 1440;

/** Milliseconds of each after which its report is sent: pings for a while, then a burst. */
function reportedAfter(): { pings: number; burst: number } {
  const world = new World([{ rateBps: 20e6, delayMs: 10 }]);
  world.run(1000);
  let since = 0;
  let first = Number.NaN;
  world.onSend = (from, _way, octets) => {
    const isReport =
      octets[TRANSPORT.sealed] === CONTROL && octets[TRANSPORT.sealed + 1] === CONTROL_KINDS.report;
    if (from === "far" && isReport && Number.isNaN(first)) first = world.now - since;
    return true;
  };
  const after = (count: number, length: number, flow: number): number => {
    since = world.now;
    first = Number.NaN;
    for (let i = 0; i < count; i++) world.near.send(numbered(length, flow, i), flow, world.now);
    world.run(500);
    return first;
  };
  let pings = 0;
  for (let i = 0; i < 40; i++) pings = after(1, PING, 1);
  return { pings, burst: after(8, PACKET, 2) };
}

describe("the plan of reports", () => {
  // An end that stood still has the last report of one session and the first of the next to make at once.
  it("has a time for the next one, also after several at one moment about nothing new", () => {
    const plan = new ReportPlan(new RoundTrip(), new RateControl());
    for (let i = 0; i < 100; i++) {
      const intervalMs = plan.handleReporting(0, instant(1000));
      assert.ok(intervalMs > 0 && intervalMs <= 350, `${intervalMs} ms after report ${i}`);
    }
  });

  it("has a burst reported soon, though what little came before was not worth a report", () => {
    const { pings, burst } = reportedAfter();
    assert.ok(pings > 50, `pings: after ${pings} ms`);
    assert.ok(burst < 40, `the burst: after ${burst} ms`);
  });
});
