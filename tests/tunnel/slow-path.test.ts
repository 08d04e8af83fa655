import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Instant } from "../../src/time.ts";
import { flowIn, numbered, numberIn, World } from "./world.ts";

/* A path over a modem beside one over an uplink. */

const PACKET = 1440;
const SHARE = PACKET / (PACKET + 58);
const FAST = { rateBps: 5e6, delayMs: 10 };
const PING = 7;
const PING_MS = 200;

class Traffic {
  octets = 0;
  /** When what was sent at a time was answered. */
  readonly trips: { readonly sentAt: number; readonly tripMs: number }[] = [];
  isOn = true;
  readonly world: World;
  readonly #sentAt: Instant[] = [];
  #sent = 0;

  /** As much as is taken, and a ping now and then. */
  constructor(world: World) {
    this.world = world;
    world.onTick = (now) => this.#send(now);
    world.far.onPacket = (octets, now) => {
      if (flowIn(octets) === PING) world.far.send(numbered(84, PING, numberIn(octets)), PING, now);
      else this.octets += octets.length;
    };
    world.near.onPacket = (octets, now) => {
      const sentAt = this.#sentAt[numberIn(octets)] as Instant;
      this.trips.push({ sentAt, tripMs: now - sentAt });
    };
  }

  #send(now: Instant): void {
    const { near } = this.world;
    if (now >= (this.#sentAt.at(-1) ?? -PING_MS) + PING_MS) {
      near.send(numbered(84, PING, this.#sentAt.length), PING, now);
      this.#sentAt.push(now);
    }
    while (this.isOn && near.bundle.dispatch.queue.packets < 60) {
      if (!near.send(numbered(PACKET, 1, this.#sent), 1, now)) return;
      this.#sent++;
    }
  }

  /** @returns octets a second that came meanwhile */
  run(ms: number): number {
    const before = this.octets;
    this.world.run(ms);
    return ((this.octets - before) * 1000) / ms;
  }
}

const modem = (kbit: number) => ({ rateBps: kbit * 1000, delayMs: 40, queueMs: 4000 });

function start(kbit: number): { world: World; traffic: Traffic } {
  const world = new World([FAST, modem(kbit)]);
  const { paths } = world.near.bundle;
  for (let i = 0; i < 200 && !paths.every((path) => path.isUsable(world.now)); i++) world.run(10);
  assert.ok(paths.every((path) => path.isUsable(world.now)));
  return { world, traffic: new Traffic(world) };
}

for (const kbit of [33.6, 115.2]) {
  describe(`a path of ${kbit} kbit/s beside one of 5 Mbit/s`, () => {
    it("is known to be slow before it carries anything, and does not slow the other", () => {
      const { world, traffic } = start(kbit);
      const rate = world.near.bundle.paths[1]?.rate.rate ?? 0;
      assert.ok(rate * 8 < 1.3 * kbit, `${rate * 8} kbit/s are believed`);
      traffic.run(1000);
      const got = traffic.run(4000);
      assert.ok(got > 0.97 * SHARE * (FAST.rateBps / 8), `${got} octets a second`);
      const late = traffic.trips.filter(({ sentAt, tripMs }) => sentAt > 2000 && tripMs > 100);
      assert.deepEqual(late, []);
    });

    it("carries what there is when the other is cut, and leaves it to that again", () => {
      const { world, traffic } = start(kbit);
      traffic.run(3000);
      const cutAt = world.now;
      world.change(0, { outage: true });
      traffic.run(8000);
      const first = traffic.trips.find(({ sentAt }) => sentAt >= cutAt);
      assert.ok(first !== undefined && first.tripMs < 3000, `a ping came after ${first?.tripMs} ms`);
      const got = traffic.run(8000);
      assert.ok(got > 0.3 * SHARE * (kbit / 8) * 1000, `${got} octets a second`);
      world.change(0, { outage: false });
      traffic.run(3000);
      assert.ok(traffic.run(2000) > 0.9 * SHARE * (FAST.rateBps / 8));
    });

    it("is not kept busy with what was for the other when that is cut", () => {
      const { world, traffic } = start(kbit);
      traffic.run(3000);
      world.change(0, { outage: true });
      const cutAt = world.now;
      const last = 1_000_000;
      let cameAt = Number.POSITIVE_INFINITY;
      const { onPacket } = world.far;
      world.far.onPacket = (octets, now) => {
        if (flowIn(octets) === 1 && numberIn(octets) === last) cameAt = now;
        else onPacket(octets, now);
      };
      traffic.isOn = false;
      traffic.run(500);
      world.near.send(numbered(PACKET, 1, last), 1, world.now);
      traffic.run(4000);
      assert.ok(cameAt - cutAt < 2500, `what was sent again came ${cameAt - cutAt} ms after the cut`);
      const late = traffic.trips.filter(({ sentAt, tripMs }) => sentAt > cutAt + 500 && tripMs > 1500);
      assert.deepEqual(late, []);
      assert.equal(
        traffic.trips.filter(({ sentAt }) => sentAt > cutAt + 500 && sentAt <= cutAt + 2500).length,
        10,
      );
    });

    it("is tried seldom, and its end is noticed", () => {
      const { world, traffic } = start(kbit);
      traffic.run(2000);
      const path = world.near.bundle.paths[1];
      assert.ok(path !== undefined);
      const before = path.sentOctets + path.receivedOctets;
      traffic.run(10_000);
      const bps = ((path.sentOctets + path.receivedOctets - before) * 8) / 10;
      // It is tried now and then.
      assert.ok(bps < 0.4 * kbit * 1000, `${bps} bit/s`);
      world.change(1, { outage: true });
      const cutAt = world.now;
      for (let i = 0; i < 100 && path.state === "alive"; i++) traffic.run(100);
      assert.equal(path.state, "dead", `not noticed in ${world.now - cutAt} ms`);
    });
  });
}

it("gets no long queue where reports come as seldom as they do, after some pings", () => {
  const queueOctets = 150_000;
  const world = new World([{ rateBps: 56_000, delayMs: 60, queueOctets }]);
  world.run(3000);
  for (let i = 0; i < 20; i++) {
    world.near.send(numbered(84, PING, i), PING, world.now);
    world.run(1000);
  }
  let carried = 0;
  world.onTick = (now) => {
    while (world.near.bundle.dispatch.queue.packets < 10) world.near.send(numbered(PACKET, 1, 0), 1, now);
  };
  world.far.onPacket = (octets) => {
    carried += octets.length;
  };
  world.run(20_000);
  const used = carried / (20 * 7000 * SHARE);
  assert.ok(used > 0.75, `${(100 * used).toFixed(0)} % used`);
  const waiting = world.ways[0]?.up.queuedOctets ?? 0;
  assert.ok(waiting < 6 * 1498, `${waiting} octets wait`);
});

it("is used at once where the first datagram of full size does not get through", () => {
  const world = new World([FAST]);
  for (const way of world.ways) way.mtu = 1400;
  const [path] = world.near.bundle.paths;
  for (let i = 0; i < 100 && !path?.isUsable(world.now); i++) world.run(10);
  assert.ok(path?.isUsable(world.now));
  world.run(5000);
  assert.equal(path?.size, 1400);
});
