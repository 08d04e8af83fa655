import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineManager, type LineManagerSettings } from "../../src/dial/line-manager.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";

const MODEM: LineManagerSettings = {
  numbers: ["100", "200"],
  dials: true,
  firstPauseMs: 5000,
  longestPauseMs: 600_000,
  pauseGrowth: 2,
  attempts: null,
  dialLimitMs: 90_000,
  loginLimitMs: 60_000,
  linkLimitMs: 60_000,
  hangUpLimitMs: 10_000,
  sessionLimitMs: null,
  idleLimitMs: null,
};
const DIRECT: LineManagerSettings = {
  ...MODEM,
  numbers: [],
  dials: false,
  firstPauseMs: 500,
  pauseGrowth: 1.7,
  longestPauseMs: 30_000,
};

/** A manager on virtual time, with what it asked for. */
class Bench {
  readonly manager: LineManager;
  now: Instant = instant(1000);

  constructor(settings: Partial<LineManagerSettings>, base: LineManagerSettings = MODEM) {
    this.manager = new LineManager({ ...base, ...settings }, () => 0.5);
  }

  /** All actions, a dial with its number. */
  get actions(): string {
    const found: string[] = [];
    for (let action = this.manager.pollAction(); action !== undefined; action = this.manager.pollAction()) {
      found.push(action.type === "dial" ? `dial ${action.number}` : action.type);
    }
    return found.join(", ");
  }

  /** Until the next deadline. @returns how long that was */
  wait(): number {
    const until = this.manager.pollTimeout();
    const ms = until - this.now;
    assert.ok(ms < Number.POSITIVE_INFINITY, "waits for ever");
    this.now = until;
    this.manager.handleTimeout(this.now);
    return ms;
  }

  advance(ms: number): void {
    this.now = instant(this.now + ms);
  }

  /** From wanted to a link that is up. */
  bringUp(): void {
    const { manager } = this;
    manager.handleWanted("configured", this.now);
    manager.handleOpened(this.now);
    manager.handleCarrier(28_800, this.now);
    manager.handleDialed(this.now);
    manager.handleUp(this.now);
    assert.equal(manager.state, manager.pollTimeout() === NEVER ? "up" : manager.state);
  }
}

describe("a line that dials", () => {
  it("is opened, dialed and logged in on, and carries", () => {
    const bench = new Bench({});
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    assert.equal(manager.state, "locking");
    assert.equal(bench.actions, "open");
    manager.handleOpened(bench.now);
    assert.equal(manager.state, "dialing");
    assert.equal(bench.actions, "dial 100");
    manager.handleCarrier(28_800, bench.now);
    assert.equal(manager.state, "login");
    assert.equal(manager.carrierBps, 28_800);
    manager.handleDialed(bench.now);
    assert.equal(manager.state, "negotiating");
    assert.equal(bench.actions, "carry");
    manager.handleUp(bench.now);
    assert.equal(manager.state, "up");
    manager.handleEnslaved("eql", bench.now);
    assert.equal(manager.state, "enslaved");
    assert.equal(manager.pollTimeout(), NEVER);
    manager.handleUnwanted("told", bench.now);
    assert.equal(manager.state, "hangingUp");
    assert.equal(bench.actions, "hangUp");
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "idle");
    assert.equal(bench.actions, "");
  });
});
