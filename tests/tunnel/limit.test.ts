import assert from "node:assert/strict";
import { it } from "node:test";
import { numbered, World } from "./world.ts";

const PACKET = 1440;
const OVERHEAD = 58;
const LINK = { rateBps: 20e6, delayMs: 10 };

/** CoDel's target for paths of 10 ms that are known. */
const TARGET_MS = 40;

/** Bits a second of datagrams, at IP level, in which packets arrive whose sender always has more. */
function arriving(limitBps: number, redundant = false): number {
  const world = new World([LINK, LINK], { redundant });
  const { dispatch } = world.near.bundle;
  dispatch.limit = limitBps / 8000;
  let sent = 0;
  let received = 0;
  world.onTick = (now) => {
    while (dispatch.queue.packets < 150) if (!world.near.send(numbered(PACKET, 1, sent++), 1, now)) break;
  };
  world.far.onPacket = (octets) => {
    received += octets.length + OVERHEAD;
  };
  world.run(2000);
  received = 0;
  world.run(4000);
  // All that there is, or may be used, was found long ago, so what waits is too much.
  assert.equal(dispatch.queue.targetMs, TARGET_MS);
  return received * 2;
}

it("sends no more by all paths together than it may, and nearly that", () => {
  for (const limitBps of [1e6, 10e6, 25e6]) {
    const share = arriving(limitBps) / limitBps;
    assert.ok(share > 0.95 && share <= 1.005, `${(100 * share).toFixed(1)} % of ${limitBps}`);
  }
});

it("counts both copies of a packet", () => {
  const share = arriving(10e6, true) / 10e6;
  assert.ok(share > 0.45 && share <= 0.505, `${(100 * share).toFixed(1)} %`);
});

it("uses all of both paths without a limit", () => {
  assert.ok(arriving(Number.POSITIVE_INFINITY) > 36e6);
});
