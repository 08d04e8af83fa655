import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { LineStatus } from "../../src/control/messages.ts";
import { eventually, FAR, type TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 230_400;
/** A busy machine's time for a call. */
const CALL_MS = 60_000;
const PASSWORD = "open-sesame";
const ADDRESS = "10.99.7.7";
const SERVER = fileURLToPath(new URL("answering/radius-server-main.js", import.meta.url));

/** What the server says that it was told; what is not there is undefined. */
interface Told {
  readonly listens?: number;
  readonly asked?: string;
  readonly port?: string;
  readonly pap?: boolean;
  readonly status?: number;
  readonly user?: string;
  readonly class?: string;
  readonly address?: string;
  readonly received?: number;
  readonly cause?: number;
  readonly session?: string;
}

describe("callers whom a RADIUS server knows", { skip: worldMissing() }, () => {
  let world: World;
  let daemons: TestDaemon[] = [];
  let server: ChildProcess;
  let said = "";

  before(async () => {
    world = await World.create([SPEED, SPEED]);
    writeFileSync(secretFile(), "of the test\n", { mode: 0o600 });
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) assert.equal(await daemon.stop(), 0);
    await endServer();
  });
  after(() => world?.close());

  const secretFile = (): string => join(world.far.directory, "radius.secret");
  const told = (): Told[] =>
    said
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Told);
  const isUp = ({ state }: LineStatus): boolean => state === "alone";

  async function startServer(): Promise<void> {
    said = "";
    server = world.far.host.spawn([process.execPath, SERVER], { stdio: ["ignore", "pipe", "inherit"] });
    server.stdout?.on("data", (octets: Buffer) => {
      said += octets.toString();
    });
    await eventually("the server listens", () => told().length === 2, CALL_MS);
  }

  async function endServer(): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
  }

  /** The far host answers on both lines. */
  async function answer(): Promise<TestDaemon> {
    await startServer();
    const lines = [0, 1].map((index) =>
      [
        `[line.tty${index}]`,
        `device = "${world.far.device(index)}"`,
        `speed = ${SPEED}`,
        'role = "answer"',
        'answer = "main"',
        "",
      ].join("\n"),
    );
    const daemon = await world.far.up(
      "[radius.isp]",
      'servers = ["127.0.0.1"]',
      `secret-file = "${secretFile()}"`,
      "[answer.main]",
      "direct = true",
      `address = "${FAR}"`,
      'pool = ["10.99.1.1-10.99.1.3"]',
      'radius = "isp"',
      ...lines,
    );
    daemons.push(daemon);
    return daemon;
  }

  async function call(...users: readonly (readonly [name: string, password: string])[]): Promise<TestDaemon> {
    const lines = users.map(([name, password], index) =>
      [
        `[line.ppp${index}]`,
        `device = "${world.near.device(index)}"`,
        `speed = ${SPEED}`,
        'protocol = "ppp"',
        "restart = 0.5",
        'name = "near"',
        `user = "${name}"`,
        `password = "${password}"`,
        "",
      ].join("\n"),
    );
    const daemon = await world.near.up(...lines);
    daemons.push(daemon);
    return daemon;
  }

  const reached = (): Promise<unknown> => eventually("they talk", () => world.near.ping(FAR), CALL_MS);

  it("have the address that it says, and it hears of their session", async () => {
    const far = await answer();
    const near = await call(["joe", PASSWORD]);
    const line = await near.untilLine("ppp0", "is up", isUp, CALL_MS);
    assert.deepEqual(line.ppp?.ipv4, { local: ADDRESS, remote: FAR, dns: [] });
    await reached();
    await world.transfer(50_000);
    const { stations } = await far.status();
    const { user, address, state } = stations.find(({ name }) => name === "tty0") ?? assert.fail();
    assert.deepEqual([user, address, state], ["joe", ADDRESS, "session"]);
    assert.equal(await near.stop(), 0);
    const [start, stop] = await far.until(
      "the server has heard of its end",
      () => {
        const records = told().filter(({ status }) => status !== undefined);
        return records.length >= 2 && records;
      },
      CALL_MS,
    );
    assert.deepEqual(
      told().find(({ asked }) => asked !== undefined),
      { asked: "joe", port: "tty0", pap: true },
    );
    assert.deepEqual([start?.status, start?.user, start?.class, start?.address], [1, "joe", "gold", ADDRESS]);
    assert.deepEqual([stop?.status, stop?.session, stop?.cause], [2, start?.session, 1]);
    assert.ok((stop?.received ?? 0) > 50_000, JSON.stringify(stop));
    assert.ok(!far.said.includes(PASSWORD) && !far.said.includes("of the test"));
  });

  it("are let in while it is silent about somebody else, and stay when it is gone", async () => {
    const far = await answer();
    const near = await call(["joe", PASSWORD], ["slow", PASSWORD]);
    await near.untilLine("ppp0", "is up", isUp, CALL_MS);
    await far.until(
      "the other is asked about",
      () => told().some(({ asked, port }) => asked === "slow" && port === "tty1"),
      CALL_MS,
    );
    await endServer();
    await reached();
    const lines = (await near.status()).lines.filter(isUp).map(({ name }) => name);
    assert.deepEqual(lines, ["ppp0"]);
    await far.until("that is in the log", () => far.said.includes("no RADIUS server answers"), CALL_MS);
    assert.ok(await world.near.ping(FAR));
    assert.ok(far.isRunning && near.isRunning);
  });

  it("with a wrong password, or unknown, do not come in, and have no session", async () => {
    const far = await answer();
    const near = await call(["joe", "wrong"], ["jane", PASSWORD]);
    await far.until(
      "both are refused",
      () =>
        ["joe", "jane"].every((user) =>
          far.said.includes(`"user":"${user}","reason":"the server rejects it"`),
        ),
      CALL_MS,
    );
    assert.deepEqual((await near.status()).lines.filter(isUp), []);
    assert.ok(told().every(({ status }) => status === undefined));
  });

  it("have no more lines than it allows", async () => {
    const far = await answer();
    const near = await call(["joe", PASSWORD], ["joe", PASSWORD]);
    await far.until("the second is refused", () => far.said.includes("joe has 1 lines"), CALL_MS);
    await reached();
    assert.equal((await near.status()).lines.filter(isUp).length, 1);
    assert.equal((await far.status()).masters.length, 0);
  });
});
