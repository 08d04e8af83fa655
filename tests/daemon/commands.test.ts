import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { closeSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { SCHEDULER_NAMES, type Status } from "../../src/control/messages.ts";
import {
  eventually,
  FAR,
  masterTable,
  NEAR,
  programsMissing,
  type TestDaemon,
  World,
  worldMissing,
} from "./world.ts";

const SPEED = 1_000_000;

describe("commands to a daemon that carries", { skip: worldMissing() }, () => {
  let world: World;
  let near: TestDaemon;
  let far: TestDaemon;

  before(async () => {
    world = await World.create([SPEED, SPEED]);
    [near, far] = await world.upBoth((side, address, peer) => [
      masterTable(address, peer),
      ...[0, 1].map((line) => side.lineTable(line, `speed = ${SPEED}`, 'master = "eql"')),
    ]);
    await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
  });
  after(() => world.close());

  const setScheduler = (scheduler: string): Promise<object> =>
    near.client.request<object>("PATCH", "/masters/eql", { scheduler });

  it("carry by each scheduler", async () => {
    for (const scheduler of SCHEDULER_NAMES) {
      const { code, stdout } = await world.near.eql("eql", "master", "eql", "--scheduler", scheduler);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(scheduler));
      const before = await near.status();
      assert.ok(await world.near.ping(FAR, "-c", "8", "-s", "1000"), scheduler);
      const { lines, masters } = await near.status();
      assert.equal(masters[0]?.scheduler, scheduler);
      const sent = lines.map((line, at) => line.sent.packets - (before.lines[at]?.sent.packets ?? 0));
      assert.equal(
        sent.reduce((sum, packets) => sum + packets),
        8,
        `${scheduler}: ${sent.join()}`,
      );
      if (scheduler === "active-backup") assert.ok(sent.includes(0), sent.join());
      if (scheduler === "round-robin") assert.deepEqual(sent, [4, 4]);
    }
    await setScheduler("earliest-arrival");
  });

  it("lose nothing when the scheduler is switched in mid-transfer", async () => {
    let switches = 0;
    // Where the machine stands still, one transfer may not be enough.
    while (switches <= SCHEDULER_NAMES.length) {
      let isOver = false;
      const transfer = world.transfer(150_000).finally(() => {
        isOver = true;
      });
      while (!isOver) {
        await setScheduler(SCHEDULER_NAMES[switches++ % SCHEDULER_NAMES.length] as string);
        const sent = (await near.master()).sent.octets;
        await eventually("it goes on", async () => isOver || (await near.master()).sent.octets > sent);
      }
      await transfer;
    }
    await near.until("queue is empty", ({ masters }) => masters[0]?.queue.packets === 0);
    await setScheduler("earliest-arrival");
  });

  it("change the rate of a slave while it runs", async () => {
    const { code, stdout, stderr } = await world.near.eql("eql", "slave", "eql", "sl0", "--bps", "57600");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /57600/);
    assert.equal((await near.line("sl0")).rateGivenBps, 57600);
    await near.client.request("PATCH", "/masters/eql/slaves/sl0", { bps: SPEED });
    assert.equal((await near.line("sl0")).rateGivenBps, SPEED);
    await assert.rejects(near.client.request("PATCH", "/masters/eql/slaves/sl9", { bps: SPEED }), {
      code: "SLAVE_UNKNOWN",
    });
    await assert.rejects(near.client.request("PATCH", "/masters/eql9", { maxSlaves: 2 }), {
      code: "MASTER_UNKNOWN",
    });
  });

  it("show the limits of a master", async () => {
    const { code, stdout } = await world.near.eql("eql", "master", "eql", "--max", "7", "--min", "2");
    assert.deepEqual([code, /7/.test(stdout)], [0, true]);
    const { maxSlaves, minSlaves } = await near.master();
    assert.deepEqual([maxSlaves, minSlaves], [7, 2]);
  });

  it("give every figure of a status", async () => {
    await world.near.ping(FAR);
    const { code, stdout } = await world.near.eql("eql", "status", "--json");
    assert.equal(code, 0);
    const status = JSON.parse(stdout) as Status;
    const line = status.lines[0];
    const kinds = Object.fromEntries(Object.entries(line ?? {}).map(([key, value]) => [key, typeof value]));
    assert.deepEqual(kinds, {
      name: "string",
      kind: "string",
      device: "string",
      interface: "string",
      state: "string",
      since: "number",
      reason: "string",
      retryAt: "object",
      master: "string",
      mtu: "number",
      rateGivenBps: "number",
      rateEstimatedBps: "number",
      sent: "object",
      received: "object",
      lineOctets: "object",
      drops: "object",
      hints: "object",
      backlogOctets: "number",
      echoMs: "object",
      ppp: "object",
      life: "object",
    });
    const master = status.masters[0];
    assert.deepEqual(Object.keys(master ?? {}).toSorted(), [
      "drops",
      "maxSlaves",
      "minSlaves",
      "mtu",
      "multilink",
      "name",
      "queue",
      "received",
      "scheduler",
      "sent",
      "slaves",
      "up",
    ]);
    assert.ok(line !== undefined && line.since <= status.at && line.since >= status.startedAt);
    assert.ok((master?.received.packets ?? 0) >= 3 && (master?.received.octets ?? 0) >= 3 * 84);
    const shown = await world.near.eql("eql", "status");
    assert.match(shown.stdout, /sl0.*enslaved/);
  });

  it("count garbage by reason, and deliver the next good frame", async () => {
    // The lines' far ends are the daemon's: what is written to its tty goes the way of its frames.
    const tty = openSync(world.far.device(0), "w");
    try {
      let octetsBefore = (await near.line("sl0")).lineOctets.received;
      for (const octets of [
        [0xc0, 0x11, 0x22, 0x33, 0xc0], // no IP
        [0xc0, 0x45, 0xdb, 0x00, 0xc0], // an escape of nothing
        [0xc0, ...Array<number>(17_000).fill(0x45), 0xc0], // too long for anybody
        [0x45, 0xdb], // unfinished: the next frame's END ends it
      ]) {
        writeSync(tty, Uint8Array.from(octets));
        octetsBefore += octets.length;
        await near.untilLine("sl0", "gets them", ({ lineOctets }) => lineOctets.received === octetsBefore);
      }
      const { drops } = await near.line("sl0");
      assert.equal(drops["notIp"], 1);
      assert.equal(drops["oversize"], 1);
      assert.ok((drops["badEscape"] ?? 0) >= 1);
      assert.ok(await world.near.ping(FAR, "-c", "6"));
      assert.equal((await near.line("sl0")).drops["badEscape"], 2);
    } finally {
      closeSync(tty);
    }
  });

  it("name the cure for compressed headers", async () => {
    const tty = openSync(world.far.device(0), "w");
    try {
      // As RFC 1144 has it: an uncompressed TCP packet with 0x70 in its first half-octet, then compressed ones.
      writeSync(tty, Uint8Array.from([0xc0, 0x75, 0, 0, 40, ...Array<number>(36).fill(0), 0xc0]));
      writeSync(tty, Uint8Array.from([0xc0, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 0xc0]));
    } finally {
      closeSync(tty);
    }
    const { hints } = await near.untilLine(
      "sl0",
      "counts them",
      ({ drops }) => (drops["vjCompressed"] ?? 0) > 0,
    );
    assert.match(hints.join(), /slip|novj/);
    assert.match((await world.near.eql("eql", "status")).stdout, /CSLIP, VJ/);
  });

  describe("eql capture", { skip: programsMissing(["tshark"]) }, () => {
    const running: ChildProcess[] = [];
    after(() => {
      for (const child of running) child.kill("SIGKILL");
    });

    const pipes = (): string[] =>
      readdirSync(world.near.directory).filter((name) => name.includes(".capture-"));

    /** Ends a command by Ctrl-C and gives its exit code. */
    async function interrupt(child: ChildProcess): Promise<number | null> {
      child.kill("SIGINT");
      await eventually("it ends", () => child.exitCode !== null || child.signalCode !== null);
      return child.exitCode;
    }

    const tshark = async (file: string, ...args: readonly string[]): Promise<string[]> => {
      const { stdout } = await promisify(execFile)("tshark", ["-r", file, ...args]);
      return stdout.trim().split("\n");
    };

    it("writes both directions to a file that tshark reads", async () => {
      const file = join(world.near.directory, "sl0.pcap");
      await near.client.request("POST", "/emancipate", { master: "eql", slave: "sl1" });
      const child = world.near.startEql(["capture", "sl0", "-w", file]);
      running.push(child);
      await eventually("the header is written", () => statSync(file).size >= 24);
      assert.ok(await world.near.ping(FAR, "-c", "3"));
      await eventually("six packets are written", () => statSync(file).size >= 24 + 6 * (16 + 16 + 84));
      assert.equal(await interrupt(child), 0);
      await near.enslave("sl1", SPEED);
      await eventually("the pipe is gone", () => pipes().length === 0);
      const fields = ["-T", "fields", "-e", "sll.pkttype", "-e", "ip.src", "-e", "icmp.type"];
      const rows = await tshark(file, ...fields);
      assert.deepEqual(rows.toSorted(), [
        ...Array<string>(3).fill(`0\t${FAR}\t0`),
        ...Array<string>(3).fill(`4\t${NEAR}\t8`),
      ]);
    });

    it("writes to standard output, and again after it ended", async () => {
      for (let round = 0; round < 2; round++) {
        const child = world.near.startEql(["capture", "sl1"]);
        running.push(child);
        let octets = 0;
        child.stdout?.on("data", (chunk: Buffer) => {
          octets += chunk.length;
        });
        await eventually("the header is there", () => octets >= 24);
        await world.near.ip("route", "replace", "10.99.5.5", "dev", "sl1");
        await world.near.host.run(["ping", "-c", "1", "-W", "0.1", "10.99.5.5"]);
        await eventually("the packet is there", () => octets >= 24 + 16 + 16 + 84);
        assert.equal(await interrupt(child), 0);
        await eventually("the pipe is gone", () => pipes().length === 0);
      }
    });

    it("neither holds up a line nor spoils the file when its reader is slow", async () => {
      for (const side of [world.near, world.far]) {
        for (const name of ["eql", "sl0", "sl1"]) await side.ip("link", "set", name, "mtu", "9000");
      }
      await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
      const file = join(world.near.directory, "slow.pcap");
      const child = world.near.startEql(["capture", "sl0", "-w", file]);
      running.push(child);
      await eventually("the header is written", () => statSync(file).size >= 24);
      child.kill("SIGSTOP");
      await world.transfer(250_000);
      child.kill("SIGCONT");
      // What comes now must begin at a packet's boundary.
      assert.ok(await world.near.ping(FAR, "-c", "4"));
      assert.equal(await interrupt(child), 0);
      const rows = await tshark(
        file,
        "-T",
        "fields",
        "-e",
        "frame.len",
        "-e",
        "frame.cap_len",
        "-e",
        "ip.version",
      );
      assert.ok(rows.length > 4);
      for (const row of rows) {
        const [length, captured, version] = row.split("\t").map(Number);
        assert.deepEqual([captured, version], [Math.min(length as number, 16 + 4064), 4], row);
      }
      for (const side of [world.near, world.far]) {
        for (const name of ["eql", "sl0", "sl1"]) await side.ip("link", "set", name, "mtu", "1500");
      }
      await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["sl0", "sl1"])));
    });

    it("ends when its line is removed or the command is killed", async () => {
      const child = world.near.startEql(["capture", "sl1", "-w", join(world.near.directory, "killed.pcap")]);
      running.push(child);
      await eventually("the capture runs", () => pipes().length === 1);
      await eventually(
        "its header is written",
        () => statSync(join(world.near.directory, "killed.pcap")).size >= 24,
      );
      child.kill("SIGKILL");
      await eventually("the pipe is gone", () => pipes().length === 0);
      const other = world.near.startEql(["capture", "sl1", "-w", join(world.near.directory, "removed.pcap")]);
      running.push(other);
      await eventually(
        "its header is written",
        () => statSync(join(world.near.directory, "removed.pcap")).size >= 24,
      );
      const refused = await world.near.eql(
        "eql",
        "capture",
        "sl1",
        "-w",
        join(world.near.directory, "second.pcap"),
      );
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /being captured already/);
      assert.equal((await world.near.eql("eql", "line", "remove", "sl1")).code, 0);
      await eventually("the command ends", () => other.exitCode !== null);
      assert.equal(other.exitCode, 0);
      await eventually("the pipe is gone", () => pipes().length === 0);
    });

    it("says that there is no such line", async () => {
      const { code, stderr } = await world.near.eql("eql", "capture", "sl9", "-w", "-");
      assert.deepEqual([code, pipes()], [1, []]);
      assert.match(stderr, /no line sl9/);
    });
  });
});
