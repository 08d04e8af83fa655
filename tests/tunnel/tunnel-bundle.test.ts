import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WanSettings } from "../../src/sim/wan-path.ts";
import { type Instant } from "../../src/time.ts";
import { flowIn, numbered, numberIn, World, type WorldOptions } from "./world.ts";

const PACKET = 1440;
/** What is left of a path's rate for packets of that length. */
const SHARE = PACKET / (PACKET + 58);

interface Flow {
  sent: number;
  received: number[];
  octets: number;
  latest: number;
}

/** Keeps so many packets of a flow waiting, as a greedy sender does. */
function saturate(world: World, waiting = 150): Flow {
  const flow: Flow = { sent: 0, received: [], octets: 0, latest: -1 };
  world.onTick = (now) => {
    const { queue } = world.near.bundle.dispatch;
    while (queue.packets < waiting) {
      if (!world.near.send(numbered(PACKET, 1, flow.sent), 1, now)) break;
      flow.sent++;
    }
  };
  world.far.onPacket = (octets) => {
    flow.received.push(numberIn(octets));
    flow.octets += octets.length;
  };
  return flow;
}

function establish(world: World): void {
  const { paths } = world.near.bundle;
  for (let i = 0; i < 100 && !paths.every((path) => path.isUsable(world.now)); i++) world.run(20);
  assert.deepEqual(
    paths.map(({ state }) => state),
    paths.map(() => "alive"),
  );
}

const inOrder = (numbers: readonly number[]): boolean =>
  numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));

const mbit = (rate: number, delayMs: number, more: Partial<WanSettings> = {}): Partial<WanSettings> => ({
  rateBps: rate * 1e6,
  delayMs,
  ...more,
});

/** Octets a second that a saturated flow got, of what the links could carry, from `warmUp` on. */
function shareOf(
  links: readonly Partial<WanSettings>[],
  warmUpMs: number,
  ms: number,
  options: WorldOptions = {},
): { share: number; flow: Flow; world: World } {
  const world = new World(links, options);
  establish(world);
  const flow = saturate(world);
  world.run(warmUpMs);
  const before = flow.octets;
  world.run(ms);
  const possible = links.reduce((sum, { rateBps = 0 }) => sum + rateBps, 0) * (ms / 8000) * SHARE;
  return { share: (flow.octets - before) / possible, flow, world };
}

