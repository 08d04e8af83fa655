import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { LineConfig } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/load.ts";
import { Line } from "../../src/daemon/line.ts";
import { makeLog } from "../../src/daemon/log.ts";
import { UpCommands } from "../../src/daemon/up-commands.ts";
import { isRunning } from "../../src/host/process-info.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { eventually } from "./world.ts";

const BUSY_MS = 60_000;

describe("what lines run when they are up", () => {
  let scratch: Scratch;
  before(() => {
    scratch = new Scratch("eql-up-commands");
  });
  after(() => scratch.close());

  const lineWith = (command: string): Line => {
    const text = `[line.sl0]\ndevice = "/dev/ttyS0"\nup-command = ${JSON.stringify(command)}`;
    return new Line(parseConfig(text, "test").lines[0] as LineConfig);
  };
  const commands = (): UpCommands => new UpCommands(makeLog("error"), "/nowhere");

  /** The processes that a command has noted. */
  const untilNoted = (file: string, count: number): Promise<number[]> =>
    eventually(
      `${count} have run`,
      () => {
        const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
        return pids.length === count && pids;
      },
      BUSY_MS,
    );

  it("is run again each time, whatever it has left in the background", async () => {
    const file = join(scratch.path, "again");
    const line = lineWith(`sleep 600 & echo $! >>${file}`);
    const all = commands();
    try {
      all.start(line);
      await untilNoted(file, 1);
      await eventually(
        "it is run again",
        () => {
          all.start(line);
          return readFileSync(file, "utf8").trim().split("\n").length > 1;
        },
        BUSY_MS,
      );
    } finally {
      all.stop();
      for (const pid of readFileSync(file, "utf8").trim().split("\n")) process.kill(Number(pid));
    }
  });

  it("ends with the daemon, with all that it has started", async () => {
    const file = join(scratch.path, "end");
    const all = commands();
    all.start(lineWith(`sleep 600 & echo $! >>${file}; wait`));
    const [pid = 0] = await untilNoted(file, 1);
    assert.ok(isRunning(pid));
    all.stop();
    await eventually("it has ended", () => !isRunning(pid), BUSY_MS);
  });
});
