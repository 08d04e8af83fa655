import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { Status } from "../../src/control/messages.ts";
import { Running } from "../cli/run.ts";
import { eventually, FAR, NEAR, type Side, World, worldMissing } from "./world.ts";

const PPPD = join(import.meta.dirname, "..", "cli", "pppd-main.js");
const SPEED = 1_000_000;

describe("eql pppd and the daemon that it starts", { skip: worldMissing() }, () => {
  let world: World;
  const started: ChildProcess[] = [];

  before(async () => {
    world = await World.create([SPEED, SPEED]);
  });
  after(() => world.close());
  afterEach(async () => {
    for (const child of started.splice(0)) if (child.exitCode === null) child.kill("SIGTERM");
    for (const side of [world.near, world.far])
      await eventually("its lines have gone", () => hasNoLine(side));
  });

  /** Whether nothing is left of a line, though the daemon may wait for another one. */
  async function hasNoLine(side: Side): Promise<boolean> {
    const files = readdirSync(side.directory).filter(
      (name) => name.includes("LCK..") || name.endsWith(".pid"),
    );
    const links = (await side.links()).map(({ ifname }) => ifname);
    return files.length === 0 && links.every((name) => name === "lo" || name === "eql");
  }

  /** A pppd on a side, with files of its own there. */
  function run(side: Side, socket: string, args: readonly string[]): Running {
    const environment = [`EQL_SOCKET=${socket}`, `EQL_TEST_PLACE=${side.directory}`];
    const command = ["env", ...environment, process.execPath, PPPD, ...args];
    const child = side.host.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
    started.push(child);
    return new Running(child);
  }

  /** On a side's end of a line, in the foreground. */
  const start = (side: Side, line: number, ...args: readonly string[]): Running =>
    run(side, side.socket, [
      side.device(line),
      String(SPEED),
      "nodetach",
      "lock",
      "lcp-restart",
      "1",
      ...args,
    ]);

  const statusOf = (side: Side): Promise<Status> =>
    new ControlClient(side.socket).request<Status>("GET", "/status");

  it("bring up a line that carries packets, and leave nothing when it ends", async () => {
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "debug");
    const far = start(world.far, 0, `${FAR}:${NEAR}`);
    await near.untilOutput(new RegExp(`local  IP address ${NEAR}\nremote IP address ${FAR}\n`));
    await far.untilOutput(new RegExp(`local  IP address ${FAR}\nremote IP address ${NEAR}\n`));
    assert.ok(await world.near.ping(FAR));
    assert.ok(
      (await statusOf(world.near)).lines.every(({ kind, ppp }) => kind === "ppp" && ppp?.phase === "network"),
    );
    near.child.kill("SIGTERM");
    const [nearEnd, farEnd] = await Promise.all([near.outcome(), far.outcome()]);
    assert.deepEqual([nearEnd.code, nearEnd.stderr, farEnd.code, farEnd.stderr], [5, "", 0, ""]);
    assert.match(nearEnd.stdout, /^sent \[LCP ConfReq id=0x1 /m);
    assert.match(nearEnd.stdout, /Connection terminated\.\nExit\.\n$/);
    assert.doesNotMatch(farEnd.stdout, /^sent /m);
  });

  it("of two lines with multilink make one bundle, which lasts as long as one of them", async () => {
    const args = (local: string, remote: string): string[] => [
      `${local}:${remote}`,
      "multilink",
      "endpoint",
      `IP:${local}`,
    ];
    const near = [0, 1].map((line) => start(world.near, line, ...args(NEAR, FAR)));
    const far = [0, 1].map((line) => start(world.far, line, ...args(FAR, NEAR)));
    await Promise.all([...near, ...far].map((one) => one.untilOutput(/local  IP address|Link attached to /)));
    assert.ok(await world.near.ping(FAR));
    await world.transfer(60_000);
    const joined = near.findIndex((one) => /Link attached to/.test(one.octets.toString()));
    assert.ok(joined >= 0, "one of them joined the other's bundle");
    near[1 - joined]?.child.kill("SIGTERM");
    assert.equal((await (near[1 - joined] as Running).outcome()).code, 5);
    assert.equal((await (far[1 - joined] as Running).outcome()).code, 0);
    assert.ok(await world.near.ping(FAR), "the bundle goes on with the other line");
    near[joined]?.child.kill("SIGTERM");
    await Promise.all([near[joined]?.outcome(), far[joined]?.outcome()]);
  });

  it("run an ip-up of 1995, which enslaves the interface to eql", async () => {
    const script = join(world.near.directory, "ip-up");
    const log = join(world.near.directory, "ip-up.log");
    writeFileSync(
      script,
      `#!/bin/sh
ip link set eql up && eql_enslave eql $1 $3 && echo "$1 $2 $3 $4 $5 $6 $?" > ${log}.new && mv ${log}.new ${log}
`,
    );
    chmodSync(script, 0o755);
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "ipparam", "isp");
    const far = start(world.far, 0, `${FAR}:${NEAR}`);
    await eventually("ip-up has run", () => existsSync(log));
    const [, name] = /Using interface (\S+)/.exec(near.octets.toString()) ?? [];
    assert.equal(
      readFileSync(log, "utf8"),
      `${name} ${world.near.device(0)} ${SPEED} ${NEAR} ${FAR} isp 0\n`,
    );
    const { masters } = await statusOf(world.near);
    assert.deepEqual(masters.find((master) => master.name === "eql")?.slaves.length, 1);
    near.child.kill("SIGTERM");
    await Promise.all([near.outcome(), far.outcome()]);
  });

  it("show in the status how the interface is called, when the peer wants no multilink", async () => {
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "multilink", "unit", "4");
    const far = start(world.far, 0, `${FAR}:${NEAR}`);
    await near.untilOutput(/Using interface ppp4\n/);
    const { lines } = await statusOf(world.near);
    assert.deepEqual(
      lines.map((line) => [line.name === "ppp4", line.interface]),
      [[false, "ppp4"]],
    );
    near.child.kill("SIGTERM");
    await Promise.all([near.outcome(), far.outcome()]);
  });

  it("write the name servers that the peer tells into resolv.conf", async () => {
    const file = join(world.near.directory, "resolv.conf");
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "usepeerdns");
    const far = start(world.far, 0, `${FAR}:${NEAR}`, "ms-dns", "192.0.2.53", "ms-dns", "192.0.2.54");
    await near.untilOutput(/remote IP address/);
    assert.equal(readFileSync(file, "utf8"), "nameserver 192.0.2.53\nnameserver 192.0.2.54\n");
    assert.ok(!existsSync(join(world.far.directory, "resolv.conf")));
    near.child.kill("SIGTERM");
    await Promise.all([near.outcome(), far.outcome()]);
  });

  it("come back with persist when the peer does", async () => {
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "persist", "maxfail", "0", "unit", "3");
    for (let round = 1; round <= 2; round += 1) {
      const far = start(world.far, 0, `${FAR}:${NEAR}`);
      await near.untilOutput(new RegExp(`(Using interface ppp3\n[^]*){${round}}remote IP address`));
      far.child.kill("SIGTERM");
      assert.equal((await far.outcome()).code, 5);
      await near.untilOutput(new RegExp(`(Connection terminated\\.\n[^]*){${round}}`));
    }
    near.child.kill("SIGTERM");
    assert.equal((await near.outcome()).code, 5);
  });

  it("authenticate each other, and exit as pppd does when one cannot", async () => {
    for (const side of [world.near, world.far]) {
      writeFileSync(join(side.directory, "chap-secrets"), "joe srv sesame *\n", { mode: 0o600 });
    }
    const near = start(world.near, 0, `${NEAR}:${FAR}`, "name", "srv", "require-chap");
    const far = start(world.far, 0, "noipdefault", "user", "joe");
    await far.untilOutput(new RegExp(`remote IP address ${NEAR}`));
    far.child.kill("SIGTERM");
    await Promise.all([near.outcome(), far.outcome()]);
    const server = start(world.near, 0, `${NEAR}:${FAR}`, "name", "srv", "require-chap");
    const client = start(world.far, 0, "noipdefault", "user", "joe", "password", "wrong");
    const outcomes = await Promise.all([server.outcome(), client.outcome()]);
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [11, 19],
      JSON.stringify(outcomes),
    );
  });

  it("say why no daemon could be started", async () => {
    const blocked = join(world.near.directory, "file");
    writeFileSync(blocked, "");
    const { code, stdout } = await run(world.near, `${blocked}/eql.sock`, [
      world.near.device(0),
      "nodetach",
    ]).outcome();
    assert.equal(code, 1);
    assert.match(stdout, /no EQL daemon runs, and none could be started: eql: \S.*\/file/);
  });

  it("end with the daemon's last line: nothing is left", async () => {
    for (const side of [world.near, world.far]) {
      // One that was started for a line lasts for 5 s without one.
      await eventually("the daemon has ended", () => !existsSync(side.socket));
      await eventually("its interfaces have gone", async () => (await side.links()).length === 1);
    }
  });
});
