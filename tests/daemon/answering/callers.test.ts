import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAddressRange } from "../../../src/config/address-range.ts";
import type { LineConfig, MasterConfig } from "../../../src/config/config.ts";
import { Addresses } from "../../../src/daemon/answering/addresses.ts";
import type { Grant } from "../../../src/daemon/answering/authority.ts";
import {
  Callers,
  type CallersTools,
  type Entrance,
  type Place,
} from "../../../src/daemon/answering/callers.ts";
import { Line } from "../../../src/daemon/line.ts";

const grant = (user: string, change: Partial<Grant> = {}): Grant => ({
  ok: true,
  user,
  protocol: "any",
  address: null,
  maxLines: null,
  idleMs: null,
  sessionMs: null,
  mtu: null,
  ...change,
});
const POOL = [parseAddressRange("10.0.0.1-10.0.0.2") ?? assert.fail()];
const HERE: Entrance = { realm: "here", local: "10.0.0.254", mtu: 1500, pool: POOL, maxLines: null };

/** As much of a daemon as callers need. */
class World {
  readonly asked: unknown[] = [];
  readonly made: MasterConfig[] = [];
  /** What the removal of a master waits for. */
  removal: Promise<void> = Promise.resolve();
  readonly callers: Callers;

  constructor() {
    const masters = new Map<string, unknown>();
    const tools = {
      engine: {
        request: async (operation: string, request: object) => {
          if (operation === "removeMaster") await this.removal;
          if (operation !== "status") this.asked.push([operation, request]);
          return { lines: [{ name: "tty0", mtu: 576, rateGivenBps: 28_800 }] };
        },
      },
      netlink: { interface: (name: string) => (name === "call0" ? {} : null) },
      keeper: { masters, lines: new Map() },
      log: { debug: () => {} },
      addresses: new Addresses(),
      addMaster: async (config: MasterConfig) => {
        this.made.push(config);
        masters.set(config.name, config);
      },
    };
    this.callers = new Callers(tools as unknown as CallersTools);
  }

  async place(user: string, change: Partial<Grant> = {}, entrance: Partial<Entrance> = {}): Promise<Place> {
    const place = await this.callers.admit(grant(user, change), { ...HERE, ...entrance });
    assert.ok(typeof place !== "string", "he was not let in");
    return place;
  }

  async refusal(
    user: string,
    change: Partial<Grant> = {},
    entrance: Partial<Entrance> = {},
  ): Promise<string> {
    const place = await this.callers.admit(grant(user, change), { ...HERE, ...entrance });
    assert.ok(typeof place === "string", "he was let in");
    return place;
  }
}

const lineOf = (name: string): Line => new Line({ name, rateBps: 14_400 } as LineConfig);

describe("callers", () => {
  it("have an address each, by right or of a pool, until there are none", async () => {
    const world = new World();
    const places = [await world.place("a", { address: "10.0.0.1" }), await world.place("b")];
    assert.deepEqual(
      places.map(({ caller }) => caller.address),
      ["10.0.0.1", "10.0.0.2"],
    );
    assert.equal(await world.refusal("c"), "there is no address left for c");
    assert.equal(await world.refusal("d", { address: "10.0.0.2" }), "the address 10.0.0.2 of d is in use");
    const own = await world.place("e", { pool: [parseAddressRange("10.0.1.1") ?? assert.fail()] });
    assert.equal(own.caller.address, "10.0.1.1");
    await world.callers.leave(places[1] as Place);
    assert.equal((await world.place("c")).caller.address, "10.0.0.2");
  });

  it("have one address on all their lines, and no more lines than are allowed", async () => {
    const world = new World();
    const first = await world.place("a", { maxLines: 2 });
    const second = await world.place("a", { maxLines: 2 });
    assert.equal(second.caller, first.caller);
    assert.equal(await world.refusal("a", { maxLines: 2 }), "a has 2 lines, and no more are allowed");
    assert.equal(await world.refusal("a", {}, { maxLines: 1 }), "a has 2 lines, and no more are allowed");
    await world.callers.leave(first);
    await world.callers.leave(first);
    await world.place("a", { maxLines: 2 });
  });

  it("are somebody else where somebody else knows the same name", async () => {
    const world = new World();
    const [own, other] = [await world.place("a"), await world.place("a", {}, { realm: "there" })];
    assert.notEqual(own.caller, other.caller);
    assert.equal(await world.callers.gather(own), null, "no bundle of the two");
    await world.callers.leave(own);
    assert.equal(
      await world.refusal("a", { maxLines: 1 }, { realm: "there" }),
      "a has 1 lines, and no more are allowed",
    );
    await world.callers.leave(other);
    const [again, first] = [await world.place("a", {}, { realm: "there" }), await world.place("a")];
    assert.deepEqual(
      [again.caller.address, first.caller.address],
      ["10.0.0.2", "10.0.0.1"],
      "each has its own back",
    );
  });

  it("need no bundle for one line, and get one with the second, which both join", async () => {
    const world = new World();
    const first = await world.place("a");
    first.line = lineOf("tty0");
    assert.equal(await world.callers.gather(first), null);
    const second = await world.place("a");
    second.line = lineOf("tty1");
    assert.equal(await world.callers.gather(second), "call1");
    const { name, address, peer, mtu } = world.made[0] ?? assert.fail();
    assert.deepEqual([name, address, peer, mtu], ["call1", "10.0.0.254", "10.0.0.1", 576]);
    assert.equal(first.line.wants, "call1");
    assert.deepEqual(world.asked, [["enslave", { master: "call1", slave: "tty0", bps: 28_800 }]]);
    await world.callers.leave(first);
    assert.equal(world.asked.length, 1, "it lasts as long as one of them");
    await world.callers.leave(second);
    assert.deepEqual(world.asked.at(-1), ["removeMaster", { name: "call1" }]);
  });

  it("have a bundle with the first line when there are networks behind them", async () => {
    const world = new World();
    const place = await world.place("a", { routes: ["192.168.7.0/24"] });
    assert.equal(await world.callers.gather(place), "call1");
    assert.deepEqual(world.made[0]?.routes, ["192.168.7.0/24"]);
  });

  it("have a bundle of their account's MTU, when no line says another", async () => {
    const world = new World();
    const [place] = [await world.place("a", { mtu: 296 }), await world.place("a")];
    await world.callers.gather(place);
    assert.equal(world.made[0]?.mtu, 296);
  });

  it("make one bundle, however many ask for it at once", async () => {
    const world = new World();
    const places = await Promise.all(["a", "a", "a"].map((user) => world.place(user)));
    const masters = await Promise.all(places.map((place) => world.callers.gather(place)));
    assert.deepEqual([masters, world.made.length], [["call1", "call1", "call1"], 1]);
  });

  it("come back only when nothing is left of them", async () => {
    const world = new World();
    let remove = (): void => {};
    world.removal = new Promise((resolve) => {
      remove = resolve;
    });
    const place = await world.place("a", { address: "10.0.0.1" });
    await world.callers.bundle(place.caller);
    const left = world.callers.leave(place);
    let isBack = false;
    const back = world.place("a", { address: "10.0.0.1" }).then(() => {
      isBack = true;
    });
    await new Promise(setImmediate);
    assert.equal(isBack, false);
    remove();
    await Promise.all([left, back]);
    assert.equal(isBack, true);
  });
});
