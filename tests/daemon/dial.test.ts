import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import type { LineStatus } from "../../src/control/messages.ts";
import { Running } from "../cli/run.ts";
import { BUSY, CALL_MS, NUMBER, PhoneWorld } from "./phone-world.ts";
import { eventually, FAR, NEAR, type TestDaemon, worldMissing } from "./world.ts";

const PASSWORD = "open-sesame";
const MASTER = ["[master.eql]", `address = "${NEAR}"`, `peer = "${FAR}"`];
/** A terminal server's side of a call, by chat. */
const ANSWER = `TIMEOUT 600 '' ATZ OK ATS0=1 OK '\\c' CONNECT '\\d\\r\\nlogin: \\c' alice 'Password: \\c' ${PASSWORD} '\\r\\nHello\\r\\n\\c'`;

describe("lines that dial", { skip: worldMissing() }, () => {
  let world: PhoneWorld;
  let daemons: TestDaemon[] = [];

  before(async () => {
    world = await PhoneWorld.create([57_600, 28_800]);
  });
  afterEach(async () => {
    const ended = daemons.splice(0);
    for (const daemon of ended) assert.equal(await daemon.stop(), 0);
  });
  after(() => world?.close());

  /** Callers are let in by a script on each line, and their lines join a master. */
  async function answer(protocol: "slip" | "ppp", script = ANSWER): Promise<TestDaemon> {
    const file = join(world.far.directory, "answer.chat");
    writeFileSync(file, script);
    const daemon = await world.far.up(
      "[master.eql]",
      `address = "${FAR}"`,
      `peer = "${NEAR}"`,
      "[dial.answer]",
      `chat = "${file}"`,
      "redial-pause = 0.5",
      "link-wait = 600",
      ...[0, 1].map((line) => lineTable(world.far.device(line), line, protocol, 'dial = "answer"')),
    );
    daemons.push(daemon);
    return daemon;
  }

  const lineTable = (device: string, line: number, protocol: string, ...more: string[]): string =>
    [
      `[line.sl${line}]`,
      `device = "${device}"`,
      "speed = 460800",
      `protocol = "${protocol}"`,
      'master = "eql"',
      ...more,
      "",
    ].join("\n");

  async function call(
    protocol: "slip" | "ppp",
    dial: readonly string[],
    master: readonly string[] = [],
    line: readonly string[] = [],
  ): Promise<TestDaemon> {
    const daemon = await world.near.up(
      ...MASTER,
      ...master,
      "[dial.isp]",
      ...dial,
      "redial-pause = 0.5",
      ...[0, 1].map((index) => lineTable(world.near.device(index), index, protocol, 'dial = "isp"', ...line)),
    );
    daemons.push(daemon);
    return daemon;
  }

  const LOGIN = [`numbers = ["${NUMBER}"]`, 'user = "alice"', `password = "${PASSWORD}"`];
  /** The same by a script, which has not to wait for silence, and by a modem that dials fast. */
  const SCRIPT = [
    'modem-init = ["ATZ", "ATX3S6=0S11=50"]',
    `script = [{ expect = "ogin:" }, { send = "alice" }, { expect = "word:" }, { send = "${PASSWORD}", secret = true }, { expect = "Hello" }]`,
  ];
  const FAST = [`numbers = ["${NUMBER}"]`, ...SCRIPT];

  const command = (...args: readonly string[]): Running => new Running(world.near.startEql(args));

  it("log in, are bundled at their carriers' rates, and dial again when a call is cut, while a transfer goes on", async () => {
    await answer("ppp");
    const near = await call("ppp", LOGIN);
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    const rates = (await near.status()).lines.map(({ rateGivenBps, life }) => [
      rateGivenBps,
      life?.carrierBps,
    ]);
    assert.deepEqual(rates, [
      [57_600, 57_600],
      [28_800, 28_800],
    ]);
    let dropped = false;
    await world.transfer(60_000, (octets) => {
      if (octets < 10_000 || dropped) return;
      dropped = true;
      world.phones.drop("near0");
    });
    assert.ok(dropped);
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    const { life } = await near.line("sl0");
    const states = life?.history.map(({ to }) => to) ?? [];
    const steps = ["locking", "dialing", "login", "negotiating", "enslaved"];
    assert.deepEqual(states.slice(0, 5), steps);
    assert.deepEqual(states.slice(-5), steps);
    assert.ok(life?.transcript.includes("* connected at 57600 bit/s"), life?.transcript.join("\n"));
    assert.ok(!JSON.stringify(await near.status()).includes(PASSWORD));
    assert.ok(!near.said.includes(PASSWORD));
  });

  it("can be watched, hung up and dialed by command", async () => {
    await answer("slip");
    const near = await call("slip", LOGIN);
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    assert.equal((await command("hangup", "sl0").outcome()).code, 0);
    await near.untilLine("sl0", "is idle", ({ state }) => state === "idle", CALL_MS);
    await near.untilSlaves(["sl1"], CALL_MS);
    const dialing = command("dial", "sl0", "--watch");
    const dials = await near.untilLine("sl0", "dials", ({ state }) => state === "dialing", CALL_MS);
    assert.equal(dials.reason, "asked for");
    const { code, stdout } = await dialing.outcome();
    assert.equal(code, 0);
    for (const said of [`> ATDT${NUMBER}`, "< CONNECT 57600", "> alice", "= dialing", "= login"]) {
      assert.ok(stdout.includes(said), `${said} in ${stdout}`);
    }
    assert.ok(!stdout.includes(PASSWORD));
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    const history = await command("status", "--history").outcome();
    assert.match(history.stdout, /dialing -> login: connected at 57600 bit\/s/);
    assert.match(history.stdout, / {2}> ATDT5551000/);
    assert.ok(await world.near.ping(FAR));
  });

  it("try the next number when one is busy, and say why they are not up", async () => {
    await answer("slip");
    const near = await call("slip", [`numbers = ["${BUSY}", "${NUMBER}"]`, ...SCRIPT]);
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    const life = (await near.line("sl1")).life;
    assert.equal(life?.number, NUMBER);
    assert.ok(
      life?.history.some(({ from, reason }) => from === "dialing" && /BUSY/.test(reason)),
      JSON.stringify(life?.history),
    );
  });

  it("are given up after as many attempts as they have, until they are told", async () => {
    const near = await call("slip", [`numbers = ["${BUSY}"]`, "attempts = 2", ...SCRIPT]);
    const dials = await near.untilLine("sl0", "dials", ({ state }) => state === "dialing", CALL_MS);
    assert.equal(dials.since, dials.life?.since);
    const line = await near.untilLine("sl0", "is given up", ({ state }) => state === "given-up", CALL_MS);
    assert.match(line.reason, /BUSY/);
    const { code, stderr } = await command("dial", "sl0").outcome();
    assert.equal(code, 1);
    assert.match(stderr, /sl0 is not up: .*BUSY/);
  });

  it("with a wrong password are refused, and wait longer each time", async () => {
    const refusal = ANSWER.replace(PASSWORD, "wrong").replace("Hello", "Login incorrect\\r\\nlogin: ");
    await answer("slip", refusal);
    const near = await call("slip", [...LOGIN.slice(0, 2), 'password = "wrong"']);
    const refused = (line: LineStatus): boolean =>
      line.state === "closed" && /refused|incorrect/i.test(line.reason);
    const line = await near.untilLine("sl0", "is refused", refused, CALL_MS);
    assert.ok((line.retryAt ?? 0) > Date.now() - 5000);
  });

  it("on demand wait for packets, and hang up when there are none for a while", async () => {
    await answer("slip");
    const near = await call("slip", FAST, ["demand = true", "idle-time = 8", "lines-wanted = 1"]);
    const idle = ({ state }: LineStatus): boolean => state === "idle";
    await near.untilLine("sl0", "is idle", idle);
    const dialed = world.eventsOf("dialed").length;
    // What is lost before the line is there is sent again.
    await world.transfer(2000);
    assert.equal(world.eventsOf("dialed").length, dialed + 1);
    await near.untilLine("sl0", "is idle again", idle, CALL_MS);
    await near.untilLine("sl1", "is idle too", idle, CALL_MS);
  });

  it("dial one more while the queue is long", async () => {
    await answer("slip");
    const near = await call("slip", FAST, [
      "lines-wanted = 1",
      "high-water = 2000",
      "high-water-time = 1",
      "idle-time = 3",
    ]);
    await near.untilSlaves(["sl0"], CALL_MS);
    const transfer = world.transfer(60_000);
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    await transfer;
    await near.untilSlaves(["sl0"], CALL_MS);
  });

  it("run their command when they are up", async () => {
    await answer("slip");
    const mark = join(world.near.directory, "up");
    await call("slip", FAST, [], [`up-command = "echo $interface $SPEED >>${mark}"`]);
    const { readFileSync } = await import("node:fs");
    const lines = await eventually(
      "both have run it",
      () => {
        const text = readFileSync(mark, "utf8").trim().split("\n");
        return text.length === 2 && text;
      },
      CALL_MS,
    );
    assert.deepEqual(lines.toSorted(), ["sl0 460800", "sl1 460800"]);
  });
});
