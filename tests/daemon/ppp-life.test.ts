import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { PppEvent } from "../../src/control/messages.ts";
import { eventually, FAR, masterTable, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 230_400;

const pppTable = (side: Side, line: number, ...more: readonly string[]): string =>
  [
    `[line.ppp${line}]`,
    `device = "${side.device(line)}"`,
    'protocol = "ppp"',
    `speed = ${SPEED}`,
    "restart = 0.3",
    ...more,
    "",
  ].join("\n");

const inBundle = (side: Side, line: number, ...more: readonly string[]): string =>
  pppTable(side, line, 'master = "eql"', ...more);

/** How often it was said. */
const count = (daemon: TestDaemon, what: RegExp): number =>
  daemon.said.split("\n").filter((line) => what.test(line)).length;

describe("the life of PPP links in a bundle", { skip: worldMissing() }, () => {
  let world: World;
  let near: TestDaemon;
  let far: TestDaemon;

  const farUp = (): Promise<TestDaemon> =>
    world.far.up(masterTable(FAR, NEAR), inBundle(world.far, 0), inBundle(world.far, 1));

  before(async () => {
    world = await World.create([SPEED, SPEED]);
    [near, far] = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      inBundle(side, 0),
      inBundle(side, 1),
    ]);
  });
  beforeEach(async () => {
    await restore();
    for (const daemon of [near, far]) {
      await daemon.untilSlaves(["ppp0", "ppp1"]);
      await daemon.until("it is up", ({ masters }) => masters[0]?.multilink?.ipv4);
    }
  });
  after(async () => {
    await Promise.all([near?.stop(), far?.stop()]);
    await world?.close();
  });

  /** The lines are there again, and no pause is kept, which grows with each time that they went. */
  async function restore(): Promise<void> {
    for (const line of [0, 1]) await world.lines.restore(line);
    for (const { client } of [near, far]) {
      for (const name of ["ppp0", "ppp1"]) await client.request("POST", `/lines/${name}/ask`, { ask: "up" });
    }
  }

  /** Another daemon in the place of the far one, which has not taken its leave. */
  async function exchangeFar(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    far.kill("SIGKILL");
    await far.exit();
    await meanwhile();
    far = await farUp();
  }

  it("leaves it when the peer begins anew, and comes back", async () => {
    await exchangeFar();
    await near.until("the first bundle has ended", () => count(near, /"msg":"network down"/) > 0);
    await far.untilSlaves(["ppp0", "ppp1"]);
    await near.untilSlaves(["ppp0", "ppp1"]);
    assert.ok(count(near, /"msg":"freed"/) >= 2);
    await near.until("it is up", ({ masters }) => masters[0]?.multilink?.ipv4);
    await world.transfer(50_000);
  });

  it("comes back though another link is a dead peer's still", async () => {
    const refused = count(near, /"msg":"not enslaved"/);
    // The other line's end is gone, and nobody has noticed.
    await exchangeFar(() => world.lines.setCut(1, true));
    await near.until("the first one is refused", () => count(near, /"msg":"not enslaved"/) > refused);
    await world.lines.setCut(1, false);
    await near.untilSlaves(["ppp0", "ppp1"]);
    await world.transfer(50_000);
  });

  it("does not depend on what becomes of its own interface", async () => {
    const freed = count(near, /"msg":"freed"/);
    await world.near.ip("link", "set", "ppp1", "up");
    await near.until("that is seen", () => count(near, /"line":"ppp1".*"msg":"interface up"/) > 0);
    await world.near.ip("link", "set", "ppp1", "mtu", "1000");
    await near.until("that is seen", () => count(near, /"interface":"ppp1".*"msg":"MTU changed"/) > 0);
    await world.near.ip("link", "set", "ppp1", "down");
    await near.until("that is seen", () => count(near, /"line":"ppp1".*"msg":"interface down"/) > 0);
    assert.deepEqual((await near.master()).slaves.toSorted(), ["ppp0", "ppp1"]);
    assert.equal(count(near, /"msg":"freed"/), freed);
  });

  it("is not begun anew when it is enslaved again", async () => {
    const begun = count(near, /"msg":"network (up|down)"/);
    await near.enslave("ppp0", 115_200);
    assert.equal((await near.line("ppp0")).rateGivenBps, 115_200);
    assert.ok(await world.near.ping(FAR));
    assert.equal(count(near, /"msg":"network (up|down)"/), begun);
    await near.enslave("ppp0", SPEED);
  });

  it("is ended at both ends when the master goes down, and begins anew when it comes up", async () => {
    await world.near.ip("link", "set", "eql", "down");
    await near.untilSlaves([]);
    await far.untilSlaves([]);
    await world.near.ip("link", "set", "eql", "up");
    for (const daemon of [near, far]) await daemon.untilSlaves(["ppp0", "ppp1"]);
    await near.until("it is up", ({ masters }) => masters[0]?.multilink?.ipv4);
    await world.transfer(50_000);
  });

  it("gives back what waits when it is the last one", async () => {
    // A queue holds 64, and there are 192 slots: what a round kept would be missed before the last.
    for (let round = 1; round <= 4; round++) {
      // As many as the queue holds at once, and then faster than the lines: it stays full however late we look.
      const flood = world.near.host.spawn(["ping", "-q", "-f", "-s", "1400", "-l", "100", FAR], {
        stdio: "ignore",
      });
      try {
        await near.until("packets wait", ({ masters }) => (masters[0]?.queue.packets ?? 0) > 50);
        for (const line of [0, 1]) await world.lines.hangUp(line);
        await near.untilSlaves([]);
      } finally {
        flood.kill("SIGKILL");
      }
      await restore();
      await near.untilSlaves(["ppp0", "ppp1"]);
    }
    await near.until("it is up", ({ masters }) => masters[0]?.multilink?.ipv4);
    const { sent } = await near.master();
    assert.ok(sent.packets > 0);
    assert.ok(await world.near.ping(FAR));
  });
});

