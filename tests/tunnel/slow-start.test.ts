import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONTROL, CONTROL_KINDS } from "../../src/wire/tunnel-content.ts";
import { TRANSPORT } from "../../src/wire/tunnel-datagram.ts";
import { numbered, World } from "./world.ts";

const BUSY_MS = 1500;
const COUNT = 30;

/** What confirms the keys has one octet of content, and a tag behind it that may be anything. */
const isReport = (octets: Uint8Array): boolean =>
  octets.length > TRANSPORT.overhead + 2 &&
  octets[TRANSPORT.sealed] === CONTROL &&
  octets[TRANSPORT.sealed + 1] === CONTROL_KINDS.report;

describe("a path that is not slow", () => {
  it("is not taken for a slow one because answers take long", () => {
    // Challenges are repeated long before the first answer comes.
    for (const delayMs of [130, 340, 900]) {
      const world = new World([{ rateBps: 20e6, delayMs }]);
      world.run(4000 + 8 * delayMs);
      for (const { bundle } of [world.near, world.far]) {
        const [path] = bundle.paths;
        assert.equal(path?.state, "alive");
        assert.ok(path.rate.rate > 500, `${delayMs} ms: ${path.rate.rate} octets a millisecond`);
        assert.ok(Math.abs(path.smoothedMs - 2 * delayMs) < 10, `${delayMs} ms: ${path.smoothedMs} ms`);
      }
    }
  });

  it("carries packets for all that when it is, before anything of it was reported", () => {
    const world = new World([{ rateBps: 20e6, delayMs: 5 }]);
    const isBusy = (): boolean => world.now < BUSY_MS;
    world.onSend = (_from, way, octets) => {
      world.change(way, { delayMs: isBusy() && octets.length > 1000 ? 400 : 5 });
      return !(isBusy() && isReport(octets));
    };
    let answered = 0;
    world.far.onPacket = (octets, now) => world.far.send(octets, 1, now);
    world.near.onPacket = () => answered++;
    world.run(BUSY_MS);
    for (const { bundle } of [world.near, world.far])
      assert.ok((bundle.paths[0]?.rate.rate ?? 0) < 50, "it was taken for a slow one");
    world.run(1000);
    for (let sent = 0; sent < COUNT; sent++) {
      world.near.send(numbered(100, 1, sent), 1, world.now);
      world.run(100);
    }
    world.run(500);
    assert.equal(answered, COUNT);
  });
});
