import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { type LineAction, LineManager, type LineManagerSettings } from "../../src/dial/line-manager.ts";
import type { LineState } from "../../src/dial/line-states.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";
import { DIRECT, MODEM } from "./line-bench.ts";

/** States that may last for ever when nobody does anything. */
const RESTING: readonly LineState[] = ["idle", "givenUp", "up", "enslaved"];
const LONGEST_PAUSE_MS = 20_000 * 1.2;

type Step =
  | { readonly type: "time"; readonly ms: number }
  | { readonly type: "deadline" }
  | { readonly type: "event"; readonly event: (typeof EVENTS)[number] };

const EVENTS = [
  "wanted",
  "told",
  "unwanted",
  "opened",
  "openFailed",
  "carrier",
  "dialed",
  "busy",
  "refusedLogin",
  "up",
  "enslaved",
  "freed",
  "renegotiation",
  "lost",
  "refused",
  "closed",
  "traffic",
  "timeout",
] as const;

/** A manager with somebody who notes all it does, and objects to what makes no sense. */
class Watched {
  readonly manager: LineManager;
  now: Instant = instant(0);
  readonly #dials: boolean;
  #state: LineState = "idle";
  /** What the manager must take the device for, from what it was told and what it said. */
  #device: "closed" | "opening" | "open" = "closed";
  #dialed = false;
  #carries = false;
  #hangsUp = false;
  #closes = false;
  #closedAt = Number.NEGATIVE_INFINITY;

  constructor(settings: LineManagerSettings, random: () => number) {
    this.manager = new LineManager(settings, random);
    this.#dials = settings.dials;
  }

  step(step: Step): void {
    if (step.type === "time") this.now = instant(this.now + step.ms);
    else if (step.type === "event") this.#tell(step.event);
    if (step.type === "deadline") {
      const at = this.manager.pollTimeout();
      if (at !== NEVER && at > this.now) this.now = at;
      this.manager.handleTimeout(this.now);
    }
    this.check();
  }