describe("PPP links and the bundle that they are to join", { skip: worldMissing() }, () => {
  let world: World;
  let daemons: TestDaemon[] = [];
  before(async () => {
    world = await World.create([SPEED, SPEED]);
  });
  after(() => world?.close());
  afterEach(async () => {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    daemons = [];
    for (const line of [0, 1]) await world.lines.restore(line);
  });

  /** The second line, of a side that had only one. */
  async function addSecond(daemon: TestDaemon, side: Side = world.near, more: object = {}): Promise<void> {
    const device = side.device(1);
    const settings = { device, protocol: "ppp", speed: SPEED, restart: 0.3, master: "eql", ...more };
    await daemon.client.request("POST", "/lines", { name: "ppp1", settings });
  }

  it("end when there is no room for them, or the peer would send by them", async () => {
    daemons = await world.upBoth((side, address, peer) =>
      side === world.near
        ? [masterTable(address, peer, "max-slaves = 1"), inBundle(side, 0)]
        : [masterTable(address, peer), inBundle(side, 0), inBundle(side, 1)],
    );
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    await far.until("one is in it", ({ masters }) => masters[0]?.slaves.length === 1);
    await addSecond(near);
    await near.until("one is refused", () => count(near, /SLAVES_FULL/) > 0);
    await far.until("one is left", ({ masters }) => masters[0]?.slaves.length === 1);
    await world.transfer(50_000);
  });

  it("take the routes along when they are the last, and give them back", async () => {
    daemons = await Promise.all([
      world.near.up("[master.eql]\ndefault-route = true\n", inBundle(world.near, 0)),
      world.far.up(masterTable(FAR, NEAR), inBundle(world.far, 0, `address = "${FAR}"`, `peer = "${NEAR}"`)),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    for (const round of [1, 2]) {
      await near.until("it is up", () => count(near, /"msg":"network up"/) === round);
      await eventually("the route is there", async () =>
        (await world.near.routes("eql")).includes("default"),
      );
      await world.lines.hangUp(0);
      await near.untilSlaves([]);
      await world.lines.restore(0);
    }
  });

  it("are of one kind at last, whichever were of which before", async () => {
    const farUp = (...more: readonly string[]): Promise<TestDaemon> =>
      world.far.up(masterTable(FAR, NEAR), inBundle(world.far, 0, ...more), inBundle(world.far, 1));
    const [near, far] = await Promise.all([
      world.near.up(masterTable(NEAR, FAR, "max-slaves = 2"), inBundle(world.near, 0)),
      farUp("multilink = false"),
    ]);
    daemons = [near, far];
    await near.untilSlaves(["ppp0"]);
    await addSecond(near);
    // The first one is of no bundle: so is the second, though its peer would have it.
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    assert.equal((await near.master()).multilink, null);
    far.kill("SIGKILL");
    await far.exit();
    daemons = [near, await farUp()];
    await near.until("the peer's new beginning is seen", () => count(near, /"msg":"freed"/) > 0);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    await world.transfer(50_000);
  });

  it("join when the bundle has ended that they are no links for", async () => {
    daemons = await world.upBoth((side, address, peer) => [masterTable(address, peer), inBundle(side, 0)]);
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    await near.until("it is up", ({ masters }) => masters[0]?.multilink?.ipv4);
    await addSecond(near, world.near, { multilink: false });
    await addSecond(far, world.far, { multilink: false });
    for (const daemon of daemons) {
      await daemon.until("it is refused", () => count(daemon, /"line":"ppp1".*"msg":"not enslaved"/) > 0);
    }
    await world.lines.hangUp(0);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp1"]);
    await world.lines.restore(0);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    assert.equal((await near.master()).multilink, null);
    assert.ok(await world.near.ping(FAR));
  });

  it("end with all others of the bundle when the bundle has no network", async () => {
    daemons = await Promise.all([
      world.near.up(masterTable(NEAR, FAR), inBundle(world.near, 0), inBundle(world.near, 1)),
      world.far.up(
        masterTable(FAR, NEAR),
        inBundle(world.far, 0, "ipv4 = false", "ipv6 = true"),
        inBundle(world.far, 1, "ipv4 = false", "ipv6 = true"),
      ),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    await near.until("both have ended", () =>
      ["ppp0", "ppp1"].every((name) => new RegExp(`"line":"${name}","end":"no-network"`).test(near.said)),
    );
  });
});

describe("a slow PPP link", { skip: worldMissing() }, () => {
  it("joins its bundle without losing what it has to say before", async () => {
    const world = await World.create([2400]);
    try {
      const start = (side: Side, address: string, peer: string): Promise<TestDaemon> =>
        side.up(
          masterTable(address, peer),
          "[line.ppp0]",
          `device = "${side.device(0)}"`,
          'protocol = "ppp"',
          "speed = 2400",
          'master = "eql"',
          `identification = "this is ${side.name}"`,
        );
      // The one that begins later has not heard the other's first request, and agrees to its second one at last.
      const daemons = [await start(world.far, FAR, NEAR), await start(world.near, NEAR, FAR)];
      for (const daemon of daemons) await daemon.untilSlaves(["ppp0"]);
      // What it has to say waits then behind the answer by which the link was established.
      for (const daemon of daemons) {
        await daemon.until(
          "the peer's identification is there",
          () => count(daemon, /this is (near|far)/) > 0,
        );
      }
      await Promise.all(daemons.map((daemon) => daemon.stop()));
    } finally {
      await world.close();
    }
  });
});

describe("PPP lines of clients", { skip: worldMissing() }, () => {
  let world: World;
  let near: TestDaemon;
  let far: TestDaemon;
  const followed: Held[] = [];
  before(async () => {
    world = await World.create([SPEED, SPEED]);
    [near, far] = await world.upBoth(() => ["[master.eql]"]);
  });
  after(async () => {
    await Promise.all([near?.stop(), far?.stop()]);
    await world?.close();
  });
  afterEach(async () => {
    for (const held of followed.splice(0)) held.close();
    for (const daemon of [near, far]) {
      if (daemon.isRunning) await daemon.until("no line is left", ({ lines }) => lines.length === 0);
    }
  });

  /** A line of a client's, with what it is told. */
  async function hold(
    daemon: TestDaemon,
    side: Side,
    line: number,
    more: object,
    unit: number | null = null,
  ): Promise<Held> {
    const settings = { device: side.device(line), protocol: "ppp", speed: SPEED, restart: 0.3, ...more };
    const request = { name: `tty${line}`, unit, settings };
    const { events, close } = await daemon.client.follow<PppEvent>("POST", "/ppp", request);
    const told: PppEvent[] = [];
    const ended = (async () => {
      for await (const event of events) told.push(event);
    })();
    const until = (kind: PppEvent["event"]): Promise<PppEvent> =>
      eventually(`the client is told "${kind}"`, () => told.find(({ event }) => event === kind));
    const held = { told, until, ended, close };
    followed.push(held);
    return held;
  }

  it("find interfaces of their own when they come at once", async () => {
    const lines = await Promise.all([0, 1].map((line) => hold(near, world.near, line, {})));
    const told = await Promise.all(lines.map((line) => line.until("line")));
    const names = told.map((event) => event.event === "line" && event.line);
    assert.deepEqual(new Set(names), new Set(["ppp0", "ppp1"]));
  });

  it("end when their interface is deleted", async () => {
    const line = await hold(near, world.near, 0, { peer: FAR });
    await hold(far, world.far, 0, { address: FAR, peer: NEAR });
    await line.until("up");
    await world.near.ip("link", "delete", "ppp0");
    await line.until("ended");
    assert.ok(line.told.some(({ event }) => event === "down"));
  });

  it("end when the interface of their bundle is deleted, and another bundle can be made", async () => {
    for (const round of [1, 2]) {
      const line = await hold(near, world.near, 0, { multilink: true });
      const peer = await hold(far, world.far, 0, { multilink: true, address: FAR, peer: NEAR });
      assert.deepEqual(await line.until("up"), { event: "up", interface: "ppp0", local: NEAR, remote: FAR });
      if (round === 1) {
        await world.near.ip("link", "delete", "ppp0");
        await line.until("ended");
      } else line.close();
      await peer.until("ended");
    }
  });

  it("end when the unit that they are to have is taken meanwhile", async () => {
    await world.near.ip("tuntap", "add", "ppp7", "mode", "tun");
    try {
      for (const multilink of [true, false]) {
        const line = await hold(near, world.near, 0, { multilink: true }, 7);
        const peer = await hold(far, world.far, 0, { multilink, address: FAR, peer: NEAR });
        await line.until("ended");
        await peer.until("ended");
      }
    } finally {
      await world.near.ip("link", "delete", "ppp7");
    }
  });

  it("do not keep the daemon from its end when their peers are gone", async () => {
    const slow = { restart: 1 };
    const line = await hold(near, world.near, 0, { ...slow, peer: FAR });
    await hold(far, world.far, 0, { ...slow, address: FAR, peer: NEAR });
    await line.until("up");
    await world.lines.setCut(0, true);
    line.close();
    near.kill("SIGTERM");
    assert.equal(await near.exit(), 0);
    await world.lines.setCut(0, false);
  });
});

interface Held {
  readonly told: readonly PppEvent[];
  until(kind: PppEvent["event"]): Promise<PppEvent>;
  readonly ended: Promise<void>;
  close(): void;
}
