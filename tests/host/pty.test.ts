import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { EPOLLIN, Epoll } from "../../src/host/epoll.ts";
import { EAGAIN, nativeBuffer, read, write } from "../../src/host/libc.ts";
import { Pty } from "../../src/host/pty.ts";

const DEADLINE_MS = 60_000;

/** Reads until `count` octets are there. */
function readAll(fd: number, count: number): Uint8Array {
  const buffer = nativeBuffer(count);
  const epoll = new Epoll();
  const end = performance.now() + DEADLINE_MS;
  try {
    epoll.add(fd, 0, EPOLLIN);
    for (let have = 0; have < count; ) {
      const got = read(fd, buffer.address + have, count - have);
      if (got > 0) {
        have += got;
        continue;
      }
      assert.ok(got === -EAGAIN && performance.now() < end, `${have} of ${count} octets, then ${got}`);
      epoll.wait(100);
    }
  } finally {
    epoll.close();
  }
  return buffer.octets;
}

describe("a pty", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eql-pty-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("carries every octet unchanged in both directions, and echoes none", () => {
    const pty = Pty.open();
    try {
      const all = nativeBuffer(256);
      for (let i = 0; i < 256; i++) all.octets[i] = i;
      for (const [from, to] of [
        [pty.master, pty.slave],
        [pty.slave, pty.master],
      ] as const) {
        assert.equal(write(from, all.address, 256), 256);
        assert.deepEqual(readAll(to, 256), all.octets);
        assert.equal(read(from, all.address, 256), -EAGAIN, "nothing came back");
      }
    } finally {
      pty.close();
    }
  });

  it("has its link while it is open, in place of one that was left behind", () => {
    const link = join(folder, "line");
    symlinkSync("/dev/pts/none", link);
    const pty = Pty.open();
    try {
      pty.linkAt(link);
      assert.equal(readlinkSync(link), pty.path);
      assert.match(pty.path, /^\/dev\/pts\/\d+$/);
    } finally {
      pty.close();
    }
    assert.equal(lstatSync(link, { throwIfNoEntry: false }), undefined);
  });

  it("leaves a link alone that meanwhile leads elsewhere", () => {
    const link = join(folder, "line");
    const pty = Pty.open();
    pty.linkAt(link);
    rmSync(link);
    symlinkSync("/dev/null", link);
    pty.close();
    assert.equal(readlinkSync(link), "/dev/null");
  });

  it("does not replace a file", () => {
    const path = join(folder, "line");
    writeFileSync(path, "mine");
    const pty = Pty.open();
    try {
      assert.throws(() => pty.linkAt(path), { code: "NAME_TAKEN" });
    } finally {
      pty.close();
    }
    assert.ok(existsSync(path));
  });

  it("says which link it could not make", () => {
    const pty = Pty.open();
    try {
      assert.throws(() => pty.linkAt(join(folder, "missing", "line")), {
        code: "SYSTEM_CALL_FAILED",
        message: /missing\/line/,
      });
    } finally {
      pty.close();
    }
  });

  it("can be handed over to a child, whose end hangs it up", async () => {
    const pty = Pty.open();
    try {
      let child: ChildProcess | undefined;
      pty.handOver((master) => {
        child = spawn("sh", ["-c", "read word; printf '<%s>' \"$word\"; read more"], {
          stdio: [master, master, "inherit"],
        });
      });
      const text = nativeBuffer(4);
      text.octets.set(Buffer.from("abc\n"));
      assert.equal(write(pty.slave, text.address, 4), 4);
      assert.equal(Buffer.from(readAll(pty.slave, 5)).toString(), "<abc>");
      assert.equal(write(pty.slave, text.address, 4), 4);
      await once(child as ChildProcess, "exit");
      assert.equal((child as ChildProcess).exitCode, 0);
      assert.ok(read(pty.slave, text.address, 1) !== -EAGAIN, "it has hung up");
    } finally {
      pty.close();
    }
  });
});
