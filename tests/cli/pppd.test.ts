import assert from "node:assert/strict";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { PppEnd } from "../../src/control/messages.ts";
import { isRunning } from "../../src/host/process-info.ts";
import { Termios } from "../../src/host/termios.ts";
import { eventually } from "../daemon/world.ts";
import { PppdBench } from "./pppd-bench.ts";
import { Bench } from "./run.ts";

/** What the process leaves in its places when it has ended: nothing but the daemon's socket. */
const leftIn = (bench: PppdBench): string[] =>
  readdirSync(bench.directory).filter((name) => name !== "eql.sock");

/** Reads what has come, without waiting; null: the line is hung up. */
function readNow(fd: number): string | null {
  const into = new Uint8Array(4096);
  try {
    const count = readSync(fd, into);
    return count === 0 ? null : Buffer.from(into.subarray(0, count)).toString("latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return "";
    if (code === "EIO") return null;
    throw error;
  }
}

/** The daemon's end of a line, which does not block. */
const openPort = (path: unknown): number =>
  openSync(String(path), constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);

/** Reads until there is as much as wanted. */
async function hears(fd: number, wanted: string): Promise<void> {
  let heard = "";
  await eventually(`it hears ${JSON.stringify(wanted)}`, () => {
    heard += readNow(fd) ?? "";
    return heard.length >= wanted.length;
  });
  assert.equal(heard, wanted);
}

const hangsUp = (fd: number): Promise<true> => eventually("the line is hung up", () => readNow(fd) === null);

describe("eql pppd", () => {
  it("hands its port to the daemon and ends with it, on a signal, leaving all as it was", async () => {
    await using bench = await PppdBench.open();
    const { pty, daemon, directory } = bench;
    const before = Termios.get(pty.slave, pty.path).outputSpeed;
    const running = bench.onPort("lock", "debug", "10.0.0.1:10.0.0.2", "unit", "7", "linkname", "isp");
    const line = await daemon.line();
    assert.equal(line.request.unit, 7);
    assert.equal(line.request.name, `pts.${pty.path.slice("/dev/pts/".length)}`);
    const { settings } = line.request;
    assert.deepEqual(
      [
        settings["device"],
        settings["speed"],
        settings["rtscts"],
        settings["address"],
        settings["peer"],
        settings["lock"],
      ],
      [pty.path, 57600, false, "10.0.0.1", "10.0.0.2", false],
    );
    assert.equal(Termios.get(pty.slave, pty.path).outputSpeed, 57600);
    const pid = String(running.child.pid);
    assert.equal(
      readFileSync(join(directory, `LCK..${line.name.replace(".", "_")}`), "latin1"),
      `${pid.padStart(10)}\n`,
    );
    line.tell({ event: "log", level: "debug", text: "sent [LCP ConfReq id=0x1]\x1b[2J" });
    line.up();
    await running.untilOutput(/remote IP address 10\.0\.0\.2\n/);
    assert.equal(readFileSync(join(directory, "ppp9.pid"), "latin1"), `${pid}\n`);
    assert.equal(readFileSync(join(directory, "ppp-isp.pid"), "latin1"), `${pid}\nppp9\n`);
    running.child.kill("SIGTERM");
    const { code, stdout, stderr } = await running.outcome();
    assert.equal(code, 5);
    assert.equal(stderr, "");
    assert.equal(
      stdout,
      `Serial connection established.
sent [LCP ConfReq id=0x1]?[2J
Using interface ppp9
Connect: ppp9 <--> ${pty.path}
local  IP address 10.0.0.1
remote IP address 10.0.0.2
Terminating on signal 15
User request
Connection terminated.
Exit.
`,
    );
    assert.deepEqual(daemon.removed, [line.name]);
    assert.deepEqual(leftIn(bench), []);
    assert.equal(Termios.get(pty.slave, pty.path).outputSpeed, before);
  });

  const ends: readonly [end: PppEnd, up: boolean, code: number][] = [
    ["peer", true, 0],
    ["peer", false, 10],
    ["asked", true, 5],
    ["hangup", true, 16],
    ["negotiation", false, 10],
    ["no-network", false, 10],
    ["peer-unauthenticated", false, 11],
    ["unauthenticated", false, 19],
    ["echo", true, 15],
    ["loopback", false, 17],
  ];
  it("exits as pppd does, by how the line ended", async () => {
    await using bench = await PppdBench.open();
    for (const [end, up, code] of ends) {
      const running = bench.onPort();
      const line = await bench.daemon.line();
      if (up) line.up();
      line.end(end, `because of ${end}`);
      const outcome = await running.outcome();
      assert.equal(outcome.code, code, end);
      assert.match(outcome.stdout, new RegExp(`because of ${end}\nConnection terminated.\nExit.\n$`));
    }
  });

  it("exits with 2 for options, and says on standard error what is wrong", async () => {
    await using bench = await PppdBench.open();
    writeFileSync(join(bench.directory, "options"), "lock\nfrobnicate\n");
    const unknown = await bench.onPort().outcome();
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /^eql-pppd: \S+\/options:2: unknown option "frobnicate"\n$/);
    writeFileSync(join(bench.directory, "options"), "");
    const nothing = await bench.start([]).outcome();
    assert.deepEqual([nothing.code, nothing.stderr.startsWith("eql-pppd: no device is named")], [2, true]);
    const host = await bench.onPort("nobody.invalid:").outcome();
    assert.equal(host.code, 2);
    bench.daemon.refusal = { code: "REQUEST_INVALID", message: "line x: mtu: found 7" };
    const refused = await bench.onPort("persist").outcome();
    assert.deepEqual([refused.code, refused.stdout.includes("line x: mtu: found 7\nExit.\n")], [2, true]);
  });

  it("shows what it would do, without passwords, and warns of them", async () => {
    await using bench = await PppdBench.open();
    const { code, stdout, stderr } = await bench.onPort("password", "sesame", "dryrun").outcome();
    assert.equal(code, 0);
    assert.match(stdout, /^password = "\*{8}"$/m);
    assert.match(stdout, /^speedBps = 57600$/m);
    assert.match(stderr, /^eql-pppd: command line: option "password": every user can see it/);
    assert.doesNotMatch(stdout + stderr, /sesame/);
    assert.equal((await bench.start(["--version"]).outcome()).code, 0);
    assert.match((await bench.start(["--help"]).outcome()).stdout, /^usage: eql-pppd/);
  });

  it("exits with 6 when the port is locked, 7 when it cannot be opened", async () => {
    await using bench = await PppdBench.open();
    const lock = join(bench.directory, `LCK..${bench.pty.path.slice("/dev/".length).replace("/", "_")}`);
    writeFileSync(lock, `${String(process.pid).padStart(10)}\n`);
    const locked = await bench.onPort("lock").outcome();
    assert.deepEqual([locked.code, locked.stdout.includes(`(PID ${process.pid})`)], [6, true]);
    assert.ok(existsSync(lock), "it is not ours to remove");
    assert.equal((await bench.start(["/dev/null", "nodetach"]).outcome()).code, 7);
    assert.equal((await bench.start(["/dev/ttyNothing", "nodetach"]).outcome()).code, 7);
    for (const [code, exit] of [
      ["DEVICE_BUSY", 6],
      ["LINE_EXISTS", 6],
      ["TUN_MISSING", 4],
      ["CONTROL_REFUSED", 3],
      ["MASTER_DOWN", 1],
    ] as const) {
      bench.daemon.refusal = { code, message: "no" };
      assert.equal((await bench.onPort().outcome()).code, exit, code);
    }
  });

  it("runs init, connect and welcome on the port before, disconnect after, with its environment and standard error", async () => {
    await using bench = await PppdBench.open();
    const log = join(bench.directory, "order");
    const say = (what: string): string => `echo ${what} >> ${log}`;
    process.env["EQL_TEST_MARK"] = "here";
    const running = bench.onPort(
      "init",
      say("init"),
      "welcome",
      `${say("welcome")}; exit 3`,
      "disconnect",
      say("disconnect"),
      "connect-delay",
      "0",
      "connect",
      `read word; echo "got $word" "$EQL_TEST_MARK" "$EQL_PPPD_BACKGROUND"; echo trouble >&2; ${say("connect")}`,
    );
    delete process.env["EQL_TEST_MARK"];
    await eventually("connect runs", () => existsSync(log));
    writeSync(bench.pty.master, "knock\n");
    const line = await bench.daemon.line();
    await hears(bench.pty.master, "got knock here \n");
    line.up();
    line.end("peer");
    const { code, stdout, stderr } = await running.outcome();
    assert.deepEqual([code, stderr], [0, "trouble\n"]);
    assert.match(stdout, /^Serial connection established\.\nWelcome script failed\n/);
    assert.equal(readFileSync(log, "utf8"), "init\nconnect\nwelcome\ndisconnect\n");
  });

  it("does not run disconnect on a port that was hung up", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort("disconnect", `: > ${join(bench.directory, "ran")}`);
    (await bench.daemon.line()).end("hangup", "Modem hangup");
    assert.equal((await running.outcome()).code, 16);
    assert.deepEqual(leftIn(bench), []);
  });

  it("exits with 8 or 18 when connect or init fails, and with 5 when a signal ends them", async () => {
    await using bench = await PppdBench.open();
    const failed = await bench.onPort("connect", "exit 4", "lock").outcome();
    assert.deepEqual([failed.code, failed.stdout], [8, "Connect script failed\nExit.\n"]);
    assert.equal((await bench.onPort("init", "exit 1", "connect", "exit 0").outcome()).code, 18);
    const pidFile = join(bench.directory, "pid");
    const running = bench.onPort("lock", "connect", `echo $$ > ${pidFile}; sleep 60; true`);
    const pid = await eventually(
      "connect runs",
      () => existsSync(pidFile) && Number(readFileSync(pidFile, "latin1")),
    );
    running.child.kill("SIGINT");
    assert.equal((await running.outcome()).code, 5);
    await eventually("connect ended", () => !isRunning(pid));
    assert.deepEqual(leftIn(bench), ["pid"]);
    assert.equal(bench.daemon.lines.length, 0);
  });

  it("takes a command for the line, and hangs up when the command ends", async () => {
    await using bench = await PppdBench.open();
    const go = join(bench.directory, "go");
    const running = bench.start(["nodetach", "pty", `echo hello; read word; echo "$word" > ${go}`]);
    const line = await bench.daemon.line();
    const { settings } = line.request;
    assert.deepEqual([settings["carrier"], settings["lock"]], [false, false]);
    const port = openPort(settings["device"]);
    await hears(port, "hello\n");
    writeSync(port, "world\n");
    await hangsUp(port);
    closeSync(port);
    assert.equal(readFileSync(go, "utf8"), "world\n");
    line.end("hangup");
    assert.equal((await running.outcome()).code, 16);
  });

  it("takes standard input and output for the line, and hangs up at their end", async () => {
    await using bench = await PppdBench.open();
    const running = bench.start(["notty"], "pipe");
    const stdin = running.child.stdin as NodeJS.WritableStream;
    const line = await bench.daemon.line();
    const port = openPort(line.request.settings["device"]);
    const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
    writeSync(port, octets);
    await running.until((output) => output.equals(octets));
    stdin.write(octets);
    await hears(port, octets.toString("latin1"));
    stdin.end();
    await hangsUp(port);
    closeSync(port);
    line.end("hangup");
    const { code, stdout, stderr } = await running.outcome();
    assert.deepEqual([code, stdout, stderr], [16, octets.toString(), ""]);
  });

  it("takes the terminal on standard input for the line, named or not, and stays with it", async () => {
    await using bench = await PppdBench.open();
    for (const args of [["9600"], [bench.pty.path, "lock"]]) {
      const running = bench.start(args, bench.pty.slave);
      const line = await bench.daemon.line();
      assert.equal(line.request.settings["device"], bench.pty.path);
      assert.deepEqual(leftIn(bench), [], "there is no lock");
      line.up();
      line.end("peer");
      assert.equal((await running.outcome()).code, 0);
    }
  });

  it("with persist tries again, until it has failed as often as it may", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort("persist", "maxfail", "2", "lock");
    const first = await bench.daemon.line();
    first.up();
    first.end("peer");
    (await bench.daemon.line()).end("negotiation");
    (await bench.daemon.line()).end("loopback");
    assert.equal((await running.outcome()).code, 17);
    assert.deepEqual(leftIn(bench), []);
  });

  it("waits holdoff between attempts, which SIGHUP ends, as it ends a connection; SIGTERM ends all", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort("persist", "holdoff", "1000");
    const first = await bench.daemon.line();
    first.up();
    await running.untilOutput(/remote/);
    running.child.kill("SIGHUP");
    await first.closed;
    await running.untilOutput(/Connection terminated/);
    // Between the end of the line and the pause there is no sign to wait for: it is asked again until it is heard.
    const second = bench.daemon.line();
    const again = setInterval(() => running.child.kill("SIGHUP"), 50);
    const line = await second.finally(() => clearInterval(again));
    line.up();
    running.child.kill("SIGTERM");
    assert.equal((await running.outcome()).code, 5);
    assert.ok(!bench.daemon.removed.some((name) => name !== first.name));
  });

  it("without persist ends on SIGHUP, and is not ended by SIGUSR1 and SIGUSR2", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort();
    (await bench.daemon.line()).up();
    await running.untilOutput(/remote/);
    running.child.kill("SIGUSR1");
    running.child.kill("SIGUSR2");
    running.child.kill("SIGHUP");
    const { code, stdout, stderr } = await running.outcome();
    assert.deepEqual([code, stderr], [5, ""]);
    assert.match(stdout, /Hangup \(SIGHUP\)\n/);
  });

  it("does not wait for ever for a line to end: a second signal ends it at once", async () => {
    await using bench = await PppdBench.open();
    bench.daemon.onRemove = () => {};
    const running = bench.onPort("lock");
    const line = await bench.daemon.line();
    line.up();
    await running.untilOutput(/remote/);
    running.child.kill("SIGTERM");
    await eventually("the daemon is asked", () => bench.daemon.removed.length > 0);
    running.child.kill("SIGTERM");
    assert.equal((await running.outcome()).code, 5);
    assert.deepEqual(leftIn(bench), []);
    await line.closed;
  });

  it("waits for a daemon that just ends, and has the next one", async () => {
    await using bench = await PppdBench.open();
    bench.daemon.refusal = { code: "DAEMON_ENDING", message: "the daemon ends" };
    const running = bench.onPort();
    await eventually("it has asked more than once", () => bench.daemon.refused > 1);
    bench.daemon.refusal = null;
    (await bench.daemon.line()).end("peer");
    const { code, stderr } = await running.outcome();
    assert.deepEqual([code, stderr], [10, ""]);
  });

  it("ends with the daemon", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort();
    const line = await bench.daemon.line();
    line.up();
    await running.untilOutput(/remote/);
    line.break();
    const { code, stdout } = await running.outcome();
    assert.deepEqual([code, stdout.includes("The EQL daemon ended, and the line with it\n")], [1, true]);
  });

  it("ends a line that is idle, but not one that carries packets, and one that has lasted long enough", async () => {
    await using bench = await PppdBench.open();
    const idle = bench.onPort("idle", "1");
    (await bench.daemon.line()).up();
    const outcome = await idle.outcome();
    assert.deepEqual([outcome.code, outcome.stdout.includes("lack of activity")], [12, true]);
    const busy = bench.onPort("idle", "1", "maxconnect", "3");
    (await bench.daemon.line()).up();
    const traffic = setInterval(() => {
      bench.daemon.packets += 1;
    }, 100);
    const { code, stdout } = await busy.outcome().finally(() => clearInterval(traffic));
    assert.deepEqual([code, stdout.includes("Connect time expired")], [13, true]);
  });

  it("goes into the background at once, where its messages go to its log file", async () => {
    await using bench = await PppdBench.open();
    const foreground = bench.start([
      bench.pty.path,
      "linkname",
      "isp",
      "logfile",
      "the.log",
      "lock",
      "proxyarp",
    ]);
    await once(foreground.child, "exit");
    assert.equal(foreground.child.exitCode, 0);
    const line = await bench.daemon.line();
    const pid = Number(readFileSync(join(bench.directory, "ppp-isp.pid"), "latin1"));
    bench.mind(pid);
    assert.notEqual(pid, foreground.child.pid);
    // Its process group and its session are its own, and it has no terminal.
    assert.match(readFileSync(`/proc/${pid}/stat`, "latin1"), new RegExp(`\\) \\w \\d+ ${pid} ${pid} 0 `));
    line.up();
    process.kill(pid, "SIGTERM");
    const { stdout, stderr } = await foreground.outcome();
    assert.equal(stdout, "");
    assert.match(stderr, /^eql-pppd: command line: option "proxyarp": [^\n]*\n$/, "a warning is said once");
    assert.match(
      readFileSync(join(bench.directory, "the.log"), "utf8"),
      /Terminating on signal 15\n[^]*Exit\.\n$/,
    );
    assert.deepEqual(leftIn(bench), ["the.log"]);
  });

  it("with updetach goes into the background when the line is up, or exits as it failed", async () => {
    await using bench = await PppdBench.open();
    const first = bench.start([bench.pty.path, "updetach", "linkname", "isp"]);
    const line = await bench.daemon.line();
    bench.mind(Number(readFileSync(join(bench.directory, "ppp-isp.pid"), "latin1")));
    assert.equal(first.child.exitCode, null);
    line.up();
    await once(first.child, "exit");
    assert.equal(first.child.exitCode, 0);
    assert.ok(!bench.daemon.removed.length);
    line.end("peer");
    const { stdout } = await first.outcome();
    assert.match(stdout, /Serial connection established\.\nUsing interface ppp9\n/);
    const second = bench.start([bench.pty.path, "updetach"]);
    (await bench.daemon.line()).end("unauthenticated");
    assert.equal((await second.outcome()).code, 19);
  });

  it("passes a signal on to the background that it waits for", async () => {
    await using bench = await PppdBench.open();
    const running = bench.start([bench.pty.path, "updetach"]);
    await bench.daemon.line();
    running.child.kill("SIGTERM");
    assert.equal((await running.outcome()).code, 5);
  });

  it("joins a bundle without taking its interface for its own", async () => {
    await using bench = await PppdBench.open();
    const running = bench.onPort("multilink");
    const line = await bench.daemon.line();
    assert.equal(line.request.settings["multilink"], true);
    line.tell({ event: "joined", interface: "ppp9" });
    await running.untilOutput(/Link attached to ppp9\n/);
    assert.ok(!existsSync(join(bench.directory, "ppp9.pid")));
    line.end("peer");
    assert.equal((await running.outcome()).code, 0);
  });

  it("is `eql pppd` and `eql-pppd`, whose words are pppd's", async () => {
    await using bench = new Bench();
    const asCommand = await bench.run("eql", "pppd", "--version");
    assert.deepEqual(await bench.run("eql-pppd", "--version"), asCommand);
    assert.match(asCommand.stdout, /^eql \d+\.\d+\.\d+, pppd's options as of version 2\.4\.9\n$/);
    const { code, stderr } = await bench.run("eql", "pppd", "-vj", "call", "/no/-V", "-d");
    assert.deepEqual([code, /^eql-pppd: .*option "call" has "\/no\/-V"/m.test(stderr)], [2, true], stderr);
    assert.match((await bench.run("eql", "pppd", "--help")).stdout, /^Usage: eql pppd \[DEVICE\]/);
  });
});
