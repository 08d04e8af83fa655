import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WanSettings } from "../../src/sim/wan-path.ts";
import { TRANSPORT_TYPE } from "../../src/wire/tunnel-datagram.ts";
import { numbered, numberIn, WAYS, World } from "./world.ts";

/* What happens to paths while packets go by them. */

const mbit = (rate: number, delayMs: number, more: Partial<WanSettings> = {}): Partial<WanSettings> => ({
  rateBps: rate * 1e6,
  delayMs,
  ...more,
});

function establish(world: World): void {
  const { paths } = world.near.bundle;
  const areUsable = (): boolean => paths.every((path) => path.isUsable(world.now));
  for (let i = 0; i < 100 && !areUsable(); i++) world.run(20);
  assert.ok(areUsable());
}

/** Numbered packets to the far end, `everyMs` one, while it lasts; what comes, and when. */
class Stream {
  sent = 0;
  readonly received: number[] = [];
  readonly times: number[] = [];
  readonly #world: World;

  constructor(world: World, everyMs: number, length = 1440, down = false) {
    this.#world = world;
    let at = world.now;
    const before = world.onTick;
    const flow = down ? 2 : 1;
    world.onTick = (now) => {
      before(now);
      for (; at <= now; at = (at + everyMs) as typeof at) {
        const from = down ? world.far : world.near;
        from.send(numbered(length, flow, this.sent++), flow, now);
      }
    };
    this.attach(down);
  }

