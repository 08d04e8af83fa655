import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { CALL_MS, FAST_INIT, NUMBER, PhoneWorld } from "./phone-world.ts";
import { eventually, FAR, NEAR, TestDaemon, worldMissing } from "./world.ts";

const PASSWORD = "open-sesame";
const CARRIERS = [115_200, 57_600];
const LOGIN = ['user = "joe"', `password = "${PASSWORD}"`];

interface SessionRecord {
  readonly event: string;
  readonly end?: string;
  readonly carrierBps: number;
}

/** A telephone network of a test's own, one host that answers, and one that calls. */
class Scene {
  readonly world: PhoneWorld;
  readonly #daemons: TestDaemon[] = [];

  private constructor(world: PhoneWorld) {
    this.world = world;
  }

  /** @param carriers of the caller's modems */
  static async in(carriers: readonly number[], work: (scene: Scene) => Promise<void>): Promise<void> {
    const world = await PhoneWorld.create(carriers);
    const scene = new Scene(world);
    try {
      await work(scene);
      for (const daemon of scene.#daemons) assert.equal(await daemon.stop(), 0);
    } finally {
      await world.close();
    }
  }

  /** The lines of either side by their numbers. */
  get lines(): readonly number[] {
    return [...this.world.carriers.keys()];
  }

  get #usersFile(): string {
    return join(this.world.far.directory, "users.toml");
  }

  get #accountingFile(): string {
    return join(this.world.far.directory, "sessions.jsonl");
  }

  async #addUser(protocol: string): Promise<void> {
    const eql = join(import.meta.dirname, "../../../bin/eql");
    const args = [eql, "user", "add", "joe", "--chap", "--protocol", protocol, "-f", this.#usersFile];
    const added = promisify(execFile)(process.execPath, args);
    added.child.stdin?.end(PASSWORD);
    await added;
  }

  get records(): readonly SessionRecord[] {
    const file = this.#accountingFile;
    if (!existsSync(file)) return [];
    const rows = readFileSync(file, "utf8").trim().split("\n");
    return rows.map((row) => JSON.parse(row) as SessionRecord);
  }

  /** `eql answer` on the far host's modems. @param protocol what joe is to speak */
  async answer(protocol: "slip" | "ppp", ...options: readonly string[]): Promise<TestDaemon> {
    await this.#addUser(protocol);
    const { far } = this.world;
    const daemon = new TestDaemon(far, [
      "answer",
      ...this.lines.map((line) => far.device(line)),
      "--address",
      FAR,
      "--pool",
      `${NEAR}`,
      "--users",
      this.#usersFile,
      "--accounting",
      this.#accountingFile,
      "--speed",
      "460800",
      "--no-rtscts",
      ...options,
    ]);
    this.#daemons.push(daemon);
    await daemon.until(
      "it waits",
      ({ stations }) => stations.every(({ state }) => state === "waiting"),
      CALL_MS,
    );
    return daemon;
  }

  async call(protocol: "slip" | "ppp", ...dial: readonly string[]): Promise<TestDaemon> {
    const { near } = this.world;
    const daemon = await near.up(
      "[master.eql]",
      `address = "${NEAR}"`,
      `peer = "${FAR}"`,
      "[dial.isp]",
      `numbers = ["${NUMBER}"]`,
      `modem-init = ["ATZ", "${FAST_INIT}"]`,
      // As long as the far side takes to wait again: a call that rings before is heard at the second ring, six seconds later.
      "redial-pause = 2",
      "longest-redial-pause = 2",
      ...dial,
      // Silence for five seconds is consent, too.
      ...(protocol === "slip" ? ['login-ready = "beginning"'] : []),
      ...this.lines.map((line) =>
        [
          `[line.sl${line}]`,
          `device = "${near.device(line)}"`,
          "speed = 460800",
          `protocol = "${protocol}"`,
          'master = "eql"',
          'dial = "isp"',
          ...(protocol === "ppp" ? ['user = "joe"', `password = "${PASSWORD}"`, 'name = "near"'] : []),
          "",
        ].join("\n"),
      ),
    );
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Waits until all lines are in the bundle, at both ends. */
  async untilBundled(near: TestDaemon, far: TestDaemon): Promise<void> {
    await near.untilSlaves(
      this.lines.map((line) => `sl${line}`),
      CALL_MS,
    );
    await far.untilSlaves(
      this.lines.map((line) => `line${line}`),
      CALL_MS,
    );
  }
}

