import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { openSync } from "node:fs";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { Masquerade } from "../../src/daemon/answering/masquerade.ts";
import { LineProgram } from "../../src/host/line-program.ts";
import { runProgram } from "../../src/host/run-program.ts";

/* In a process of its own, which has no descriptor left: there a child process has no pipes, and says by an event that it could not be started. */

const INSIDE = "EQL_TEST_NO_DESCRIPTORS";
const LIMIT = 100;
const DEADLINE_MS = 60_000;

async function runPrograms(): Promise<readonly unknown[]> {
  const path = "/usr/bin:/bin";
  const run = await runProgram(["true"], {
    path,
    limitMs: DEADLINE_MS,
    signal: new AbortController().signal,
  });
  const program = LineProgram.on(0, 1, { command: ["true"], env: { PATH: path }, onText: () => {} });
  const masquerade = new Masquerade("test", { info: () => {}, warn: () => {} });
  const wanted = { pool: [{ first: 1, last: 2 }], networks: [], forward: false };
  const refused = await masquerade.set(wanted).then(
    () => null,
    (error: Error) => error.message,
  );
  return [run, await program.ended, refused];
}

if (process.env[INSIDE] !== undefined) {
  const none = (): void => {
    for (;;) openSync("/dev/null", "r");
  };
  assert.throws(none, { code: "EMFILE" });
  process.stdout.write(JSON.stringify(await runPrograms()));
} else {
  it("programs that cannot be started for want of a descriptor are told of, and nothing ends by it", () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const command = `ulimit -n ${LIMIT} && exec "$@"`;
    const args = ["-c", command, "sh", process.execPath, fileURLToPath(import.meta.url)];
    const child = spawnSync("sh", args, {
      encoding: "utf8",
      env: { ...env, [INSIDE]: "1" },
      timeout: DEADLINE_MS,
    });
    assert.equal(child.status, 0, child.stderr);
    assert.deepEqual(JSON.parse(child.stdout), [
      { code: null, complaint: "spawn true EMFILE" },
      { code: null, signal: null },
      "nft cannot be run: spawn nft EMFILE",
    ]);
  });
}
