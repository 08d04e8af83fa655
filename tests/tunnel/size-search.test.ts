import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WanSettings } from "../../src/sim/wan-path.ts";
import { World } from "./world.ts";

/** A path whose first step at the end that calls takes IP packets of so many octets, and tells that longer ones are too long. */
function establish(settings: Partial<WanSettings>, mtu: number): { usableMs: number; kbit: number } {
  const world = new World([settings]);
  const { bundle } = world.near;
  world.onSend = (from, way, octets) => {
    if (octets.length + 28 <= mtu) return true;
    if (from === "near") bundle.handleTooLong(way, world.now);
    return false;
  };
  const path = bundle.paths[0];
  while (!path?.isUsable(world.now) && world.now < 5000) world.run(1);
  return { usableMs: world.now, kbit: path?.rate.rate === undefined ? 0 : path.rate.rate * 8 };
}

describe("a path whose first step tells that the first datagram of full size is too long", () => {
  it("is used as soon as another", () => {
    const settings = { rateBps: 20e6, delayMs: 40 };
    const usual = establish(settings, 1500).usableMs;
    const { usableMs } = establish(settings, 1400);
    assert.ok(usableMs < usual + 20, `${usableMs} ms, not ${usual}`);
  });

  it("is known to be slow before it carries anything", () => {
    const settings = { rateBps: 33_600, delayMs: 40, queueMs: 4000 };
    const { kbit } = establish(settings, 1400);
    assert.ok(kbit < 2 * 33.6, `${kbit} kbit/s are believed`);
  });
});