  #tell(event: (typeof EVENTS)[number]): void {
    const { manager, now } = this;
    switch (event) {
      case "wanted":
        return manager.handleWanted(event, now);
      case "told":
        return manager.handleWanted(event, now, true);
      case "unwanted":
        return manager.handleUnwanted(event, now);
      case "opened":
        if (manager.state === "locking") this.#device = "open";
        return manager.handleOpened(now);
      case "openFailed":
        return manager.handleOpenFailed(event, now);
      case "carrier":
        return manager.handleCarrier(9600, now);
      case "dialed":
        return manager.handleDialed(now);
      case "busy":
        return manager.handleDialFailed("busy", event, now);
      case "refusedLogin":
        return manager.handleDialFailed("refused", event, now);
      case "up":
        return manager.handleUp(now);
      case "enslaved":
        return manager.handleEnslaved("eql", now);
      case "freed":
        return manager.handleFreed(event, now);
      case "renegotiation":
        return manager.handleRenegotiation(event, now);
      case "lost":
        return manager.handleLost(event, now);
      case "refused":
        return manager.handleRefused(event, now);
      case "closed":
        return manager.handleClosed(now);
      case "traffic":
        return manager.handleTraffic(now);
      case "timeout":
        return manager.handleTimeout(now);
    }
  }

  check(): void {
    const { manager, now } = this;
    for (let event = manager.pollEvent(); event !== undefined; event = manager.pollEvent()) {
      assert.equal(event.from, this.#state, "each transition begins where the last one ended");
      assert.equal(event.at, now);
      assert.notEqual(event.reason, "");
      this.#state = event.to;
      if (["idle", "waiting", "givenUp", "locking"].includes(event.to) && this.#device !== "closed") {
        this.#device = "closed";
        this.#closedAt = now;
      }
    }
    assert.equal(manager.state, this.#state, "each transition is told");
    for (let action = manager.pollAction(); action !== undefined; action = manager.pollAction()) {
      this.#act(action);
    }
    assert.equal(manager.retryAt !== NEVER, manager.state === "waiting");
    if (manager.state === "waiting") assert.ok(manager.retryAt <= manager.since + LONGEST_PAUSE_MS);
    if (!RESTING.includes(manager.state)) {
      assert.notEqual(manager.pollTimeout(), NEVER, `${manager.state} could last for ever`);
    }
  }

  #act(action: LineAction): void {
    if (action.type === "open") {
      assert.equal(this.#device, "closed", "opened twice");
      if (this.#dials) assert.ok(this.now - this.#closedAt >= 1000, "DTR was not down for a second");
      this.#device = "opening";
      this.#dialed = false;
      this.#carries = false;
      this.#hangsUp = false;
      this.#closes = false;
      return;
    }
    assert.notEqual(this.#device, "closed", `${action.type} without a device`);
    assert.equal(this.#closes, false, `${action.type} after close`);
    if (action.type === "close") {
      this.#closes = true;
      return;
    }
    assert.equal(this.#device, "open", `${action.type} before the device is open`);
    assert.equal(this.#hangsUp, false, `${action.type} after hangUp`);
    if (action.type === "hangUp") this.#hangsUp = true;
    if (action.type === "dial") {
      assert.ok(this.#dials && !this.#dialed && !this.#carries);
      this.#dialed = true;
    }
    if (action.type === "carry") {
      assert.ok(!this.#carries && this.#dialed === this.#dials);
      this.#carries = true;
    }
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...EVENTS).map((event): Step => ({ type: "event", event })) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 100_000 }).map((ms): Step => ({ type: "time", ms })) },
  { weight: 2, arbitrary: fc.constant<Step>({ type: "deadline" }) },
);

/** What the world does that lets a line come up. */
const GOOD: Readonly<Partial<Record<LineState, (typeof EVENTS)[number]>>> = {
  locking: "opened",
  dialing: "carrier",
  login: "dialed",
  negotiating: "up",
  hangingUp: "closed",
};

const settings = fc
  .record({
    base: fc.constantFrom(MODEM, DIRECT),
    numbers: fc.constantFrom<readonly string[]>([], ["1"], ["1", "2", "3"]),
    attempts: fc.constantFrom(null, 1, 3),
    sessionLimitMs: fc.constantFrom(null, 50_000),
    idleLimitMs: fc.constantFrom(null, 30_000),
  })
  .map(({ base, numbers, ...rest }) => ({
    ...base,
    ...rest,
    numbers: base.dials ? numbers : [],
    longestPauseMs: 20_000,
  }));

const runs = { numRuns: 400 };
const history = fc.array(step, { maxLength: 120 });

it("acts in an order that makes sense, whatever happens and whenever", () => {
  fc.assert(
    fc.property(settings, history, fc.double({ min: 0, max: 0.99, noNaN: true }), (given, steps, random) => {
      const watched = new Watched(given, () => random);
      for (const each of steps) watched.step(each);
    }),
    runs,
  );
});

it("comes to a state that may last when nothing happens any more, soon", () => {
  fc.assert(
    fc.property(settings, history, (given, steps) => {
      const watched = new Watched({ ...given, attempts: given.attempts ?? 3 }, () => 0.5);
      for (const each of steps) watched.step(each);
      const { manager } = watched;
      const rests = (): boolean => manager.state === "waiting" || RESTING.includes(manager.state);
      const from = watched.now;
      // Hanging up, closing, and one more attempt if nothing was held against the last one.
      for (let i = 0; i < 5 && !rests(); i++) watched.step({ type: "deadline" });
      assert.ok(rests(), manager.state);
      assert.ok(watched.now - from <= 90_000 + 10_000 + 30_000 + 10_000);
    }),
    runs,
  );
});

it("is down soon when it is not wanted, though nothing answers", () => {
  fc.assert(
    fc.property(settings, history, (given, steps) => {
      const watched = new Watched(given, () => 0.5);
      for (const each of steps) watched.step(each);
      watched.step({ type: "event", event: "unwanted" });
      const from = watched.now;
      for (let i = 0; i < 2 && watched.manager.state !== "idle"; i++) watched.step({ type: "deadline" });
      assert.equal(watched.manager.state, "idle");
      assert.ok(watched.now - from <= 20_000);
      assert.equal(watched.manager.pollTimeout(), NEVER);
    }),
    runs,
  );
});

it("is up soon when it is wanted and all goes well, whatever was before", () => {
  fc.assert(
    fc.property(settings, history, fc.constantFrom("wanted", "told"), (given, steps, wish) => {
      const watched = new Watched(given, () => 0.5);
      for (const each of steps) watched.step(each);
      watched.step({ type: "event", event: wish });
      const { manager } = watched;
      const from = watched.now;
      for (let i = 0; i < 20 && manager.state !== "up" && manager.state !== "enslaved"; i++) {
        const event = GOOD[manager.state];
        // It may have been hanging up for its last attempt.
        if (manager.state === "givenUp") watched.step({ type: "event", event: wish });
        else watched.step(event === undefined ? { type: "deadline" } : { type: "event", event });
      }
      assert.ok(manager.state === "up" || manager.state === "enslaved", manager.state);
      assert.ok(watched.now - from <= LONGEST_PAUSE_MS + 1000, "nothing but the pause was waited for");
    }),
    runs,
  );
});
