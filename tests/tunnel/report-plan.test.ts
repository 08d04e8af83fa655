import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant } from "../../src/time.ts";
import { RateControl } from "../../src/tunnel/rate-control.ts";
import { ReportPlan } from "../../src/tunnel/report-plan.ts";
import { RoundTrip } from "../../src/tunnel/round-trip.ts";

describe("the plan of reports", () => {
  // An end that stood still has the last report of one session and the first of the next to make at once.
  it("has a time for the next one, also after several at one moment about nothing new", () => {
    const plan = new ReportPlan(new RoundTrip(), new RateControl());
    for (let i = 0; i < 100; i++) {
      const intervalMs = plan.handleReporting(0, instant(1000));
      assert.ok(intervalMs > 0 && intervalMs <= 350, `${intervalMs} ms after report ${i}`);
    }
  });
});
