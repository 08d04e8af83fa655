import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { numbered, World } from "./world.ts";

/* A path that comes and goes each second. */

const FLAP_MS = 1000;
const LENGTH = 1440;
const link = { rateBps: 20e6, delayMs: 10 };

/** Packets to the far end at so many Mbit/s, as long as the world runs. */
class Load {
  readonly #world: World;
  #octets = 0;
  /** How long a packet was under way at most, since it was last asked. */
  #mostMs = 0;

  constructor(world: World, mbit: number) {
    this.#world = world;
    const everyMs = (LENGTH * 8) / (mbit * 1000);
    const sentAt: number[] = [];
    let at = world.now as number;
    world.onTick = (now) => {
      for (; at <= now; at += everyMs)
        if (world.near.send(numbered(LENGTH, 1, sentAt.length), 1, now)) sentAt.push(now);
    };
    world.far.onPacket = (octets) => {
      this.#octets += octets.length;
      const number = new DataView(octets.buffer).getUint32(24);
      this.#mostMs = Math.max(this.#mostMs, world.now - (sentAt[number] as number));
    };
  }

  /** @returns Mbit/s that came meanwhile, and how long a packet took at most */
  run(ms: number): { mbit: number; mostMs: number } {
    this.#octets = this.#mostMs = 0;
    this.#world.run(ms);
    return { mbit: (this.#octets * 8) / ms / 1000, mostMs: this.#mostMs };
  }

  /** The first way is cut and comes back so often. @returns what came while it was there */
  flap(times: number): { mbit: number; mostMs: number }[] {
    return Array.from({ length: times }, () => {
      this.#world.change(0, { outage: true });
      this.run(FLAP_MS);
      this.#world.change(0, { outage: false });
      return this.run(FLAP_MS);
    });
  }
}

function begun(paths: number, mbit: number): [World, Load] {
  const world = new World(Array.from({ length: paths }, () => link));
  const areUsable = (): boolean => world.near.bundle.paths.every((path) => path.isUsable(world.now));
  for (let i = 0; i < 100 && !areUsable(); i++) world.run(20);
  const load = new Load(world, mbit);
  load.run(3000);
  return [world, load];
}

describe("a path that comes and goes", () => {
  it("is used whenever it is there, when it is the only one", () => {
    const [, load] = begun(1, 15);
    for (const [i, { mbit }] of load.flap(6).entries()) assert.ok(mbit > 12, `${mbit} Mbit/s, time ${i}`);
    load.run(4000);
    const { mbit, mostMs } = load.run(1000);
    assert.ok(mbit > 14.9 && mostMs < 20, `${mbit} Mbit/s, ${mostMs} ms`);
  });

  it("is left alone while others carry all there is", () => {
    const [world, load] = begun(2, 15);
    load.flap(3);
    const path = world.near.bundle.paths[0];
    const before = path?.sentOctets ?? 0;
    for (const { mbit, mostMs } of load.flap(5)) {
      assert.ok(mbit > 14.9 && mostMs < 20, `${mbit} Mbit/s, ${mostMs} ms`);
    }
    assert.ok((path?.sentOctets ?? 0) - before < 20_000);
    assert.deepEqual(world.near.bundle.dispatch.queue.drops, { queueFull: 0, delayed: 0 });
  });

  it("is used when the others are full, and as any other some time later", () => {
    const [world, load] = begun(2, 45);
    for (const [i, { mbit }] of load.flap(6).entries()) assert.ok(mbit > 30, `${mbit} Mbit/s, time ${i}`);
    assert.equal(world.far.bundle.lanesIn.drops.lost, 0);
    const { mbit } = load.run(1000);
    assert.ok(mbit > 37, `${mbit} Mbit/s`);
    const [path] = world.near.bundle.paths;
    assert.ok(path !== undefined && !path.isUsable(world.now));
    load.run(15_000);
    assert.ok(path.isUsable(world.now));
  });

  it("is used again for what others could carry, too, some time after it has come to rest", () => {
    const [world, load] = begun(2, 15);
    load.flap(8);
    load.run(15_000);
    const [path, other] = world.near.bundle.paths;
    assert.ok(path !== undefined && other !== undefined);
    world.change(1, { delayMs: 30 });
    load.run(3000);
    const before = path.sentOctets;
    load.run(1000);
    assert.ok(path.sentOctets - before > 1_000_000);
  });
});
