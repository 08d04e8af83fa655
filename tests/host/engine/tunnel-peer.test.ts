import assert from "node:assert/strict";
import { it } from "node:test";
import { Routes } from "../../../src/host/engine/routes.ts";
import { TunnelPeer } from "../../../src/host/engine/tunnel-peer.ts";
import { instant } from "../../../src/time.ts";
import { End } from "../../tunnel/world.ts";

const PACKET = 1250;

it("takes from a peer what it may send in the long run, and counts the rest", () => {
  const end = new End();
  const keys = { publicKey: new End().publicKey, presharedKey: null };
  const settings = {
    ...keys,
    tunnel: "eqls",
    peer: "c",
    servers: [],
    networks: ["10.98.0.2/32"],
    sendBps: 2e6,
    receiveBps: 8e6,
    redundant: false,
  };
  let taken = 0;
  const peer = new TunnelPeer(
    settings,
    0,
    end.endpoint.addPeer({ ...keys, initiates: false }, instant(0)),
    end.share,
    { deliver: () => void taken++ },
    new Routes(64),
    { peerChanged: () => {}, pathChanged: () => {} },
    1,
  );
  assert.equal(peer.bundle.dispatch.limit, 250);
  const most = 250_000;
  const last = 4000 - 0.625;
  // 16 Mbit/s for 4 s, of which half is too much, but for what may come at once.
  for (let ms = 0; ms < 4000; ms += 0.625) peer.deliver(0, 0, PACKET, false, instant(ms));
  assert.equal(taken, Math.floor((last * 1000 + most) / PACKET));
  assert.equal(peer.status(instant(4000)).drops["overLimit"], 6400 - taken);
  // After a rest, what may come at once is there again.
  for (let ms = 5000; ms < 5100; ms += 0.625) peer.deliver(0, 0, PACKET, false, instant(ms));
  assert.equal(
    peer.status(instant(5100)).drops["overLimit"],
    6400 - Math.floor((last * 1000 + most) / PACKET),
  );
});

it("takes other limits while it is there", () => {
  const end = new End();
  const keys = { publicKey: new End().publicKey, presharedKey: null };
  const peer = new TunnelPeer(
    {
      ...keys,
      tunnel: "eqls",
      peer: "c",
      servers: [],
      networks: ["10.98.0.2/32"],
      sendBps: null,
      receiveBps: null,
      redundant: false,
    },
    0,
    end.endpoint.addPeer({ ...keys, initiates: false }, instant(0)),
    end.share,
    { deliver: () => {} },
    new Routes(64),
    { peerChanged: () => {}, pathChanged: () => {} },
    1,
  );
  const overLimit = (): number => {
    for (let n = 0; n < 100; n++) peer.deliver(0, 0, PACKET, false, instant(0));
    return peer.status(instant(0)).drops["overLimit"] ?? 0;
  };
  const { dispatch } = peer.bundle;
  assert.equal(overLimit(), 0);
  peer.change({ sendBps: 8e6, receiveBps: 1e6, redundant: true });
  assert.deepEqual([dispatch.limit, dispatch.redundancy.chosen], [1000, true]);
  const dropped = overLimit();
  assert.equal(dropped, 100 - Math.floor(65_536 / PACKET));
  peer.change({ networks: ["10.98.0.3/32"] });
  assert.deepEqual([dispatch.limit, dispatch.redundancy.chosen], [1000, true]);
  assert.deepEqual(peer.settings.networks, ["10.98.0.3/32"]);
  peer.change({ sendBps: null, receiveBps: null });
  assert.equal(dispatch.limit, Number.POSITIVE_INFINITY);
  assert.equal(overLimit(), dropped);
});

it("misses nothing of a peer before what has come is read", () => {
  const end = new End();
  const keys = { publicKey: new End().publicKey, presharedKey: null };
  const limits = { sendBps: null, receiveBps: null };
  const peer = new TunnelPeer(
    {
      ...keys,
      ...limits,
      tunnel: "eql",
      peer: "s",
      servers: ["192.0.2.1:7411"],
      networks: [],
      redundant: false,
    },
    0,
    end.endpoint.addPeer({ ...keys, initiates: true }, instant(0)),
    end.share,
    { deliver: () => {} },
    new Routes(64),
    { peerChanged: () => {}, pathChanged: () => {} },
    1,
  );
  peer.turn(end, instant(0));
  peer.turn(end, instant(10));
  assert.equal(peer.peer.attempts, 1);
  const { dueAt } = peer;
  peer.turn(end, instant(dueAt + 1), instant(dueAt - 1));
  assert.equal(peer.peer.attempts, 1);
  peer.turn(end, instant(dueAt + 2));
  assert.equal(peer.peer.attempts, 2);
});
