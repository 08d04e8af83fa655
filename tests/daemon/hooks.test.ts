import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { type HookLine, Hooks, type HooksOptions } from "../../src/daemon/hooks.ts";
import { ROOT } from "../docs/markdown.ts";

const LINE: HookLine = {
  interface: "ppp0",
  device: "/dev/ttyS1",
  speedBps: 38400,
  ipparam: null,
  linkName: null,
  peerName: null,
};
const ADDRESSES = { local: "10.0.0.1", remote: "10.0.0.2", dns: [] };
const TOTALS = { connectMs: 61_499, octetsSent: 1234, octetsReceived: 5678 };
const DEADLINE_MS = 15_000;

interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

let directory = "";
/** Scripts keep no process. */
let stay: NodeJS.Timeout;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "eql-hooks-"));
  stay = setInterval(() => {}, DEADLINE_MS);
});
afterEach(() => {
  clearInterval(stay);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
});

/** @param logged where to keep what is logged */
function make(options: Partial<HooksOptions> = {}, logged: Logged[] = []): Hooks {
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void logged.push({ level, message, fields: { ...fields } });
  return new Hooks({ directory, socket: null, log: { info: note("info"), warn: note("warn") }, ...options });
}

function script(name: string, body: string, mode = 0o755): void {
  const path = join(directory, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, mode);
}

/** A script that writes what it is given, whole or not at all. */
const recorder = (name: string): void =>
  script(
    name,
    `{ echo "$#"; for a; do echo "[$a]"; done; env; pwd; } > ${directory}/${name}.new; mv ${directory}/${name}.new ${directory}/${name}.out`,
  );

async function appears(name: string): Promise<string> {
  const path = join(directory, name);
  const watcher = watch(directory);
  const signal = AbortSignal.timeout(DEADLINE_MS);
  try {
    while (!existsSync(path)) await once(watcher, "change", { signal });
  } finally {
    watcher.close();
  }
  return readFileSync(path, "utf8");
}

