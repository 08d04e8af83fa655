import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { nativeBuffer, read } from "../../src/host/libc.ts";
import { Pty } from "../../src/host/pty.ts";
import { eventually, FAR, masterTable, type TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 1_000_000;
const WATCHED_MS = 2000;
/** What was asked of it before may reach into the time in which it is watched. */
const MOST_LOOKS = 10;
/** Wake-ups a second, of which a loop without rest makes thousands. */
const IDLE = 5;
/** Two or three attempts to open a device are among them. */
const TRYING = 100;

/** Context switches of all threads of a process so far, and its processor time in ticks of 10 ms. */
function activity(pid: number): { switches: number; ticks: number } {
  let switches = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, "latin1");
    for (const match of status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)$/gm))
      switches += Number(match[1]);
  }
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return { switches, ticks: Number(stat[11]) + Number(stat[12]) };
}

/** What a daemon does when it is left alone for two seconds. The clock is what is measured, so this waits by it. */
async function watch(daemon: TestDaemon): Promise<{ wakeupsPerSecond: number; cpuPercent: number }> {
  const before = activity(daemon.pid);
  const start = performance.now();
  await delay(WATCHED_MS);
  const after = activity(daemon.pid);
  const seconds = (performance.now() - start) / 1000;
  return {
    wakeupsPerSecond: (after.switches - before.switches) / seconds,
    cpuPercent: (after.ticks - before.ticks) / seconds,
  };
}

async function assertIdle(daemon: TestDaemon, limit = IDLE): Promise<void> {
  let seen = "";
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const { wakeupsPerSecond, cpuPercent } = await watch(daemon);
    if (wakeupsPerSecond < limit && cpuPercent < 5) return;
    seen += `${wakeupsPerSecond.toFixed(1)} wake-ups a second, ${cpuPercent.toFixed(1)} % of a core\n`;
  }
  assert.fail(seen);
}

/** Two daemons, with a bond of two lines between them. */
class Scene {
  readonly world: World;
  readonly near: TestDaemon;
  readonly far: TestDaemon;

  private constructor(world: World, near: TestDaemon, far: TestDaemon) {
    this.world = world;
    this.near = near;
    this.far = far;
  }

  static async in(work: (scene: Scene) => Promise<void>): Promise<void> {
    const world = await World.create([SPEED, SPEED]);
    try {
      for (const { host } of [world.near, world.far]) {
        for (const which of ["all", "default"]) {
          await host.must(["sh", "-c", `echo 0 > /proc/sys/net/ipv6/conf/${which}/disable_ipv6`]);
        }
      }
      const [near, far] = await world.upBoth((side, address, peer) => [
        masterTable(address, peer),
        ...[0, 1].map((line) => side.lineTable(line, `speed = ${SPEED}`, 'master = "eql"')),
      ]);
      await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
      await work(new Scene(world, near, far));
      assert.deepEqual(await Promise.all([near.stop(), far.stop()]), [0, 0]);
    } finally {
      await world.close();
    }
  }
}