  attach(down = false): void {
    const to = down ? this.#world.near : this.#world.far;
    to.onPacket = (octets) => {
      this.received.push(numberIn(octets));
      this.times.push(this.#world.now);
    };
  }

  /** The longest time without a packet since then. */
  longestGap(from: number): number {
    const times = [from, ...this.times.filter((time) => time >= from), this.#world.now];
    let longest = 0;
    for (let i = 1; i < times.length; i++)
      longest = Math.max(longest, (times[i] as number) - (times[i - 1] as number));
    return longest;
  }
}

/** A route to the first way that nobody is at the end of. */
const ELSEWHERE = 320;

const statesOf = (world: World): string[][] =>
  [world.near, world.far].map(({ bundle }) => bundle.paths.map(({ state }) => state));
const ALIVE = [
  ["alive", "alive"],
  ["alive", "alive"],
];

describe("paths of a bundle", () => {
  it("begin anew when the near program does, from other ports", () => {
    const world = new World([mbit(20, 10), mbit(20, 30)]);
    establish(world);
    world.run(1000);
    world.restartNear();
    world.run(500);
    assert.deepEqual(statesOf(world), ALIVE);
    const stream = new Stream(world, 2);
    world.run(500);
    assert.ok(stream.received.length > 200, `${stream.received.length} of 250`);
  });

  for (const everyMs of [1, 100]) {
    it(`go on when the addresses change, with a packet every ${everyMs} ms`, () => {
      const world = new World([mbit(40, 10), mbit(40, 30)]);
      establish(world);
      const there = new Stream(world, everyMs);
      const back = new Stream(world, everyMs, 1440, true);
      world.run(1000);
      const from = world.now;
      world.rebind(0);
      world.rebind(1);
      // An idle path is asked every three seconds.
      world.run(3500);
      assert.deepEqual(statesOf(world), ALIVE);
      world.rebindFar(0);
      world.rebindFar(1);
      world.rebind(0);
      world.run(3500);
      assert.deepEqual(statesOf(world), ALIVE);
      assert.ok(there.longestGap(from) < everyMs + 20, `${there.longestGap(from)} ms`);
      // What is repeated by the other path, which nobody has heard of yet, waits until that one is dead.
      assert.ok(back.longestGap(from) < everyMs + 400, `${back.longestGap(from)} ms`);
      world.onTick = () => {};
      world.run(500);
      assert.equal(there.received.length, there.sent);
      assert.equal(back.received.length, back.sent);
    });
  }

  it("do not go where an old datagram comes from, and find the new address meanwhile", () => {
    const world = new World([mbit(20, 10)]);
    establish(world);
    const back = new Stream(world, 2, 200, true);
    let held: Uint8Array | null = null;
    world.onSend = (from, _way, octets) => {
      if (from === "far" || held !== null) return true;
      held = octets;
      return false;
    };
    new Stream(world, 20, 200);
    world.run(500);
    const path = world.far.bundle.paths[0];
    assert.ok(held !== null && path !== undefined);
    // Somebody who has held it back sends it from elsewhere.
    world.far.handleDatagram(held, ELSEWHERE, world.now);
    assert.equal(path.candidate, -1);
    const from = world.now;
    world.run(500);
    assert.equal(path.route, 0);
    assert.ok(back.longestGap(from) < 30, `${back.longestGap(from)} ms`);
    // A fresh one starts a challenge; a fresh one from a third address another, though the second did not answer.
    let next: Uint8Array | null = null;
    world.onSend = (from, _way, octets) => {
      if (from === "far" || next !== null) return true;
      next = octets;
      return false;
    };
    for (let i = 0; i < 30 && next === null; i++) world.run(1);
    assert.ok(next !== null);
    const taken: Uint8Array = next;
    world.onSend = () => true;
    world.far.handleDatagram(taken, ELSEWHERE, world.now);
    assert.equal(path.candidate, ELSEWHERE);
    world.run(100);
    assert.equal(path.route, 0);
    world.rebind(0);
    world.run(200);
    assert.equal(path.route, world.ways[0]?.farSees);
  });

  it("are there though nothing comes back by the best of them, which the far end cannot know", () => {
    const world = new World([mbit(20, 10), mbit(20, 30)]);
    establish(world);
    world.run(2000);
    world.onSend = (from, way) => from === "near" || way !== 0;
    world.run(5000);
    assert.deepEqual(
      world.near.bundle.paths.map(({ state }) => state),
      ["dead", "alive"],
    );
  });

  it("are found though what comes first comes by one that carries nothing back", () => {
    const world = new World([mbit(20, 10), mbit(20, 30)]);
    world.onSend = (from, way) => from === "near" || way !== 0;
    const isThere = (): boolean =>
      [world.near, world.far].every(({ bundle: { paths } }) =>
        paths.some(({ link, state }) => link === 1 && state === "alive"),
      );
    world.run(2000);
    assert.ok(isThere());
    world.restartFar();
    assert.ok(!isThere());
    world.run(7000);
    assert.ok(isThere());
  });

  it("say little to who was heard of once, as it may not be there", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    let heard = 0;
    let said = 0;
    world.onSend = (from, way, octets) => {
      if (way === 0) return true;
      if (from === "far") said++;
      else if (octets[0] !== TRANSPORT_TYPE || octets[1] !== 1 || heard++ > 0) return false;
      return true;
    };
    world.run(60_000);
    assert.ok(heard > 1 && world.far.bundle.paths.length === 2);
    assert.ok(said > 0 && said <= 8, `${said} datagrams`);
    // Who is there is asked again.
    world.onSend = () => true;
    world.run(3000);
    assert.deepEqual(statesOf(world), ALIVE);
  });

  it("find out when long datagrams vanish", () => {
    const world = new World([mbit(20, 10)]);
    establish(world);
    const stream = new Stream(world, 2);
    world.run(1000);
    const [path] = world.near.bundle.paths;
    const [way] = world.ways;
    assert.ok(path !== undefined && way !== undefined && path.size === 1500);
    const from = world.now;
    way.mtu = 1400;
    world.run(3000);
    assert.ok(stream.longestGap(from) < 300, `${stream.longestGap(from)} ms`);
    assert.equal(path.size, 1400);
    world.onTick = () => {};
    world.run(500);
    assert.equal(stream.received.length, stream.sent);
  });

  it("tell the peer a tier that changes while they are cut", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    establish(world);
    world.change(1, { outage: true });
    world.run(5000);
    const [, path] = world.near.bundle.paths;
    assert.ok(path?.state === "dead");
    path.tier = "backup";
    path.tell(world.now);
    world.run(20_000);
    world.change(1, { outage: false });
    world.run(3000);
    assert.equal(path.state, "alive");
    assert.equal(world.far.bundle.paths[1]?.tier, "backup");
  });

  it("cost little while nothing is sent", () => {
    const world = new World([mbit(20, 10), mbit(20, 20)]);
    establish(world);
    world.run(5000);
    let octets = 0;
    world.onSend = (_from, _way, datagram) => {
      octets += datagram.length + 28;
      return true;
    };
    world.run(30_000);
    assert.ok((octets * 8) / 30 / 2 < 1000, `${(octets * 8) / 30 / 2} bit/s a link`);
  });

  for (const flapMs of [300, 3000]) {
    it(`lose nothing when one goes and comes back every ${flapMs} ms, and are no slower than without it`, () => {
      const world = new World([mbit(20, 10), mbit(20, 10)]);
      establish(world);
      const stream = new Stream(world, 0.3);
      world.run(2000);
      const from = world.now;
      const before = stream.received.length;
      for (let i = 0; i < 6000 / flapMs; i++) {
        world.change(0, { outage: i % 2 === 0 });
        world.run(flapMs);
      }
      const rate = ((stream.received.length - before) * 1440 * 8) / (world.now - from) / 1000;
      assert.ok(rate > 18.5, `${rate} Mbit/s`);
      assert.equal(world.far.bundle.lanesIn.drops.lost, 0);
      assert.ok(stream.longestGap(from) < 200, `${stream.longestGap(from)} ms`);
    });
  }

  it("begin anew by the same address", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    establish(world);
    const { bundle } = world.near;
    const [path] = bundle.paths;
    assert.ok(path !== undefined);
    bundle.removePath(path);
    const again = bundle.addPath();
    assert.equal(again?.link, 0);
    again.challenge(0, world.now);
    world.run(500);
    assert.deepEqual(statesOf(world), ALIVE);
  });

