import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import type { PathConfig, TunnelConfig } from "../../../src/config/tunnel-config.ts";
import { keyText } from "../../../src/crypto/key-text.ts";
import type { TunnelPlan } from "../../../src/daemon/tunnels/tunnel.ts";
import type { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import type { PathSettings, TunnelPeerSettings } from "../../../src/host/engine/tunnel-messages.ts";
import { FakeWorld, PUBLIC_KEY } from "./fake-world.ts";

const key = (octet: number): string => keyText(new Uint8Array(32).fill(octet));
const SERVER = `[server.vpn]\nkey-file = "KEY"\naddress = ["10.98.0.1/24"]\n`;
const client = (name: string, octet: number, ...more: readonly string[]): string =>
  [`[server.vpn.client.${name}]`, `key = "${key(octet)}"`, ...more, ""].join("\n");
const at = (last: number): string => `address = "10.98.0.${last}"`;

const MASTER = `[master.wan]\nserver = "192.0.2.1:7411"\nserver-key = "${PUBLIC_KEY}"\nkey-file = "KEY"\n`;
const line = (name: string, ...more: readonly string[]): string =>
  [`[line.${name}]`, 'protocol = "udp"', 'master = "wan"', ...more, ""].join("\n");
const by = (device: string): string => `device = "${device}"`;

function plan(world: FakeWorld, tunnels: Tunnels, toml: string): TunnelPlan {
  return tunnels.plan(parse(world, toml));
}

const parse = (world: FakeWorld, toml: string): readonly TunnelConfig[] =>
  parseConfig(toml.replaceAll("KEY", world.keyFile), "eql.toml").tunnels;

/** What was asked last by an operation. */
const lastOf = <T>(world: FakeWorld, operation: string): T =>
  world.requests.findLast((each) => each.operation === operation)?.request as T;

/** That of a line of the master. */
const pathOf = (world: FakeWorld, text: string): PathConfig =>
  parse(world, MASTER + text)[0]?.peers[0]?.paths[0] as PathConfig;

describe("a running tunnel that gets another configuration", () => {
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

  it("is up when it was bare before, and has other routes at once", async (t) => {
    const world = new FakeWorld(t);
    const bare = `[server.vpn]\nkey-file = "KEY"\n`;
    const tunnels = await world.start(t, bare);
    assert.equal(world.interfaces[0]?.up, false);
    const net = (octet: number): string => client("ann", 1, `routes = ["10.${octet}.0.0/16"]`);
    await plan(world, tunnels, bare + net(7)).apply();
    assert.equal(world.interfaces[0]?.up, true);
    assert.match(world.routeTexts.join(), /^10\.7\.0\.0/);
    await plan(world, tunnels, bare + net(8)).apply();
    assert.match(world.routeTexts.join(), /^10\.8\.0\.0[^,]*$/);
  });
});

describe("a running tunnel that calls and gets another configuration", () => {
  const DSL = line("dsl", by("eth0"));
  const LTE = line("lte", by("wwan0"));

  async function start(t: TestContext, toml: string): Promise<{ world: FakeWorld; tunnels: Tunnels }> {
    const world = new FakeWorld(t);
    for (const [name, last] of [
      ["eth0", 1],
      ["eth1", 2],
      ["wwan0", 3],
    ] as const)
      world.plug(name, [`192.168.${last}.7`]);
    const tunnels = await world.start(t, toml);
    const listed = { up: true, mtu: 1440, publicKey: PUBLIC_KEY, listen: [], peers: [], drops: {} };
    world.statuses = [{ ...listed, name: "wan" }];
    world.take();
    return { world, tunnels };
  }

  it("adds, changes and removes paths, and nothing of the others", async (t) => {
    const sat = line("sat", by("eth1"));
    const { world, tunnels } = await start(t, MASTER + DSL + LTE + sat);
    const is = [
      DSL,
      line("lte", by("wwan0"), 'tier = "backup"', "send-limit = 5000"),
      line("cable", by("eth1")),
    ].join("");
    const { applied, added, removed, restart, apply } = plan(world, tunnels, MASTER + is);
    assert.deepEqual([applied, added, removed, restart, world.take()], [[], ["cable"], ["sat"], [], []]);
    await apply();
    assert.deepEqual(world.take(), [
      "removePath wan server sat",
      "changePath wan server lte",
      "addPath wan server cable",
    ]);
    const { tier, sendBps } = lastOf<PathSettings>(world, "changePath");
    assert.deepEqual([tier, sendBps], ["backup", 5000]);
    await plan(world, tunnels, MASTER + is).apply();
    assert.deepEqual(world.take(), []);
  });

  it("has a path begin anew by another device, or to other servers", async (t) => {
    const { world, tunnels } = await start(t, MASTER + DSL + LTE);
    const anew = ["removePath wan server dsl", "addPath wan server dsl"];
    await plan(world, tunnels, MASTER + line("dsl", by("eth1")) + LTE).apply();
    assert.deepEqual(world.take(), anew);
    const elsewhere = line("dsl", by("eth1"), 'server = ["198.51.100.1:7411"]');
    await plan(world, tunnels, MASTER + elsewhere + LTE).apply();
    assert.deepEqual(world.take(), anew);
    assert.deepEqual(lastOf<PathSettings>(world, "addPath").servers, ["198.51.100.1:7411"]);
  });

  it("goes by the routes when its last line is gone, until there is one again", async (t) => {
    const { world, tunnels } = await start(t, MASTER + DSL);
    await plan(world, tunnels, MASTER).apply();
    assert.deepEqual(world.take(), ["removePath wan server dsl", "addPath wan server any"]);
    await plan(world, tunnels, MASTER + LTE).apply();
    assert.deepEqual(world.take(), ["removePath wan server any", "addPath wan server lte"]);
  });

  it("leaves what was asked for since alone, unless the file says otherwise", async (t) => {
    const { world, tunnels } = await start(t, MASTER + DSL + LTE);
    const stick = pathOf(world, line("stick", by("eth1")));
    await tunnels.addPath("wan", stick);
    await tunnels.changePath("wan", "dsl", { tier: "overflow" });
    await tunnels.removePath("lte");
    world.take();
    await plan(world, tunnels, MASTER + DSL + LTE).apply();
    assert.deepEqual(world.take(), []);
    // The file takes over what was added.
    const { added, apply } = plan(
      world,
      tunnels,
      MASTER + DSL + line("stick", by("eth1"), 'tier = "backup"'),
    );
    assert.deepEqual(added, []);
    await apply();
    assert.deepEqual(world.take(), ["changePath wan server stick"]);
    assert.deepEqual(
      tunnels.configs[0]?.peers[0]?.paths.map(({ name, tier }) => [name, tier]),
      [
        ["dsl", "overflow"],
        ["stick", "backup"],
      ],
    );
  });

  it("refuses a path that was added under another name, and changes nothing", async (t) => {
    const { world, tunnels } = await start(t, MASTER + DSL);
    await tunnels.addPath("wan", pathOf(world, LTE));
    world.take();
    assert.throws(() => plan(world, tunnels, MASTER + line("radio", by("wwan0"))), {
      code: "LINE_EXISTS",
      message: /^line\.radio is the same path as lte, .* run `eql line remove lte` first$/,
    });
    assert.deepEqual(world.take(), []);
  });

  it("changes routes and which packets go by two paths in the same session", async (t) => {
    const { world, tunnels } = await start(t, `${MASTER}address = "10.98.0.2/24"\n${DSL}`);
    const is = `${MASTER}address = "10.98.0.2/24"\nroutes = ["10.7.0.0/16"]\nredundant = true\n${DSL}`;
    await tunnels.look();
    await plan(world, tunnels, is).apply();
    assert.deepEqual(world.take(), ["changeTunnelPeer wan server"]);
    assert.deepEqual(world.requests.at(-1)?.request, {
      tunnel: "wan",
      peer: "server",
      networks: ["10.98.0.0/24", "10.7.0.0/16"],
      redundant: true,
    });
    assert.match(world.routeTexts.join(), /^10\.7\.0\.0/);
  });

  it("calls another server when that is known", async (t) => {
    const { world, tunnels } = await start(t, MASTER + DSL);
    world.names.set("vpn.example.org", ["198.51.100.1"]);
    const is = MASTER.replace("192.0.2.1", "vpn.example.org") + DSL;
    await plan(world, tunnels, is).apply();
    await tunnels.look();
    assert.deepEqual(world.take(), [
      "removeTunnelPeer wan server",
      "addTunnelPeer wan server",
      "addPath wan server dsl",
    ]);
    const { servers } = lastOf<TunnelPeerSettings>(world, "addTunnelPeer");
    assert.deepEqual(servers, ["198.51.100.1:7411"]);
  });

  it("waits for a restart with another key of the server's and ours", async (t) => {
    const world = new FakeWorld(t);
    const secret = join(world.directory, "psk");
    writeFileSync(secret, `${key(1)}\n`, { mode: 0o600 });
    const toml = `${MASTER}preshared-key-file = "${secret}"\n${DSL}`;
    const tunnels = await world.start(t, toml);
    assert.deepEqual(plan(world, tunnels, toml).restart, []);
    writeFileSync(secret, `${key(2)}\n`);
    assert.deepEqual(plan(world, tunnels, toml).restart, ["master.wan: preshared-key-file"]);
  });
});
