import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { joinByCable } from "../../src/lab/namespace.ts";
import { eventually, FAR, masterTable, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

const HOLDER = fileURLToPath(new URL("tun-holder.js", import.meta.url));
const SPEED = 460_800;

/** A TUN interface of somebody else. */
class Tun {
  readonly lengths: number[] = [];
  readonly #child: ChildProcess;
  #said = "";

  private constructor(side: Side, name: string, mtu: number) {
    this.#child = side.host.spawn([process.execPath, HOLDER, name, String(mtu)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
      for (let end = this.#said.indexOf("\n"); end >= 0; end = this.#said.indexOf("\n")) {
        const line = this.#said.slice(0, end);
        this.#said = this.#said.slice(end + 1);
        this.lengths.push(line === "up" ? 0 : Number(line));
      }
    });
  }

  static async hold(side: Side, name: string, mtu = 1500): Promise<Tun> {
    const tun = new Tun(side, name, mtu);
    await eventually(`${name} is there`, () => tun.lengths.shift() === 0);
    return tun;
  }

  /** Ends its process, and with it the interface. */
  async drop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await eventually(
      "its process ends",
      () => this.#child.signalCode !== null || this.#child.exitCode !== null,
    );
  }
}

describe("a kernel interface as a slave", { skip: worldMissing() }, () => {
  let world: World;
  let near: Side;
  let tun: Tun;
  let daemon: TestDaemon | undefined;

  before(async () => {
    world = await World.create([SPEED, SPEED]);
    near = world.near;
  });
  after(() => world.close());
  beforeEach(async () => {
    tun = await Tun.hold(near, "tun7");
  });
  afterEach(async () => {
    if (daemon?.isRunning === true) assert.equal(await daemon.stop(), 0, daemon.said);
    assert.doesNotMatch(daemon?.said ?? "", /"level":[56]0/);
    await tun.drop();
  });

  const master = masterTable(NEAR, FAR);
  const wan = '[line.wan]\ninterface = "tun7"\nrate = 128000\nmaster = "eql"\n';

  it("is enslaved by command, and forgotten when it is freed", async () => {
    await near.ip("addr", "add", "10.98.0.1", "peer", "10.98.0.2", "dev", "tun7");
    await near.ip("route", "add", "10.97.0.0/16", "dev", "tun7");
    daemon = await near.up(master);
    assert.deepEqual(await near.eql("eql_enslave", "eql", "tun7", "128000"), {
      code: 0,
      stdout: "",
      stderr: "",
    });
    const { kind, state, rateGivenBps, mtu, master: of } = await daemon.line("tun7");
    assert.deepEqual([kind, state, rateGivenBps, mtu, of], ["device", "enslaved", 128000, 1500, "eql"]);
    assert.deepEqual(await near.routes("tun7"), ["10.97.0.0/16"]);
    await near.host.run(["ping", "-c", "2", "-i", "0.05", "-W", "0.1", "-s", "600", FAR]);
    await eventually("two packets leave", () => tun.lengths.length === 2);
    assert.deepEqual(tun.lengths, [628, 628]);
    assert.equal((await daemon.line("tun7")).sent.packets, 2);
    assert.deepEqual(await near.eql("eql_emancipate", "eql", "tun7"), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual((await daemon.status()).lines, []);
    assert.deepEqual(await near.routes("tun7"), ["10.97.0.0/16", "10.98.0.2"]);
    await near.ip("route", "del", "10.97.0.0/16", "dev", "tun7");
  });

  it("gets its routes back when the daemon ends, and stays up", async () => {
    await near.ip("addr", "add", "10.98.0.1", "peer", "10.98.0.2", "dev", "tun7");
    daemon = await near.up(master, wan, 'routes = ["10.95.0.0/16"]');
    await daemon.untilSlaves(["wan"]);
    assert.deepEqual(await near.routes("tun7"), ["10.95.0.0/16"]);
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(await near.routes("tun7"), ["10.98.0.2"]);
    assert.ok((await near.link("tun7"))?.flags.includes("UP"));
  });

  it("is refused when its packets need Ethernet headers", async (t) => {
    const other = await World.create([]);
    t.after(() => other.close());
    await joinByCable(other.near.host, other.far.host, { nearAddress: "10.96.0.1", farAddress: "10.96.0.2" });
    daemon = await other.near.up(master);
    const { code, stderr } = await other.near.eql("eql_enslave", "eql", "cable0", "128000");
    assert.equal(code, 1);
    assert.match(stderr, /^eql_enslave: cable0 cannot be a slave: packets on it need a link-layer header/);
    assert.deepEqual((await daemon.status()).lines, []);
    assert.equal(await daemon.stop(), 0);
    const refused = new TestDaemon(other.near, [
      "up",
      "-c",
      other.near.configure(master, wan.replace("tun7", "cable0")),
    ]);
    assert.equal(await refused.exit(), 1);
    assert.match(refused.said, /cable0 cannot be a slave/);
    assert.equal(await other.near.link("eql"), undefined);
  });

  it("is freed when it goes, is looked for, and rejoins when it is back", async () => {
    daemon = await near.up(master, wan);
    await daemon.untilSlaves(["wan"]);
    await tun.drop();
    const gone = await daemon.untilLine("wan", "is closed", ({ state }) => state === "closed");
    assert.match(gone.reason, /gone/);
    // It is shown while it is looked for.
    const retries = new Set<number>();
    await daemon.until("it was looked for twice", ({ lines }) => {
      const line = lines.find(({ name }) => name === "wan");
      assert.equal(line?.state, "closed");
      assert.equal(line.device, "tun7");
      if (line.retryAt !== null) retries.add(line.retryAt);
      return retries.size > 2;
    });
    assert.match((await daemon.line("wan")).reason, /gone|no interface tun7/);
    await assert.rejects(daemon.enslave("wan", 128000), { code: "SLAVE_UNSUITABLE" });
    tun = await Tun.hold(near, "tun7");
    await daemon.untilSlaves(["wan"]);
    assert.equal((await daemon.line("wan")).reason, "");
    await near.host.run(["ping", "-c", "1", "-W", "0.1", FAR]);
    await eventually("a packet leaves", () => tun.lengths.length === 1);
  });

  it("can be removed while it is gone, and is not looked for any more", async () => {
    daemon = await near.up(master, wan);
    await daemon.untilSlaves(["wan"]);
    await tun.drop();
    const { retryAt } = await daemon.untilLine("wan", "is closed", ({ state }) => state === "closed");
    await daemon.untilLine(
      "wan",
      "was looked for",
      (line) => line.retryAt !== null && line.retryAt !== retryAt,
    );
    assert.deepEqual(await near.eql("eql", "line", "remove", "wan"), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual((await daemon.status()).lines, []);
    tun = await Tun.hold(near, "tun7");
    assert.deepEqual(await near.eql("eql_enslave", "eql", "tun7", "128000"), {
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("that was enslaved by command is forgotten when it goes", async () => {
    daemon = await near.up(master);
    await daemon.enslave("tun7", 128000);
    await tun.drop();
    await daemon.until(
      "it is forgotten",
      ({ lines, masters }) => lines.length === 0 && masters[0]?.slaves.length === 0,
    );
    tun = await Tun.hold(near, "tun7");
    await daemon.enslave("tun7", 128000);
    await near.ip("link", "set", "tun7", "down");
    await daemon.until(
      "it is forgotten",
      ({ lines, masters }) => lines.length === 0 && masters[0]?.slaves.length === 0,
    );
  });

  it("is one line, by its own name as by that of its line", async () => {
    daemon = await near.up(master, wan);
    await daemon.untilSlaves(["wan"]);
    await daemon.enslave("tun7", 64000);
    const { masters, lines } = await daemon.status();
    assert.deepEqual([masters[0]?.slaves, lines.map(({ name }) => name)], [["wan"], ["wan"]]);
    assert.equal(lines[0]?.rateGivenBps, 64000);
    await daemon.client.request("POST", "/emancipate", { master: "eql", slave: "tun7" });
    assert.deepEqual((await daemon.master()).slaves, []);
    assert.equal((await daemon.line("wan")).state, "alone");
  });

  it("follows its MTU", async () => {
    daemon = await near.up(master, wan);
    await daemon.untilSlaves(["wan"]);
    for (const mtu of [600, 12_000]) {
      for (const name of ["tun7", "eql"]) await near.ip("link", "set", name, "mtu", String(mtu));
      await daemon.until(
        `a slave of ${mtu}`,
        ({ lines, masters }) => lines[0]?.mtu === mtu && masters[0]?.slaves.length === 1,
      );
      tun.lengths.length = 0;
      await near.host.run(["ping", "-c", "1", "-W", "0.1", "-s", String(mtu - 28), "-M", "do", FAR]);
      await eventually("it leaves whole", () => tun.lengths.join() === String(mtu));
    }
  });

  it("counts what comes in by it", async () => {
    // The interface of another daemon, which is a kernel interface to this one, with a real line behind it.
    const slattach = await near.up(near.lineTable(0, `speed = ${SPEED}`, "mtu = 1000"));
    const far = await world.far.up(
      masterTable(FAR, NEAR, "mtu = 1000"),
      world.far.lineTable(0, `speed = ${SPEED}`, 'master = "eql"'),
    );
    const file = near.configure(
      masterTable(NEAR, FAR, "mtu = 1000"),
      `[line.wan]\ninterface = "sl0"\nrate = ${SPEED}\nmtu = 1000\nmaster = "eql"\n`,
    );
    const socket = `${near.socket}.2`;
    daemon = new TestDaemon(near, ["up", "-c", file, "--socket", socket], [], socket);
    await daemon.ready();
    await daemon.untilSlaves(["wan"]);
    await far.untilSlaves(["sl0"]);
    assert.ok(await near.ping(FAR, "-s", "500"));
    await world.transfer(60_000);
    const { sent, received } = await daemon.line("wan");
    assert.ok(sent.octets > 60_000, `sent ${sent.octets}`);
    assert.ok(received.packets > 10 && received.octets > 3 * 528, `received ${JSON.stringify(received)}`);
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(await Promise.all([slattach.stop(), far.stop()]), [0, 0]);
  });
});
