import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Interfaces } from "../../src/daemon/interfaces.ts";
import { EqlError } from "../../src/errors.ts";
import type { Netlink } from "../../src/host/netlink.ts";
import { eventually, FAR, masterTable, NEAR, type TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 1_000_000;

describe("interfaces of a daemon", { skip: worldMissing() }, () => {
  let world: World;
  let near: TestDaemon;
  let far: TestDaemon;

  before(async () => {
    world = await World.create([SPEED, SPEED]);
    [near, far] = await world.upBoth((side, address, peer) => [
      masterTable(address, peer, "default-route = true"),
      side.lineTable(0, `speed = ${SPEED}`, 'master = "eql"', "default-route = true"),
      side.lineTable(
        1,
        `speed = ${SPEED}`,
        ...(side === world.far ? ['master = "eql"'] : [`address = "${address}"`, `peer = "${peer}"`]),
      ),
    ]);
  });
  after(() => world.close());

  /** Both lines up and enslaved: sl0 by the configuration, near's sl1 by command. */
  beforeEach(async () => {
    for (const side of [world.near, world.far]) {
      for (const name of ["eql", "sl0", "sl1"]) await side.ip("link", "set", name, "up");
    }
    await near.untilSlaves(["sl0"]);
    await near.enslave("sl1", SPEED);
    await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
  });
  afterEach(async () => {
    await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" }).catch(() => {});
  });

  it("frees a slave whose interface goes down, and carries on by the other", async () => {
    const transfer = world.transfer(150_000);
    await near.untilLine("sl0", "carries", ({ sent }) => sent.octets > 20_000);
    // What the far side sent by it would be lost: plain SLIP does not tell it.
    await Promise.all([world.near, world.far].map((side) => side.ip("link", "set", "sl0", "down")));
    await near.untilLine("sl0", "is freed", ({ state, master }) => state === "down" && master === null);
    assert.match((await near.line("sl0")).reason, /down/);
    await transfer;
    assert.deepEqual((await near.master()).slaves, ["sl1"]);
  });

  it("takes back a configured slave that comes up, and no other", async () => {
    for (const name of ["sl0", "sl1"]) await world.near.ip("link", "set", name, "down");
    await near.untilSlaves([]);
    for (const name of ["sl1", "sl0"]) await world.near.ip("link", "set", name, "up");
    await near.untilSlaves(["sl0"]);
    const { state } = await near.untilLine("sl1", "is up", ({ state: now }) => now !== "down");
    assert.equal(state, "alone");
  });

  it("frees all slaves of a master that goes down, and takes the configured ones back", async () => {
    await world.near.ip("link", "set", "eql", "down");
    const { up } = await near.untilSlaves([]);
    assert.equal(up, false);
    for (const name of ["sl0", "sl1"]) {
      const { state, reason } = await near.line(name);
      assert.equal(state, "alone");
      assert.match(reason, /^eql is down/); // and what to do about it, where it was to join just then
    }
    await world.near.ip("link", "set", "eql", "up");
    await near.untilSlaves(["sl0"]);
    assert.deepEqual(await world.near.routes("eql"), [FAR, "default"]);
    assert.ok(await world.near.ping(FAR));
  });

  it("takes a slave's peer and default routes away, and puts them back", async () => {
    const routesOf = (name: string, expected: readonly string[]): Promise<boolean> =>
      eventually(`routes of ${name}: ${expected.join()}`, async () => {
        const routes = await world.near.routes(name);
        return routes.join() === expected.join();
      });
    await routesOf("sl0", []);
    await routesOf("sl1", []);
    await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl0" });
    await routesOf("sl0", [FAR, "default"]);
    await near.enslave("sl0", SPEED);
    await routesOf("sl0", []);
    await world.near.ip("link", "set", "sl1", "down");
    await near.untilSlaves(["sl0"]);
    await world.near.ip("link", "set", "sl1", "up");
    await routesOf("sl1", [FAR]);
    await world.near.ip("link", "set", "eql", "down");
    await routesOf("sl0", [FAR, "default"]);
  });

  it("sends by a slave's line what the kernel sends to the slave, and delivers on the master", async () => {
    const before = await near.status();
    const sentBefore = before.lines.map(({ sent }) => sent.packets);
    const rxBefore = (await world.far.link("eql"))?.stats64.rx.packets ?? 0;
    const slaveRxBefore = (await world.far.link("sl1"))?.stats64.rx.packets ?? 0;
    await world.near.ip("route", "add", "10.99.7.7", "dev", "sl1");
    await world.near.host.run(["ping", "-c", "3", "-i", "0.05", "-W", "0.1", "10.99.7.7"]);
    const sent = await near.until("all are sent", ({ lines }) => {
      const more = lines.map(({ sent: { packets } }, at) => packets - (sentBefore[at] ?? 0));
      return more.some((packets) => packets >= 3) && more;
    });
    assert.deepEqual(sent, [0, 3]);
    await eventually("the far master counts them", async () => {
      const now = (await world.far.link("eql"))?.stats64.rx.packets ?? 0;
      return now === rxBefore + 3;
    });
    assert.equal((await world.far.link("sl1"))?.stats64.rx.packets, slaveRxBefore);
    assert.ok((await far.line("sl1")).received.packets >= 3);
  });
});

describe("a line alone", { skip: worldMissing() }, () => {
  it("is a plain SLIP interface", async (t) => {
    const world = await World.create([SPEED]);
    t.after(() => world.close());
    const [near, far] = await world.upBoth((side, address, peer) => [
      side.lineTable(0, `speed = ${SPEED}`, `address = "${address}"`, `peer = "${peer}"`, "mtu = 1006"),
    ]);
    assert.equal((await near.line("sl0")).state, "alone");
    assert.ok(await world.near.ping(FAR, "-s", "978", "-M", "do"));
    assert.ok(await world.far.ping(NEAR));
    const { flags, mtu } = (await world.near.link("sl0")) as NonNullable<
      Awaited<ReturnType<typeof world.near.link>>
    >;
    assert.deepEqual([mtu, flags.includes("POINTOPOINT"), flags.includes("UP")], [1006, true, true]);
    const bytes = 60_000;
    await world.transfer(bytes);
    const { sent, received, lineOctets, drops } = await near.line("sl0");
    assert.ok(sent.octets > bytes && received.packets > 3 && lineOctets.sent > sent.octets);
    // By these the sender is told to send less: more of them where the processor is elsewhere now and then.
    const { delayed: _delayed, queueFull: _queueFull, ...others } = drops;
    assert.deepEqual(others, {});
    assert.deepEqual(await Promise.all([near.stop(), far.stop()]), [0, 0]);
  });
});

it("knows whether an interface is up also while others come and go", () => {
  const up = new Map([
    [1, true],
    [2, false],
  ]);
  const netlink = {
    interfaces: () => {
      throw new EqlError("NETLINK_FAILED", "the list changed each time that it was read");
    },
    interfaceAt: (index: number) => (up.has(index) ? { index, up: up.get(index) } : null),
  };
  const interfaces = new Interfaces(netlink as unknown as Netlink);
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => interfaces.isUp(index)),
    [false, true, false, false],
  );
});
