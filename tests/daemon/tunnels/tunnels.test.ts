import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseConfig } from "../../../src/config/load.ts";
import { ANY_PATH } from "../../../src/config/tunnel-config.ts";
import type { Tunnels } from "../../../src/daemon/tunnels/tunnels.ts";
import type {
  PathSettings,
  TunnelPeerSettings,
  TunnelSettings,
} from "../../../src/host/engine/tunnel-messages.ts";
import { instant } from "../../../src/time.ts";
import { FakeWorld, PRIVATE_KEY, PUBLIC_KEY, refused } from "./fake-world.ts";

const CALLER = `[master.wan]\nserver = "192.0.2.1:7411"\nserver-key = "${PUBLIC_KEY}"\nkey-file = "KEY"\n`;
const line = (name: string, ...more: readonly string[]): string =>
  [`[line.${name}]`, 'protocol = "udp"', 'master = "wan"', ...more, ""].join("\n");
const DSL = line("dsl", 'device = "eth0"');
const LTE = line("lte", 'device = "wwan0"', 'tier = "backup"');
const SERVER = `[server.vpn]\nkey-file = "KEY"\naddress = ["10.98.0.1/24", "fd00:98::1/64"]\n`;
const CLIENT = `[server.vpn.client.joe]\nkey = "${PUBLIC_KEY}"\naddress = "10.98.0.2"\nroutes = ["10.7.0.0/16"]\n`;

