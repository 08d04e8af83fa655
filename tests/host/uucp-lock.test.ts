import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { Pty } from "../../src/host/pty.ts";
import { acquireLock, lockNames } from "../../src/host/uucp-lock.ts";
import { skipUnlessDevWritable, skipUnlessWeakly, WEAKLY } from "./weakly.ts";

const ascii = (pid: number): string => `${String(pid).padStart(10)}\n`;
const binary = (pid: number): Uint8Array => new Uint8Array(new Int32Array([pid]).buffer);
const MODULE = new URL("../../src/host/uucp-lock.js", import.meta.url).href;

describe("a UUCP lock", () => {
  let directory: string;
  let stranger: ChildProcess;
  let dead: number;
  const lockFile = (): string => join(directory, "LCK..ttyX0");
  const acquire = (): ReturnType<typeof acquireLock> => acquireLock("/dev/ttyX0", directory);

  before(() => {
    stranger = spawn("sleep", ["600"], { stdio: "ignore" });
    dead = spawnSync("true").pid;
  });
  after(async () => {
    stranger.kill();
    if (stranger.exitCode === null && stranger.signalCode === null) await once(stranger, "exit");
  });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "eql-lock-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("is a file with the PID as ten characters and a newline, readable to all whatever the umask", () => {
    const umask = process.umask(0o077);
    try {
      const lock = acquire();
      assert.equal(readFileSync(lockFile(), "latin1"), ascii(process.pid));
      assert.equal(readFileSync(lockFile()).length, 11);
      assert.equal(statSync(lockFile()).mode & 0o777, 0o644);
      assert.deepEqual(readdirSync(directory), ["LCK..ttyX0"]);
      lock.release();
      lock.release();
      assert.deepEqual(readdirSync(directory), []);
    } finally {
      process.umask(umask);
    }
  });

  it("names the device by its path below /dev, and by its real name too when it is a link there", {
    skip: skipUnlessDevWritable,
  }, () => {
    assert.deepEqual(lockNames("/dev/pts/none3"), ["pts_none3"]);
    assert.deepEqual(lockNames("/dev/ttyX0"), ["ttyX0"]);
    assert.deepEqual(lockNames("/somewhere/else/none"), ["somewhere_else_none"]);
    const pty = Pty.open();
    const number = pty.path.slice("/dev/pts/".length);
    try {
      const outside = join(directory, "modem");
      symlinkSync(pty.path, outside);
      assert.deepEqual(lockNames(outside), [`pts_${number}`]);
      rmSync(outside);
      const inside = `/dev/eql-test-${process.pid}`;
      symlinkSync(pty.path, inside);
      try {
        const lock = acquireLock(inside, directory);
        const names = [`LCK..eql-test-${process.pid}`, `LCK..pts_${number}`];
        assert.deepEqual(readdirSync(directory).sort(), names);
        lock.release();
        assert.deepEqual(readdirSync(directory), []);
        writeFileSync(join(directory, names[1] ?? ""), ascii(stranger.pid ?? 0));
        assert.throws(() => acquireLock(inside, directory), { code: "DEVICE_BUSY" });
        assert.deepEqual(readdirSync(directory), [names[1]], "the first of the two is released again");
      } finally {
        rmSync(inside);
      }
    } finally {
      pty.close();
    }
  });

  for (const [form, write] of [
    ["ten characters", ascii],
    ["a short number", String],
    ["a number and words, as minicom writes", (pid: number) => `${pid} minicom root\n`],
    ["four octets", binary],
  ] as const) {
    it(`of a living program, as ${form}, names that program`, () => {
      const pid = stranger.pid ?? 0;
      const before = write(pid);
      writeFileSync(lockFile(), before);
      assert.throws(acquire, {
        code: "DEVICE_BUSY",
        message: new RegExp(`/dev/ttyX0 is in use by sleep \\(PID ${pid}\\)`),
        details: { path: "/dev/ttyX0", file: lockFile(), pid, program: "sleep" },
      });
      assert.deepEqual(readFileSync(lockFile()), Buffer.from(before));
    });

    it(`of a program that is gone, as ${form}, is replaced`, () => {
      writeFileSync(lockFile(), write(dead));
      acquire();
      assert.equal(readFileSync(lockFile(), "latin1"), ascii(process.pid));
      assert.deepEqual(readdirSync(directory), ["LCK..ttyX0"]);
    });

    it(`of this process, as ${form}, is ours already`, () => {
      writeFileSync(lockFile(), write(process.pid));
      acquire().release();
      assert.equal(existsSync(lockFile()), false);
    });
  }

  it("in four octets that begin like a digit is still a number in four octets", () => {
    for (let low = 0; low < 256; low++) {
      // Beyond the greatest PID that Linux gives, so it is stale; taken for text it might be anybody's.
      writeFileSync(lockFile(), binary(0x7f_ff00 + low));
      acquire().release();
    }
  });

  it("without a PID is respected while it is new, and stale afterwards", () => {
    for (const content of ["", "garbage", ascii(0), "-5\n"]) {
      writeFileSync(lockFile(), content);
      assert.throws(acquire, { code: "DEVICE_BUSY" }, JSON.stringify(content));
      const old = Date.now() / 1000 - 60;
      utimesSync(lockFile(), old, old);
      acquire().release();
    }
  });

  it("of a killed process that nobody has reaped is stale", async () => {
    // The shell starts a child and becomes a program that does not wait for it.
    const parent = spawn("sh", ["-c", "sleep 600 & echo $!; exec sleep 600"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      const [line] = (await once(parent.stdout, "data")) as [Buffer];
      const zombie = Number(String(line));
      process.kill(zombie, "SIGKILL");
      const deadline = performance.now() + 60_000;
      const state = (): string => readFileSync(`/proc/${zombie}/stat`, "latin1").split(") ")[1]?.[0] ?? "";
      while (state() !== "Z") assert.ok(performance.now() < deadline, state());
      writeFileSync(lockFile(), ascii(zombie));
      acquire();
    } finally {
      parent.kill("SIGKILL");
      await once(parent, "exit");
    }
  });

  it("older than the process that now has its number is stale, unless that one has the device open", async () => {
    const old = Date.now() / 1000 - 3600;
    writeFileSync(lockFile(), ascii(stranger.pid ?? 0));
    utimesSync(lockFile(), old, old);
    assert.throws(
      acquire,
      { code: "DEVICE_BUSY" },
      "a device that cannot be looked for: the lock is believed",
    );

    const pty = Pty.open();
    const file = join(directory, `LCK..${pty.path.slice("/dev/".length).replace("/", "_")}`);
    const user = spawn("sh", ["-c", `exec sleep 600 < ${pty.path}`], { stdio: "ignore" });
    try {
      const deadline = performance.now() + 60_000;
      const comm = (): string => readFileSync(`/proc/${user.pid}/comm`, "latin1").trim();
      while (comm() !== "sleep") assert.ok(performance.now() < deadline, comm());
      writeFileSync(file, ascii(user.pid ?? 0));
      utimesSync(file, old, old);
      assert.throws(() => acquireLock(pty.path, directory), { code: "DEVICE_BUSY" });
      writeFileSync(file, ascii(stranger.pid ?? 0));
      assert.throws(() => acquireLock(pty.path, directory), { code: "DEVICE_BUSY" }, "made after it started");
      utimesSync(file, old, old);
      acquireLock(pty.path, directory);
      assert.equal(readFileSync(file, "latin1"), ascii(process.pid));
    } finally {
      user.kill();
      await once(user, "exit");
      pty.close();
    }
  });

  it("that somebody else has made meanwhile is not removed by the release", () => {
    const lock = acquire();
    writeFileSync(lockFile(), ascii(stranger.pid ?? 0));
    lock.release();
    assert.equal(readFileSync(lockFile(), "latin1"), ascii(stranger.pid ?? 0));
  });

  it("needs its directory, and says so", () => {
    const missing = join(directory, "missing");
    assert.throws(() => acquireLock("/dev/ttyX0", missing), {
      code: "LOCK_FAILED",
      message: new RegExp(`${missing} does not exist: make it`),
    });
    const file = join(directory, "file");
    writeFileSync(file, "");
    assert.throws(() => acquireLock("/dev/ttyX0", file), { code: "LOCK_FAILED" });
  });

  it("needs a directory that its user may write to, and says so", { skip: skipUnlessWeakly }, () => {
    const readOnly = join(directory, "read-only");
    mkdirSync(readOnly);
    const attempt = `const { acquireLock } = await import(${JSON.stringify(MODULE)});
      try { acquireLock("/dev/ttyX0", ${JSON.stringify(readOnly)}); } catch (e) { console.log(e.code, e.message); }`;
    const command = [...WEAKLY, process.execPath, "--input-type=module", "-e", attempt];
    for (const stale of [false, true]) {
      if (stale) writeFileSync(join(readOnly, "LCK..ttyX0"), ascii(dead));
      chmodSync(readOnly, 0o555);
      try {
        const said = spawnSync(command[0] ?? "", command.slice(1), { encoding: "utf8" });
        assert.match(said.stdout, /^LOCK_FAILED .*may not be (written|removed) by this user/, said.stderr);
      } finally {
        chmodSync(readOnly, 0o755);
      }
    }
  });

  it("goes to exactly one of many processes that find it stale at the same time", async () => {
    const script = join(directory, "racer.mjs");
    writeFileSync(
      script,
      `import { acquireLock } from ${JSON.stringify(MODULE)};
       let lock;
       process.on("message", ({ at, release }) => {
         if (release) { lock?.release(); lock = undefined; return process.send("released"); }
         while (Date.now() < at);
         try { lock = acquireLock("/dev/ttyX0", ${JSON.stringify(directory)}); process.send("won"); }
         catch (error) { process.send(error.code); }
       });
       process.send("ready");`,
    );
    const racers: ChildProcess[] = [];
    const answers = (): Promise<string[]> =>
      Promise.all(racers.map(async (racer) => ((await once(racer, "message")) as [string])[0]));
    try {
      for (let i = 0; i < 6; i++) racers.push(fork(script, { execArgv: [] }));
      assert.deepEqual(new Set(await answers()), new Set(["ready"]));
      for (let round = 0; round < 40; round++) {
        if (round % 4 !== 3) writeFileSync(lockFile(), ascii(dead));
        const answered = answers();
        for (const racer of racers) racer.send({ at: Date.now() + 10 });
        const outcome = (await answered).sort();
        assert.deepEqual(outcome, [...Array<string>(5).fill("DEVICE_BUSY"), "won"], `round ${round}`);
        const holder = Number(readFileSync(lockFile(), "latin1"));
        assert.ok(racers.some((racer) => racer.pid === holder));
        const released = answers();
        for (const racer of racers) racer.send({ release: true });
        await released;
        assert.deepEqual(readdirSync(directory), ["racer.mjs"]);
      }
    } finally {
      for (const racer of racers) {
        racer.kill();
        if (racer.exitCode === null && racer.signalCode === null) await once(racer, "exit");
      }
    }
  });
});
