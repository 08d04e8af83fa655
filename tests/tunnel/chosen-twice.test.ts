import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Redundancy, type Redundant } from "../../src/tunnel/redundancy.ts";
import { flowIn, numbered, numberIn, World } from "./world.ts";

const BULK = 1;
const CALL = 2;
const LENGTH = 1440;
/** Goes in one piece before more is known of a path. */
const WHOLE = 1000;

/** A bulk flow of 24 Mbit/s beside one of a short packet every 20 ms with a mark. One of the ways is cut; how long do short ones wait until that is noticed? */
function run(redundant: Redundant, dscp: number): { waitedMs: number; lost: number; copies: number } {
  const world = new World([
    { rateBps: 20e6, delayMs: 10 },
    { rateBps: 20e6, delayMs: 15 },
  ]);
  world.near.bundle.dispatch.redundancy = new Redundancy(redundant);
  const sentAt: number[] = [];
  let came = 0;
  let waitedMs = 0;
  let bulk = 0;
  let cutAt = Number.POSITIVE_INFINITY;
  world.far.onPacket = (octets) => {
    if (flowIn(octets) !== CALL) return;
    came++;
    const at = sentAt[numberIn(octets)] as number;
    if (at > cutAt - 50 && at < cutAt + 120) waitedMs = Math.max(waitedMs, world.now - at);
  };
  world.run(1500);
  let nextAt = world.now;
  let dueAt = world.now;
  let long = 0;
  world.onSend = (from, _way, octets) => {
    if (from === "near" && octets.length > LENGTH) long++;
    return true;
  };
  world.onTick = (now) => {
    for (; dueAt <= now; dueAt = (dueAt + 0.48) as typeof dueAt)
      world.near.send(numbered(LENGTH, BULK, bulk++), BULK, now);
    for (; nextAt <= now; nextAt = (nextAt + 20) as typeof nextAt) {
      const packet = numbered(60, CALL, sentAt.length);
      packet[1] = dscp << 2;
      sentAt.push(now);
      world.near.send(packet, CALL, now);
    }
  };
  world.run(1000);
  cutAt = world.now;
  world.change(0, { outage: true });
  world.run(1000);
  world.onTick = () => {};
  world.run(500);
  return { waitedMs, lost: sentAt.length - came, copies: long / bulk };
}

/** What becomes of packets of which each goes by two paths. */
function runTwice(
  disturb: (world: World) => void,
  loss = 0,
): { sent: number; came: number; repeated: number } {
  const world = new World([
    { rateBps: 20e6, delayMs: 10, loss },
    { rateBps: 20e6, delayMs: 15, loss },
  ]);
  world.near.bundle.dispatch.redundancy = new Redundancy(true);
  for (let i = 0; i < 100 && world.near.bundle.dispatch.choice.eligible.length < 2; i++) world.run(20);
  const came = new Set<number>();
  world.far.onPacket = (octets) => came.add(numberIn(octets));
  let sent = 0;
  let nextAt = world.now;
  world.onTick = (now) => {
    for (; nextAt <= now; nextAt = (nextAt + 5) as typeof nextAt)
      world.near.send(numbered(WHOLE, BULK, sent++), BULK, now);
  };
  world.run(1000);
  disturb(world);
  world.run(1000);
  world.onTick = () => {};
  world.run(2000);
  assert.equal(world.near.share.runs.count, 0);
  return { sent, came: came.size, repeated: world.near.bundle.dispatch.repeated };
}

describe("packets that all go by two paths", () => {
  it("are repeated when both copies are lost", () => {
    const { sent, came, repeated } = runTwice(() => {}, 0.2);
    assert.equal(came, sent);
    assert.ok(repeated > 0);
    assert.ok(repeated < 0.12 * sent, `${repeated} of ${sent} were repeated`);
  });

  it("are not repeated when the path of one copy is cut", () => {
    const { sent, came, repeated } = runTwice((world) => world.change(0, { outage: true }));
    assert.equal(came, sent);
    assert.equal(repeated, 0);
  });
});

describe("packets that are chosen to go by two paths", () => {
  it("wait until a cut is noticed when they are not", () => {
    const { waitedMs, lost } = run(false, 0);
    assert.ok(waitedMs > 60, `${waitedMs} ms`);
    assert.equal(lost, 0);
  });

  for (const [redundant, dscp] of [
    [["sparse"], 0],
    [["sparse", 8], 46],
    [[46], 46],
  ] as const) {
    it(`go on at once over the other path: ${JSON.stringify(redundant)}`, () => {
      const { waitedMs, lost, copies } = run(redundant, dscp);
      assert.ok(waitedMs < 35, `${waitedMs} ms`);
      assert.equal(lost, 0);
      assert.ok(copies < 1.1, `${copies} datagrams for each packet of the bulk flow`);
    });
  }
});
