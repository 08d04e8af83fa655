import assert from "node:assert/strict";
import { TunnelPort } from "../../../src/host/engine/tunnel-port.ts";
import { Watcher } from "../../../src/host/engine/watcher.ts";
import { Netlink } from "../../../src/host/netlink.ts";
import { newPrivateKey, tunnelCrypto } from "../../../src/host/tunnel-crypto.ts";
import { scenario } from "../netlink-scenario.ts";

const DEADLINE_MS = 30_000;

scenario(import.meta.url, "says how much it could not send", () => {
  const watcher = new Watcher();
  const netlink = new Netlink();
  const settings = { name: "eql", privateKey: newPrivateKey(), mtu: 1440, listen: [] };
  const port = new TunnelPort(settings, watcher, netlink, () => {}, 1);
  const { publicKey } = tunnelCrypto(null).keyPair(newPrivateKey());
  // There is no route anywhere in a new namespace.
  const servers = ["192.0.2.1:7411"];
  const common = { tunnel: "eql", peer: "server", sendBps: null, receiveBps: null };
  const peer = { ...common, publicKey, presharedKey: null, servers, networks: [], redundant: false };
  port.addPeer(peer, watcher.look());
  port.addPath(
    { ...common, path: "any", device: null, address: null, servers: [], tier: "primary" },
    watcher.now,
  );
  let { noRoute, ...others } = port.status(watcher.now).drops;
  for (const end = watcher.now + DEADLINE_MS; noRoute === 0 && watcher.now < end; ) {
    port.turn(watcher.now, watcher.turn(port.dueAt));
    ({ noRoute, ...others } = port.status(watcher.now).drops);
  }
  assert.ok((noRoute as number) > 0);
  assert.ok(
    Object.values(others).every((count) => count === 0),
    JSON.stringify(others),
  );
  port.close(watcher.now);
  netlink.close();
});
