import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { eventually, FAR, masterTable, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 460_800;

/** What the far daemon says too: it has to be right on both sides. */
const both = <T>(daemons: readonly TestDaemon[], check: (daemon: TestDaemon) => Promise<T>): Promise<T[]> =>
  Promise.all(daemons.map(check));

/** All at once: most of their time is that of pauses, and each has lines of its own. */
describe("lines of a daemon", { skip: worldMissing(), concurrency: true }, () => {
  describe("a line that hangs up", { concurrency: 1 }, () => {
    let world: World;
    let daemons: [TestDaemon, TestDaemon];

    before(async () => {
      world = await World.create([SPEED, SPEED]);
      daemons = await world.upBoth((side, address, peer) => [
        masterTable(address, peer),
        side.lineTable(0, `speed = ${SPEED}`, 'master = "eql"'),
        side.lineTable(1, `speed = ${SPEED}`, 'master = "eql"'),
      ]);
      await both(daemons, (daemon) => daemon.untilSlaves(["sl0", "sl1"]));
    });
    after(() => world.close());

    it("is freed at once, says why and when it is tried again, and comes back", async () => {
      await world.lines.hangUp(1);
      const [closed] = await both(daemons, (daemon) =>
        daemon.untilLine("sl1", "is closed", ({ state }) => state === "closed"),
      );
      assert.equal(closed?.master, null);
      assert.match(closed?.reason ?? "", /hung up|not exist/);
      assert.ok((closed?.retryAt ?? 0) > 0);
      assert.deepEqual((await daemons[0].master()).slaves, ["sl0"]);
      assert.ok(await world.near.ping(FAR));
      // Each attempt that fails announces the next one: the pauses grow.
      const pauses: number[] = [];
      await daemons[0].untilLine("sl1", "was tried three times", ({ retryAt, life }) => {
        if (retryAt === null || life?.state !== "waiting") return false;
        const pause = retryAt - life.since;
        if (pauses.length === 0 || pause > 1.3 * (pauses.at(-1) as number)) pauses.push(pause);
        return pauses.length > 2;
      });
      assert.equal((await daemons[0].line("sl1")).state, "closed");
      await world.lines.restore(1);
      const [back] = await both(daemons, (daemon) =>
        daemon.untilLine("sl1", "is back", ({ state }) => state === "enslaved"),
      );
      assert.deepEqual([back?.retryAt, back?.reason], [null, ""]);
    });

    it("in mid-transfer costs nothing but time, and is used again", async () => {
      const [near] = daemons;
      const octets = async (): Promise<number> => (await near.line("sl1")).sent.octets;
      const before = await octets();
      const transfer = world.transfer(150_000);
      await near.untilLine("sl1", "carries", ({ sent }) => sent.octets > before + 20_000);
      await world.lines.hangUp(1);
      await near.untilSlaves(["sl0"]);
      const between = await octets();
      await world.lines.restore(1);
      await both(daemons, (daemon) => daemon.untilSlaves(["sl0", "sl1"]));
      await transfer;
      // It may have ended without the line.
      await world.transfer(60_000);
      assert.ok((await octets()) > between + 20_000);
    });

    it("and was enslaved by command stays alone when it is back", async () => {
      const [near, far] = daemons;
      await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" });
      await world.near.ip("link", "set", "sl1", "down");
      await near.client.request("DELETE", "/lines/sl1");
      const settings = { device: world.near.device(1), speed: SPEED };
      await near.client.request("POST", "/lines", { name: "sl1", settings });
      await near.enslave("sl1", SPEED);
      await world.lines.hangUp(1);
      await near.untilLine("sl1", "is closed", ({ state }) => state === "closed");
      await world.lines.restore(1);
      await far.untilSlaves(["sl0", "sl1"]);
      await near.untilLine("sl1", "is back", ({ state }) => state === "alone");
      assert.deepEqual((await near.master()).slaves, ["sl0"]);
    });

    it("and is emancipated while it is closed has its routes when it is back, and stays alone", async () => {
      const [, far] = daemons;
      const routes = (): Promise<readonly string[]> => world.far.routes("sl1");
      assert.deepEqual(await routes(), []);
      await world.lines.hangUp(1);
      await far.untilLine("sl1", "is closed", ({ state }) => state === "closed");
      await far.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" });
      await world.lines.restore(1);
      await far.untilLine("sl1", "is back", ({ state }) => state === "alone");
      assert.deepEqual(await routes(), [NEAR]);
      await far.enslave("sl1", SPEED);
    });

    it("comes back to its master though somebody tried to free it from another", async () => {
      const [, far] = daemons;
      for (const master of ["eql9", "sl0"]) {
        const refused = far.client.request("POST", "/emancipate", { master, slave: "sl1" });
        await assert.rejects(refused, { code: "MASTER_UNKNOWN" });
      }
      await world.far.ip("link", "set", "sl1", "down");
      await far.untilSlaves(["sl0"]);
      await world.far.ip("link", "set", "sl1", "up");
      await far.untilSlaves(["sl0", "sl1"]);
    });

    it("can be removed while it is closed", async () => {
      const [near] = daemons;
      await world.lines.hangUp(1);
      await near.untilLine("sl1", "is closed", ({ state }) => state === "closed");
      await near.client.request("DELETE", "/lines/sl1");
      assert.deepEqual(
        (await near.status()).lines.map(({ name }) => name),
        ["sl0"],
      );
      assert.equal(await world.near.link("sl1"), undefined);
      await world.lines.restore(1);
      assert.deepEqual(await both(daemons, (daemon) => daemon.stop()), [0, 0]);
      assert.doesNotMatch(near.said, /"level":[56]0/);
    });
  });

  describe("a cable that is pulled, with echo", { concurrency: 1 }, () => {
    it("frees the line, which is taken back when the peer answers, and loses nothing", async (t) => {
      const world = await World.create([SPEED, SPEED]);
      t.after(() => world.close());
      const daemons = await world.upBoth((side, address, peer) => [
        masterTable(address, peer),
        ...[0, 1].map((line) =>
          side.lineTable(
            line,
            `speed = ${SPEED}`,
            'master = "eql"',
            "echo-interval = 0.2",
            "echo-failures = 3",
          ),
        ),
      ]);
      const [near] = daemons;
      await both(daemons, (daemon) => daemon.untilSlaves(["sl0", "sl1"]));
      await near.untilLine("sl1", "has an echo time", ({ echoMs }) => echoMs !== null && echoMs < 1000);
      const transfer = world.transfer(150_000);
      await near.untilLine("sl1", "carries", ({ sent }) => sent.octets > 20_000);
      await world.lines.setCut(1, true);
      const [silent] = await both(daemons, (daemon) =>
        daemon.untilLine("sl1", "is silent", ({ state, master }) => state === "silent" && master === null),
      );
      assert.match(silent?.reason ?? "", /does not answer/);
      const octets = silent?.sent.octets ?? 0;
      await world.lines.setCut(1, false);
      await both(daemons, (daemon) => daemon.untilSlaves(["sl0", "sl1"]));
      await transfer;
      // It may have ended without the line.
      await world.transfer(60_000);
      assert.ok((await near.line("sl1")).sent.octets > octets + 20_000);
      // Enslaved by hand while it is silent, it is given another chance, and no more than that.
      await world.lines.setCut(1, true);
      await near.untilLine("sl1", "is silent", ({ state }) => state === "silent");
      const enslaved = (): number => near.said.split('"line":"sl1","master":"eql","msg":"enslaved"').length;
      const before = enslaved();
      await near.enslave("sl1", SPEED);
      await eventually("it is enslaved, if only for a moment", () => enslaved() > before);
      await near.untilLine("sl1", "is silent again", ({ state }) => state === "silent");
      await world.lines.setCut(1, false);
      await near.untilSlaves(["sl0", "sl1"]);
      // Its peer silent, it was freed by hand: then it does not come back by itself.
      await world.lines.setCut(1, true);
      await near.untilLine("sl1", "is silent", ({ state }) => state === "silent");
      await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" });
      await world.lines.setCut(1, false);
      await near.untilLine("sl1", "answers", ({ state }) => state === "alone");
      await near.untilSlaves(["sl0"]);
      assert.deepEqual(await world.near.routes("sl1"), [FAR]);
      // Enslaved by hand and taken down while it is silent, it is free as any other that is taken down.
      await near.client.request("DELETE", "/lines/sl1");
      const settings = {
        device: world.near.device(1),
        speed: SPEED,
        address: NEAR,
        peer: FAR,
        "echo-interval": 0.2,
      };
      await near.client.request("POST", "/lines", { name: "sl1", settings });
      await near.enslave("sl1", SPEED);
      await world.lines.setCut(1, true);
      await near.untilLine("sl1", "is silent", ({ state }) => state === "silent");
      await world.near.ip("link", "set", "sl1", "down");
      await near.untilLine("sl1", "is down", ({ state }) => state === "down");
      await world.lines.setCut(1, false);
      await world.near.ip("link", "set", "sl1", "up");
      await near.untilLine("sl1", "answers", ({ state }) => state === "alone");
      await near.untilSlaves(["sl0"]);
      assert.deepEqual(await world.near.routes("sl1"), [FAR]);
      assert.deepEqual(await both(daemons, (daemon) => daemon.stop()), [0, 0]);
    });
  });

  describe("a device and its locks", { concurrency: 1 }, () => {
    let world: World;
    let near: Side;
    const started: TestDaemon[] = [];

    before(async () => {
      world = await World.create([SPEED, SPEED]);
      near = world.near;
    });
    afterEach(async () => {
      for (const daemon of started.splice(0)) if (daemon.isRunning) await daemon.stop();
      for (const name of readdirSync(near.locks)) rmSync(join(near.locks, name));
    });
    after(() => world.close());

    const start = (...tables: readonly string[]): TestDaemon => {
      const daemon = new TestDaemon(near, ["up", "-c", near.configure(...tables)]);
      started.push(daemon);
      return daemon;
    };

    it("has a lock file while it is open", async () => {
      const daemon = start(near.lineTable(0));
      await daemon.ready();
      const locks = readdirSync(near.locks);
      assert.ok(locks.length >= 1 && locks.every((name) => name.startsWith("LCK..")), locks.join());
      for (const name of locks) {
        assert.equal(readFileSync(join(near.locks, name), "latin1"), `${String(daemon.pid).padStart(10)}\n`);
      }
      await world.lines.hangUp(0);
      await eventually("the locks of a closed line go", () => readdirSync(near.locks).length === 0);
      await world.lines.restore(0);
      await eventually("and come back", () => readdirSync(near.locks).length === locks.length);
      assert.equal(await daemon.stop(), 0);
      assert.deepEqual(readdirSync(near.locks), []);
    });

    it("is taken over from a process that is gone", async () => {
      const gone = spawn("true");
      await eventually("it ends", () => gone.exitCode !== null);
      const probe = start(near.lineTable(0));
      await probe.ready();
      const names = readdirSync(near.locks);
      await probe.stop();
      for (const name of names) writeFileSync(join(near.locks, name), `${String(gone.pid).padStart(10)}\n`);
      const daemon = start(near.lineTable(0));
      await daemon.ready();
      assert.equal((await daemon.line("sl0")).state, "alone");
      const names2 = names.map((name) => Number(readFileSync(join(near.locks, name), "latin1")));
      assert.deepEqual(
        names2,
        names.map(() => daemon.pid),
      );
    });

    it("of a process that runs is refused, with its number", async () => {
      const other = spawn("sleep", ["60"], { stdio: "ignore" });
      try {
        const probe = start(near.lineTable(0));
        await probe.ready();
        const names = readdirSync(near.locks);
        await probe.stop();
        for (const name of names)
          writeFileSync(join(near.locks, name), `${String(other.pid).padStart(10)}\n`);
        const daemon = start(near.lineTable(0));
        assert.equal(await daemon.exit(), 1);
        assert.match(daemon.said, new RegExp(`in use by sleep \\(PID ${other.pid}\\)`));
        for (const name of names)
          assert.match(readFileSync(join(near.locks, name), "latin1"), new RegExp(String(other.pid)));
      } finally {
        other.kill();
      }
    });

    it("in use by another daemon is refused, also without lock files", async () => {
      const first = start(near.lineTable(0, "lock = false"));
      await first.ready();
      const far = world.far;
      const file = far.configure(`[line.sl0]\ndevice = "${near.device(0)}"\nlock = false`);
      const second = new TestDaemon(far, ["up", "-c", file]);
      assert.equal(await second.exit(), 1);
      assert.match(second.said, new RegExp(`in use by .*\\(PID ${first.pid}\\)`));
      assert.equal(await far.link("sl0"), undefined);
      assert.equal(existsSync(far.socket), false);
      assert.equal((await first.line("sl0")).state, "alone");
    });

    it("is given back with the settings that it had", async () => {
      const settings = async (): Promise<string> => near.host.must(["stty", "-a", "-F", near.device(0)]);
      await near.host.must(["stty", "-F", near.device(0), "19200", "sane"]);
      const before = await settings();
      assert.match(before, /speed 19200.*\bicanon\b/s);
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        const daemon = start(near.lineTable(0, "speed = 115200"));
        await daemon.ready();
        assert.match(await settings(), / -icanon /);
        daemon.kill(signal);
        assert.equal(await daemon.exit(), 0);
        assert.equal(await settings(), before);
      }
      const daemon = start(near.lineTable(0));
      await daemon.ready();
      assert.equal((await near.eql("eql", "line", "remove", "sl0")).code, 0);
      assert.equal(await settings(), before);
      assert.deepEqual(readdirSync(near.locks), []);
    });
  });
});