/** All at once: most of the time they are left alone. */
describe("a daemon that has nothing to do", { skip: worldMissing(), concurrency: true }, () => {
  it("sleeps, and sends nothing", () =>
    Scene.in(async ({ world, near }) => {
      assert.ok(await world.near.ping(FAR));
      await near.until("its queue is empty", ({ masters }) => masters[0]?.queue.packets === 0);
      const before = (await near.status()).lines.map(({ lineOctets }) => lineOctets);
      await assertIdle(near);
      assert.deepEqual(
        (await near.status()).lines.map(({ lineOctets }) => lineOctets),
        before,
      );
      // An interface with IPv6 and a link-local address would have solicited routers by now.
      assert.doesNotMatch(await world.near.ip("-6", "address"), /eql|sl\d|fe80/);
      assert.ok(before[0] !== undefined && before[0].sent < 1000);
    }));

  it("carries IPv6 when it is addressed, and makes no addresses of its own when IPv6 begins anew", () =>
    Scene.in(async ({ world, near, far }) => {
      await world.near.ip("addr", "add", "fd00:99::1", "peer", "fd00:99::2", "dev", "eql");
      await world.far.ip("addr", "add", "fd00:99::2", "peer", "fd00:99::1", "dev", "eql");
      await eventually("the address is there", async () =>
        /fd00:99::1/.test(await world.near.ip("-6", "address", "show", "dev", "eql")),
      );
      assert.ok(await world.near.ping("fd00:99::2", "-6", "-s", "1400"));
      const { received } = await far.master();
      assert.ok(received.octets > 3 * 1400);
      for (const mtu of ["576", "1500"]) {
        for (const name of ["eql", "sl0", "sl1"]) await world.near.ip("link", "set", name, "mtu", mtu);
      }
      await near.untilSlaves(["sl0", "sl1"]);
      await eventually("no address of the kernel's own", async () => {
        const shown = await world.near.ip("-6", "address", "show");
        return !/inet6 fe80/.test(shown);
      });
      assert.match(await world.near.ip("-d", "link", "show", "dev", "eql"), /addrgenmode none/);
    }));

  it("sleeps while a line is hung up and is looked for", () =>
    Scene.in(async ({ world, near }) => {
      await world.lines.hangUp(1);
      await near.untilLine("sl1", "is closed", ({ state }) => state === "closed");
      await assertIdle(near, TRYING);
      await world.lines.restore(1);
      await near.untilSlaves(["sl0", "sl1"]);
    }));

  it("sleeps while a driver takes nothing, uses the other line, and the first again when it takes more", () =>
    Scene.in(async ({ world, near }) => {
      // Nobody reads what is written to this terminal: its buffer fills up and stays full.
      const stuck = Pty.open();
      try {
        await near.client.request("POST", "/lines", {
          name: "sl9",
          settings: { device: stuck.path, speed: SPEED, lock: false, master: "eql" },
        });
        await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" });
        await near.until("sl0 and sl9", ({ masters }) => masters[0]?.slaves.toSorted().join() === "sl0,sl9");
        await world.transfer(100_000);
        const { lineOctets } = await near.line("sl9");
        assert.ok(lineOctets.sent > 4096 && lineOctets.sent < 60_000, `${lineOctets.sent} octets`);
        // Nothing but this line is left: the queue fills up too.
        await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl0" });
        const datagrams = `for i in $(seq 300); do echo ${"x".repeat(900)} > /dev/udp/${FAR}/9; done`;
        await world.near.host.must(["bash", "-c", datagrams]);
        // The engine takes them in portions, between which it answers.
        await near.until(
          "the queue overflows",
          ({ masters: [master] }) => (master?.drops["queueFull"] ?? 0) > 100,
        );
        assert.ok((await near.master()).queue.packets > 50);
        await assertIdle(near);
        const memory = nativeBuffer(65536);
        await near.until("all of it is sent", ({ masters: [master] }) => {
          while (read(stuck.master, memory.address, 65536) > 0);
          return master?.queue.packets === 0;
        });
        assert.equal((await near.line("sl9")).state, "enslaved");
        await near.client.request("DELETE", "/lines/sl9");
      } finally {
        stuck.close();
      }
    }));

  it("sleeps while a terminal whose other end is gone hangs up again and again", () =>
    Scene.in(async ({ near }) => {
      const pty = Pty.open();
      await near.client.request("POST", "/lines", {
        name: "sl9",
        settings: { device: pty.path, lock: false },
      });
      pty.close();
      const { reason } = await near.untilLine("sl9", "is closed", ({ state }) => state === "closed");
      assert.match(reason, /hung up|does not exist/);
      await assertIdle(near, TRYING);
      await near.client.request("DELETE", "/lines/sl9");
    }));

  it("takes the deletion of its interfaces for the removal of lines and masters", () =>
    Scene.in(async ({ world, near }) => {
      await world.near.ip("link", "del", "sl1");
      await near.until("sl1 is removed", ({ lines }) => lines.every(({ name }) => name !== "sl1"));
      const settings = { device: world.near.device(1), speed: SPEED, master: "eql" };
      await near.client.request("POST", "/lines", { name: "sl1", settings });
      await near.untilLine("sl1", "is back", ({ state }) => state === "enslaved");
      await world.near.ip("link", "del", "eql");
      await near.until(
        "eql is removed",
        ({ masters, lines }) => masters.length === 0 && lines.every(({ state }) => state === "alone"),
      );
      await assertIdle(near);
      await assert.rejects(near.enslave("sl1", SPEED), { code: "MASTER_UNKNOWN" });
    }));
});
