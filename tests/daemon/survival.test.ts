import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { eventually, FAR, masterTable, NEAR, type TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 1_000_000;

/** Makes lock files such that nobody removes them. */
function keepLocks(files: readonly string[]): void {
  for (const file of files) {
    rmSync(file);
    mkdirSync(file);
    writeFileSync(join(file, "kept"), "");
  }
}

describe("a daemon", { skip: worldMissing() }, () => {
  let world: World;
  let daemon: TestDaemon;

  beforeEach(async () => {
    world = await World.create([SPEED, SPEED]);
    const { near } = world;
    daemon = await near.up(
      masterTable(NEAR, FAR),
      near.lineTable(0, `speed = ${SPEED}`, 'master = "eql"', "default-route = true"),
      near.lineTable(1, `speed = ${SPEED}`, 'master = "eql"'),
    );
    await daemon.untilSlaves(["sl0", "sl1"]);
  });
  afterEach(() => world.close());

  it("carries on and ends when a lock file cannot be given back", async () => {
    const { locks } = world.near;
    const files = readdirSync(locks).map((name) => join(locks, name));
    assert.equal(files.length, 2);
    keepLocks(files);
    await world.lines.hangUp(0);
    await daemon.untilLine("sl0", "is closed", ({ state }) => state === "closed");
    assert.deepEqual((await daemon.master()).slaves, ["sl1"]);
    await eventually("the daemon tells why", () => /cannot be removed/.test(daemon.said));
    daemon.kill("SIGTERM");
    assert.equal(await daemon.exit(), 0);
    for (const file of files) rmSync(file, { recursive: true });
  });

  it("removes a line, or sees that its interface was deleted, though its lock file stays", async () => {
    const { near } = world;
    const { locks } = near;
    keepLocks(readdirSync(locks).map((name) => join(locks, name)));
    const { code, stderr } = await near.eql("eql", "line", "remove", "sl0");
    assert.equal(code, 1);
    assert.match(stderr, /cannot be removed/);
    await near.ip("link", "del", "sl1");
    await daemon.until("both are gone", ({ lines }) => lines.length === 0);
    assert.deepEqual(
      (await near.links()).map(({ ifname }) => ifname),
      ["lo", "eql"],
    );
    assert.equal(await daemon.stop(), 0);
  });

  it("keeps a slave's routes away from the master's when the slave is addressed", async () => {
    await world.near.ip("addr", "add", "10.98.0.1", "peer", "10.98.0.2", "dev", "sl1");
    await eventually(
      "the route to its peer is gone",
      async () => (await world.near.routes("sl1")).length === 0,
    );
    await world.near.eql("eql_emancipate", "eql", "sl1");
    await eventually("it is back", async () => (await world.near.routes("sl1")).includes("10.98.0.2"));
  });

  it("gives a slave that was renamed its routes back", async () => {
    const { near } = world;
    await near.ip("link", "set", "sl0", "name", "com0");
    assert.deepEqual(await near.routes("com0"), []);
    await near.eql("eql_emancipate", "eql", "sl0");
    await eventually("they are back", async () => (await near.routes("com0")).includes("default"));
  });
});
