import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EAGAIN, nativeBuffer, read, write } from "../../src/host/libc.ts";
import { LineProgram, type LineProgramRun, runLineProgram } from "../../src/host/line-program.ts";
import { isRunning } from "../../src/host/process-info.ts";
import { Pty } from "../../src/host/pty.ts";
import { Termios } from "../../src/host/termios.ts";
import { findTool } from "../../src/lab/tool.ts";
import { eventually } from "../daemon/world.ts";

const TIOCEXCL = 0x540c;

/** Runs a command as one to whom exclusive use of a tty means something. */
const withoutSysAdmin = (command: readonly string[]): SpawnSyncReturns<string> =>
  spawnSync(findTool("setpriv"), ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", ...command], {
    encoding: "utf8",
  });

function noPrivilegesToDrop(): string | false {
  if (process.env["EQL_REQUIRE_ALL"] === "1") return false;
  try {
    return withoutSysAdmin(["true"]).status === 0 ? false : "needs root";
  } catch (error) {
    return String(error);
  }
}

describe("a program on a line", () => {
  let pty: Pty;
  let stopper: AbortController;
  let said: string[];
  beforeEach(() => {
    pty = Pty.open();
    stopper = new AbortController();
    said = [];
  });
  afterEach(() => {
    stopper.abort();
    pty.close();
  });

  const run = (
    command: string | readonly string[],
    more: Partial<LineProgramRun> = {},
  ): ReturnType<typeof runLineProgram> =>
    runLineProgram({
      command,
      fd: pty.slave,
      limitMs: 60_000,
      onText: (text) => said.push(text),
      signal: stopper.signal,
      ...more,
    });

  const memory = nativeBuffer(512);
  const tell = (text: string): void => {
    const octets = Buffer.from(text);
    memory.octets.set(octets);
    assert.equal(write(pty.master, memory.address, octets.length), octets.length);
  };
  const hear = (): string => {
    const count = read(pty.master, memory.address, memory.octets.length);
    return Buffer.from(memory.octets.subarray(0, Math.max(count, 0))).toString("latin1");
  };
  const hears = async (wanted: string): Promise<void> => {
    let heard = "";
    await eventually(`the far end hears ${JSON.stringify(wanted)}`, () => {
      heard += hear();
      return heard.length >= wanted.length;
    });
    assert.equal(heard, wanted);
  };
  const saidPid = async (): Promise<number> => Number(await eventually("it says its PID", () => said[0]));

  it("has the line as its input and output, and its messages are collected by line", async () => {
    const env = { PATH: process.env["PATH"], DEVICE: pty.path };
    const ended = run('read word; echo "got $word on $DEVICE"; printf "one\\r\\n\\ntwo" >&2; exit 3', {
      env,
    });
    tell("hello\n");
    await hears(`got hello on ${pty.path}\n`);
    assert.deepEqual(await ended, { code: 3, signal: null, timedOut: false });
    assert.deepEqual(said, ["one", "two"]);
  });

  it("starts a program with its arguments as they are, and says when there is none", async () => {
    assert.equal((await run(["sh", "-c", 'printf %s "$1"', "sh", "a  b; $c"])).code, 0);
    await hears("a  b; $c");
    assert.equal((await run(["/nonexistent/dialer"])).code, 127);
    assert.match(said.join(), /not found/);
  });

  it("reads a line that blocks, while the descriptor that was given does not", async () => {
    const ended = run("head -c 1 >&2; echo >&2");
    assert.equal(read(pty.slave, memory.address, 1), -EAGAIN);
    tell("x");
    assert.equal((await ended).code, 0);
    assert.deepEqual(said, ["x"]);
    assert.equal(read(pty.slave, memory.address, 1), -EAGAIN);
  });

  it("leaves to the line what it did not read", async () => {
    tell("CONNECT\nlogin: ");
    assert.equal((await run("head -c 8 > /dev/null")).code, 0);
    assert.equal(read(pty.slave, memory.address, 64), "login: ".length);
  });

  it("gives the line its settings back", async () => {
    const before = Termios.get(pty.slave, "").outputSpeed;
    assert.equal((await run("stty sane 1200; stty speed >&2")).code, 0);
    assert.deepEqual(said, ["1200"]);
    const after = Termios.get(pty.slave, "");
    assert.deepEqual([after.outputSpeed, after.raw8n1], [before, true]);
  });

  it("has no controlling terminal, not even when it opens the line by its path", async () => {
    await run(`exec < ${pty.path}; exec cut -d " " -f 7 /proc/self/stat >&2`);
    assert.deepEqual(said, ["0"]);
  });

  it("ends it with all its children when its time is up", async () => {
    const { code, signal, timedOut } = await run("sh -c 'echo $$ >&2; sleep 100; true'; true", {
      limitMs: 3000,
    });
    assert.deepEqual({ code, signal, timedOut }, { code: 143, signal: null, timedOut: true });
    assert.equal(isRunning(await saidPid()), false);
    assert.equal(said.length, 1, "nobody has said that it was ended");
  });

  it("ends it by force where it does not end on being asked, as when the line is lost", async () => {
    const ended = run("trap '' TERM HUP; echo $$ >&2; while :; do sleep 0.1; done");
    const pid = await saidPid();
    stopper.abort();
    assert.deepEqual(await ended, { code: null, signal: "SIGKILL", timedOut: false });
    await eventually("nobody is left", () => !isRunning(pid));
  });

  it("does not outlive a signal that came before it", async () => {
    stopper.abort();
    assert.notEqual((await run("sleep 100")).code, 0);
  });

  it("does not wait for what a program leaves behind in the background", async () => {
    const { code } = await run("(trap '' HUP; echo bye >&2; sleep 100) & echo $! >&2; exit 0");
    assert.equal(code, 0);
    const pid = Number(said.find((text) => /^\d+$/.test(text)));
    assert.ok(isRunning(pid));
    process.kill(pid, "SIGKILL");
    await eventually("it has ended", () => !isRunning(pid));
  });

  it("gets a line that is in exclusive use, by us", { skip: noPrivilegesToDrop() }, () => {
    const module = (name: string): string => new URL(`../../src/host/${name}.js`, import.meta.url).href;
    const { stdout, stderr } = withoutSysAdmin([
      process.execPath,
      "--input-type=module",
      "--eval",
      `import { ioctl } from ${JSON.stringify(module("libc"))};
       import { LineProgram } from ${JSON.stringify(module("line-program"))};
       import { Pty } from ${JSON.stringify(module("pty"))};
       const pty = Pty.open();
       ioctl(pty.slave, ${TIOCEXCL}, 0);
       console.log(await LineProgram.onTty(pty.slave, { command: "exit 3", onText: null }).ended);
       pty.close();`,
    ]);
    assert.equal(stdout, "{ code: 3, signal: null }\n", stderr);
  });

  it("hears a signal also while it starts", async () => {
    const programs: LineProgram[] = [];
    for (let n = 0; n < 20; n++) {
      const program = LineProgram.on(pty.slave, pty.slave, { command: ["sleep", "1000"], onText: () => {} });
      programs.push(program);
      // Everything that comes before the program runs takes a few milliseconds.
      await delay(n % 5);
      program.kill("SIGTERM");
    }
    const ends = await Promise.all(programs.map(({ ended }) => ended));
    assert.equal(ends.length, programs.length);
  });

  it("refuses a line that was hung up", async () => {
    const gone = Pty.open();
    const { slave } = gone;
    gone.handOver(() => {}); // which closes the master
    await assert.rejects(run("true", { fd: slave }), { code: "SYSTEM_CALL_FAILED" });
    gone.close();
  });
});
