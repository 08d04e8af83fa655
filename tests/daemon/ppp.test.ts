import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FAR, masterTable, NEAR, type Side, type TestDaemon, World, worldMissing } from "./world.ts";

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
});
