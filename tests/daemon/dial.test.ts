import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { LineStatus } from "../../src/control/messages.ts";
import { Running } from "../cli/run.ts";
import { BUSY, CALL_MS, FAST_INIT, NUMBER, PhoneWorld } from "./phone-world.ts";
import { eventually, FAR, NEAR, type TestDaemon, worldMissing } from "./world.ts";

const PASSWORD = "open-sesame";
const CARRIERS = [115_200, 57_600];
/** A terminal server's side of a call, by chat. */
const ANSWER = `TIMEOUT 600 '' ATZ OK ATS10=1 OK '\\c' RING ATA CONNECT '\\p\\r\\nlogin: \\c' alice 'Password: \\c' ${PASSWORD} '\\r\\nHello\\r\\n\\c'`;
const REFUSAL = ANSWER.replace(PASSWORD, "wrong").replace("Hello", "Login incorrect\\r\\nlogin: ");

/** A telephone network of a test's own, one host that is called, and one that calls. */
class Scene {
  readonly world: PhoneWorld;
  readonly #daemons: TestDaemon[] = [];

  private constructor(world: PhoneWorld) {
    this.world = world;
  }

  static async in(work: (scene: Scene) => Promise<void>): Promise<void> {
    const world = await PhoneWorld.create(CARRIERS);
    const scene = new Scene(world);
    try {
      await work(scene);
      for (const daemon of scene.#daemons) assert.equal(await daemon.stop(), 0);
    } finally {
      await world.close();
    }
  }

  /** Callers are let in by a script on each line, and their lines join a master. Resolves when both modems wait for calls. */
  async answer(protocol: "slip" | "ppp", script = ANSWER): Promise<void> {
    const { far } = this.world;
    const file = join(far.directory, "answer.chat");
    writeFileSync(file, script);
    const daemon = await far.up(
      "[master.eql]",
      `address = "${FAR}"`,
      `peer = "${NEAR}"`,
      "[dial.answer]",
      `chat = "${file}"`,
      "redial-pause = 0.1",
      "longest-redial-pause = 0.1",
      "link-wait = 600",
      ...[0, 1].map((line) => lineTable(far.device(line), line, protocol, 'dial = "answer"')),
    );
    this.#daemons.push(daemon);
    const waits = ({ life }: LineStatus): boolean =>
      life?.state === "dialing" && life.transcript.filter((said) => said === "< OK").length === 2;
    await daemon.until("both wait for a call", ({ lines }) => lines.every(waits), CALL_MS);
  }

  /** @param dials what each line dials by: `[dial.…]` tables, less what all of them have */
  async call(
    protocol: "slip" | "ppp",
    dials: readonly (readonly string[])[],
    master: readonly string[] = [],
    line: readonly string[] = [],
  ): Promise<TestDaemon> {
    const { near } = this.world;
    const daemon = await near.up(
      "[master.eql]",
      `address = "${NEAR}"`,
      `peer = "${FAR}"`,
      ...master,
      ...[0, 1].flatMap((index) => [
        `[dial.isp${index}]`,
        `modem-init = ["ATZ", "${FAST_INIT}"]`,
        "redial-pause = 0.5",
        ...(dials[index] ?? dials[0] ?? []),
        lineTable(near.device(index), index, protocol, `dial = "isp${index}"`, ...line),
      ]),
    );
    this.#daemons.push(daemon);
    return daemon;
  }

  command(...args: readonly string[]): Running {
    return new Running(this.world.near.startEql(args));
  }
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

const numbers = (...all: readonly string[]): string => `numbers = ${JSON.stringify(all)}`;
const LOGIN = [numbers(NUMBER), 'user = "alice"', `password = "${PASSWORD}"`];
/** The same by a script, which has not to wait for silence. */
const SCRIPT = `script = [{ expect = "ogin:" }, { send = "alice" }, { expect = "word:" }, { send = "${PASSWORD}", secret = true }, { expect = "Hello" }]`;

/** All at once: most of their time is that of modems and of pauses. */
describe("lines that dial", { skip: worldMissing(), concurrency: true }, () => {
  it("can be watched, hung up and dialed by command, and run theirs when they are up", () =>
    Scene.in(async (scene) => {
      await scene.answer("slip");
      const mark = join(scene.world.near.directory, "up");
      const near = await scene.call(
        "slip",
        [[...LOGIN, 'login-ready = "Hello"']],
        [],
        [`up-command = "echo $interface $SPEED >>${mark}"`],
      );
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      const lines = await eventually(
        "both have run it",
        () => {
          const text = readFileSync(mark, "utf8").trim().split("\n");
          return text.length === 2 && text;
        },
        CALL_MS,
      );
      assert.deepEqual(lines.toSorted(), ["sl0 460800", "sl1 460800"]);
      assert.equal((await scene.command("hangup", "sl0").outcome()).code, 0);
      await near.untilLine("sl0", "is idle", ({ state }) => state === "idle", CALL_MS);
      await near.untilSlaves(["sl1"], CALL_MS);
      const { code, stdout } = await scene.command("dial", "sl0", "--watch").outcome();
      assert.equal(code, 0);
      for (const said of [`> ATDT${NUMBER}`, "< CONNECT 115200", "> alice", "= dialing", "= login"]) {
        assert.ok(stdout.includes(said), `${said} in ${stdout}`);
      }
      assert.ok(!stdout.includes(PASSWORD));
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      const { life } = await near.line("sl0");
      assert.ok(life?.history.some(({ from, reason }) => from === "idle" && reason === "asked for"));
      const history = await scene.command("status", "--history").outcome();
      assert.match(history.stdout, /dialing -> login: connected at 115200 bit\/s/);
      assert.match(history.stdout, / {2}> ATDT5551000/);
      assert.ok(await scene.world.near.ping(FAR));
    }));

  it("try the next number when one is busy, or are given up after as many attempts as they have, until they are told", () =>
    Scene.in(async (scene) => {
      await scene.answer("slip");
      const near = await scene.call("slip", [
        [numbers(BUSY, NUMBER), SCRIPT],
        // A comma is two seconds, in which it is seen to dial.
        [numbers(`,,${BUSY}`), "attempts = 1", SCRIPT],
      ]);
      const dials = await near.untilLine("sl1", "dials", ({ state }) => state === "dialing", CALL_MS);
      assert.equal(dials.since, dials.life?.since);
      const line = await near.untilLine("sl1", "is given up", ({ state }) => state === "given-up", CALL_MS);
      assert.match(line.reason, /BUSY/);
      const { code, stderr } = await scene.command("dial", "sl1").outcome();
      assert.equal(code, 1);
      assert.match(stderr, /sl1 is not up: .*BUSY/);
      await near.untilSlaves(["sl0"], CALL_MS);
      const { life } = await near.line("sl0");
      assert.equal(life?.number, NUMBER);
      assert.ok(
        life?.history.some(({ from, reason }) => from === "dialing" && /BUSY/.test(reason)),
        JSON.stringify(life?.history),
      );
    }));

  it("on demand wait for packets, are one more while the queue is long, and hang up when there are none for a while", () =>
    Scene.in(async (scene) => {
      await scene.answer("slip");
      const near = await scene.call(
        "slip",
        [[numbers(NUMBER), SCRIPT]],
        ["demand = true", "lines-wanted = 1", "high-water = 2000", "high-water-time = 1", "idle-time = 4"],
      );
      const idle = ({ state }: LineStatus): boolean => state === "idle";
      const ping = (...options: readonly string[]): ChildProcess =>
        scene.world.near.host.spawn(["ping", "-q", ...options, FAR], { stdio: "ignore" });
      for (const name of ["sl0", "sl1"]) await near.untilLine(name, "is idle", idle, CALL_MS);
      const pings = ping("-i", "0.2");
      await near.untilSlaves(["sl0"], CALL_MS);
      assert.ok(await scene.world.near.ping(FAR));
      assert.deepEqual((await near.line("sl1")).life?.history, []);
      // More than the first line carries, for as long as the second one takes.
      const load = ping("-i", "0.02", "-s", "500");
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      load.kill();
      await near.untilSlaves(["sl0"], CALL_MS);
      pings.kill();
      for (const name of ["sl0", "sl1"]) await near.untilLine(name, "is idle again", idle, CALL_MS);
    }));

  it("with a wrong password are refused, and wait longer each time", () =>
    Scene.in(async (scene) => {
      await scene.answer("slip", REFUSAL);
      const near = await scene.call("slip", [[...LOGIN.slice(0, 2), 'password = "wrong"']]);
      const refused = (line: LineStatus): boolean =>
        line.life?.state === "waiting" && /refused|incorrect/i.test(line.reason);
      const line = await near.untilLine("sl0", "waits after a refusal", refused, CALL_MS);
      assert.equal(line.state, "closed");
      // Three times the growth of 1.7 after the first pause of half a second, less a fifth.
      assert.ok((line.retryAt ?? 0) - (line.life?.since ?? 0) > 900, JSON.stringify(line));
    }));

  it("log in, are bundled at their carriers' rates, and dial again when a call is cut, while a transfer goes on", () =>
    Scene.in(async (scene) => {
      await scene.answer("ppp");
      const near = await scene.call("ppp", [LOGIN]);
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      const rates = (await near.status()).lines.map(({ rateGivenBps, life }) => [
        rateGivenBps,
        life?.carrierBps,
      ]);
      assert.deepEqual(
        rates,
        CARRIERS.map((bps) => [bps, bps]),
      );
      let dropped = false;
      await scene.world.transfer(40_000, (octets) => {
        if (octets < 10_000 || dropped) return;
        dropped = true;
        scene.world.phones.drop("near0");
      });
      assert.ok(dropped);
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      const { life } = await near.line("sl0");
      const states = life?.history.map(({ to }) => to) ?? [];
      const steps = ["locking", "dialing", "login", "negotiating", "enslaved"];
      assert.deepEqual(states.slice(0, 5), steps);
      assert.deepEqual(states.slice(-5), steps);
      assert.ok(life?.transcript.includes("* connected at 115200 bit/s"), life?.transcript.join("\n"));
      assert.ok(!JSON.stringify(await near.status()).includes(PASSWORD));
      assert.ok(!near.said.includes(PASSWORD));
    }));
});
