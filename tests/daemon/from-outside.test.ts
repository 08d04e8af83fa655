import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { eventually, FAR, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

/* A daemon that was told nothing: everything comes by `ip`, `eql` and `eql_enslave`, as in 1995. */

const SPEED = 1_000_000;

/** All at once: each has lines of its own. */
describe("what is done from outside", { skip: worldMissing(), concurrency: true }, () => {
  describe("a daemon without configuration", { concurrency: 1 }, () => {
    let world: World;
    let near: TestDaemon;
    let far: TestDaemon;

    before(async () => {
      world = await World.create([SPEED, SPEED]);
      const up = (side: Side): TestDaemon => new TestDaemon(side, ["up", "--socket", side.socket]);
      [near, far] = [up(world.near), up(world.far)];
      await Promise.all([near.ready(), far.ready()]);
    });
    after(() => world.close());

    /** Each line of commands, by the shell of a host: none may say anything or fail. */
    async function silently(side: Side, program: string, ...args: readonly string[]): Promise<void> {
      assert.deepEqual(await side.eql(program, ...args), { stdout: "", stderr: "", code: 0 }, args.join(" "));
    }

    it("has a master eql that is down and has no address", async () => {
      const { up, slaves, maxSlaves, minSlaves, mtu } = await near.master();
      assert.deepEqual(
        { up, slaves, maxSlaves, minSlaves, mtu },
        { up: false, slaves: [], maxSlaves: 4, minSlaves: 1, mtu: 1500 },
      );
      const shown = await world.near.ip("-o", "address", "show", "dev", "eql");
      assert.equal(shown, "");
      assert.ok(!(await world.near.link("eql"))?.flags.includes("UP"));
    });

    it("works the way of 1995", async () => {
      for (const [side, own, peer] of [
        [world.near, NEAR, FAR],
        [world.far, FAR, NEAR],
      ] as const) {
        await side.ip("addr", "add", own, "peer", peer, "dev", "eql");
        await side.ip("link", "set", "eql", "up", "mtu", "576");
        for (const line of [0, 1]) {
          const device = ["--device", side.device(line), "--speed", String(SPEED), "--no-lock"];
          await silently(side, "eql", "line", "add", `sl${line}`, ...device, "--mtu", "576");
          await silently(side, "eql_enslave", "eql", `sl${line}`, String(SPEED));
        }
      }
      const { slaves, mtu } = await near.master();
      assert.deepEqual([slaves, mtu], [["sl0", "sl1"], 576]);
      await world.transfer(60_000);
      for (const { sent } of (await near.status()).lines) assert.ok(sent.packets > 10);
      for (const side of [world.near, world.far]) await silently(side, "eql_emancipate", "eql", "sl1");
      assert.deepEqual((await near.master()).slaves, ["sl0"]);
      assert.ok(await world.near.ping(FAR));
      await silently(world.near, "eql", "line", "remove", "sl1");
      assert.equal(await world.near.link("sl1"), undefined);
    });
  });

  describe("enslaving by command", { concurrency: 1 }, () => {
    let world: World;
    let near: TestDaemon;

    before(async () => {
      world = await World.create([SPEED, SPEED, SPEED, SPEED, SPEED]);
      near = await world.near.up(
        "[master.eql]\nmtu = 576\n[master.other]\nmtu = 576",
        ...[0, 1, 2, 3, 4].map((line) => world.near.lineTable(line, "mtu = 576")),
      );
    });
    after(() => world.close());
    beforeEach(async () => {
      for (const name of ["eql", "other"]) await world.near.ip("link", "set", name, "down");
      await near.until("nobody is a slave", ({ masters }) =>
        masters.every(({ up, slaves }) => !up && slaves.length === 0),
      );
      for (const name of ["eql", "other"]) await world.near.ip("link", "set", name, "up", "mtu", "576");
      for (const line of [0, 1, 2, 3, 4]) await world.near.ip("link", "set", `sl${line}`, "up", "mtu", "576");
      await near.until(
        "all is as it was",
        ({ masters, lines }) =>
          masters.every(({ up, mtu }) => up && mtu === 576) &&
          lines.every(({ state, mtu }) => state === "alone" && mtu === 576),
      );
    });

    async function refused(args: readonly string[], message: RegExp, program = "eql_enslave"): Promise<void> {
      const { code, stdout, stderr } = await world.near.eql(program, ...args);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, message);
      assert.equal(stderr.trimEnd().split("\n").length, 1);
    }

    it("says what is wrong and exits 1", async () => {
      await refused(["eql", "sl9", "28800"], /^eql_enslave: There is no .*sl9/);
      await refused(["eql9", "sl0", "28800"], /^eql_enslave: There is no master eql9/);
      await refused(["eql", "other", "28800"], /^eql_enslave: other is a master itself/);
      await refused(["eql", "eql", "28800"], /^eql_enslave: eql is a master itself/);
      await refused(["eql", "lo", "28800"], /^eql_enslave: lo cannot be a slave/);
      await refused(["eql", "sl0"], /usage: eql_enslave MASTER SLAVE BPS/);
      await refused(["eql", "sl0", "0"], /BPS/);
      await refused(["eql", "sl0", "fast"], /BPS/);
      await refused(["eql", "sl0"], /^eql_emancipate: sl0 is not a slave of eql/, "eql_emancipate");
      await refused(["eql", "sl9"], /^eql_emancipate: .*sl9/, "eql_emancipate");
      await world.near.ip("link", "set", "eql", "down");
      await near.until("eql is down", ({ masters }) => masters.some(({ name, up }) => name === "eql" && !up));
      await refused(["eql", "sl0", "28800"], /^eql_enslave: eql is down/);
      assert.equal((await near.line("sl0")).state, "alone");
    });

    it("refuses unequal MTUs in the words of the driver", async () => {
      await world.near.ip("link", "set", "eql", "mtu", "1500");
      await near.until("eql's new MTU", ({ masters }) => masters.some(({ mtu }) => mtu === 1500));
      await refused(
        ["eql", "sl0", "28800"],
        /^eql_enslave: master \(1500\) and slave \(576\) MTU settings do not match$/m,
      );
    });

    it("refuses a line that is down, and the slave of another master", async () => {
      await world.near.ip("link", "set", "sl0", "down");
      await near.untilLine("sl0", "is down", ({ state }) => state === "down");
      await refused(["eql", "sl0", "28800"], /^eql_enslave: sl0 is down/);
      await near.enslave("sl1", SPEED, "other");
      await refused(["eql", "sl1", "28800"], /^eql_enslave: sl1 is a slave of other/);
      await refused(["eql", "sl1"], /^eql_emancipate: sl1 is not a slave of eql/, "eql_emancipate");
      assert.equal((await near.line("sl1")).master, "other");
    });

    it("refuses a fifth slave, and takes it when told to allow more", async () => {
      for (const line of [0, 1, 2, 3]) await near.enslave(`sl${line}`, SPEED);
      await refused(["eql", "sl4", "28800"], /^eql_enslave: eql has 4 slaves, as many as it may/);
      await near.enslave("sl3", SPEED);
      const { code, stdout } = await world.near.eql("eql", "master", "eql", "--max", "5");
      assert.equal(code, 0);
      assert.match(stdout, /eql/);
      await near.enslave("sl4", SPEED);
      assert.equal((await near.master()).slaves.length, 5);
      await world.near.eql("eql", "master", "eql", "--max", "4");
      assert.equal((await near.master()).maxSlaves, 4);
    });

    it("replaces a slave that is enslaved again, which is the youngest then", async () => {
      await near.enslave("sl0", 19200);
      await near.enslave("sl1", 28800);
      await near.enslave("sl0", 14400);
      assert.deepEqual((await near.master()).slaves, ["sl1", "sl0"]);
      const { rateGivenBps, rateEstimatedBps, state } = await near.line("sl0");
      assert.deepEqual([rateGivenBps, rateEstimatedBps, state], [14400, 14400, "enslaved"]);
    });

    it("takes a name that cannot be a path or a request for what it is", async () => {
      await refused(["eql", "../../x", "28800"], /^eql_enslave: /);
      await refused(["eql", "", "28800"], /^eql_enslave: /);
      await refused(["eql", "x".repeat(40), "28800"], /^eql_enslave: /);
    });
  });

  describe("an MTU changed by ip", { concurrency: 1 }, () => {
    let world: World;
    let daemons: [TestDaemon, TestDaemon];

    before(async () => {
      world = await World.create([SPEED, SPEED]);
      daemons = await world.upBoth((side, address, peer) => [
        `[master.eql]\naddress = "${address}"\npeer = "${peer}"`,
        side.lineTable(0, `speed = ${SPEED}`, 'master = "eql"'),
        side.lineTable(1, `speed = ${SPEED}`, 'master = "eql"'),
      ]);
      await Promise.all(daemons.map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
    });
    after(() => world.close());

    const setMtu = async (mtu: number): Promise<void> => {
      for (const side of [world.near, world.far]) {
        for (const name of ["eql", "sl0", "sl1"]) await side.ip("link", "set", name, "mtu", String(mtu));
      }
    };

    it("frees unequal slaves, and says why", async () => {
      const [near] = daemons;
      const before = (await near.line("sl0")).sent.packets;
      assert.ok(await world.near.ping(FAR));
      await world.near.ip("link", "set", "eql", "mtu", "900");
      await near.untilSlaves([]);
      const { reason, state } = await near.line("sl0");
      assert.deepEqual([state, reason], ["alone", "master (900) and slave (1500) MTU settings do not match"]);
      assert.equal((await near.master()).mtu, 900);
      assert.ok((await near.line("sl0")).sent.packets >= before);
    });

    for (const mtu of [296, 1006, 9000]) {
      it(`is followed: ${mtu}`, async () => {
        await setMtu(mtu);
        await Promise.all(daemons.map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
        const [near] = daemons;
        assert.equal((await near.line("sl1")).mtu, mtu);
        assert.ok(await world.near.ping(FAR, "-s", String(mtu - 28), "-M", "do"));
        await world.transfer(40_000);
      });
    }

    it("of a line that is closed or down is followed when it is back", async () => {
      const [near, far] = daemons;
      await setMtu(1500);
      await Promise.all(daemons.map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
      await world.near.ip("link", "set", "sl0", "down");
      await world.far.ip("link", "set", "sl0", "down");
      await world.lines.hangUp(1);
      await Promise.all(daemons.map((daemon) => daemon.untilSlaves([])));
      await setMtu(1280);
      await world.lines.restore(1);
      for (const side of [world.near, world.far]) await side.ip("link", "set", "sl0", "up");
      await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
      assert.ok(await world.near.ping(FAR, "-s", "1252", "-M", "do"));
      const sent = (await near.status()).lines.map((line) => line.sent.packets);
      await world.near.ping(FAR);
      await eventually("three more packets, each counted once", async () => {
        const now = (await near.status()).lines.map((line) => line.sent.packets);
        return now.reduce((sum, packets, at) => sum + packets - (sent[at] ?? 0), 0) === 3;
      });
    });
  });

  describe("more slaves in the configuration than 4", { concurrency: 1 }, () => {
    it("raise the master's limit by themselves", async (t) => {
      const world = await World.create([SPEED, SPEED, SPEED, SPEED, SPEED, SPEED]);
      t.after(() => world.close());
      const lines = [0, 1, 2, 3, 4, 5];
      const near = await world.near.up(
        '[master.eql]\naddress = "10.99.0.1"\npeer = "10.99.0.2"',
        ...lines.map((line) => world.near.lineTable(line, 'master = "eql"')),
      );
      const { maxSlaves } = await near.untilSlaves(lines.map((line) => `sl${line}`));
      assert.equal(maxSlaves, 6);
    });
  });
});
