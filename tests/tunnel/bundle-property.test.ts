import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../../src/sim/random.ts";
import type { WanSettings } from "../../src/sim/wan-path.ts";
import { Redundancy, type Redundant } from "../../src/tunnel/redundancy.ts";
import { type End, flowIn, numbered, numberIn, World, type WorldOptions } from "./world.ts";

/* Whatever happens to links and programs, no slot is lost, no octet is another's, and in the end all goes on. */

const SEEDS = 6;
const STEPS = 15;
const BODY = 32;

class Scenario {
  readonly #random: Random;
  readonly #world: World;
  #rate = 0.5;
  #sent = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    const links: Partial<WanSettings>[] = Array.from({ length: 1 + this.#below(4) }, () => ({
      rateBps: this.#pick([5, 20, 50]) * 1e6,
      delayMs: this.#pick([1, 10, 40, 150]),
      loss: this.#pick([0, 0, 0.01, 0.1, 0.3]),
      jitterMs: this.#pick([0, 0, 5]),
      reorder: this.#below(2) === 0,
    }));
    const limits = {
      rekeyMs: 1500,
      rekeyDatagrams: this.#pick([300, 2 ** 28]),
      expiryMs: 6000,
      mostDatagrams: 2 ** 30,
    };
    const options: WorldOptions = {
      redundant: this.#below(5) === 0,
      ...(this.#below(3) === 0 ? { limits } : {}),
    };
    this.#world = new World(links, options);
    this.#world.onTick = (now) => {
      const count = Math.floor(this.#rate + this.#random.next());
      for (let i = 0; i < count; i++) {
        const end = this.#below(2) === 0 ? this.#world.near : this.#world.far;
        end.send(this.#packet(), 1 + (this.#sent % 5), now);
      }
    };
    this.#listen();
  }

  run(): void {
    const world = this.#world;
    for (let i = 0; i < STEPS; i++) {
      this.#disturb();
      world.run(this.#pick([5, 50, 300]));
    }
    world.onTick = () => {};
    for (const i of world.ways.keys()) world.change(i, { outage: false, loss: 0 });
    const ends = [world.near, world.far];
    const areDone = (): boolean =>
      ends.every(({ share, bundle }) => share.runs.count + bundle.lanesIn.heldPackets === 0);
    const areAlive = (): boolean =>
      ends.every(
        ({ bundle }) => bundle.paths.length > 0 && bundle.paths.every(({ state }) => state === "alive"),
      );
    for (let i = 0; i < 60 && !(areDone() && areAlive()); i++) world.run(1000);
    assert.ok(areAlive(), "all paths are alive again");
    for (const end of ends) this.#isEmpty(end);
    let received = 0;
    world.far.onPacket = () => received++;
    for (let i = 0; i < 10; i++) world.near.send(numbered(500, 1, i), 1, world.now);
    world.run(1000);
    assert.equal(received, 10);
    for (const end of ends) {
      end.bundle.close();
      this.#isEmpty(end);
    }
  }

  #disturb(): void {
    const world = this.#world;
    const way = this.#below(world.ways.length);
    const { near } = world;
    const path = near.bundle.paths[way];
    switch (this.#below(10)) {
      case 0:
        world.change(way, { outage: true });
        break;
      case 1:
        world.ways[way]?.up.change({ outage: true }, world.now);
        break;
      case 2:
        world.change(way, { outage: false });
        break;
      case 3:
        world.rebind(way);
        break;
      case 4:
        world.rebindFar(way);
        break;
      case 5:
        if (path === undefined) break;
        path.tier = this.#pick(["primary", "overflow", "backup"] as const);
        path.tell(world.now);
        break;
      case 6:
        if (path === undefined) break;
        near.bundle.removePath(path);
        near.bundle.addPath()?.challenge(world.ways[path.link]?.nearSees ?? -1, world.now);
        break;
      case 7:
        this.#restart();
        break;
      case 8:
        near.bundle.dispatch.redundancy = new Redundancy(
          this.#pick<Redundant>([false, true, ["sparse"], ["sparse", 0]]),
        );
        break;
      default:
        this.#rate = this.#pick([0, 0.5, 2]);
    }
  }

  #restart(): void {
    const world = this.#world;
    const end = this.#pick([world.near, world.far]);
    end.bundle.close();
    this.#isEmpty(end);
    if (end === world.near) world.restartNear();
    else world.restartFar();
    this.#listen();
  }

  #listen(): void {
    for (const end of [this.#world.near, this.#world.far]) {
      end.onPacket = (octets) => {
        assert.equal(((octets[2] as number) << 8) | (octets[3] as number), octets.length);
        const number = numberIn(octets);
        assert.ok(flowIn(octets) <= 5);
        for (let i = BODY; i < octets.length; i += 97) assert.equal(octets[i], (7 * number + i) & 255);
      };
    }
  }

  #packet(): Uint8Array {
    const number = this.#sent++;
    const packet = numbered(this.#pick([64, 200, 1300, 1440]), number % 5, number);
    for (let i = BODY; i < packet.length; i++) packet[i] = 7 * number + i;
    return packet;
  }

  #isEmpty({ slots, share, bundle }: End): void {
    assert.deepEqual(
      [slots.big.count - slots.big.free, slots.small.count - slots.small.free, share.runs.count],
      [0, 0, 0],
      `slots and runs; ${bundle.lanesIn.heldPackets} packets are held`,
    );
  }

  #below(most: number): number {
    return Math.floor(this.#random.next() * most);
  }

  #pick<T>(all: readonly T[]): T {
    return all[this.#below(all.length)] as T;
  }
}

describe("TunnelBundle, whatever happens", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`gives all back, and goes on (seed ${seed})`, () => new Scenario(seed).run());
  }
});
