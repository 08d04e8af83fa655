import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
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

describe("PPP lines of two daemons", { skip: worldMissing() }, () => {
  let world: World;
  let daemons: TestDaemon[] = [];
  before(async () => {
    world = await World.create([SPEED, SPEED]);
  });
  afterEach(async () => {
    // Only where a test has failed.
    for (const daemon of daemons) if (daemon.isRunning) await daemon.stop();
  });
  after(() => world.close());

  const stop = async (): Promise<void> => {
    assert.deepEqual(await Promise.all(daemons.map((daemon) => daemon.stop())), [0, 0]);
    daemons = [];
  };

  it("give a plain interface its addresses, one of them assigned by the server", async () => {
    daemons = await Promise.all([
      world.near.up(pppTable(world.near, 0)),
      world.far.up(pppTable(world.far, 0, `address = "${FAR}"`, `peer = "${NEAR}"`)),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    const line = await near.untilLine("ppp0", "is up", ({ state }) => state === "alone");
    assert.deepEqual(line.ppp?.ipv4, { local: NEAR, remote: FAR, dns: [] });
    assert.ok(await world.near.ping(FAR));
    await world.transfer(50_000);
    await stop();
    assert.equal(await world.near.link("ppp0"), undefined);
  });

  it("log each control packet in a line when they are to, as pppd does", async () => {
    const near = new TestDaemon(world.near, [
      "up",
      "--debug",
      "-c",
      world.near.configure(pppTable(world.near, 0)),
    ]);
    daemons = [near, await world.far.up(pppTable(world.far, 0, `address = "${FAR}"`, `peer = "${NEAR}"`))];
    await near.ready();
    await near.untilLine("ppp0", "is up", ({ state }) => state === "alone");
    const said = near.said.split("\n").filter((line) => line.includes('"line":"ppp0"'));
    const packets = said.map((line) => (JSON.parse(line) as { msg: string }).msg);
    for (const expected of [
      /^sent \[LCP ConfReq id=0x1 <asyncmap 0x0> <magic 0x[0-9a-f]+> <pcomp> <accomp>\]$/,
      /^rcvd \[IPCP ConfNak id=0x\w+ <addr 10\.99\.0\.1>\]$/,
    ]) {
      assert.ok(
        packets.some((packet) => expected.test(packet)),
        packets.join("\n"),
      );
    }
    assert.doesNotMatch(daemons[1]?.said ?? "", /ConfReq/);
    await stop();
  });

  it("are one numbered bundle when they have a master, as both ends want it", async () => {
    daemons = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      pppTable(side, 0, 'master = "eql"'),
      pppTable(side, 1, 'master = "eql"'),
    ]);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    await near.until("the bundle has its addresses", ({ masters }) => masters[0]?.multilink?.ipv4);
    await world.transfer(200_000);
    const { multilink } = await near.master();
    assert.ok((multilink?.fragments.sent ?? 0) > 200);
    for (const name of ["ppp0", "ppp1"]) assert.ok((await near.line(name)).sent.octets > 50_000);
    await stop();
  });

  it("make a bundle for packets no longer than the peer puts together", async () => {
    daemons = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      pppTable(side, 0, 'master = "eql"', ...(side === world.far ? ["mrru = 1000"] : [])),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    await near.until("the MTU follows", ({ masters }) => masters[0]?.mtu === 1000);
    assert.deepEqual((await near.master()).slaves, ["ppp0"]);
    assert.ok(await world.near.ping(FAR, "-s", "972"));
    await stop();
  });

  it("give a master with an IPv4 address of its own the IPv6 addresses that they agreed on", async () => {
    for (const { host } of [world.near, world.far]) {
      const script = "for of in all default; do echo 0 > /proc/sys/net/ipv6/conf/$of/disable_ipv6; done";
      await host.must(["sh", "-c", script]);
    }
    daemons = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      pppTable(side, 0, 'master = "eql"', "ipv6 = true"),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    const { local, remote } = await near.until("IPv6 is up", ({ masters }) => masters[0]?.multilink?.ipv6);
    const addresses = async (family: string): Promise<string[]> =>
      [
        ...(await world.near.ip(family, "addr", "show", "dev", "eql")).matchAll(/inet6? (\S+?)(?:\/\d+)? /g),
      ].map(([, address = ""]) => address);
    await eventually("the address is there", async () => (await addresses("-6")).join() === local);
    assert.deepEqual(await addresses("-4"), [NEAR]);
    assert.ok(await world.near.ping(`${remote}%eql`));
    await stop();
  });

  it("say why they carry nothing until they do", async () => {
    daemons = await Promise.all([
      world.near.up(pppTable(world.near, 0)),
      world.far.up(pppTable(world.far, 0, `address = "${FAR}"`)),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    const { reason } = await near.untilLine(
      "ppp0",
      "tries again",
      ({ reason: text, state }) => text !== "" && state === "negotiating",
    );
    assert.match(reason, /address/);
    await stop();
  });

  it("come back to their bundle when they were hung up, and lose nothing of a transfer", async () => {
    daemons = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      pppTable(side, 0, 'master = "eql"'),
      pppTable(side, 1, 'master = "eql"'),
    ]);
    const [near] = daemons as [TestDaemon, TestDaemon];
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    const octets = async (): Promise<number> => (await near.line("ppp1")).sent.octets;
    const transfer = world.transfer(300_000, 40_000);
    await near.untilLine("ppp1", "carries", ({ sent }) => sent.octets > 20_000);
    await world.lines.hangUp(1);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0"]);
    const between = await octets();
    await world.lines.restore(1);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    await near.untilLine("ppp1", "is used again", ({ sent }) => sent.octets > between + 20_000);
    await transfer;
    // IPCP belongs to the bundle: it was agreed on once.
    assert.equal(near.said.match(/"msg":"network up"/g)?.length, 1);
    await stop();
  });

  it("that are freed from their bundle begin anew, alone", async () => {
    daemons = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      pppTable(side, 0, 'master = "eql"'),
      pppTable(side, 1, 'master = "eql"'),
    ]);
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    await near.client.request("POST", "/emancipate", { master: "eql", slave: "ppp1" });
    await near.untilLine("ppp1", "is alone", ({ state, ppp }) => state === "alone" && !ppp?.multilink);
    assert.deepEqual((await near.master()).slaves, ["ppp0"]);
    await far.untilLine("ppp1", "is alone", ({ state }) => state === "alone");
    assert.ok(await world.near.ping(FAR));
    // And by command it is one of its links again.
    await near.enslave("ppp1", 57_600);
    for (const daemon of daemons) await daemon.untilSlaves(["ppp0", "ppp1"]);
    assert.equal((await near.line("ppp1")).rateGivenBps, 57_600);
    await stop();
  });

  it("are classic slaves when one end does not want multilink", async () => {
    daemons = await world.upBoth((side, address, peer) => {
      const more = side === world.far ? ["multilink = false"] : [];
      return [
        masterTable(address, peer),
        pppTable(side, 0, 'master = "eql"', ...more),
        pppTable(side, 1, 'master = "eql"', ...more),
      ];
    });
    await Promise.all(daemons.map((daemon) => daemon.untilSlaves(["ppp0", "ppp1"])));
    const [near] = daemons as [TestDaemon, TestDaemon];
    await world.transfer(100_000);
    const lines = [await near.line("ppp0"), await near.line("ppp1")];
    assert.deepEqual((await near.master()).multilink, null, JSON.stringify(lines));
    for (const line of lines) assert.ok(line.sent.octets > 20_000);
    await stop();
  });

  it("say why a peer that cannot prove itself is refused, and not to the peer", async () => {
    const secrets = (secret: string): string => `secrets = [{ client = "near", secret = "${secret}" }]`;
    const start = (secret: string): Promise<TestDaemon[]> =>
      Promise.all([
        world.near.up(pppTable(world.near, 0, 'name = "near"', secrets(secret))),
        world.far.up(
          pppTable(world.far, 0, `address = "${FAR}"`, `peer = "${NEAR}"`, 'name = "far"', secrets("sesame")),
          'require-auth = ["chap-md5"]',
        ),
      ]);
    daemons = await start("wrong");
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    await far.untilLine("ppp0", "was refused", ({ reason }) => /near/.test(reason));
    await near.untilLine("ppp0", "was refused", ({ state, reason }) => state === "closed" && reason !== "");
    assert.doesNotMatch(near.said + far.said, /sesame|wrong/);
    await stop();
    daemons = await start("sesame");
    const line = await daemons[1]?.untilLine("ppp0", "is up", ({ state }) => state === "alone");
    assert.equal(line?.ppp?.peerName, "near");
    await stop();
  });

  /** A line of a client's, with what it is told. */
  async function hold(daemon: TestDaemon, side: Side, line: number, more: object): Promise<HeldPpp> {
    const settings = { device: side.device(line), protocol: "ppp", speed: SPEED, restart: 0.3, ...more };
    const request = { name: `tty${line}`, unit: null, settings };
    const followed = await daemon.client.follow<PppEvent>("POST", "/ppp", request);
    const told: PppEvent[] = [];
    const ended = (async () => {
      for await (const event of followed.events) told.push(event);
    })();
    const until = (kind: PppEvent["event"]): Promise<PppEvent> =>
      eventually(`the client is told "${kind}"`, () => told.find(({ event }) => event === kind));
    return { told, until, ended, close: followed.close };
  }

  it("of clients make bundles across their processes, and end with them", async () => {
    daemons = await Promise.all([world.near.up("[master.eql]"), world.far.up("[master.eql]")]);
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    const held: HeldPpp[] = [];
    for (const line of [0, 1]) {
      held.push(
        await hold(near, world.near, line, { multilink: true }),
        await hold(far, world.far, line, { multilink: true, address: FAR, peer: NEAR }),
      );
    }
    const [first, , second] = held as [HeldPpp, HeldPpp, HeldPpp, HeldPpp];
    assert.deepEqual(await first.until("up"), { event: "up", interface: "ppp0", local: NEAR, remote: FAR });
    assert.deepEqual(await second.until("joined"), { event: "joined", interface: "ppp0" });
    await world.transfer(50_000);
    // The first one's process ends: the bundle goes on.
    first.close();
    await near.until("one is left", ({ lines }) => lines.length === 1);
    assert.ok(await world.near.ping(FAR));
    await near.client.request("DELETE", "/lines/tty1");
    await second.ended;
    assert.deepEqual(second.told.at(-1), { event: "ended", end: "asked", reason: "User request" });
    assert.equal(await world.near.link("ppp0"), undefined);
    await far.until("its lines have ended too", ({ lines }) => lines.length === 0);
    await Promise.all(held.map(({ ended }) => ended));
    const farEnd = held[3]?.told.at(-1);
    assert.equal(farEnd?.event === "ended" && farEnd.end, "peer");
    await stop();
  });

  it("of a client have the interface to themselves when the peer wants no bundle", async () => {
    daemons = await Promise.all([world.near.up("[master.eql]"), world.far.up("[master.eql]")]);
    const [near, far] = daemons as [TestDaemon, TestDaemon];
    const asking = await hold(near, world.near, 0, { multilink: true });
    const plain = await hold(far, world.far, 0, { address: FAR, peer: NEAR });
    assert.deepEqual(await asking.until("up"), { event: "up", interface: "ppp0", local: NEAR, remote: FAR });
    assert.deepEqual(await plain.until("up"), { event: "up", interface: "ppp0", local: FAR, remote: NEAR });
    assert.ok(await world.near.ping(FAR));
    // As ip-up calls it: by the name of the interface.
    await world.near.ip("link", "set", "eql", "up");
    await near.enslave("ppp0", SPEED);
    await near.untilSlaves(["tty0"]);
    await world.lines.hangUp(0);
    await Promise.all([asking.ended, plain.ended]);
    assert.equal((asking.told.at(-1) as { end?: string }).end, "hangup");
    await world.lines.restore(0);
    await stop();
  });
});

interface HeldPpp {
  readonly told: readonly PppEvent[];
  until(kind: PppEvent["event"]): Promise<PppEvent>;
  readonly ended: Promise<void>;
  close(): void;
}