describe("TunnelBundle", () => {
  it("begins, and carries packets both ways in order", () => {
    const world = new World([mbit(20, 10)]);
    establish(world);
    const there: number[] = [];
    const back: number[] = [];
    world.far.onPacket = (octets) => {
      there.push(numberIn(octets));
      world.far.send(numbered(100, 2, numberIn(octets)), 2, world.now);
    };
    world.near.onPacket = (octets) => void back.push(numberIn(octets));
    for (let i = 0; i < 20; i++) world.near.send(numbered(PACKET, 1, i), 1, world.now);
    world.run(200);
    assert.deepEqual(
      there,
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.deepEqual(back, there);
  });

  const cases: readonly [string, readonly Partial<WanSettings>[], number][] = [
    ["one path", [mbit(20, 10)], 0.97],
    ["two equal paths", [mbit(20, 10), mbit(20, 10)], 0.97],
    ["50 and 10 Mbit/s", [mbit(50, 10), mbit(10, 10)], 0.97],
    ["40 Mbit/s at 5 ms and 20 at 40", [mbit(40, 5), mbit(20, 40)], 0.95],
    ["one of two that loses 1 %", [mbit(40, 10), mbit(20, 30, { loss: 0.01 })], 0.94],
    ["four unequal ones", [mbit(40, 10), mbit(20, 20), mbit(10, 30), mbit(5, 40)], 0.94],
  ];
  for (const [name, links, least] of cases) {
    it(`fills ${name}, in order`, () => {
      const { share, flow } = shareOf(links, 2000, 3000);
      assert.ok(share >= least && share <= 1.02, `${(100 * share).toFixed(1)} %`);
      assert.ok(inOrder(flow.received));
    });
  }

  it("fills paths though the programs at their ends are kept off the processor for half of the time", () => {
    const away = { awayMs: [2, 18], awakeMs: [2, 18] } as const;
    const { share, flow } = shareOf([mbit(20, 10), mbit(20, 10)], 2000, 4000, { away });
    assert.ok(share >= 0.9, `${(100 * share).toFixed(1)} %`);
    assert.ok(inOrder(flow.received));
  });

  it("lets a sparse flow pass, and carries it by the way that is sooner there", () => {
    const world = new World([mbit(20, 10), mbit(20, 40)]);
    establish(world);
    const bulk = saturate(world);
    world.run(1500);
    const late: number[] = [];
    const sentAt: Instant[] = [];
    const collect = world.far.onPacket;
    world.far.onPacket = (octets, now) => {
      if (flowIn(octets) === 7) late.push(now - (sentAt[numberIn(octets)] as Instant));
      else collect(octets, now);
    };
    for (let i = 0; i < 50; i++) {
      sentAt.push(world.now);
      world.near.send(numbered(84, 7, i), 7, world.now);
      world.run(20);
    }
    assert.ok(bulk.octets > 0);
    assert.equal(late.length, 50);
    late.sort((a, b) => a - b);
    assert.ok((late[47] as number) < 25, `${late[47]} ms`);
  });

  it("loses nothing when a path is cut, and uses it again when it is back", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    establish(world);
    const flow = saturate(world);
    world.run(2000);
    const cutAt = world.now;
    world.change(1, { outage: true });
    for (let i = 0; i < 300 && world.near.bundle.paths[1]?.state === "alive"; i++) world.run(1);
    assert.ok(world.now - cutAt <= 300, `noticed after ${world.now - cutAt} ms`);
    const stalled = flow.octets;
    world.run(1000);
    assert.ok((flow.octets - stalled) / (20e6 / 8) > 0.9 * SHARE, "the other one is full");
    world.change(1, { outage: false });
    world.run(2500);
    assert.equal(world.near.bundle.paths[1]?.state, "alive");
    const before = flow.octets;
    world.run(1000);
    assert.ok((flow.octets - before) / (40e6 / 8) > 0.93 * SHARE, "both are full again");
    const { received } = flow;
    assert.ok(inOrder(received));
    // All that has a number arrives: the queue's own drops are before that.
    assert.equal(world.far.bundle.lanesIn.drops.lost, 0);
  });

  it("goes on when the program at the other end begins anew", () => {
    const world = new World([mbit(20, 10), mbit(20, 30)]);
    establish(world);
    saturate(world);
    world.run(1000);
    world.restartFar();
    const received: number[] = [];
    world.far.onPacket = (octets) => void received.push(numberIn(octets));
    for (let i = 0; i < 400 && received.length < 1000; i++) world.run(10);
    assert.ok(received.length >= 1000, "packets arrive again");
    assert.ok(inOrder(received));
    const back: number[] = [];
    world.near.onPacket = (octets) => void back.push(numberIn(octets));
    for (let i = 0; i < 10; i++) world.far.send(numbered(100, 2, i), 2, world.now);
    world.run(200);
    assert.equal(back.length, 10);
  });

  it("sends each packet by two paths when told to, and delivers it once", () => {
    const world = new World([mbit(20, 10, { loss: 0.1 }), mbit(20, 20, { loss: 0.1 })], { redundant: true });
    establish(world);
    const received: number[] = [];
    world.far.onPacket = (octets) => void received.push(numberIn(octets));
    for (let i = 0; i < 1000; i++) {
      world.near.send(numbered(200, 1, i), 1, world.now);
      world.run(5);
    }
    world.run(500);
    assert.ok(inOrder(received));
    assert.equal(received.length, 1000);
    // One in a hundred is lost by both.
    const { repeated } = world.near.bundle.dispatch;
    assert.ok(repeated > 0 && repeated < 30, `${repeated} were repeated`);
  });

  it("lets many small packets through, though they alone never fill the path", () => {
    const world = new World([mbit(20, 10), mbit(20, 10)]);
    establish(world);
    const sentAt: Instant[] = [];
    let latest = 0;
    let received = 0;
    world.far.onPacket = (octets, now) => {
      received++;
      if (received > 1000) latest = Math.max(latest, now - (sentAt[numberIn(octets)] as Instant));
    };
    // Acknowledgements of some 40 Mbit/s.
    for (let i = 0; i < 4000; i++) {
      sentAt.push(world.now);
      world.near.send(numbered(64, 1, i), 1, world.now);
      if (i % 2 === 1) world.run(0.6);
    }
    world.run(100);
    assert.equal(received, 4000);
    assert.ok(latest < 25, `${latest} ms`);
  });
});