  it("keep nothing that they were given when others are to carry it", () => {
    const world = new World([mbit(20, 10), mbit(20, 40)]);
    establish(world);
    const stream = new Stream(world, 0.3);
    world.run(2000);
    const [, path] = world.near.bundle.paths;
    assert.ok(path !== undefined);
    for (let i = 0; i < 10; i++) {
      path.tier = i % 2 === 0 ? "backup" : "primary";
      path.tell(world.now);
      world.run(200);
      if (i % 2 === 0) assert.equal(path.commits.count, 0);
    }
    world.onTick = () => {};
    world.run(3000);
    assert.equal(world.far.bundle.lanesIn.drops.lost, 0);
    assert.equal(world.near.share.runs.count, 0);
    assert.ok(stream.received.length > 10_000 / 2);
  });

  it("find a far program that began anew before they were proved to it", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    // There are keys, but no path is alive.
    for (let i = 0; i < 100 && world.near.peer.session === null; i++) world.run(1);
    world.restartFar();
    world.run(4000);
    assert.deepEqual(statesOf(world), ALIVE);
  });

  it("wait long enough for what is lost twice", () => {
    const world = new World([mbit(20, 10, { loss: 0.1 })]);
    establish(world);
    const stream = new Stream(world, 20, 200);
    world.run(15_000);
    world.onTick = () => {};
    world.run(1000);
    assert.ok(stream.received.length >= stream.sent - 2, `${stream.received.length} of ${stream.sent}`);
  });

  it("hold no packets when all of them have been gone for a while, and carry what comes then", () => {
    const world = new World([mbit(20, 10)]);
    establish(world);
    const stream = new Stream(world, 1);
    world.run(500);
    world.change(0, { outage: true });
    world.run(4000);
    const { near } = world;
    assert.ok(near.slots.small.count - near.slots.small.free < 200, "only what was under way");
    assert.ok(near.bundle.dispatch.drops.noPath > 1000);
    world.change(0, { outage: false });
    const from = world.now;
    world.run(2000);
    assert.ok(stream.times.filter((time) => time > from).length > 1400);
  });

  it("are measured anew when the receiver's path is another one by the same link", () => {
    const world = new World([mbit(20, 10)]);
    establish(world);
    new Stream(world, 1, 1440, true);
    world.run(1500);
    const { bundle } = world.near;
    const [path] = bundle.paths;
    assert.ok(path !== undefined);
    bundle.removePath(path);
    bundle.addPath()?.challenge(0, world.now);
    world.run(500);
    world.change(0, { rateBps: 5e6 });
    world.run(2000);
    const rate = (world.far.bundle.paths[0]?.rate.rate ?? 0) / 125;
    assert.ok(rate > 4.5 && rate < 6, `${rate} Mbit/s`);
  });

  it("are forgotten by the end that is called when they are gone for long", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    establish(world);
    const { bundle } = world.near;
    const path = bundle.paths[1];
    assert.ok(path !== undefined);
    bundle.removePath(path);
    let last = 0;
    world.onSend = (from, way) => {
      if (from === "far" && way === 1) last = world.now;
      return true;
    };
    world.run(330_000);
    assert.equal(world.far.bundle.paths.length, 1);
    assert.ok(last < 320_000, `${last} ms`);
    bundle.addPath()?.challenge(1, world.now);
    world.run(500);
    assert.deepEqual(statesOf(world), ALIVE);
  });

  it("come up though answers come from another address than is called", () => {
    const world = new World([mbit(20, 10)]);
    world.rebindFar(0);
    establish(world);
    assert.equal(world.near.bundle.paths[0]?.route, world.ways[0]?.nearSees);
  });

  // Who asks by another address before the first can have answered hears from both of them.
  for (const delayMs of [10, 300, 600]) {
    for (const afterMs of [50, 250, 450, 900]) {
      it(`settle when two addresses are called ${afterMs} ms apart over ${delayMs} ms`, () => {
        const world = new World([mbit(20, 10), mbit(20, delayMs)]);
        const way = world.ways[1];
        const path = world.near.bundle.paths[1];
        assert.ok(way !== undefined && path !== undefined);
        way.hasAddresses = true;
        world.run(afterMs);
        path.challenge(way.nearSees + WAYS, world.now);
        world.run(10 * delayMs + 2500);
        assert.deepEqual(statesOf(world), ALIVE);
        const far = world.far.bundle.paths[1];
        assert.equal(far?.route, path.route);
        let controls = 0;
        world.onSend = (_from, on) => {
          if (on === 1) controls++;
          return true;
        };
        world.run(6000);
        assert.ok(controls < 40, `${controls} datagrams in six idle seconds`);
        assert.equal(far.route, path.route);
      });
    }
  }
});
