import assert from "node:assert/strict";
import { LineManager, type LineManagerSettings } from "../../src/dial/line-manager.ts";
import { type Instant, instant } from "../../src/time.ts";

export const MODEM: LineManagerSettings = {
  numbers: ["100"],
  dials: true,
  firstPauseMs: 5000,
  longestPauseMs: 600_000,
  pauseGrowth: 2,
  attempts: null,
  dialLimitMs: 90_000,
  loginLimitMs: 50_000,
  linkLimitMs: 40_000,
  hangUpLimitMs: 10_000,
  sessionLimitMs: null,
  idleLimitMs: null,
};

export const DIRECT: LineManagerSettings = {
  ...MODEM,
  numbers: [],
  dials: false,
  firstPauseMs: 500,
  pauseGrowth: 1.7,
  longestPauseMs: 30_000,
};

/** A manager on virtual time, with pauses that are as long as they are in the mean. */
export class LineBench {
  readonly manager: LineManager;
  now: Instant = instant(1000);

  constructor(settings: Partial<LineManagerSettings> = {}, base: LineManagerSettings = MODEM) {
    this.manager = new LineManager({ ...base, ...settings }, () => 0.5);
  }

  /** What it asked for since the last call, a dial with its number. */
  takeActions(): string {
    const found: string[] = [];
    for (let action = this.manager.pollAction(); action !== undefined; action = this.manager.pollAction()) {
      found.push(action.type === "dial" ? `dial ${action.number}` : action.type);
    }
    return found.join(", ");
  }

  /** The states it came to since the last call. */
  takeStates(): string {
    const found: string[] = [];
    for (let event = this.manager.pollEvent(); event !== undefined; event = this.manager.pollEvent()) {
      found.push(event.to);
    }
    return found.join(", ");
  }

  advance(ms: number): void {
    this.now = instant(this.now + ms);
  }

  /** Until its deadline. @returns how long that was */
  wait(): number {
    const until = this.manager.pollTimeout();
    const ms = until - this.now;
    assert.ok(ms >= 0 && ms < Number.POSITIVE_INFINITY, `${this.manager.state}: a deadline in ${ms} ms`);
    this.now = until;
    this.manager.handleTimeout(this.now);
    return ms;
  }

  /** From its device being locked to a link that is up. */
  connect(): void {
    const { manager, now } = this;
    manager.handleOpened(now);
    manager.handleCarrier(28_800, now);
    manager.handleDialed(now);
    manager.handleUp(now);
    assert.equal(manager.state, "up");
  }

  /** The call fails, and its device is closed. */
  failCall(failure: Parameters<LineManager["handleDialFailed"]>[0]): void {
    this.manager.handleDialFailed(failure, failure, this.now);
    assert.equal(this.manager.state, "hangingUp");
    this.manager.handleClosed(this.now);
  }
}
