import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import { keyText } from "../../../src/crypto/key-text.ts";
import type { TunnelPlan } from "../../../src/daemon/tunnels/tunnel.ts";
import type { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import { FakeWorld, PUBLIC_KEY } from "./fake-world.ts";

const key = (octet: number): string => keyText(new Uint8Array(32).fill(octet));
const SERVER = `[server.vpn]\nkey-file = "KEY"\naddress = ["10.98.0.1/24"]\n`;
const client = (name: string, octet: number, ...more: readonly string[]): string =>
  [`[server.vpn.client.${name}]`, `key = "${key(octet)}"`, ...more, ""].join("\n");
const at = (last: number): string => `address = "10.98.0.${last}"`;

describe("a running tunnel that gets another configuration", () => {
  function plan(world: FakeWorld, tunnels: Tunnels, toml: string): TunnelPlan {
    return tunnels.plan(parseConfig(toml.replaceAll("KEY", world.keyFile), "eql.toml").tunnels);
  }

  it("adds, changes and removes clients, and nothing of the others", async (t) => {
    const world = new FakeWorld(t);
    const was = [
      client("ann", 1, at(2)),
      client("bob", 2, at(3), 'routes = ["10.7.0.0/16"]'),
      client("cid", 3, at(4)),
      client("dan", 4, at(5)),
    ];
    const tunnels = await world.start(t, SERVER + was.join(""));
    world.take();
    const is = [
      client("ann", 1, at(2)),
      client("bob", 2, at(3), 'routes = ["10.8.0.0/16", "10.9.0.0/16"]', "send-limit = 5000"),
      client("cid", 5, at(4)),
      client("eve", 4, at(6), "redundant = true"),
    ];
    const { applied, restart, apply } = plan(world, tunnels, SERVER + is.join(""));
    assert.deepEqual([applied, restart, world.take()], [[], [], []]);
    await apply();
    assert.deepEqual(world.take(), [
      "removeTunnelPeer vpn cid",
      "removeTunnelPeer vpn dan",
      "changeTunnelPeer vpn bob",
      "addTunnelPeer vpn cid",
      "addTunnelPeer vpn eve",
    ]);
    const { request } = world.requests.find(({ operation }) => operation === "changeTunnelPeer") ?? {};
    assert.deepEqual(request, {
      tunnel: "vpn",
      peer: "bob",
      networks: ["10.98.0.3/32", "10.8.0.0/16", "10.9.0.0/16"],
      sendBps: 5000,
    });
    assert.deepEqual(
      world.routeTexts.map((text) => text.split(" ")[0]),
      ["10.8.0.0/16", "10.9.0.0/16"],
    );
    await plan(world, tunnels, SERVER + is.join("")).apply();
    assert.deepEqual(world.take(), []);
  });

  it("keeps what was asked for of all clients, unless a client is told otherwise", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + client("ann", 1, at(2)));
    world.statuses = [
      { name: "vpn", up: true, mtu: 1440, publicKey: PUBLIC_KEY, listen: [], peers: [], drops: {} },
    ];
    await tunnels.change("vpn", { redundant: true });
    world.requests.length = 0;
    const is = SERVER + client("ann", 1, at(2), "receive-limit = 5000") + client("bob", 2, at(3));
    await plan(world, tunnels, is).apply();
    const asked = world.requests.map(({ request }) => request as Record<string, unknown>);
    assert.deepEqual(
      asked.map(({ peer, redundant, receiveBps }) => [peer, redundant, receiveBps]),
      [
        ["ann", undefined, 5000],
        ["bob", true, null],
      ],
    );
  });

  it("reads all files before it changes anything, and tells of keys that differ in them", async (t) => {
    const world = new FakeWorld(t);
    const secret = join(world.directory, "psk");
    writeFileSync(secret, `${key(1)}\n`, { mode: 0o600 });
    const joe = client("joe", 1, at(2), `preshared-key-file = "${secret}"`);
    const tunnels = await world.start(t, SERVER + joe);
    world.take();
    const missing = client("ann", 2, at(3), 'preshared-key-file = "/nowhere/psk"');
    assert.throws(() => plan(world, tunnels, SERVER + missing), { code: "CONFIG_UNREADABLE" });
    assert.deepEqual(world.take(), []);
    writeFileSync(secret, `${key(2)}\n`);
    writeFileSync(world.keyFile, `${key(3)}\n`);
    const { applied, restart, apply } = plan(world, tunnels, SERVER + joe);
    assert.deepEqual(applied, ["server.vpn.client.joe: preshared-key-file"]);
    assert.deepEqual(restart, ["server.vpn: key-file"]);
    await apply();
    assert.deepEqual(world.take(), ["removeTunnelPeer vpn joe", "addTunnelPeer vpn joe"]);
  });

  it("is up when it was bare before, and has routes only while it is up", async (t) => {
    const world = new FakeWorld(t);
    const bare = `[server.vpn]\nkey-file = "KEY"\n`;
    const tunnels = await world.start(t, bare);
    assert.equal(world.interfaces[0]?.up, false);
    const net = (octet: number): string => client("ann", 1, `routes = ["10.${octet}.0.0/16"]`);
    await plan(world, tunnels, bare + net(7)).apply();
    assert.deepEqual([world.interfaces[0]?.up, world.routes.length], [true, 0]);
    await tunnels.look();
    assert.match(world.routeTexts.join(), /^10\.7\.0\.0/);
    await plan(world, tunnels, bare + net(8)).apply();
    assert.match(world.routeTexts.join(), /^10\.8\.0\.0[^,]*$/);
  });
});
