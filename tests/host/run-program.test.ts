import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type ProgramEnd, runProgram } from "../../src/host/run-program.ts";
import { eventually } from "../daemon/world.ts";

const LATE_MS = 30_000;
const PATH = "/usr/bin:/bin";

describe("a program", { timeout: 2 * LATE_MS }, () => {
  it("gets its input, and says how it ended", async () => {
    const text = 'read word; echo "no $word" >&2; echo more >&2; exit 3';
    assert.deepEqual(await shell(text, { input: "luck\n" }), { code: 3, complaint: "no luck" });
    assert.equal(await run(["no-such-program-at-all"]), null);
  });

  it("is not waited for when it has ended and left something running", async (t) => {
    const { directory, wait } = scratch(t);
    const end = await shell(`echo gone >&2; (${wait}; echo > ${directory}/late) & exit 4`);
    assert.deepEqual(end, { code: 4, complaint: "gone" });
    assert.throws(() => readFileSync(join(directory, "late")));
  });

  it("is killed when it takes too long", async (t) => {
    const { wait } = scratch(t);
    assert.equal((await shell(`${wait}; true`, { limitMs: 300 }))?.code, null);
  });

  it("is killed with what it started when it is not wanted any more", async (t) => {
    const { directory, wait } = scratch(t);
    const file = join(directory, "pid");
    const stop = new AbortController();
    const text = `(${wait}) & echo $! > ${file}.new; mv ${file}.new ${file}; wait`;
    const ended = shell(text, { signal: stop.signal });
    const pid = await eventually("it runs", () => pidIn(file), LATE_MS);
    stop.abort();
    assert.equal((await ended)?.code, null);
    await eventually("what it started is dead", () => isDead(pid), LATE_MS);
    assert.equal((await shell("true", { signal: stop.signal }))?.code, null);
  });

  it("is in no process group of ours, so that a Ctrl-C leaves it alone", async () => {
    const text = 'read pid name state parent group rest < /proc/self/stat; [ "$group" = "$$" ]';
    assert.deepEqual(await shell(text), { code: 0, complaint: "" });
  });

  it("that cannot be begun is no error of ours", async (t) => {
    const { directory } = scratch(t);
    writeFileSync(join(directory, "broken"), "", { mode: 0o644 });
    const end = await run(["broken"], { path: directory });
    assert.equal(end?.code, null);
    assert.match(end?.complaint ?? "", /EACCES/);
  });
});

type Options = Partial<Parameters<typeof runProgram>[1]>;

const run = (words: readonly [string, ...string[]], options: Options = {}): Promise<ProgramEnd | null> =>
  runProgram(words, { path: PATH, limitMs: LATE_MS, signal: new AbortController().signal, ...options });

const shell = (text: string, options: Options = {}): Promise<ProgramEnd | null> =>
  run(["sh", "-c", text], options);

/** A directory, and what waits in a shell until it is gone. */
function scratch(t: TestContext): { readonly directory: string; readonly wait: string } {
  const directory = mkdtempSync(join(tmpdir(), "eql-program-"));
  t.after(() => rmSync(directory, { recursive: true, maxRetries: 5 }));
  return { directory, wait: `while [ -e ${directory} ]; do sleep 0.1; done` };
}

function pidIn(file: string): number | null {
  try {
    return Number(readFileSync(file, "latin1"));
  } catch {
    return null;
  }
}

function isDead(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ");
  } catch {
    return true;
  }
}