/** Arguments, and the environment less what the shell itself adds. */
function parse(output: string): { args: string[]; env: Record<string, string>; cwd: string } {
  const lines = output.trimEnd().split("\n");
  const count = Number(lines[0]);
  const args = lines.slice(1, count + 1).map((line) => line.slice(1, -1));
  const pairs = lines
    .slice(count + 1, -1)
    .map((line): [string, string] => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  const env = Object.fromEntries(pairs.filter(([name]) => !["PWD", "OLDPWD", "SHLVL", "_"].includes(name)));
  return { args, env, cwd: lines.at(-1) ?? "" };
}

const basis = {
  DEVICE: "/dev/ttyS1",
  IFNAME: "ppp0",
  SPEED: "38400",
  ORIG_UID: String(process.getuid?.()),
  PPPLOGNAME: userInfo().username,
};

describe("scripts of a line", () => {
  it("ip-up has pppd's arguments and environment, and nothing else but PATH", async () => {
    recorder("ip-up");
    process.env["EQL_TEST_LEAK"] = "1";
    make().ipUp(LINE, ADDRESSES);
    delete process.env["EQL_TEST_LEAK"];
    const { args, env, cwd } = parse(await appears("ip-up.out"));
    assert.deepEqual(args, ["ppp0", "/dev/ttyS1", "38400", "10.0.0.1", "10.0.0.2", ""]);
    const { PATH, ...others } = env;
    assert.deepEqual(others, { ...basis, IPLOCAL: "10.0.0.1", IPREMOTE: "10.0.0.2" });
    assert.ok(PATH?.split(":").includes(join(ROOT, "bin")), PATH);
    assert.equal(cwd, "/");
  });

  it("ip-down also has what the connection was, and all that is known", async () => {
    recorder("ip-down");
    const line = { ...LINE, ipparam: "x y", linkName: "isp", peerName: "far" };
    const dns = ["10.0.0.8", "10.0.0.9"];
    make({ socket: "/tmp/x.sock" }).ipDown(line, { ...ADDRESSES, dns }, TOTALS);
    const { args, env } = parse(await appears("ip-down.out"));
    assert.equal(args[5], "x y");
    const { PATH: _path, ...others } = env;
    assert.deepEqual(others, {
      ...basis,
      IPLOCAL: "10.0.0.1",
      IPREMOTE: "10.0.0.2",
      LINKNAME: "isp",
      PEERNAME: "far",
      USEPEERDNS: "1",
      DNS1: "10.0.0.8",
      DNS2: "10.0.0.9",
      CONNECT_TIME: "61",
      BYTES_SENT: "1234",
      BYTES_RCVD: "5678",
      EQL_SOCKET: "/tmp/x.sock",
    });
  });

  it("of authentication and of IPv6 have theirs", async () => {
    for (const name of ["auth-up", "auth-down", "ipv6-up", "ipv6-down"]) recorder(name);
    const hooks = make();
    const line = { ...LINE, peerName: "far", ipparam: "p" };
    const local = { local: "fe80::1", remote: "fe80::2", dns: [] };
    hooks.authUp(line);
    hooks.authDown(line, TOTALS);
    hooks.ipv6Up(line, local);
    hooks.ipv6Down(line, local, TOTALS);
    for (const name of ["auth-up", "auth-down"]) {
      const { args, env } = parse(await appears(`${name}.out`));
      assert.deepEqual(args, ["ppp0", "far", userInfo().username, "/dev/ttyS1", "38400"]);
      assert.equal(env["PEERNAME"], "far");
      assert.equal(env["BYTES_SENT"], name === "auth-down" ? "1234" : undefined);
    }
    for (const name of ["ipv6-up", "ipv6-down"]) {
      const { args, env } = parse(await appears(`${name}.out`));
      assert.deepEqual(args, ["ppp0", "/dev/ttyS1", "38400", "fe80::1", "fe80::2", "p"]);
      assert.deepEqual([env["LLLOCAL"], env["LLREMOTE"], env["IPLOCAL"]], ["fe80::1", "fe80::2", undefined]);
    }
  });

  it("ip-pre-up is waited for", async () => {
    script("ip-pre-up", `sleep 0.1; : > ${directory}/done`);
    const logged: Logged[] = [];
    await make({}, logged).ipPreUp(LINE, ADDRESSES);
    assert.ok(existsSync(join(directory, "done")));
    assert.deepEqual(
      logged.map(({ level, message }) => [level, message]),
      [
        ["info", "script started"],
        ["info", "script finished"],
      ],
    );
  });

  it("one that hangs holds nothing up, and ip-down comes after its ip-up", async () => {
    const hang = `: > ${directory}/$$.pid; exec sleep 60`;
    script("ip-pre-up", hang);
    script("ip-up", hang);
    recorder("ip-down");
    const logged: Logged[] = [];
    const hooks = make({ waitMs: 50 }, logged);
    await hooks.ipPreUp(LINE, ADDRESSES);
    assert.equal(logged.at(-1)?.message, "the script is not waited for any longer");
    hooks.ipUp(LINE, ADDRESSES);
    hooks.ipDown(LINE, ADDRESSES, TOTALS);
    assert.equal(hooks.running, 2, "ip-down is not started yet");
    await hooks.allStarted();
    assert.equal(hooks.running, 3);
    await appears("ip-down.out");
    for (const { fields } of logged.filter(({ message }) => message === "script started").slice(0, 2)) {
      process.kill(Number(fields["pid"]), "SIGKILL");
    }
  });

  it("ip-pre-up does not keep a process that ends", async () => {
    script("ip-pre-up", "exec sleep 60");
    const module = new URL("../../src/daemon/hooks.js", import.meta.url).href;
    const ends = `
      import { Hooks } from ${JSON.stringify(module)};
      const log = { info: ({ pid }) => pid && console.log(pid), warn: () => {} };
      const hooks = new Hooks({ directory: ${JSON.stringify(directory)}, socket: null, log, waitMs: 3_600_000 });
      void hooks.ipPreUp(${JSON.stringify(LINE)}, ${JSON.stringify(ADDRESSES)});`;
    const args = ["--input-type=module", "-e", ends];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 4 * DEADLINE_MS });
    process.kill(Number(stdout), "SIGKILL");
  });

  it("ip-down waits for an ip-up that is under way, of the same interface only", async () => {
    script("ip-up", `while [ ! -e ${directory}/go ]; do sleep 0.05; done; echo up >> ${directory}/order`);
    script("ip-down", `echo "down $1" >> ${directory}/order; : > ${directory}/$1`);
    const hooks = make();
    hooks.ipUp(LINE, ADDRESSES);
    hooks.ipDown(LINE, ADDRESSES, TOTALS);
    hooks.ipDown({ ...LINE, interface: "ppp7" }, ADDRESSES, TOTALS);
    await appears("ppp7");
    writeFileSync(join(directory, "go"), "");
    await appears("ppp0");
    assert.equal(readFileSync(join(directory, "order"), "utf8"), "down ppp7\nup\ndown ppp0\n");
  });

  it("that the system does not even begin to start harm nobody", async () => {
    for (const name of ["ip-pre-up", "ip-down", "auth-up"]) script(name, ":");
    script("ip-up", `while [ ! -e ${directory}/go ]; do sleep 0.05; done`);
    // As it is with a file that somebody writes to, and without memory.
    const tooLong = { ...LINE, ipparam: "x".repeat(200_000), peerName: "x".repeat(200_000) };
    const logged: Logged[] = [];
    const hooks = make({}, logged);
    hooks.authUp(tooLong);
    await hooks.ipPreUp(tooLong, ADDRESSES);
    hooks.ipUp(LINE, ADDRESSES);
    hooks.ipDown(tooLong, ADDRESSES, TOTALS);
    writeFileSync(join(directory, "go"), "");
    await hooks.allStarted();
    assert.equal(hooks.running, 0);
    const failed = logged.filter(({ message }) => message === "script could not be started");
    assert.deepEqual(
      failed.map(({ fields }) => fields["script"]),
      ["auth-up", "ip-pre-up", "ip-down"],
    );
  });

  it("that are not there or not executable are not run; those that fail are logged", async () => {
    script("ip-pre-up", "exit 3", 0o644);
    const logged: Logged[] = [];
    const hooks = make({}, logged);
    await hooks.ipPreUp(LINE, ADDRESSES);
    hooks.ipUp(LINE, ADDRESSES);
    assert.equal(logged.length, 0);
    script("ip-pre-up", "exit 3");
    await hooks.ipPreUp(LINE, ADDRESSES);
    assert.equal(logged[1]?.level, "warn");
    assert.equal(logged[1]?.fields["status"], 3);
    writeFileSync(join(directory, "ip-pre-up"), "#!/nowhere/sh\n");
    await hooks.ipPreUp(LINE, ADDRESSES);
    assert.equal(logged.at(-1)?.message, "script could not be started");
    assert.equal(hooks.running, 0);
  });
});
