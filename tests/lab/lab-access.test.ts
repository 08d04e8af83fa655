import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { EqlError } from "../../src/errors.ts";
import { checkTun } from "../../src/lab/lab-access.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { findTool } from "../../src/lab/tool.ts";
import { eventually, needsHosts } from "./lab-support.ts";

const moduleUrl = (name: string): string => new URL(`../../src/lab/${name}.js`, import.meta.url).href;

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "eql-access-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const codeOf = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof EqlError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
};

describe("findTool", () => {
  it("looks along the path first, then in the system's directories", (t) => {
    const path = directory(t);
    writeFileSync(join(path, "unshare"), "#!/bin/sh\n", { mode: 0o755 });
    assert.equal(findTool("unshare", `/nowhere:${path}`), join(path, "unshare"));
  });

  it("names the missing program and its package", () => {
    const { code, message } = codeOf(() => findTool("no-such-tool" as never, "/nowhere"));
    assert.equal(code, "TOOL_MISSING");
    assert.match(message, /"no-such-tool" is not installed: install the package/);
  });
});

describe("checkTun", () => {
  it("says how to get a device that is not there", () => {
    const { code, message } = codeOf(() => checkTun("/nowhere/tun"));
    assert.equal(code, "TUN_MISSING");
    assert.match(message, /\/nowhere\/tun \(ENOENT\).*modprobe tun/);
  });

  it("says who may open one that this user may not", (t) => {
    if (process.geteuid?.() !== 0) {
      const path = join(directory(t), "tun");
      writeFileSync(path, "");
      chmodSync(path, 0);
      assert.match(codeOf(() => checkTun(path)).message, /EACCES.*run as root/);
      return;
    }
    // Root may open anything: ask as nobody, in a process of its own.
    const path = join(directory(t), "tun");
    const script = `
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      const { checkTun } = await import(${JSON.stringify(moduleUrl("lab-access"))});
      try { checkTun(${JSON.stringify(path)}); } catch (error) { console.log(error.code, error.message); }`;
    chmodSync(join(path, ".."), 0o755);
    writeFileSync(path, "", { mode: 0o600 });
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    assert.match(stdout, /^TUN_MISSING .*EACCES.*run as root/);
  });
});

describe("enterLab", () => {
  /** Prints the uid inside and whether a host can be made, and exits with 7. */
  const SCRIPT = `
    const { enterLab } = await import(${JSON.stringify(moduleUrl("lab-access"))});
    const elsewhere = await enterLab();
    if (elsewhere !== null) process.exit(elsewhere);
    const { Host } = await import(${JSON.stringify(moduleUrl("namespace"))});
    const host = await Host.create("inside");
    console.log(process.getuid(), await host.must(["cat", "/proc/sys/net/ipv4/tcp_timestamps"]));
    await host.close();
    process.exitCode = 7;`;

  it("goes on at once for who may make hosts", (t) => {
    if (!needsHosts(t)) return;
    const script = join(directory(t), "script.mjs");
    writeFileSync(script, SCRIPT);
    const { stdout, status } = spawnSync(process.execPath, [script], { encoding: "utf8" });
    assert.match(stdout, /^0 0\n/);
    assert.equal(status, 7);
  });

  it("runs the command again in a user namespace for an ordinary user, and passes its status on", (t) => {
    if (!needsHosts(t)) return;
    if (process.getuid?.() !== 0) return t.skip("only root can become an ordinary user for this test");
    const path = directory(t);
    chmodSync(path, 0o755);
    const script = join(path, "script.mjs");
    writeFileSync(script, SCRIPT, { mode: 0o644 });
    const as = [findTool("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"];
    const allowed = spawnSync(as[0] as string, [...as.slice(1), findTool("unshare"), "-Urnm", "true"]);
    if (allowed.status !== 0 && process.env["EQL_REQUIRE_ALL"] !== "1")
      return t.skip("no user namespaces here");
    const reached = spawnSync(as[0] as string, [
      ...as.slice(1),
      process.execPath,
      "-e",
      `require("fs").accessSync(process.argv[1])`,
      new URL(moduleUrl("namespace")).pathname,
    ]);
    if (reached.status !== 0 && process.env["EQL_REQUIRE_ALL"] !== "1")
      return t.skip("this checkout is not readable for others");
    const { stdout, stderr, status } = spawnSync(
      as[0] as string,
      [...as.slice(1), process.execPath, script],
      {
        encoding: "utf8",
      },
    );
    assert.match(stdout, /^0 0\n/, stderr);
    assert.equal(status, 7);
  });
});

describe("Scratch", () => {
  it("is removed by close", () => {
    const scratch = new Scratch("eql-test");
    writeFileSync(join(scratch.path, "file"), "");
    scratch.close();
    assert.equal(existsSync(scratch.path), false);
  });

  it("is removed when its process is killed", async () => {
    const script = `
      const { Scratch } = await import(${JSON.stringify(moduleUrl("scratch"))});
      console.log(new Scratch("eql-test").path);
      process.kill(process.pid, "SIGKILL");`;
    const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    assert.equal(signal, "SIGKILL");
    const path = stdout.trim();
    assert.match(path, /eql-test-/);
    await eventually(() => !existsSync(path), `${path} is gone`);
  });
});
