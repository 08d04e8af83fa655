import assert from "node:assert/strict";
import { it } from "node:test";
import { Routes } from "../../../src/host/engine/routes.ts";
import { TunnelPeer } from "../../../src/host/engine/tunnel-peer.ts";
import { World } from "../../tunnel/world.ts";

const LINK = { rateBps: 20e6, delayMs: 10 };

/** A near end with one path, for which the far end has two addresses. */
function twoAddresses(): { world: World; peer: TunnelPeer } {
  const world = new World([LINK, LINK]);
  const { near, far } = world;
  const keys = { publicKey: far.publicKey, presharedKey: null };
  const common = { tunnel: "eql", peer: "s", sendBps: null, receiveBps: null };
  const peer = new TunnelPeer(
    { ...common, ...keys, servers: ["192.0.2.1:1", "192.0.2.2:1"], networks: [], redundant: false },
    0,
    near.endpoint.addPeer({ ...keys, initiates: true }, world.now),
    near.share,
    { deliver: () => {} },
    new Routes(64),
    { peerChanged: () => {}, pathChanged: () => {} },
    1,
  );
  near.peer = peer.peer;
  near.bundle = peer.bundle;
  near.turn = (now) => peer.turn(near, now);
  peer.addPath(
    { ...common, path: "a", device: null, address: null, servers: [], tier: "primary" },
    [0, 1],
    world.now,
  );
  return { world, peer };
}

function reach(world: World, peer: TunnelPeer, route: number, withinMs: number): void {
  const [path] = peer.bundle.paths;
  assert.ok(path !== undefined);
  for (let ms = 0; ms < withinMs && !(path.state === "alive" && path.route === route); ms += 50)
    world.run(50);
  assert.deepEqual([path.state, path.route], ["alive", route]);
}

it("goes to the peer's next address when one is silent, and back when that one is", () => {
  const { world, peer } = twoAddresses();
  reach(world, peer, 0, 1000);
  world.change(0, { outage: true });
  // An idle path is asked every three seconds.
  reach(world, peer, 1, 6000);
  world.change(0, { outage: false });
  world.change(1, { outage: true });
  reach(world, peer, 0, 6000);
});

it("finds the address at which the peer is, and another one when its keys have expired", () => {
  const { world, peer } = twoAddresses();
  world.change(0, { outage: true });
  reach(world, peer, 1, 20_000);
  world.change(1, { outage: true });
  world.run(200_000);
  assert.equal(peer.peer.session, null);
  world.change(0, { outage: false });
  reach(world, peer, 0, 40_000);
});
