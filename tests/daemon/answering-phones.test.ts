import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CALL_MS, FAST_INIT, NUMBER, PhoneWorld } from "./phone-world.ts";
import { eventually, FAR, NEAR, TestDaemon, worldMissing } from "./world.ts";

const PASSWORD = "open-sesame";
const CARRIERS = [115_200, 57_600];

describe("callers on modems", { skip: worldMissing() }, () => {
  let world: PhoneWorld;
  const daemons: TestDaemon[] = [];

  before(async () => {
    world = await PhoneWorld.create(CARRIERS);
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) assert.equal(await daemon.stop(), 0);
    rmSync(accountingFile(), { force: true });
  });
  after(() => world?.close());

  function addUser(protocol: string): void {
    const eql = join(import.meta.dirname, "../../../bin/eql");
    const args = [eql, "user", "add", "joe", "--chap", "--protocol", protocol, "-f", usersFile()];
    const { status, stderr } = spawnSync(process.execPath, args, { input: PASSWORD });
    assert.equal(status, 0, String(stderr));
  }

  const usersFile = (): string => join(world.far.directory, "users.toml");
  const accountingFile = (): string => join(world.far.directory, "sessions.jsonl");

  const records = (): { event: string; end?: string; carrierBps: number }[] =>
    existsSync(accountingFile())
      ? readFileSync(accountingFile(), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as { event: string; end?: string; carrierBps: number })
      : [];

  /** `eql answer` on the far host's modems. */
  async function answer(...options: readonly string[]): Promise<TestDaemon> {
    const daemon = new TestDaemon(world.far, [
      "answer",
      ...[0, 1].map((line) => world.far.device(line)),
      "--address",
      FAR,
      "--pool",
      `${NEAR}`,
      "--users",
      usersFile(),
      "--accounting",
      accountingFile(),
      "--speed",
      "460800",
      "--no-rtscts",
      ...options,
    ]);
    daemons.push(daemon);
    await daemon.ready();
    return daemon;
  }

  async function call(protocol: "slip" | "ppp", ...dial: readonly string[]): Promise<TestDaemon> {
    const daemon = await world.near.up(
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
      ...[0, 1].map((line) =>
        [
          `[line.sl${line}]`,
          `device = "${world.near.device(line)}"`,
          "speed = 460800",
          `protocol = "${protocol}"`,
          'master = "eql"',
          'dial = "isp"',
          ...(protocol === "ppp" ? ['user = "joe"', `password = "${PASSWORD}"`, 'name = "near"'] : []),
          "",
        ].join("\n"),
      ),
    );
    daemons.push(daemon);
    return daemon;
  }

  it("are shown while they call, and can be hung up by command", async () => {
    addUser("ppp");
    const far = await answer("--log-level", "debug");
    await far.until(
      "it waits",
      ({ stations }) => stations.every(({ state }) => state === "waiting"),
      CALL_MS,
    );
    await call("ppp", ...LOGIN);
    await far.untilSlaves(["line0", "line1"], CALL_MS);
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
    const { code, stderr } = await world.far.eql("eql", "hangup", "line0");
    assert.equal(code, 0, stderr);
    await far.until("its session has ended", () => far.said.includes('"end":"admin"'), CALL_MS);
    await far.untilSlaves(["line0", "line1"], CALL_MS);
  });

  it("may be cut at any moment: the next call is answered", async () => {
    addUser("ppp");
    const far = await answer();
    const calls = (line: string): number =>
      world.eventsOf("connected").filter(({ modem }) => modem === line).length;
    const seen = new Map(["near0", "near1"].map((line) => [line, calls(line)]));
    const near = await call("ppp", ...LOGIN);
    // From the first octet of a login to when packets are carried.
    const cuts = { near0: [0, 300, 2500], near1: [1100, 1600] };
    await Promise.all(
      Object.entries(cuts).map(async ([line, moments]) => {
        for (const afterMs of moments) {
          const before = seen.get(line) ?? 0;
          await eventually("it is connected", () => calls(line) > before, CALL_MS);
          await delay(afterMs);
          seen.set(line, calls(line));
          world.phones.drop(line);
        }
      }),
    );
    await near.untilSlaves(["sl0", "sl1"], CALL_MS);
    await far.untilSlaves(["line0", "line1"], CALL_MS);
    await eventually("they talk", () => world.near.ping(FAR), CALL_MS);
    const count = (kind: string): number => records().filter(({ event }) => event === kind).length;
    await far.until("all other sessions have ended", () => count("start") - count("stop") === 2, CALL_MS);
    assert.equal((await far.status()).masters.length, 1);
    assert.ok(!/"level":[56]0/.test(far.said), far.said);
  });

  const LOGIN = ['user = "joe"', `password = "${PASSWORD}"`];

  for (const [protocol, dial] of [
    ["slip", LOGIN],
    ["ppp", LOGIN],
    ["ppp", []],
  ] as const) {
    const how = dial.length > 0 ? "a login" : "a proof of PPP's";
    it(`by ${protocol} and ${how} have one bundle at their carriers' rates, which a cut call comes back to`, async () => {
      addUser(protocol);
      const far = await answer();
      const near = await call(protocol, ...dial);
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      await far.untilSlaves(["line0", "line1"], CALL_MS);
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
      await near.untilSlaves(["sl0", "sl1"], CALL_MS);
      await far.untilSlaves(["line0", "line1"], CALL_MS);
      await eventually("they talk", () => world.near.ping(FAR), CALL_MS);
      const stops = records();
      assert.ok(
        stops.some(
          ({ event, end, carrierBps }) =>
            event === "stop" && end === "carrier" && CARRIERS.includes(carrierBps),
        ),
        JSON.stringify(stops),
      );
      assert.ok(!far.said.includes(PASSWORD));
    });
  }
});
