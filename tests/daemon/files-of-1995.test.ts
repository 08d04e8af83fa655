import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { Status } from "../../src/control/messages.ts";
import { ROOT, Running } from "../cli/run.ts";
import { BUSY, CALL_MS, NUMBER, PhoneWorld } from "./phone-world.ts";
import { eventually, FAR, NEAR, programsMissing, type Side, TestDaemon, worldMissing } from "./world.ts";

const FILES = join(ROOT, "examples", "1995");
const PPPD = join(import.meta.dirname, "..", "cli", "pppd-main.js");
const CARRIER = 57_600;
const BYTES = 20_000;
/** The one of the examples, and the lines that it is about. */
const MTU = 576;
const RATES = [28_800, 14_400] as const;

describe("the files of 1995", {
  skip: worldMissing() || programsMissing(["expect", "route", "ifconfig"]),
}, () => {
  const started: ChildProcess[] = [];
  let daemons: TestDaemon[] = [];
  let world: PhoneWorld;
  let near: Side;
  let far: Side;
  /** Its Expect script waits for ten seconds in all: on a host of its own, while the others call. */
  let busy: { world: PhoneWorld; daemon: TestDaemon; call: Running };

  before(async () => {
    world = await PhoneWorld.create([CARRIER, CARRIER]);
    ({ near, far } = world);
    const other = await PhoneWorld.create([CARRIER]);
    busy = { world: other, daemon: await setUpPpp(other.near), call: pppOn(0, BUSY, other.near) };
  });
  afterEach(async () => {
    for (const child of started.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await eventually("it ends", () => child.exitCode !== null || child.signalCode !== null, CALL_MS);
    }
    for (const daemon of daemons.splice(0)) assert.equal(await daemon.stop(), 0);
  });
  after(() => Promise.all([world?.close(), busy?.world.close()]));

  /** A terminal server on both modems, with one account for all lines of the near host. */
  async function answer(...account: readonly string[]): Promise<TestDaemon> {
    const users = join(far.directory, "users.toml");
    const alice = ["[user.alice]", 'secret = "sesame"', `address = "${NEAR}"`, ...account];
    writeFileSync(users, alice.join("\n"), { mode: 0o600 });
    const daemon = await far.up(
      "[answer.modems]",
      `address = "${FAR}"`,
      `users = "${users}"`,
      ...[0, 1].map((line) => far.lineTable(line, "speed = 115200", 'role = "answer"', 'answer = "modems"')),
    );
    daemons.push(daemon);
    return daemon;
  }

  /** The daemon, the master with its address as rc scripts set it, and what is in /etc/ppp and on the PATH. */
  async function setUpPpp(near: Side): Promise<TestDaemon> {
    const daemon = await near.up("[master.eql]");
    await near.host.must(["ifconfig", "eql", NEAR, "netmask", "255.255.255.255", "mtu", "1500", "up"]);
    copyFileSync(join(FILES, "ip-up"), join(near.directory, "ip-up"));
    writeFileSync(join(near.directory, "options"), "nodetach\n");
    const program = join(near.directory, "eql-pppd");
    writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${PPPD} "$@"\n`);
    chmodSync(program, 0o755);
    return daemon;
  }

  function pppOn(line: number, number: string, near: Side): Running {
    const environment = [
      `EQL_SOCKET=${near.socket}`,
      `EQL_TEST_PLACE=${near.directory}`,
      `FILES=${FILES}`,
      `LOCAL=${NEAR}`,
      `PATH=${near.directory}:${process.env["PATH"]}`,
    ];
    const command = [join(FILES, "ppp-on"), near.device(line), number, "alice", "sesame"];
    return new Running(
      near.host.spawn(["env", ...environment, ...command], { stdio: ["ignore", "pipe", "pipe"] }),
    );
  }

  const hasTwoSlaves = ({ masters }: Status): readonly string[] | undefined =>
    masters.find(({ slaves }) => slaves.length === 2)?.slaves;

  it("make a bundle of two PPP calls by pppd's command line, an Expect dialer and ip-up", async () => {
    const [daemon, server] = [await setUpPpp(near), await answer()];
    daemons.push(daemon);
    const calls = [0, 1].map((line) => pppOn(line, NUMBER, near));
    started.push(...calls.map(({ child }) => child));
    try {
      await daemon.until("both lines are eql's", hasTwoSlaves, CALL_MS);
    } catch (error) {
      const said = calls.map(({ octets, complaints }) => `${octets.toString()}\n${complaints}`);
      throw new Error(`no bundle:\n${said.join("\n---\n")}\n${server.said}`, { cause: error });
    }
    await server.until("both are one caller's", hasTwoSlaves, CALL_MS);
    const { lines } = await daemon.status();
    assert.deepEqual(
      lines.map(({ state, rateGivenBps }) => [state, rateGivenBps]),
      [
        ["enslaved", 38_400],
        ["enslaved", 38_400],
      ],
    );
    assert.deepEqual(await near.routes("eql"), ["default"]);
    for (const { interface: name } of lines) assert.deepEqual(await near.routes(name), [], name);
    assert.ok(await near.ping(FAR));
    await world.transfer(BYTES);
    for (const [line, call] of calls.entries()) {
      assert.match(call.complaints, new RegExp(`: ${near.device(line)}: logged in as alice$`, "m"));
      call.child.kill("SIGTERM");
    }
    for (const call of calls) assert.equal((await call.outcome()).code, 5);
  });

  it("bring up the lines of a runslip.conf by their Expect scripts, and dial again when a call is cut", async () => {
    const script = join(near.directory, "call.xp");
    writeFileSync(
      script,
      `set argv [list ${NUMBER} alice sesame $env(DEVICE)]\nsource ${join(FILES, "dialout.exp")}\n`,
    );
    const stanza = (name: string, line: number, dialOut: string, ...more: readonly string[]): string =>
      [
        `name ${name}`,
        "baud 115200",
        `mtu ${MTU}`,
        `ducmd ${dialOut}`,
        `address ${NEAR}`,
        `line ${near.device(line)}`,
        ...more,
        "",
      ].join("\n\t");
    const file = join(near.directory, "runslip.conf");
    const words = `-t 9 -e ${join(FILES, "dialout.exp")} ${NUMBER} alice sesame ${near.device(1)}`;
    const [first, second] = RATES.map((bps) => `eql_enslave eql $interface ${bps}`) as [string, string];
    const stanzas = [
      stanza("sl-line-1", 0, `-e ${script} -t 0`, "enabled", `command ${first}`),
      stanza("sl-line-2", 1, words, "enabled", `command sleep 0; ${second}`),
      stanza("sl-line-3", 1, words),
    ];
    writeFileSync(file, stanzas.join("\n"));
    const server = await answer('protocol = "slip"', `mtu = ${MTU}`);
    const daemon = new TestDaemon(near, ["up", "--runslip", file, "--socket", near.socket]);
    daemons.push(daemon);
    await daemon.ready();
    const bothJoin = async (what: string): Promise<void> => {
      const rates = await daemon.until(
        what,
        ({ lines }) =>
          lines.length === 2 &&
          lines.every(({ state }) => state === "enslaved") &&
          lines.map(({ rateGivenBps }) => rateGivenBps),
        CALL_MS,
      );
      assert.deepEqual(rates, RATES);
      await server.until("both are one caller's", hasTwoSlaves, CALL_MS);
    };
    await bothJoin("both lines are up");
    await near.host.must(["route", "add", "default", "dev", "eql"]);
    assert.ok(await near.ping(FAR));
    world.phones.drop("near0");
    await daemon.untilLine("sl-line-1", "has lost its call", ({ state }) => state !== "enslaved", CALL_MS);
    await eventually("the other line goes on", () => near.ping(FAR), CALL_MS);
    await bothJoin("the line is dialed again");
    assert.doesNotMatch(JSON.stringify(await daemon.status()) + daemon.said, /sesame/);
    const { life } = await daemon.line("sl-line-1");
    assert.ok(
      life?.transcript.some((text) => text.includes("logged in as alice")),
      String(life?.transcript),
    );
  });

  it("say why there is no connection, and exit as pppd does", async () => {
    const { code, stderr } = await busy.call.outcome();
    assert.equal(code, 8);
    assert.match(stderr, /: the number is busy\n/);
    assert.doesNotMatch(stderr, /sesame/);
    assert.equal(await busy.daemon.stop(), 0);
  });
});
