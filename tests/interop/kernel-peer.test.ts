import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { SLIP_END } from "../../src/wire/slip.ts";
import { ECHO_REQUEST, echoRequest, readEchoReply } from "./echo-packet.ts";
import { KernelPeer, kernelPeerMissing } from "./kernel-peer.ts";
import { SlipPort } from "./slip-port.ts";

const skip = kernelPeerMissing();
const US = "10.8.0.2";
const GUEST = "10.8.0.1";
/** How long a busy machine may take to do what it does at all. */
const LIMIT_MS = 60_000;

/** Processes that have a directory in their command line. */
const processesOf = (directory: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
    } catch {
      return false; // it has just ended
    }
  });

/** Waits until `condition` holds after a packet on one of `ports`. */
async function until(ports: readonly SlipPort[], condition: () => boolean, what: string): Promise<void> {
  const stops: (() => void)[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = globalThis.setTimeout(
        () => reject(new Error(`waited ${LIMIT_MS} ms for ${what}`)),
        LIMIT_MS,
      );
      const look = (): void => {
        if (condition()) resolve();
      };
      stops.push(() => clearTimeout(timer), ...ports.map((port) => port.onPacket(look)));
      look();
    });
  } finally {
    for (const stop of stops) stop();
  }
}

describe("kernel peer", { skip }, () => {
  it("tells what a command says and how it ends, two guests at once", async (t) => {
    const peers = await Promise.all([KernelPeer.start({ lines: 1 }), KernelPeer.start({ lines: 1 })]);
    t.after(() => Promise.all(peers.map((peer) => peer.close())));
    for (const [index, peer] of peers.entries()) {
      const expected = { stdout: `out ${index}\n`, stderr: "err\n", code: index + 3 };
      assert.deepEqual(await peer.exec(`echo out ${index}; echo err >&2; exit ${index + 3}`), expected);
      await assert.rejects(peer.exec("cat /dev/ttyS0", 300), /waited 300 ms for the kernel peer to run/);
    }
    await Promise.all(peers.map((peer) => peer.close()));
    assert.deepEqual(
      peers.map((peer) => existsSync(peer.directory)),
      [false, false],
    );
  });

  it("says that a guest has ended and what its console said", async (t) => {
    const peer = await KernelPeer.start({ lines: 1 });
    t.after(() => peer.close());
    await assert.rejects(
      peer.exec("echo last words >/dev/console; busybox poweroff -f"),
      /has ended.*last words/s,
    );
    await assert.rejects(peer.exec("true"), /has ended/);
  });

  it("ends with the process that started it, even when that is killed", async (t) => {
    const script = `
      const { KernelPeer } = await import(${JSON.stringify(new URL("kernel-peer.js", import.meta.url).href)});
      const peer = await KernelPeer.start({ lines: 1 });
      await peer.expose(0, 9600);
      console.log(peer.directory);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => owner.kill("SIGKILL"));
    const failed = once(owner, "exit").then(([code]) => assert.fail(`it exited ${String(code)}`));
    failed.catch(() => undefined); // after it was killed, nobody asks
    const line = once(createInterface(owner.stdout), "line") as Promise<[string]>;
    const [directory] = await Promise.race([line, failed]);
    assert.ok(existsSync(directory) && processesOf(directory).length > 2);
    owner.kill("SIGKILL");
    const deadline = Date.now() + LIMIT_MS;
    while (existsSync(directory) || processesOf(directory).length > 0) {
      assert.ok(Date.now() < deadline, `left: ${directory}, processes ${processesOf(directory).join(" ")}`);
      await setTimeout(20);
    }
  });
});

describe("the original eql and slip drivers", { skip }, () => {
  let peer: KernelPeer;
  let ports: SlipPort[] = [];

  before(async () => {
    peer = await KernelPeer.start({ lines: 2 });
    ports = [new SlipPort(await peer.expose(0, 57600)), new SlipPort(await peer.expose(1, 57600))];
    await peer.slip(GUEST, US, [57600, 57600], 576);
  });

  after(async () => {
    for (const port of ports) port.close();
    await peer.close();
  });

  it("answer pings whole, over both lines, whatever the octets", async () => {
    const [first, second] = ports as [SlipPort, SlipPort];
    const escapes = Buffer.alloc(200, Buffer.from([SLIP_END, 0xdb, 0xdc, 0xdd, 0]));
    const replies = () =>
      ports
        .flatMap((port) => port.received)
        .map(readEchoReply)
        .filter((reply) => reply !== null);
    for (let sequence = 0; sequence < 12; sequence++) first.send(echoRequest(US, GUEST, sequence, escapes));
    await until(ports, () => replies().length >= 12, "12 replies");
    assert.deepEqual(
      replies()
        .map(({ sequence }) => sequence)
        .sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, sequence) => sequence),
    );
    for (const { data } of replies()) assert.deepEqual(data, escapes);
    assert.ok(
      first.received.length >= 4 && second.received.length >= 4,
      "equal priorities share the packets",
    );
  });

  it("reach nobody over a cable that is out, and go on when it is in again", async () => {
    const [first] = ports as [SlipPort];
    for (const line of [0, 1]) peer.plug(line, "out");
    first.send(echoRequest(US, GUEST, 100, Buffer.alloc(8)));
    assert.equal((await peer.exec(`ping -c 1 -W 1 ${US}`)).code, 1);
    for (const line of [0, 1]) peer.plug(line, "in");
    first.send(echoRequest(US, GUEST, 101, Buffer.alloc(8)));
    const packets = () => ports.flatMap((port) => port.received);
    const answered = () => packets().map((packet) => readEchoReply(packet)?.sequence);
    await until(ports, () => answered().includes(101), "the reply to the second ping");
    assert.ok(!answered().includes(100), "our first ping was lost");
    assert.ok(!packets().some((packet) => packet[20] === ECHO_REQUEST), "and so was the guest's");
  });

  it("are no faster than the line", async () => {
    const rate = 57600 / 10;
    const [first] = ports as [SlipPort];
    const count = () => first.received.reduce((sum, packet) => sum + packet.length, 0);
    const before = count();
    // 600 octets every hundredth of a second: ten times as much as the line takes.
    const start = performance.now();
    const sent = peer.must(`ip route replace 10.8.0.9 dev sl0 && udpx 10.8.0.9 9 548 100 30`);
    const ahead: number[] = [];
    await until(
      [first],
      () => {
        const allowed = ((performance.now() - start) / 1000) * rate;
        ahead.push(count() - before - allowed);
        return count() - before >= 8 * 576;
      },
      "8 packets",
    );
    await sent;
    assert.ok(Math.max(...ahead) <= 0, "octets arrived before they could");
  });
});
