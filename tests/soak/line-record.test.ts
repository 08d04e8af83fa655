import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LifeTransition } from "../../src/control/messages.ts";
import { LineRecord, shareWithOneUp } from "./line-record.ts";

const change = (at: number, from: LifeTransition["from"], to: LifeTransition["to"]): LifeTransition => ({
  at,
  from,
  to,
  reason: "",
});
const UP = change(10, "negotiating", "enslaved");
const CUT = change(20, "enslaved", "waiting");
const DIALING = change(25, "locking", "dialing");
const BACK = change(40, "negotiating", "enslaved");

describe("the record of a line", () => {
  it("has when it was up, from histories that overlap", () => {
    const line = new LineRecord();
    line.handleHistory([UP, CUT]);
    assert.ok(!line.isUp);
    line.handleHistory([UP, CUT, DIALING, BACK]);
    line.handleHistory([DIALING, BACK]);
    assert.ok(line.isUp);
    assert.deepEqual(line.ups(50), [
      { from: 10, to: 20 },
      { from: 40, to: 50 },
    ]);
    assert.deepEqual(line.outages(50), [20]);
  });

  it("counts an outage that is not over, and the end of its daemon", () => {
    const line = new LineRecord();
    line.handleHistory([UP]);
    line.handleCrash(15);
    assert.deepEqual(line.outages(50), [35]);
    line.handleHistory([change(16, "idle", "locking"), BACK]);
    assert.deepEqual(line.outages(50), [25]);
  });

  it("tells with others how long one of them was up at least", () => {
    const [one, other] = [new LineRecord(), new LineRecord()];
    one.handleHistory([UP, CUT, BACK]);
    other.handleHistory([change(15, "up", "enslaved"), change(30, "enslaved", "hangingUp")]);
    assert.equal(shareWithOneUp([one, other], 0, 50), 0.6);
    assert.equal(shareWithOneUp([one, other], 12, 20), 1);
    assert.equal(shareWithOneUp([], 0, 50), 0);
  });
});
