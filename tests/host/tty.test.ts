import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EPOLLIN, Epoll } from "../../src/host/epoll.ts";
import {
  check,
  close,
  EAGAIN,
  EIO,
  mkfifo,
  nativeBuffer,
  O_NOCTTY,
  O_RDWR,
  open,
  read,
  write,
} from "../../src/host/libc.ts";
import { Pty } from "../../src/host/pty.ts";
import { Termios } from "../../src/host/termios.ts";
import { checkSpeed, openTty } from "../../src/host/tty.ts";
import { skipUnlessWeakly, WEAKLY } from "./weakly.ts";

/** What stty, a program of its own, reads from a device. */
function stty(path: string): string {
  const said = spawnSync("stty", ["-a", "-F", path], { encoding: "utf8" });
  assert.equal(said.status, 0, said.stderr);
  return said.stdout;
}

describe("a tty", () => {
  let folder: string;
  let pty: Pty;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eql-tty-"));
    pty = Pty.open();
  });
  afterEach(() => {
    pty.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("is raw and 8N1, as stty sees it", () => {
    const tty = openTty(pty.path, { speedBps: 57_600, rtscts: true });
    try {
      const settings = stty(pty.path);
      for (const expected of [
        /\bmin = 1;/,
        /\btime = 0;/,
        / cs8\b/,
        / cread\b/,
        / clocal\b/,
        /[^-]crtscts\b/,
        / hupcl\b/,
        /-parenb/,
        /-cstopb/,
        /-icanon/,
        /-echo /,
        /-isig/,
        /-iexten/,
        /-opost/,
        /-icrnl/,
        /-ixon/,
        /-ixoff/,
        /-istrip/,
        /-brkint/,
      ]) {
        assert.match(settings, expected);
      }
    } finally {
      tty.close();
    }
    const plain = openTty(pty.path, { speedBps: 9600 });
    try {
      assert.match(stty(pty.path), /-crtscts/);
    } finally {
      plain.close();
    }
  });

  it("runs at speeds that have no name", () => {
    for (const speedBps of [31_250, 74_880, 250_000, 12_345, 3_000_001]) {
      const tty = openTty(pty.path, { speedBps });
      try {
        assert.equal(tty.speedBps, speedBps);
        const settings = Termios.get(tty.fd, pty.path);
        assert.deepEqual([settings.inputSpeed, settings.outputSpeed], [speedBps, speedBps]);
      } finally {
        tty.close();
      }
    }
  });

  it("is given back with the settings that it had", () => {
    assert.equal(spawnSync("stty", ["-F", pty.path, "sane", "19200", "ixoff", "cstopb"]).status, 0);
    const before = stty(pty.path);
    openTty(pty.path, { speedBps: 115_200 }).close();
    assert.equal(stty(pty.path), before);
    assert.throws(() => openTty(pty.path, { speedBps: 0 }), { code: "DEVICE_SPEED" });
    assert.equal(stty(pty.path), before);
  });

  it("carries octets, without those from before it was opened", () => {
    const buffer = nativeBuffer(300);
    assert.equal(write(pty.master, buffer.address, 100), 100);
    const tty = openTty(pty.path, { speedBps: 9600 });
    const epoll = new Epoll();
    try {
      assert.equal(tty.read(buffer.address, 300), -EAGAIN);
      buffer.octets.set([1, 2, 3]);
      assert.equal(write(pty.master, buffer.address, 3), 3);
      epoll.add(tty.fd, 0, EPOLLIN);
      assert.equal(epoll.wait(2000), 1);
      assert.equal(tty.read(buffer.address + 10, 300), 3);
      assert.deepEqual([...buffer.octets.subarray(10, 13)], [1, 2, 3]);
      assert.equal(tty.outputQueue(), 0);
      assert.equal(tty.write(buffer.address, 3), 3);
      epoll.remove(tty.fd);
      epoll.add(pty.master, 0, EPOLLIN);
      assert.equal(epoll.wait(2000), 1);
      assert.equal(read(pty.master, buffer.address, 300), 3);
    } finally {
      epoll.close();
      tty.close();
    }
  });

  it("is for one user, whom it names to the second", () => {
    const tty = openTty(pty.path, { speedBps: 9600 });
    try {
      assert.throws(() => openTty(pty.path, { speedBps: 57_600 }), {
        code: "DEVICE_BUSY",
        message: new RegExp(`${pty.path} is in use by .* \\(PID ${process.pid}\\)`),
      });
      assert.equal(Termios.get(tty.fd, pty.path).outputSpeed, 9600, "the second one changed nothing");
      openTty(pty.path, { speedBps: 9600, exclusive: false }).close();
    } finally {
      tty.close();
    }
    openTty(pty.path, { speedBps: 9600 }).close();
  });

  it("says its last words before it is closed: the driver has taken them", () => {
    const tty = openTty(pty.path, { speedBps: 9600 });
    const memory = nativeBuffer(16);
    memory.octets.set([1, 2, 3]);
    assert.equal(tty.write(memory.address, 3), 3);
    tty.close();
    memory.octets.fill(0);
    assert.equal(read(pty.master, memory.address, 16), 3);
    assert.deepEqual([...memory.octets.subarray(0, 3)], [1, 2, 3]);
  });

  it("reports a hang-up by its results and can still be closed", () => {
    const other = Pty.open();
    const tty = openTty(other.path, { speedBps: 9600 });
    other.close();
    const octet = nativeBuffer(1);
    assert.equal(tty.read(octet.address, 1), 0);
    assert.equal(tty.write(octet.address, 1), -EIO);
    assert.equal(tty.outputQueue(), 0);
    tty.close();
  });

  it("says what is wrong with a path that is none", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const pipe = join(folder, "pipe");
    check(mkfifo(pipe, 0o600), "mkfifo");
    const dangling = join(folder, "dangling");
    symlinkSync("/dev/pts/none", dangling);
    for (const [path, code] of [
      [join(folder, "none"), "DEVICE_MISSING"],
      [dangling, "DEVICE_MISSING"],
      [join(file, "below"), "DEVICE_MISSING"],
      [file, "DEVICE_NOT_A_TTY"],
      [pipe, "DEVICE_NOT_A_TTY"],
      [folder, "DEVICE_NOT_A_TTY"],
      ["/dev/null", "DEVICE_NOT_A_TTY"],
    ] as const) {
      assert.throws(() => openTty(path, { speedBps: 9600 }), { name: "EqlError", code, details: { path } });
    }
  });

  it("tells a user without permission how to get it", { skip: skipUnlessWeakly }, () => {
    chmodSync(pty.path, 0);
    const module = new URL("../../src/host/tty.js", import.meta.url).href;
    const script = `const { openTty } = await import(${JSON.stringify(module)});
      try { openTty(${JSON.stringify(pty.path)}, { speedBps: 9600 }); } catch (e) { console.log(e.code, e.message); }`;
    const command = [...WEAKLY, process.execPath, "--input-type=module", "-e", script];
    const said = spawnSync(command[0] ?? "", command.slice(1), { encoding: "utf8" });
    assert.match(said.stdout, /^CAPABILITY_MISSING .*dialout/, said.stderr);
  });

  it("leaves no descriptor behind when it fails", () => {
    const numbers = new Set<number>();
    for (let i = 0; i < 5; i++) {
      assert.throws(() => openTty(pty.path, { speedBps: Number.NaN }));
      const fd = check(open(pty.path, O_RDWR | O_NOCTTY), "open");
      numbers.add(fd);
      close(fd);
    }
    assert.equal(numbers.size, 1);
  });
});

describe("a speed that the driver changed", () => {
  it("is good within 3 per cent, and refused with both figures beyond", () => {
    checkSpeed("/dev/ttyS0", 115_200, 115_200);
    checkSpeed("/dev/ttyS0", 100_000, 103_000);
    checkSpeed("/dev/ttyS0", 100_000, 97_000);
    for (const given of [103_001, 96_999, 9600, 0]) {
      assert.throws(() => checkSpeed("/dev/ttyS0", 100_000, given), {
        code: "DEVICE_SPEED",
        message: new RegExp(`ttyS0 cannot run at 100000 bit/s.*${given}`),
      });
    }
  });
});
