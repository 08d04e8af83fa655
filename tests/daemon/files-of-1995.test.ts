import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Host } from "../../src/lab/namespace.ts";
import { PhoneLab } from "../../src/lab/phone-lab.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { requireIntact, transferTcp } from "../../src/lab/transfer.ts";
import { Running } from "../cli/run.ts";
import { eventually, FAR, NEAR, programsMissing, Side, TestDaemon, worldMissing } from "./world.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const FILES = join(ROOT, "examples", "1995");
const PPPD = join(import.meta.dirname, "..", "cli", "pppd-main.js");
/** A terminal server's side of a call: it answers, pauses, and asks for login and password. */
const ANSWER =
  `${process.execPath} ${ROOT}bin/eql chat TIMEOUT 60 RING ATA ` +
  "CONNECT '\\d\\r\\nlogin: \\c' alice 'Password: \\c' sesame '\\r\\nHello\\r\\n\\c'";
const NUMBER = "5551000";
const BUSY = "5559999";
/** Dialing alone has 5 s of pauses. */
const CALL_MS = 60_000;
const BYTES = 30_000;

describe("the files of 1995", {
  skip: worldMissing() || programsMissing(["expect", "route", "ifconfig"]),
}, () => {
  const scratch = new Scratch("eql-1995");
  const started: ChildProcess[] = [];
  let phones: PhoneLab;
  let near: Side;
  let far: Side;

  before(async () => {
    const paths = (names: readonly string[]): string[] => names.map((name) => join(scratch.path, name));
    const [callers, answerers] = [paths(["cua1", "cua2"]), paths(["isp1", "isp2"])];
    const modems = [...callers, ...answerers].map((link) => ({ modem: link.slice(-4), link }));
    phones = await PhoneLab.start({
      network: {
        modems: modems.map(({ modem }) => ({ name: modem, portBps: 115_200, carrierBps: 57_600 })),
        numbers: [
          { number: NUMBER, answers: ["isp1", "isp2"] },
          { number: BUSY, answers: "busy" },
        ],
        seed: 1,
        setupMs: 100,
        trainingMs: 300,
        meanCallMs: null,
        noiseOneIn: null,
      },
      links: modems,
    });
    const side = async (name: string, devices: readonly string[]): Promise<Side> =>
      new Side(await Host.create(name), join(scratch.path, name), devices);
    near = await side("near", callers);
    far = await side("far", answerers);
  });
  afterEach(async () => {
    for (const child of started.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGTERM");
      await eventually("it ends", () => child.exitCode !== null || child.signalCode !== null, 30_000);
    }
  });
  after(async () => {
    await Promise.allSettled([near?.host.close(), far?.host.close()]);
    await phones?.close();
    scratch.close();
  });

  /** Runs a command to be followed, with `eql-pppd` and its files in a place of the side's own. */
  function start(side: Side, command: readonly string[]): Running {
    const environment = [
      `EQL_SOCKET=${side.socket}`,
      `EQL_TEST_PLACE=${side.directory}`,
      `FILES=${FILES}`,
      `LOCAL=${NEAR}`,
      `PATH=${side.directory}:${process.env["PATH"]}`,
    ];
    const child = side.host.spawn(["env", ...environment, ...command], { stdio: ["ignore", "pipe", "pipe"] });
    started.push(child);
    return new Running(child);
  }

  /** The daemon, the master with its address as rc scripts set it, and what is in /etc/ppp and on the PATH. */
  async function setUp(side: Side, address: string): Promise<TestDaemon> {
    const daemon = await side.up("[master.eql]");
    await side.host.must(["ifconfig", "eql", address, "netmask", "255.255.255.255", "mtu", "1500", "up"]);
    copyFileSync(join(FILES, "ip-up"), join(side.directory, "ip-up"));
    writeFileSync(join(side.directory, "options"), "nodetach\n");
    const program = join(side.directory, "eql-pppd");
    writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${PPPD} "$@"\n`);
    chmodSync(program, 0o755);
    return daemon;
  }

  const pppOn = (line: number, number: string): Running =>
    start(near, [join(FILES, "ppp-on"), near.device(line), number, "alice", "sesame"]);

  /** A terminal server's port, for PPP. */
  const answer = (line: number): Running =>
    start(far, [
      "eql-pppd",
      "file",
      join(FILES, "eql-options"),
      "lock",
      far.device(line),
      "115200",
      `${FAR}:${NEAR}`,
      "connect",
      ANSWER,
    ]);

  it("bring up a bundle of two calls, by pppd's command line, its options, an Expect dialer and ip-up", async () => {
    const daemons = [await setUp(near, NEAR), await setUp(far, FAR)];
    const answered = [0, 1].map(answer);
    const calls = [0, 1].map((line) => pppOn(line, NUMBER));
    try {
      for (const [daemon, rate] of [[daemons[0], 38_400] as const, [daemons[1], 115_200] as const]) {
        const { slaves } = await (daemon as TestDaemon).until(
          "two slaves",
          ({ masters }) => masters.find((master) => master.slaves.length === 2),
          CALL_MS,
        );
        const lines = (await (daemon as TestDaemon).status()).lines;
        assert.deepEqual(
          slaves.map((name) => lines.find((line) => line.name === name)?.rateGivenBps),
          [rate, rate],
        );
      }
    } catch (error) {
      const said = [...calls, ...answered]
        .map(({ octets, complaints }) => `${octets.toString()}\n${complaints}`)
        .join("\n---\n");
      throw new Error(`no bundle:\n${said}`, { cause: error });
    }
    assert.deepEqual(await near.routes("eql"), ["default"]);
    for (const { ifname } of await near.links()) {
      if (ifname.startsWith("ppp")) assert.deepEqual(await near.routes(ifname), [], ifname);
    }
    assert.ok(await near.ping(FAR));
    requireIntact(
      await transferTcp(near.host, far.host, {
        address: FAR,
        bytes: BYTES,
        seed: 1,
        index: 1,
        deadlineMs: CALL_MS,
      }),
      BYTES,
    );
    for (const [line, call] of calls.entries()) {
      assert.match(call.complaints, new RegExp(`: ${near.device(line)}: logged in as alice$`, "m"));
      call.child.kill("SIGTERM");
      assert.equal((await call.outcome()).code, 5);
    }
    for (const one of answered) await one.outcome();
    for (const daemon of daemons) assert.equal(await daemon.stop(), 0);
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
        "mtu 576",
        `ducmd ${dialOut}`,
        `address ${NEAR}`,
        `line ${near.device(line)}`,
        ...more,
        "",
      ].join("\n\t");
    const file = join(near.directory, "runslip.conf");
    const words = `-t 9 -e ${join(FILES, "dialout.exp")} ${NUMBER} alice sesame ${near.device(1)}`;
    const stanzas = [
      stanza("sl-line-1", 0, `-e ${script} -t 0`, "enabled", "command eql_enslave eql $interface 28800"),
      stanza("sl-line-2", 1, words, "enabled", "command sleep 0; eql_enslave eql $interface 14400"),
      stanza("sl-line-3", 1, words),
    ];
    writeFileSync(file, stanzas.join("\n"));
    const answered = [
      "[master.eql]",
      `address = "${FAR}"`,
      `peer = "${NEAR}"`,
      "mtu = 576",
      "[dial.answer]",
      `connect = ${JSON.stringify(ANSWER)}`,
      ...[0, 1].map((line) => far.lineTable(line, "speed = 115200", 'dial = "answer"', 'master = "eql"')),
    ];
    const daemons = [
      new TestDaemon(near, ["up", "--runslip", file, "--socket", near.socket]),
      await far.up(...answered),
    ] as const;
    const [daemon] = daemons;
    await daemon.ready();
    const bothJoin = (what: string): Promise<readonly (string | number)[][]> =>
      daemon.until(
        what,
        ({ lines }) =>
          lines.length === 2 &&
          lines.every(({ state }) => state === "enslaved") &&
          lines.map(({ name, rateGivenBps }) => [name, rateGivenBps]),
        CALL_MS,
      );
    assert.deepEqual(await bothJoin("both lines are up"), [
      ["sl-line-1", 28_800],
      ["sl-line-2", 14_400],
    ]);
    await near.host.must(["route", "add", "default", "dev", "eql"]);
    assert.ok(await near.ping(FAR));
    phones.drop("cua1");
    await daemon.untilLine("sl-line-1", "has lost its call", ({ state }) => state !== "enslaved", CALL_MS);
    assert.ok(await near.ping(FAR), "by the other line");
    await bothJoin("the line is dialed again");
    assert.doesNotMatch(JSON.stringify(await daemon.status()) + daemon.said, /sesame/);
    const { life } = await daemon.line("sl-line-1");
    assert.ok(
      life?.transcript.some((text) => text.includes("logged in as alice")),
      String(life?.transcript),
    );
    for (const one of daemons) assert.equal(await one.stop(), 0);
  });

  it("say why there is no connection, and exit as pppd does", async () => {
    const daemon = await setUp(near, NEAR);
    const { code, stderr } = await pppOn(0, BUSY).outcome();
    assert.equal(code, 8);
    assert.match(stderr, /: the number is busy\n/);
    assert.doesNotMatch(stderr, /sesame/);
    assert.equal(await daemon.stop(), 0);
  });
});