describe("a server", () => {
  it("is made with its addresses and routes, and lets its clients in", async (t) => {
    const world = new FakeWorld(t);
    await world.start(t, SERVER + CLIENT);
    assert.deepEqual(world.take(), ["addTunnel vpn", "addTunnelPeer vpn joe"]);
    const [first, second] = world.requests;
    const settings = first?.request as TunnelSettings;
    assert.deepEqual(settings.privateKey, PRIVATE_KEY);
    assert.deepEqual([settings.mtu, settings.listen], [1440, ["0.0.0.0:7411", "[::]:7411"]]);
    const peer = second?.request as TunnelPeerSettings;
    assert.deepEqual(peer.publicKey, new Uint8Array(32).fill(8));
    assert.deepEqual([peer.servers, peer.networks], [[], ["10.98.0.2/32", "10.7.0.0/16"]]);
    assert.deepEqual(
      world.own.map(({ text }) => text),
      ["10.98.0.1/24", "fd00:98::1/64"],
    );
    const index = world.interfaces[0]?.index;
    assert.deepEqual(world.routeTexts, [`10.7.0.0/16 - ${index}`]);
  });

  it("has its routes again when its interface was down", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + CLIENT);
    for (const up of [false, true]) {
      world.plug("vpn", [], { up });
      world.routes = [];
      await tunnels.look();
      assert.equal(world.routes.length, up ? 1 : 0);
    }
  });

  it("has its routes and addresses again when its interface was down for a moment", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + CLIENT);
    const before = [[...world.routeTexts], [...world.own]];
    world.flap("vpn");
    assert.deepEqual(world.routeTexts, []);
    await tunnels.look();
    assert.deepEqual([world.routeTexts, world.own], before);
  });

  it("is no more when its interface is deleted", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + CLIENT);
    world.unplug("vpn");
    tunnels.handleEvent({ type: "tunnelGone", tunnel: "vpn" });
    await tunnels.look();
    assert.match(world.logged.at(-1) ?? "", /^warn: its interface is gone/);
    assert.deepEqual(await tunnels.status(), []);
    await assert.rejects(tunnels.change("vpn", { redundant: true }), { code: "TUNNEL_UNKNOWN" });
  });

  it("tells of strangers, each once a minute, and of few", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER);
    const told = (): number => world.logged.filter((text) => text.includes("is no client")).length;
    const call = (publicKey: string): void =>
      tunnels.handleEvent({ type: "stranger", tunnel: "vpn", publicKey });
    call("a");
    call("a");
    assert.equal(told(), 1);
    assert.match(world.logged.join(), /eql server --client a`, or a table \[server\.vpn\.client\.WHO\]/);
    for (let at = 0; at < 1000; at++) call(`key ${at}`);
    assert.equal(told(), 10);
    world.now = instant(world.now + 60_000);
    call("a");
    assert.equal(told(), 11);
  });

  it("tells what changes about a peer, and the same not twice in a row", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + CLIENT);
    world.logged.length = 0;
    for (const change of ["refused", "refused", "established", "established", "expired"] as const) {
      tunnels.handleEvent({ type: "tunnelPeer", tunnel: "vpn", peer: "joe", change });
    }
    assert.deepEqual(
      world.logged.map((text) => text.split(" {")[0]),
      ["warn: peer refused", "info: peer established", "warn: peer expired"],
    );
  });

  it("tells what changes about a path, and the same not twice in a row", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, SERVER + CLIENT);
    world.logged.length = 0;
    const path = { type: "path", tunnel: "vpn", peer: "joe", path: "link 0" } as const;
    for (const [state, remote] of [
      ["alive", "192.0.2.7:9"],
      ["alive", "192.0.2.7:9"],
      ["alive", "192.0.2.7:10"],
      ["dead", null],
    ] as const) {
      tunnels.handleEvent({ ...path, state, remote });
    }
    assert.deepEqual(world.logged, [
      'info: path alive {"tunnel":"vpn","peer":"joe","path":"link 0","remote":"192.0.2.7:9"}',
      'info: path alive {"tunnel":"vpn","peer":"joe","path":"link 0","remote":"192.0.2.7:10"}',
      'warn: path dead {"tunnel":"vpn","peer":"joe","path":"link 0","reason":"no answer"}',
    ]);
  });

  it("is not made with a key that others may read, or none", async (t) => {
    const world = new FakeWorld(t);
    chmodSync(world.keyFile, 0o644);
    await assert.rejects(world.start(t, SERVER), { code: "CONFIG_UNREADABLE" });
    writeFileSync(world.keyFile, "no key\n");
    chmodSync(world.keyFile, 0o600);
    await assert.rejects(world.start(t, SERVER), { code: "CONFIG_INVALID" });
    assert.deepEqual(world.take(), []);
    assert.doesNotMatch(world.logged.join(), /no key/);
  });
});

describe("paths", () => {
  it("come and go with their devices", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL + LTE);
    await reviewed(world, tunnels);
    assert.deepEqual(world.take(), ["addTunnel wan", "addTunnelPeer wan server", "addPath wan server dsl"]);
    assert.deepEqual(await waiting(world, tunnels), [{ path: "lte", reason: "there is no interface wwan0" }]);

    world.plug("wwan0", []);
    await tunnels.look();
    assert.deepEqual(await waiting(world, tunnels), [{ path: "lte", reason: "wwan0 has no IPv4 address" }]);
    world.plug("wwan0", ["10.64.0.9"], { running: false });
    await tunnels.look();
    assert.deepEqual(await waiting(world, tunnels), [{ path: "lte", reason: "wwan0 has no carrier" }]);
    world.plug("wwan0", ["fe80::1", "10.64.0.9"]);
    world.take();
    await tunnels.look();
    assert.deepEqual(world.take(), ["addPath wan server lte"]);
    assert.deepEqual(await waiting(world, tunnels), []);

    world.unplug("eth0");
    world.take();
    await tunnels.look();
    assert.deepEqual(world.take(), ["removePath wan server dsl"]);
    world.plug("eth0", ["192.168.1.7"]);
    await tunnels.look();
    assert.deepEqual(world.take(), ["addPath wan server dsl"]);
  });

  it("begin anew when an address of their device goes, not when one is added", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL);
    await reviewed(world, tunnels);
    world.take();
    world.plug("eth0", ["192.168.1.7", "192.168.1.8"]);
    await tunnels.look();
    assert.deepEqual(world.take(), []);
    world.plug("eth0", ["192.168.1.8"]);
    await tunnels.look();
    assert.deepEqual(world.take(), ["removePath wan server dsl", "addPath wan server dsl"]);
  });

  it("are looked after more seldom when all is well", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL);
    await reviewed(world, tunnels);
    /** Unnoticed, as a change that nobody tells of. */
    const reviews = async (seconds: number): Promise<number> => {
      const before = world.listings;
      for (let at = 0; at < seconds; at++) {
        world.now = instant(world.now + 1000);
        await tunnels.look();
      }
      return world.listings - before;
    };
    assert.equal(await reviews(60), 30);
    tunnels.handleEvent(pathEvent("alive"));
    assert.equal(await reviews(60), 4);
    world.changed = true;
    assert.equal(await reviews(15), 8);
    tunnels.handleEvent(pathEvent("dead"));
    assert.equal(await reviews(60), 30);
  });

  it("are tried again later when the engine refuses or loses them", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    world.refusals.set("addPath wan server dsl", refused("it will not"));
    const tunnels = await world.start(t, CALLER + DSL);
    await reviewed(world, tunnels);
    assert.deepEqual(await waiting(world, tunnels), [{ path: "dsl", reason: "it will not" }]);
    world.take();
    const tries = async (ms: number): Promise<number> => {
      world.now = instant(world.now + ms);
      world.changed = true;
      await tunnels.look();
      return world.take().filter((text) => text.startsWith("addPath")).length;
    };
    assert.deepEqual([await tries(999), await tries(1), await tries(1999), await tries(1)], [0, 1, 0, 1]);
    assert.equal(world.logged.filter((text) => text.includes("it will not")).length, 1);
    world.refusals.clear();
    assert.equal(await tries(4000), 1);
    tunnels.handleEvent({ type: "pathGone", tunnel: "wan", peer: "server", path: "dsl", reason: "no route" });
    assert.deepEqual(await waiting(world, tunnels), [{ path: "dsl", reason: "no route" }]);
    assert.equal(await tries(30_000), 1);
    assert.deepEqual(await waiting(world, tunnels), []);
  });

  it("change while they are there, and keep that when they come back", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL);
    await reviewed(world, tunnels);
    world.statuses = [statusOf("wan")];
    await tunnels.changePath("wan", "dsl", { tier: "overflow", sendBps: 5000 });
    world.unplug("eth0");
    await tunnels.look();
    world.plug("eth0", ["192.168.1.7"]);
    await tunnels.look();
    const made = world.requests.filter(({ operation }) => /^(change|add)Path$/.test(operation));
    const base = {
      tunnel: "wan",
      peer: "server",
      path: "dsl",
      device: "eth0",
      address: null,
      servers: [],
      receiveBps: null,
    };
    assert.deepEqual(made, [
      { operation: "addPath", request: { ...base, tier: "primary", sendBps: null } },
      { operation: "changePath", request: { ...base, tier: "overflow", sendBps: 5000 } },
      { operation: "addPath", request: { ...base, tier: "overflow", sendBps: 5000 } },
    ]);
    await assert.rejects(tunnels.changePath("wan", "dls", { tier: "backup" }), { code: "LINE_UNKNOWN" });
    await assert.rejects(tunnels.changePath("van", "dsl", { tier: "backup" }), { code: "TUNNEL_UNKNOWN" });
  });
});

describe("a path over a serial line", () => {
  const MODEM =
    '[dial.home]\nnumbers = ["1"]\n[line.ppp0]\ndevice = "/dev/ttyS0"\nprotocol = "ppp"\nmaster = "wan"\ndial = "home"\n';
  const named = CALLER.replace("192.0.2.1", "vpn.example.org");
  const servers = (world: FakeWorld): readonly unknown[] =>
    world.requests
      .filter(({ operation }) => operation === "addPath")
      .map(({ request }) => (request as PathSettings).servers);

  it("leads to the far end, and begins anew when that has another address", async (t) => {
    const world = new FakeWorld(t);
    world.plug("ppp0", []);
    const tunnels = await world.start(t, CALLER.replace(":7411", ":444") + MODEM);
    await reviewed(world, tunnels);
    const reason = "the far end of ppp0 has no known address";
    assert.deepEqual(await waiting(world, tunnels), [{ path: "ppp0", reason }]);
    world.plug("ppp0", ["10.9.0.2"], {}, "10.9.0.1");
    await tunnels.look();
    world.take();
    world.plug("ppp0", ["10.9.0.2"], {}, "10.9.0.5");
    await tunnels.look();
    assert.deepEqual(world.take(), ["removePath wan server ppp0", "addPath wan server ppp0"]);
    assert.deepEqual(servers(world), [["10.9.0.1:444"], ["10.9.0.5:444"]]);
    world.unplug("ppp0");
    await tunnels.look();
    assert.deepEqual(world.take(), ["removePath wan server ppp0"]);
  });

  it("needs no name of the server", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    world.plug("ppp0", ["10.9.0.2"], {}, "10.9.0.1");
    const tunnels = await world.start(t, named + DSL + MODEM);
    await reviewed(world, tunnels);
    assert.ok(world.take().includes("addPath wan server ppp0"));
    const { request } = world.requests.find(({ operation }) => operation === "addTunnelPeer") ?? {};
    assert.deepEqual((request as TunnelPeerSettings).servers, ["10.9.0.1:7411"]);
    world.names.set("vpn.example.org", ["192.0.2.1"]);
    world.now = instant(world.now + 5000);
    await reviewed(world, tunnels);
    assert.deepEqual(
      world.take().filter((text) => text.startsWith("add")),
      ["addTunnelPeer wan server", "addPath wan server dsl", "addPath wan server ppp0"],
    );
  });

  it("is needed always, and as a backup when no other path has been there for a while", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL + MODEM);
    world.statuses = [statusOf("wan")];
    await reviewed(world, tunnels);
    assert.equal(tunnels.needOf("ppp0"), "to be kept up");
    await tunnels.changePath("wan", "ppp0", { tier: "backup" });
    const needAfter = (ms: number): string | null => {
      world.now = instant(world.now + ms);
      return tunnels.needOf("ppp0");
    };
    assert.deepEqual([needAfter(2999), needAfter(1)], [null, "no other path is there"]);
    tunnels.handleEvent(pathEvent("alive"));
    assert.equal(needAfter(60_000), null);
    tunnels.handleEvent(pathEvent("dead"));
    assert.deepEqual([needAfter(2999), needAfter(1)], [null, "no other path is there"]);
    // Itself is no reason to hang up.
    world.plug("ppp0", ["10.9.0.2"], {}, "10.9.0.1");
    await reviewed(world, tunnels);
    tunnels.handleEvent({ ...pathEvent("alive"), path: "ppp0" });
    assert.equal(needAfter(0), "no other path is there");
    assert.equal(tunnels.needOf("ppp1"), null);
  });
});

it("what changes while it is being added is as it was asked for", async (t) => {
  const world = new FakeWorld(t);
  const tunnels = await world.start(t, CALLER.replace("192.0.2.1", "vpn.example.org") + DSL);
  world.statuses = [statusOf("wan")];
  world.plug("eth0", ["192.168.1.7"]);
  world.names.set("vpn.example.org", ["192.0.2.1"]);
  world.now = instant(world.now + 5000);
  const changes: Promise<unknown>[] = [];
  // Before the engine has answered.
  const soon = (change: () => Promise<unknown>): unknown => changes.push(Promise.resolve().then(change));
  world.onAsked = (text) => {
    if (text === "addTunnelPeer wan server") soon(() => tunnels.change("wan", { redundant: true }));
    if (text === "addPath wan server dsl") soon(() => tunnels.changePath("wan", "dsl", { tier: "backup" }));
  };
  await reviewed(world, tunnels);
  await Promise.all(changes);
  assert.equal(changes.length, 2);
  const last = (operation: RegExp): object =>
    world.requests.findLast((asked) => operation.test(asked.operation))?.request as object;
  assert.equal((last(/^(add|change)Path$/) as PathSettings).tier, "backup");
  assert.equal((last(/^(add|change)TunnelPeer$/) as TunnelPeerSettings).redundant, true);
});

describe("paths that are added and removed", () => {
  const STICK = { ...ANY_PATH, name: "stick", device: "usb0" };

  it("are added once, though two ask for it during a review, or a file, too", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL);
    world.statuses = [statusOf("wan")];
    const text = CALLER + DSL + line("stick", 'device = "usb0"', 'tier = "backup"');
    const { tunnels: configs } = parseConfig(text.replaceAll("KEY", world.keyFile), "eql.toml");
    const plan = tunnels.plan(configs);
    world.changed = true;
    const asked = await Promise.allSettled([
      tunnels.look(),
      tunnels.addPath("wan", STICK),
      tunnels.addPath("wan", STICK),
      plan.apply(),
    ]);
    assert.deepEqual(
      asked.map((each) => (each.status === "rejected" ? each.reason.code : null)),
      [null, null, "LINE_EXISTS", null],
    );
    assert.deepEqual(namesOf(tunnels), ["dsl", "stick"]);
    assert.equal(tunnels.configs[0]?.peers[0]?.paths[1]?.tier, "backup");
  });

  it("say so when the interface is deleted meanwhile", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, CALLER + DSL);
    world.statuses = [statusOf("wan")];
    const changed = tunnels.changePath("wan", "dsl", { tier: "backup" });
    tunnels.handleEvent({ type: "tunnelGone", tunnel: "wan" });
    await assert.rejects(changed, { code: "TUNNEL_UNKNOWN" });
  });

  it("come up at once, also beside one that is being tried, and go", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const tunnels = await world.start(t, CALLER + DSL);
    world.statuses = [statusOf("wan")];
    await reviewed(world, tunnels);
    world.plug("usb0", ["10.64.0.9"]);
    world.take();
    // A review is under way.
    const [, status] = await Promise.all([tunnels.look(), tunnels.addPath("wan", STICK)]);
    assert.deepEqual(status.waiting, []);
    assert.deepEqual(world.take(), ["addPath wan server stick", "tunnels"]);
    assert.deepEqual(namesOf(tunnels), ["dsl", "stick"]);
    assert.equal(await tunnels.removePath("stick"), true);
    assert.deepEqual(world.take(), ["removePath wan server stick"]);
    assert.equal(await tunnels.removePath("stick"), false);
    // What the engine had to say of it comes too late.
    tunnels.handleEvent({ ...pathEvent("alive"), path: "stick" });
    await assert.rejects(tunnels.changePath("wan", "stick", { tier: "backup" }), { code: "LINE_UNKNOWN" });
    await assert.rejects(tunnels.addPath("van", STICK), { code: "TUNNEL_UNKNOWN" });
  });

  it("take the place of the one that a master without lines has, and leave it to it", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, CALLER);
    world.statuses = [statusOf("wan")];
    await reviewed(world, tunnels);
    assert.ok(world.take().includes("addPath wan server any"));
    await tunnels.addPath("wan", STICK);
    assert.deepEqual(await waiting(world, tunnels), [
      { path: "stick", reason: "there is no interface usb0" },
    ]);
    assert.equal(await tunnels.removePath("any"), false);
    assert.equal(await tunnels.removePath("stick"), true);
    await reviewed(world, tunnels);
    assert.deepEqual(namesOf(tunnels), ["any"]);
    assert.deepEqual(
      world.take().filter((text) => text.endsWith("any")),
      ["removePath wan server any", "addPath wan server any"],
    );
  });
});

describe("a server's names", () => {
  const named = CALLER.replace('"192.0.2.1:7411"', '["vpn.example.org:7411", "198.51.100.1:443"]');

  it("are addresses by the first review, those that nobody knows left out", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7", "2001:db8::7"]);
    world.names.set("vpn.example.org", ["2001:db8::1", "192.0.2.1"]);
    const tunnels = await world.start(t, named + DSL);
    await reviewed(world, tunnels);
    const { request } = world.requests.find(({ operation }) => operation === "addTunnelPeer") ?? {};
    const { servers } = request as TunnelPeerSettings;
    assert.deepEqual(servers, ["[2001:db8::1]:7411", "192.0.2.1:7411", "198.51.100.1:443"]);
  });

  it("are asked for again when nothing answers, and the peer begins anew only with other addresses", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    world.names.set("vpn.example.org", ["192.0.2.1"]);
    const tunnels = await world.start(t, named + DSL);
    await reviewed(world, tunnels);
    tunnels.handleEvent(pathEvent("alive"));
    const later = async (ms: number): Promise<void> => {
      world.now = instant(world.now + ms);
      await reviewed(world, tunnels);
    };
    await later(100_000);
    assert.equal(world.lookedUp.length, 1);
    tunnels.handleEvent(pathEvent("dead"));
    await later(29_999);
    assert.equal(world.lookedUp.length, 1);
    world.take();
    await later(1);
    assert.equal(world.lookedUp.length, 2);
    assert.deepEqual(world.take(), []);
    world.names.set("vpn.example.org", ["203.0.113.5"]);
    await later(30_000);
    assert.deepEqual(world.take(), [
      "removeTunnelPeer wan server",
      "addTunnelPeer wan server",
      "addPath wan server dsl",
    ]);
    world.names.clear();
    await later(30_000);
    assert.equal(world.lookedUp.length, 4);
    assert.match(
      world.logged.at(-1) ?? "",
      /vpn\.example\.org has no known address: there is no such name \(ENOTFOUND\)/,
    );
    // What was known stays.
    assert.deepEqual(world.take(), []);
  });

  it("that nobody knows yet are why its paths wait", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, CALLER.replace("192.0.2.1", "vpn.example.org") + DSL);
    await reviewed(world, tunnels);
    const reason = "vpn.example.org has no known address: there is no such name (ENOTFOUND)";
    assert.deepEqual(await waiting(world, tunnels), [{ path: "dsl", reason }]);
    assert.deepEqual(world.take().slice(0, 1), ["addTunnel wan"]);
    world.names.set("vpn.example.org", ["192.0.2.1"]);
    world.plug("eth0", ["192.168.1.7"]);
    world.now = instant(world.now + 5000);
    world.take();
    await reviewed(world, tunnels);
    assert.deepEqual(world.take(), ["addTunnelPeer wan server", "addPath wan server dsl"]);
  });
});

it("a server that does not answer is told of once", async (t) => {
  const world = new FakeWorld(t);
  world.plug("eth0", ["192.168.1.7"]);
  const tunnels = await world.start(t, CALLER + DSL);
  const told = async (ms: number): Promise<number> => {
    world.now = instant(world.now + ms);
    await reviewed(world, tunnels);
    return world.logged.filter((text) => text.startsWith("warn: no answer from the server")).length;
  };
  assert.deepEqual([await told(9999), await told(1), await told(100_000)], [0, 1, 1]);
  tunnels.handleEvent(pathEvent("alive"));
  assert.equal(await told(100_000), 1);
  tunnels.handleEvent(pathEvent("dead"));
  assert.deepEqual([await told(9999), await told(1)], [1, 2]);
  tunnels.handleEvent(pathEvent("alive"));
  tunnels.handleEvent(pathEvent("dead"));
  await told(0);
  tunnels.handleEvent({ type: "tunnelPeer", tunnel: "wan", peer: "server", change: "refused" });
  assert.equal(await told(100_000), 2, "it answers");
});

describe("a path that does not come up", () => {
  const toldBy = (world: FakeWorld, message: string): readonly string[] =>
    world.logged.filter((text) => text.includes(message)).map((text) => text.slice(text.indexOf("{")));

  it("is told of with what it waits for, once", async (t) => {
    const world = new FakeWorld(t);
    const tunnels = await world.start(t, CALLER + DSL);
    await reviewed(world, tunnels);
    await reviewed(world, tunnels);
    world.plug("eth0", [], { up: false });
    await reviewed(world, tunnels);
    const reasons = toldBy(world, "path waits").map(
      (text) => (JSON.parse(text) as { reason: string }).reason,
    );
    assert.deepEqual(reasons, ["there is no interface eth0", "eth0 is down"]);
  });

  it("is told of as one without a route where it is", async (t) => {
    const why = async (toml: string, prepare: (world: FakeWorld) => void): Promise<string> => {
      const world = new FakeWorld(t);
      world.plug("eth0", ["192.168.1.7"]);
      prepare(world);
      const tunnels = await world.start(t, toml);
      world.now = instant(world.now + 10_000);
      await reviewed(world, tunnels);
      return toldBy(world, "no answer from the server").join();
    };
    const eth0 = (world: FakeWorld): number => world.interfaces[0]?.index ?? 0;
    assert.match(await why(CALLER + DSL, () => {}), /no route leads there by eth0.*ip route add default via/);
    assert.match(await why(CALLER, () => {}), /no route leads there"/);
    const elsewhere = (world: FakeWorld) => world.route("192.0.2.0/24", { index: 1 });
    assert.match(await why(CALLER + DSL, elsewhere), /no route leads there by eth0/);
    assert.match(await why(CALLER, elsewhere), /it is not reached/);
    const there = (world: FakeWorld) => world.route("default", { index: eth0(world) });
    assert.match(await why(CALLER + DSL, there), /it is not reached.*ss -lun/);
    const modem = (world: FakeWorld) => world.plug("eth0", ["192.168.1.7"], { flags: 0x91 });
    assert.match(await why(CALLER + DSL, modem), /it is not reached/);
  });
});

describe("the default route", () => {
  it("is two halves, and servers that no device is given for keep their way", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    const eth0 = world.interfaces[0]?.index ?? 0;
    world.route("default", { index: eth0, gateway: "192.168.1.1" });
    world.route("192.168.1.0/24", { index: eth0 });
    const tunnels = await world.start(
      t,
      `${CALLER}address = "10.98.0.2"\npeer = "10.98.0.1"\ndefault-route = true`,
    );
    await reviewed(world, tunnels);
    const wan = world.interfaces.find(({ name }) => name === "wan")?.index;
    const before = [`default 192.168.1.1 ${eth0}`, `192.168.1.0/24 - ${eth0}`];
    const halves = [`0.0.0.0/1 - ${wan}`, `128.0.0.0/1 - ${wan}`];
    assert.deepEqual(world.routeTexts, [...before, `192.0.2.1/32 192.168.1.1 ${eth0}`, ...halves]);
    assert.deepEqual(world.own, [{ index: wan, text: "10.98.0.2 peer 10.98.0.1/32" }]);

    // The way there changes.
    world.routes = world.routes.filter(({ destination }) => destination !== "default");
    world.route("default", { index: eth0, gateway: "192.168.1.254" });
    world.changed = true;
    await tunnels.look();
    assert.ok(world.routeTexts.includes(`192.0.2.1/32 192.168.1.254 ${eth0}`), world.routeTexts.join());
    assert.ok(!world.routeTexts.includes(`192.0.2.1/32 192.168.1.1 ${eth0}`));

    // It went with its interface, which came back with what is set for it.
    world.flap("eth0");
    world.route("default", { index: eth0, gateway: "192.168.1.254" });
    await tunnels.look();
    assert.ok(world.routeTexts.includes(`192.0.2.1/32 192.168.1.254 ${eth0}`), world.routeTexts.join());

    // There is none: not into the tunnel, then.
    world.routes = world.routes.filter(({ destination }) => destination !== "default");
    world.changed = true;
    await tunnels.look();
    assert.ok(world.routeTexts.includes("192.0.2.1/32 - 0"), world.routeTexts.join());
    await tunnels.stop();
    assert.ok(!world.routeTexts.some((text) => text.startsWith("192.0.2.1")));
  });

  it("needs no route to servers to which all paths have devices", async (t) => {
    const world = new FakeWorld(t);
    world.plug("eth0", ["192.168.1.7"]);
    world.route("default", { index: world.interfaces[0]?.index ?? 0, gateway: "192.168.1.1" });
    const tunnels = await world.start(t, `${CALLER}default-route = true\n${DSL}`);
    await reviewed(world, tunnels);
    assert.ok(!world.routeTexts.some((text) => text.startsWith("192.0.2.1")));
  });
});

it("packets go by two paths when that is asked for, also by a peer that is made later", async (t) => {
  const world = new FakeWorld(t);
  const tunnels = await world.start(t, CALLER.replace("192.0.2.1", "vpn.example.org") + DSL);
  world.statuses = [statusOf("wan")];
  world.take();
  await tunnels.change("wan", { redundant: true });
  assert.deepEqual(world.take(), ["tunnels"]);
  world.names.set("vpn.example.org", ["192.0.2.1"]);
  world.now = instant(world.now + 5000);
  await reviewed(world, tunnels);
  const { request } = world.requests.find(({ operation }) => operation === "addTunnelPeer") ?? {};
  assert.equal((request as TunnelPeerSettings).redundant, true);
  await tunnels.change("wan", { redundant: false });
  assert.ok(world.take().includes("changeTunnelPeer wan server"));
  await assert.rejects(tunnels.change("nobody", { redundant: true }), { code: "TUNNEL_UNKNOWN" });
});

const pathEvent = (state: "alive" | "dead") =>
  ({ type: "path", tunnel: "wan", peer: "server", path: "dsl", state, remote: "192.0.2.1:7411" }) as const;

const namesOf = ({ configs }: Tunnels): readonly string[] =>
  configs.flatMap(({ peers }) => peers.flatMap(({ paths }) => paths.map(({ name }) => name)));

const statusOf = (name: string) =>
  ({ name, up: true, mtu: 1440, publicKey: PUBLIC_KEY, listen: [], peers: [], drops: {} }) as const;

interface Reviewed {
  look(): Promise<void>;
  status(): Promise<readonly { readonly waiting: unknown }[]>;
}

/** Until names that were asked for are known and used. */
async function reviewed(world: FakeWorld, tunnels: Reviewed): Promise<void> {
  for (let at = 0; at < 3; at++) {
    world.changed = true;
    await tunnels.look();
    await new Promise(setImmediate);
  }
}

async function waiting(world: FakeWorld, tunnels: Reviewed): Promise<unknown> {
  world.statuses = [statusOf("wan")];
  return (await tunnels.status())[0]?.waiting;
}
