import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { isRunning } from "../../src/host/process-info.ts";
import { eventually, FAR, masterTable, NEAR, type TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 115_200;
/** A busy machine's time for an attempt. */
const ATTEMPT_MS = 60_000;

describe("a program that dials", { skip: worldMissing() }, () => {
  let world: World;
  let mark: string;
  let daemons: TestDaemon[] = [];

  before(async () => {
    world = await World.create([SPEED]);
    mark = join(world.near.directory, "mark");
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) assert.equal(await daemon.stop(), 0);
    rmSync(mark, { force: true });
  });
  after(() => world?.close());

  async function up(connect: string, ...dial: readonly string[]): Promise<TestDaemon> {
    const daemon = await world.near.up(
      masterTable(NEAR, FAR),
      "[dial.isp]",
      `connect = ${JSON.stringify(connect)}`,
      "redial-pause = 0.5",
      ...dial,
      world.near.lineTable(0, `speed = ${SPEED}`, 'dial = "isp"', 'master = "eql"'),
    );
    daemons.push(daemon);
    return daemon;
  }

  const markedPid = async (): Promise<number> =>
    Number(
      await eventually("it has started", () => existsSync(mark) && readFileSync(mark, "utf8"), ATTEMPT_MS),
    );
  const hasEnded = (pid: number): Promise<true> =>
    eventually("it has ended", () => !isRunning(pid), ATTEMPT_MS);

  it("has the line, its environment, and says what happens; then the link begins", async () => {
    const far = await world.far.up(
      masterTable(FAR, NEAR),
      world.far.lineTable(0, `speed = ${SPEED}`, 'master = "eql"'),
    );
    daemons.push(far);
    const says = 'echo "$DEVICE $SPEED $IFNAME $NUMBER" >&2; test -t 0 && echo hello';
    const daemon = await up(`${says} # sesame`, 'numbers = ["5551000"]');
    await daemon.untilSlaves(["sl0"], ATTEMPT_MS);
    await eventually("they talk", () => world.near.ping(FAR), ATTEMPT_MS);
    const { life } = await daemon.line("sl0");
    assert.deepEqual(life?.transcript, [
      "* dialed by echo",
      `* ${world.near.device(0)} ${SPEED} sl0 5551000`,
    ]);
  });

  it("is told of by its exit code when it fails, and started again", async () => {
    const daemon = await up(`echo x >> ${mark}; exit 3`);
    await daemon.untilLine(
      "sl0",
      "waits",
      ({ life }) => life?.reason === "the dialer exited with 3",
      ATTEMPT_MS,
    );
    await eventually("it has another try", () => readFileSync(mark, "utf8").length > 2, ATTEMPT_MS);
  });

  it("ends with all that it started when the line is hung up, or lost", async () => {
    const daemon = await up(`trap '' HUP; echo $$ > ${mark}.new; mv ${mark}.new ${mark}; sleep 600; true`);
    const first = await markedPid();
    await world.lines.hangUp(0);
    await hasEnded(first);
    await daemon.untilLine("sl0", "waits", ({ life }) => life?.state === "waiting", ATTEMPT_MS);
    rmSync(mark);
    await world.lines.restore(0);
    const second = await markedPid();
    const { code, stderr } = await world.near.eql("eql", "hangup", "sl0");
    assert.equal(code, 0, stderr);
    await hasEnded(second);
    await daemon.untilLine("sl0", "is idle", ({ state }) => state === "idle", ATTEMPT_MS);
  });

  it("ends with the daemon", async () => {
    const daemon = await up(
      `trap '' HUP TERM; echo $$ > ${mark}.new; mv ${mark}.new ${mark}; while :; do sleep 1; done`,
    );
    const pid = await markedPid();
    assert.equal(await daemon.stop(), 0);
    await hasEnded(pid);
  });
});
