import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { LineGroup, type LineGroupSettings } from "../../src/dial/line-group.ts";
import { type LineAction, LineManager } from "../../src/dial/line-manager.ts";
import type { LineState } from "../../src/dial/line-states.ts";
import { Random } from "../../src/sim/random.ts";
import { type Instant, instant } from "../../src/time.ts";
import { MODEM } from "./line-bench.ts";

const NAMES = ["A", "B", "C", "D"];
const BUSY: readonly LineState[] = ["locking", "dialing", "login", "negotiating", "up", "enslaved"];
const HOUR_MS = 3_600_000;

interface World {
  readonly seed: number;
  /** Of the calls that meet a modem. */
  readonly goodShare: number;
  readonly meanLifeMs: number;
}

/** A group, its managers, and lines of which some calls fail and all end some time. */
class Exchange {
  readonly managers = new Map<string, LineManager>();
  readonly group: LineGroup;
  now: Instant = instant(0);
  calls = 0;
  commands = 0;
  /** What people said last. */
  readonly asked = new Map<string, boolean | null>();
  readonly #world: World;
  readonly #random: Random;
  readonly told = new Map<string, boolean>();
  readonly #due: { readonly at: number; readonly run: () => void }[] = [];
  readonly #call = new Map<string, number>();

  constructor(settings: LineGroupSettings, world: World) {
    this.#world = world;
    this.#random = new Random(world.seed);
    for (const name of NAMES) this.managers.set(name, new LineManager(MODEM, () => this.#random.next()));
    this.group = new LineGroup(settings, NAMES);
    this.drain();
  }

  /** Lines that the group wants by itself. */
  get wanted(): number {
    return NAMES.filter((name) => (this.asked.get(name) ?? null) === null && this.told.get(name) === true)
      .length;
  }

  count(states: readonly LineState[]): number {
    return [...this.managers.values()].filter(({ state }) => states.includes(state)).length;
  }

  in(ms: number, run: () => void): void {
    this.#due.push({ at: this.now + ms, run });
  }

  /** To the next thing that happens. */
  step(): void {
    const deadlines = [this.group, ...this.managers.values()].map((machine) => machine.pollTimeout());
    const at = Math.min(...deadlines, ...this.#due.map((due) => due.at));
    assert.ok(at < Number.POSITIVE_INFINITY);
    this.now = instant(Math.max(this.now, at));
    for (const due of this.#due.filter((each) => each.at <= this.now)) {
      this.#due.splice(this.#due.indexOf(due), 1);
      due.run();
      this.drain();
    }
    for (const manager of this.managers.values()) {
      manager.handleTimeout(this.now);
      this.drain();
    }
    this.group.handleTimeout(this.now);
    this.drain();
  }

  /** Somebody says something about a line, again and again. */
  ask(everyMs: number): void {
    const name = NAMES[Math.floor(this.#random.next() * NAMES.length)] as string;
    const word = [true, false, null, null][Math.floor(this.#random.next() * 4)] as boolean | null;
    this.asked.set(name, word);
    this.group.handleAsked(name, word, this.now);
    this.in(this.#random.exponential(everyMs), () => this.ask(everyMs));
    this.drain();
  }

  drain(): void {
    for (let turns = 0; this.#drainOnce(); turns++) assert.ok(turns < 20, "they never come to an end");
  }

  #drainOnce(): boolean {
    let isBusy = false;
    for (let command = this.group.pollCommand(); command !== undefined; command = this.group.pollCommand()) {
      const { line, wanted, atOnce, reason } = command;
      assert.notEqual(reason, "");
      if (!atOnce) assert.notEqual(this.told.get(line) ?? false, wanted, "it was told already");
      this.told.set(line, wanted);
      const manager = this.managers.get(line) as LineManager;
      if (wanted) manager.handleWanted(reason, this.now, atOnce);
      else manager.handleUnwanted(reason, this.now);
      this.commands += 1;
      isBusy = true;
    }
    for (const [name, manager] of this.managers) {
      for (let event = manager.pollEvent(); event !== undefined; event = manager.pollEvent()) {
        this.group.handleState(name, event.to, this.now, manager.retryAt);
        isBusy = true;
      }
      for (let action = manager.pollAction(); action !== undefined; action = manager.pollAction()) {
        this.#act(name, manager, action);
      }
    }
    return isBusy;
  }

  #act(name: string, manager: LineManager, action: LineAction): void {
    const call = this.#call.get(name) ?? 0;
    const later = (ms: number, run: () => void): void =>
      this.in(ms, () => {
        if (this.#call.get(name) === call) run();
      });
    switch (action.type) {
      case "open":
        return this.in(5, () => manager.handleOpened(this.now));
      case "dial": {
        this.calls += 1;
        const isGood = this.#random.next() < this.#world.goodShare;
        if (isGood) return later(35_000, () => manager.handleDialed(this.now));
        const failure = this.#random.next() < 0.8 ? "busy" : "no-carrier";
        return later(10_000, () => manager.handleDialFailed(failure, failure, this.now));
      }
      case "carry":
        later(3000, () => manager.handleUp(this.now));
        return later(3000 + this.#random.exponential(this.#world.meanLifeMs), () =>
          manager.handleLost("carrier lost", this.now),
        );
      case "hangUp":
      case "close":
        this.#call.set(name, call + 1);
        return this.in(200, () => manager.handleClosed(this.now));
    }
  }
}

/** How well the world treats a line, from one where hardly a call succeeds to one without failures. */
const world = fc.record({
  seed: fc.nat(),
  goodShare: fc.constantFrom(0.1, 0.5, 0.75, 1),
  meanLifeMs: fc.constantFrom(60_000, 600_000, 6_000_000),
});

const SETTINGS: LineGroupSettings = {
  target: 2,
  demand: false,
  highWaterOctets: null,
  highWaterMs: 10_000,
  idleMs: 60_000,
};

it("has so many lines called or up as its target says, unless all others have to wait longer", () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 1, max: 4 }), (given, target) => {
      const exchange = new Exchange({ ...SETTINGS, target }, given);
      while (exchange.now < 6 * HOUR_MS) {
        assert.equal(exchange.wanted, target);
        assert.ok(exchange.count(BUSY) <= target, "more calls than lines are to be up");
        exchange.step();
      }
      assert.ok(exchange.calls > 2);
      assert.ok(
        exchange.commands <= 4 * exchange.calls + 8,
        `${exchange.commands} for ${exchange.calls} calls`,
      );
    }),
    { numRuns: 60 },
  );
});

it("obeys people, and keeps the target with the others, whenever they say something", () => {
  fc.assert(
    fc.property(world, fc.integer({ min: 1, max: 4 }), (given, target) => {
      const exchange = new Exchange({ ...SETTINGS, target }, given);
      exchange.ask(HOUR_MS / 4);
      while (exchange.now < 6 * HOUR_MS) {
        for (const [name, word] of exchange.asked) {
          if (word !== null) assert.equal(exchange.told.get(name) ?? false, word);
        }
        const automatic = NAMES.filter((name) => (exchange.asked.get(name) ?? null) === null);
        assert.equal(exchange.wanted, Math.min(target, automatic.length));
        exchange.step();
      }
    }),
    { numRuns: 60 },
  );
});