/** All at once: most of their time is that of modems and of pauses. */
describe("callers on modems", { skip: worldMissing(), concurrency: true }, () => {
  it("are shown while they call, and can be hung up by command", () =>
    Scene.in(CARRIERS, async (scene) => {
      const far = await scene.answer("ppp", "--log-level", "debug");
      const near = await scene.call("ppp", ...LOGIN);
      await scene.untilBundled(near, far);
      const { stations } = await far.status();
      assert.deepEqual(
        stations.map(({ state, user, protocol, address }) => [state, user, protocol, address]),
        Array(2).fill(["session", "joe", "ppp", NEAR]),
      );
      const said = stations[0]?.transcript.join("\n") ?? "";
      assert.match(said, /< RING\n> ATA\n[^]*\* connected at \d+ bit\/s\n[^]*> login: \n< joe\n/);
      assert.ok(!said.includes(PASSWORD));
      const areIn = (): boolean => far.said.split('"msg":"caller in"').length > 2;
      await far.until("both sessions have begun", areIn, CALL_MS);
      const { code, stderr } = await scene.world.far.eql("eql", "hangup", "line0");
      assert.equal(code, 0, stderr);
      await far.until("its session has ended", () => far.said.includes('"end":"admin"'), CALL_MS);
      await scene.untilBundled(near, far);
    }));

  it("may be cut at any moment: the next call is answered", () =>
    Scene.in([115_200, 57_600, 57_600], async (scene) => {
      const { world } = scene;
      const far = await scene.answer("ppp");
      const calls = (line: string): number =>
        world.eventsOf("connected").filter(({ modem }) => modem === line).length;
      const near = await scene.call("ppp", ...LOGIN);
      // From the first octet of a login to when packets are carried.
      const cuts = { near0: [0, 1600], near1: [300, 1100], near2: [2500] };
      await Promise.all(
        Object.entries(cuts).map(async ([line, moments]) => {
          let seen = 0;
          for (const afterMs of moments) {
            await eventually("it is connected", () => calls(line) > seen, CALL_MS);
            await delay(afterMs);
            seen = calls(line);
            world.phones.drop(line);
          }
        }),
      );
      await eventually(
        "each was cut, and called again",
        () => Object.entries(cuts).every(([line, moments]) => calls(line) > moments.length),
        CALL_MS,
      );
      await scene.untilBundled(near, far);
      await eventually("they talk", () => world.near.ping(FAR), CALL_MS);
      const count = (kind: string): number => scene.records.filter(({ event }) => event === kind).length;
      await far.until("all other sessions have ended", () => count("start") - count("stop") === 3, CALL_MS);
      assert.equal((await far.status()).masters.length, 1);
      assert.ok(!/"level":[56]0/.test(far.said), far.said);
    }));

  for (const [protocol, dial] of [
    ["slip", LOGIN],
    ["ppp", LOGIN],
    ["ppp", []],
  ] as const) {
    const how = dial.length > 0 ? "a login" : "a proof of PPP's";
    it(`by ${protocol} and ${how} have one bundle at their carriers' rates, which a cut call comes back to`, () =>
      Scene.in(CARRIERS, async (scene) => {
        const { world } = scene;
        const far = await scene.answer(protocol);
        const near = await scene.call(protocol, ...dial);
        await scene.untilBundled(near, far);
        const { lines } = await far.status();
        assert.deepEqual(
          lines.map(({ rateGivenBps }) => rateGivenBps).toSorted((a, b) => b - a),
          CARRIERS,
        );
        let dropped = false;
        await world.transfer(40_000, (octets) => {
          if (octets < 10_000 || dropped) return;
          dropped = true;
          world.phones.drop("near0");
        });
        assert.ok(dropped);
        await eventually("it was called again", () => world.eventsOf("connected").length > 2, CALL_MS);
        await scene.untilBundled(near, far);
        await eventually("they talk", () => world.near.ping(FAR), CALL_MS);
        const stops = scene.records;
        assert.ok(
          stops.some(
            ({ event, end, carrierBps }) =>
              event === "stop" && end === "carrier" && CARRIERS.includes(carrierBps),
          ),
          JSON.stringify(stops),
        );
        assert.ok(!far.said.includes(PASSWORD));
      }));
  }
});
