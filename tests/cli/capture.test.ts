import assert from "node:assert/strict";
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { EqlError } from "../../src/errors.ts";
import { check, mkfifo } from "../../src/host/libc.ts";
import { Bench } from "./run.ts";
import { openTerminal } from "./terminal.ts";

const DEADLINE_MS = 60_000;

let bench: Bench;
/** The daemon's end of the pipe: open for both ways, so that it neither waits for the command nor loses octets. */
let pipe: number | undefined;

beforeEach(async () => {
  bench = new Bench();
  await bench.serve();
  bench.daemon.pipe = join(bench.directory, "pipe");
  check(mkfifo(bench.daemon.pipe, 0o600), "make a named pipe");
  pipe = openSync(bench.daemon.pipe, constants.O_RDWR | constants.O_NONBLOCK);
});

afterEach(async () => {
  closePipe();
  await bench[Symbol.asyncDispose]();
});

function closePipe(): void {
  if (pipe !== undefined) closeSync(pipe);
  pipe = undefined;
}

const write = (octets: Uint8Array): number => writeSync(pipe as number, octets);

/** All octets there are: what a terminal or a text stream would spoil shows. */
const OCTETS = Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff);
const TAIL = Uint8Array.from([0xff, 0x00, 0x0a]);

/** As the daemon does it: at the end it writes what it still has, and closes its end. */
function finishOnStop(): void {
  bench.daemon.onStop = () => {
    write(TAIL);
    closePipe();
  };
}

const octetsOf = (file: string): Buffer => {
  const path = join(bench.directory, file);
  return existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
};

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!isSo()) {
    if (Date.now() > deadline) assert.fail(`not in time: ${what}`);
    await delay(5);
  }
}

describe("eql capture", () => {
  it("copies to a file, and at SIGINT fetches what is under way", async () => {
    finishOnStop();
    const running = bench.start("eql", ["capture", "sl0", "-w", "sl0.pcap"]);
    write(OCTETS);
    await until("the octets are in the file", () => octetsOf("sl0.pcap").length === OCTETS.length);
    running.child.kill("SIGINT");
    assert.deepEqual(await running.outcome(), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(octetsOf("sl0.pcap"), Buffer.concat([OCTETS, TAIL]));
    assert.deepEqual([bench.daemon.calls, bench.daemon.stops], [[["capture", "sl0"]], 1]);
  });

  it("copies to standard output", async () => {
    finishOnStop();
    const running = bench.start("eql", ["capture", "sl0"]);
    write(OCTETS);
    await running.until(({ length }) => length === OCTETS.length);
    running.child.kill("SIGTERM");
    assert.equal((await running.outcome()).code, 0);
    assert.deepEqual(running.octets, Buffer.concat([OCTETS, TAIL]));
  });

  it("ends when the daemon ends", async () => {
    finishOnStop();
    const running = bench.start("eql", ["capture", "sl0", "-w", "-"]);
    write(OCTETS);
    await running.until(({ length }) => length === OCTETS.length);
    await bench.stopServing();
    assert.deepEqual((await running.outcome()).code, 0);
    assert.deepEqual(running.octets, Buffer.concat([OCTETS, TAIL]));
  });

  it("ends when the daemon is killed", async () => {
    const path = join(bench.directory, "other.sock");
    const line = `${JSON.stringify({ pipe: bench.daemon.pipe })}\n`;
    const head = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${line.length.toString(16)}\r\n${line}\r\n`;
    const asked: Socket[] = [];
    const server = createServer((socket) => {
      asked.push(socket.on("error", () => {}));
      socket.once("data", () => socket.write(head));
    }).listen(path);
    const running = bench.start("eql", ["capture", "sl0", "--socket", path]);
    write(OCTETS);
    await running.until(({ length }) => length === OCTETS.length);
    // What the kernel does for a process that ends: everything is closed, nothing is said.
    asked[0]?.destroy();
    closePipe();
    server.close();
    assert.deepEqual(await running.outcome().then(({ code, stderr }) => [code, stderr]), [0, ""]);
    assert.deepEqual(running.octets, Buffer.from(OCTETS));
  });

  it("ends when the capture's pipe ends", async () => {
    const running = bench.start("eql", ["capture", "sl0"]);
    write(OCTETS);
    await running.until(({ length }) => length === OCTETS.length);
    closePipe();
    assert.equal((await running.outcome()).code, 0);
    await until("the capture is stopped", () => bench.daemon.stops === 1);
  });

  it("ends though the daemon never opens or never closes its end", { timeout: 120_000 }, async () => {
    const never = bench.start("eql", ["capture", "sl0"]);
    write(OCTETS);
    await never.until(({ length }) => length === OCTETS.length);
    never.child.kill("SIGINT");
    assert.equal((await never.outcome()).code, 0);
    closePipe();
    const unopened = bench.start("eql", ["capture", "sl0", "-w", "empty.pcap"]);
    await until("the file is made", () => existsSync(join(bench.directory, "empty.pcap")));
    unopened.child.kill("SIGINT");
    assert.equal((await unopened.outcome()).code, 0);
  });

  it("ends when its reader does", async () => {
    finishOnStop();
    const running = bench.start("eql", ["capture", "sl0"]);
    write(OCTETS);
    await running.until(({ length }) => length === OCTETS.length);
    running.child.stdout?.destroy();
    write(OCTETS);
    assert.deepEqual(await running.outcome().then(({ code, stderr }) => [code, stderr]), [0, ""]);
    await until("the capture is stopped", () => bench.daemon.stops === 1);
  });

  it("replaces an older file", async () => {
    finishOnStop();
    writeFileSync(join(bench.directory, "old.pcap"), Buffer.alloc(5000));
    const running = bench.start("eql", ["capture", "sl0", "-w", "old.pcap"]);
    write(OCTETS);
    await until("the octets are in the file", () => octetsOf("old.pcap").length === OCTETS.length);
    running.child.kill("SIGINT");
    assert.equal((await running.outcome()).code, 0);
    assert.deepEqual(octetsOf("old.pcap"), Buffer.concat([OCTETS, TAIL]));
  });

  it("writes no octets to a terminal", async () => {
    await using terminal = openTerminal();
    const { code, stderr } = await bench.start("eql", ["capture", "sl0"], terminal.fd).outcome();
    assert.equal(code, 2);
    assert.match(stderr, /^eql: .*terminal.*-w FILE/);
    assert.deepEqual(bench.daemon.calls, []);
  });

  it("says what the daemon refuses, and makes no file", async () => {
    bench.daemon.before = () => {
      throw new EqlError("LINE_UNKNOWN", "there is no line sl9");
    };
    const outcome = await bench.run("eql", "capture", "sl9", "-w", "sl9.pcap");
    assert.deepEqual(outcome, { code: 1, stdout: "", stderr: "eql: there is no line sl9\n" });
    assert.ok(!existsSync(join(bench.directory, "sl9.pcap")));
  });

  it("says when it cannot write the file or read the pipe", async () => {
    const noFile = await bench.run("eql", "capture", "sl0", "-w", "no/such/file");
    assert.equal(noFile.code, 1);
    assert.match(noFile.stderr, /^eql: cannot write no\/such\/file: .*\n$/);
    bench.daemon.pipe = join(bench.directory, "gone");
    const noPipe = await bench.run("eql", "capture", "sl0");
    assert.equal(noPipe.code, 1);
    assert.match(noPipe.stderr, /^eql: cannot open the capture: .*gone.*\n$/);
    await until("both captures are stopped", () => bench.daemon.stops === 2);
  });
});
