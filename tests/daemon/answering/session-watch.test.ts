import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LineState } from "../../../src/control/messages.ts";
import { SessionWatch } from "../../../src/daemon/answering/session-watch.ts";
import { instant } from "../../../src/time.ts";

const NONE = { idleMs: null, sessionMs: null, beginMs: 60_000 };
const line = (packets = 0, state: LineState = "alone") => ({
  name: "tty0",
  state,
  received: { packets, octets: 40 * packets },
});

describe("the limits of a session", () => {
  const look = (
    watch: SessionWatch,
    seconds: number,
    { figures = line(), others = [] as (typeof figures)[], joins = false, limits = NONE as object } = {},
  ): string | null =>
    watch.look(figures, [figures, ...others], joins, { ...NONE, ...limits }, instant(seconds * 1000))?.why ??
    null;

  it("have it begin in time", () => {
    const watch = new SessionWatch(instant(0));
    assert.equal(look(watch, 59.9), null);
    assert.equal(look(watch, 60), "error");
    watch.handleUp(instant(60_000));
    assert.equal(look(watch, 100_000), null);
  });

  it("have it end", () => {
    const watch = new SessionWatch(instant(0));
    watch.handleUp(instant(10_000));
    const limits = { sessionMs: 30_000 };
    assert.equal(look(watch, 39.9, { limits }), null);
    assert.equal(look(watch, 40, { limits }), "session");
  });

  it("count from the last packet by any of its caller's lines", () => {
    const watch = new SessionWatch(instant(0));
    watch.handleUp(instant(10_000));
    const limits = { idleMs: 30_000 };
    assert.equal(look(watch, 39.9, { limits }), null);
    assert.equal(look(watch, 39.95, { limits, figures: line(1) }), null);
    assert.equal(look(watch, 60, { limits, figures: line(1), others: [line(5)] }), null);
    assert.equal(look(watch, 89.9, { limits, figures: line(1), others: [line(5)] }), null);
    assert.equal(look(watch, 90, { limits, figures: line(1), others: [line(5)] }), "idle");
    assert.equal(look(watch, 90, { limits, figures: line(2), others: [line(5)] }), null);
  });

  it("have it join those that it is to join", () => {
    const watch = new SessionWatch(instant(0));
    watch.handleUp(instant(0));
    assert.equal(look(watch, 5, { joins: true }), null);
    assert.equal(look(watch, 24.9, { joins: true }), null);
    assert.equal(look(watch, 25, { joins: true }), "error");
    assert.equal(look(watch, 26, { joins: true, figures: line(0, "enslaved") }), null);
    assert.equal(look(watch, 46, { joins: true }), null);
    assert.equal(look(watch, 100, { joins: false }), null);
  });
});
