import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it, type TestContext } from "node:test";
import { LabProcess } from "../../src/lab/lab-process.ts";
import { Host, joinByCable } from "../../src/lab/namespace.ts";
import { Pinger, pingTimes, transferDatagrams, transferHash, transferTcp } from "../../src/lab/transfer.ts";
import { eventually, needsHosts, networkOf, processesIn } from "./lab-support.ts";

const NEAR = "10.77.0.1";
const FAR = "10.77.0.2";
const DEADLINE = { deadlineMs: 60_000 };

async function cabled(t: TestContext): Promise<{ near: Host; far: Host } | null> {
  if (!needsHosts(t, ["nsenter", "setpriv", "ip"])) return null;
  const near = await Host.create("near");
  t.after(() => near.close());
  const far = await Host.create("far");
  t.after(() => far.close());
  await joinByCable(near, far, { nearAddress: NEAR, farAddress: FAR });
  return { near, far };
}

describe("transferTcp", () => {
  it("moves the seed's octets intact, with cubic, and reports progress", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const progress: number[] = [];
    const options = { address: FAR, bytes: 289_284, seed: 7, onProgress: (n: number) => progress.push(n) };
    const result = await transferTcp(hosts.near, hosts.far, { ...options, ...DEADLINE });
    assert.equal(result.intact, true);
    assert.equal(result.octets, 289_284);
    assert.equal(result.congestion, "cubic");
    assert.equal(progress.at(-1), 289_284);
    assert.ok(result.seconds > 0);
    assert.equal(result.octetsPerSecond, 289_284 / result.seconds);
  });

  it("runs several at once, in both directions", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const { near, far } = hosts;
    const results = await Promise.all([
      transferTcp(near, far, { address: FAR, bytes: 50_001, seed: 1, index: 0, ...DEADLINE }),
      transferTcp(near, far, { address: FAR, bytes: 50_002, seed: 2, index: 1, ...DEADLINE }),
      transferTcp(far, near, { address: NEAR, bytes: 50_003, seed: 3, index: 2, ...DEADLINE }),
    ]);
    assert.deepEqual(
      results.map(({ octets, intact }) => [octets, intact]),
      [
        [50_001, true],
        [50_002, true],
        [50_003, true],
      ],
    );
  });

  it("goes on when an end that waits was stopped for a moment", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const { near, far } = hosts;
    const shared = { port: 10_000, bytes: 1000, stallSeconds: 60 } as const;
    const receiver = new LabProcess(far, { role: "tcp-receive", ...shared });
    await receiver.event("listening", DEADLINE.deadlineMs);
    const ends = processesIn(String(networkOf(far.pid))).filter((pid) => pid !== far.pid);
    const stateOf = (pid: number): string | undefined =>
      /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    const all = (state: string) => (): boolean => ends.every((pid) => stateOf(pid) === state);
    await eventually(all("S"), "it waits");
    for (const pid of ends) process.kill(pid, "SIGSTOP");
    await eventually(all("T"), "it is stopped");
    for (const pid of ends) process.kill(pid, "SIGCONT");
    await eventually(all("S"), "it waits again");
    const sender = new LabProcess(near, {
      role: "tcp-send",
      ...shared,
      address: FAR,
      sourcePort: 0,
      seed: 1,
    });
    assert.equal((await receiver.event("received", DEADLINE.deadlineMs)).octets, 1000);
    await sender.event("sent", DEADLINE.deadlineMs);
  });

  it("rejects when nobody sends on to the end", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const elsewhere = { address: "10.78.0.9", bytes: 10, seed: 1, ...DEADLINE };
    await assert.rejects(
      transferTcp(hosts.near, hosts.far, elsewhere),
      /connect to 10\.78\.0\.9.*ENETUNREACH/,
    );
  });
});

describe("the receiver's hash", () => {
  /** Sends what standard input brings, to the port that the receiver of the test listens on. */
  const SEND = `process.stdin.pipe(require("node:net").connect(10000, "${FAR}"))`;

  for (const [what, change] of [
    ["the same octets", null],
    ["one octet changed", (data: Buffer) => data.writeUInt8(data.readUInt8(40_000) ^ 1, 40_000)],
  ] as const) {
    it(`tells ${what}`, async (t) => {
      const hosts = await cabled(t);
      if (hosts === null) return;
      const { forEachPiece } = await import("../../src/lab/transfer-data.ts");
      const data = Buffer.alloc(100_000);
      let at = 0;
      forEachPiece(data.length, 7, (piece) => {
        data.set(piece, at);
        at += piece.length;
      });
      change?.(data);
      const role = { role: "tcp-receive", port: 10_000, bytes: data.length, stallSeconds: 60 } as const;
      const receiver = new LabProcess(hosts.far, role);
      t.after(() => receiver.stop());
      await receiver.event("listening", DEADLINE.deadlineMs);
      const sender = hosts.near.spawn([process.execPath, "-e", SEND], {
        stdio: ["pipe", "inherit", "inherit"],
      });
      sender.stdin?.end(data);
      const { octets, sha256 } = await receiver.event("received", DEADLINE.deadlineMs);
      assert.equal(octets, data.length);
      assert.equal(sha256 === transferHash(data.length, 7), change === null);
    });
  }
});

/** Sends a datagram for each number among its arguments, one after the other. */
const SEND_NUMBERS = `(async () => {
  const socket = require("node:dgram").createSocket("udp4");
  for (const number of process.argv.slice(1)) {
    const datagram = Buffer.alloc(100);
    datagram.writeUInt32BE(Number(number));
    await new Promise((done) => socket.send(datagram, 10000, "${FAR}", done));
  }
  socket.close();
})()`;

describe("transferDatagrams", () => {
  it("counts what arrives, at the offered pace", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const offered = { address: FAR, datagrams: 100, length: 500, perSecond: 200, seed: 1, ...DEADLINE };
    const before = performance.now();
    const result = await transferDatagrams(hosts.near, hosts.far, offered);
    assert.ok(performance.now() - before > 490, "99 intervals of 5 ms");
    const clean = { sent: 100, received: 100, reordered: 0, duplicates: 0 };
    assert.deepEqual(result, { ...clean, deliveredPercent: 100, reorderedPercent: 0 });
  });

  it("counts once what comes twice, and what comes after a later one as reordered", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const receiver = new LabProcess(hosts.far, {
      role: "udp-receive",
      port: 10_000,
      datagrams: 7,
      idleSeconds: 2.5,
    });
    t.after(() => receiver.stop());
    await receiver.event("listening", DEADLINE.deadlineMs);
    await hosts.near.must([process.execPath, "-e", SEND_NUMBERS, ...[0, 1, 4, 2, 2, 3, 6].map(String)]);
    const { event: _, ...counted } = await receiver.event("datagrams-received", DEADLINE.deadlineMs);
    assert.deepEqual(counted, { datagrams: 6, reordered: 2, duplicates: 1 });
  });
});

describe("ping", () => {
  it("answers each of so many", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    const times = await pingTimes(hosts.near, FAR, { count: 5, intervalMs: 20 });
    assert.equal(times.length, 5);
    assert.ok(times.every((ms) => ms > 0));
  });

  it("runs until stopped", async (t) => {
    const hosts = await cabled(t);
    if (hosts === null) return;
    let answered = 0;
    const pinger = await Pinger.start(hosts.near, FAR, 10, () => answered++);
    await eventually(() => answered > 3, "some are answered");
    assert.ok((await pinger.stop()).length >= answered);
  });
});
