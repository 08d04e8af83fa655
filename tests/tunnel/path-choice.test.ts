import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Path } from "../../src/tunnel/path.ts";
import { numbered, World } from "./world.ts";

const PACKET = 1440;

/** Two paths at rest with these delays, the first with a full window. */
function fill(...delays: [number, number]): { world: World; first: Path; second: Path } {
  const world = new World(delays.map((delayMs) => ({ rateBps: 20e6, delayMs })));
  const { paths, dispatch } = world.near.bundle;
  for (let i = 0; i < 100 && dispatch.choice.eligible.length < 2; i++) world.run(20);
  assert.equal(dispatch.choice.eligible.length, 2);
  const [first, second] = paths as [Path, Path];
  first.sent.add(world.now, first.rate.window, -1, 0, true);
  return { world, first, second };
}

describe("the best path for what goes before all else", () => {
  it("is another one while a window is full, but for control messages", () => {
    const { world, first, second } = fill(10, 15);
    const { choice } = world.near.bundle.dispatch;
    assert.equal(choice.best(PACKET, world.now), second);
    assert.equal(choice.best(0, world.now), first);
  });

  it("is that with the full window if the other takes longer than it is full", () => {
    const { world, first } = fill(10, 120);
    assert.equal(world.near.bundle.dispatch.choice.best(PACKET, world.now), first);
  });
});

describe("an overflow path", () => {
  it("carries no pings while others have nothing to do, though they would be there sooner", () => {
    const world = new World([30, 10].map((delayMs) => ({ rateBps: 20e6, delayMs })));
    const [first, second] = world.near.bundle.paths as [Path, Path];
    for (let i = 0; i < 100 && ![first, second].every((path) => path.isUsable(world.now)); i++) world.run(20);
    second.tier = "overflow";
    second.tell(world.now);
    world.run(500);
    const { sentPackets } = world.near.bundle.dispatch;
    const before = [first.sentOctets, second.sentOctets] as const;
    for (let i = 0; i < 40; i++) {
      world.near.send(numbered(84, 1, i), 1, world.now);
      world.run(50);
    }
    assert.equal(world.near.bundle.dispatch.sentPackets - sentPackets, 40);
    const [firstOctets, secondOctets] = [first.sentOctets - before[0], second.sentOctets - before[1]];
    assert.ok(firstOctets > 40 * 84 && secondOctets < 1000, `${firstOctets} and ${secondOctets} octets`);
  });
});
