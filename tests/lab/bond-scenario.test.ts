import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { EqlError } from "../../src/errors.ts";
import { bondConfig } from "../../src/lab/bond-config.ts";
import { type Bond, withBond } from "../../src/lab/bond-scenario.ts";
import { checkTun } from "../../src/lab/lab-access.ts";
import { transferLimit } from "../../src/lab/limit.ts";
import { measure } from "../../src/lab/measure.ts";
import type { VirtualLines } from "../../src/lab/virtual-line.ts";
import { eventually, needsHosts, networkOf, processesIn } from "./lab-support.ts";

const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
const BOND = { speeds: [115_200, 57_600], mtu: 576, scheduler: "earliest-arrival" } as const;

function needsBond(t: TestContext): boolean {
  if (!needsHosts(t)) return false;
  if (process.env["EQL_REQUIRE_ALL"] === "1") return true;
  try {
    checkTun();
    return true;
  } catch (error) {
    t.skip(String(error));
    return false;
  }
}

/** A temporary directory of this file's own, for it and its children: other tests have scratch directories too. */
const temporary = mkdtempSync(join(tmpdir(), "eql-test-"));
process.env["TMPDIR"] = temporary;
after(() => rmSync(temporary, { recursive: true, maxRetries: 5 }));

const scratchDirectories = (): readonly string[] => readdirSync(temporary);

/** Processes that have a word in their environment, thus all that descend from the one that was given it. */
const processesWith = (word: string): readonly string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(word);
    } catch {
      return false;
    }
  });

describe("a bond of virtual lines", () => {
  it("moves a transfer intact, by both lines, never ahead of what they can carry", async (t) => {
    if (!needsBond(t)) return;
    let networks: (string | null)[] = [];
    const bytes = 60_000;
    let bond: Bond | undefined;
    let progress = 0;
    let counts: ReturnType<VirtualLines["counts"]> | undefined;
    const result = await measure({
      ...BOND,
      bytes,
      onBond: (made) => {
        bond = made;
        networks = [made.near, made.far].map(({ host }) => networkOf(host.pid));
      },
      onProgress: (octets) => {
        progress = octets;
        counts = bond?.lines.counts();
      },
    });
    assert.equal(result.intact, true);
    assert.equal(progress, bytes);
    const limit = transferLimit({ bytes, mtu: BOND.mtu, speeds: BOND.speeds, seed: 1995 });
    assert.ok(result.seconds >= limit.seconds, `${result.seconds} s, but the limit is ${limit.seconds} s`);
    const carried = (await counts)?.map(({ nearToFar }) => nearToFar) ?? [];
    // Two thirds and one third; the last look may be a little before the end.
    assert.ok((carried[0] ?? 0) > bytes / 2 && (carried[1] ?? 0) > bytes / 5, carried.join());
    assert.ok(result.near.cpuPercent >= 0 && result.near.peakResident > 2 ** 20);
    assert.ok(bond !== undefined && networks.every((network) => network !== null));
    for (const network of networks) assert.deepEqual(processesIn(String(network)), []);
    await bond.close(); // again
  });

  for (const protocol of ["ppp", "mlppp"] as const) {
    it(`begins when lines of ${protocol} are all in the master`, async (t) => {
      if (!needsBond(t)) return;
      const status = await withBond({ ...BOND, protocol }, ({ near }) => near.daemon.status());
      const { masters, lines } = status;
      assert.deepEqual(
        lines.map(({ kind, state, ppp }) => [kind, state, ppp?.multilink]),
        [1, 2].map(() => ["ppp", "enslaved", protocol === "mlppp"]),
      );
      assert.deepEqual(masters[0]?.slaves.toSorted(), ["ppp0", "ppp1"]);
      const ipv4 = masters[0]?.multilink?.ipv4;
      assert.deepEqual(
        [ipv4?.local, ipv4?.remote],
        protocol === "mlppp" ? ["10.77.0.1", "10.77.0.2"] : [undefined, undefined],
      );
    });
  }

  it("says why a daemon does not start, and leaves nothing", async (t) => {
    if (!needsBond(t)) return;
    await assert.rejects(
      measure({ ...BOND, mtu: 20_000, bytes: 1000 }),
      (error) => error instanceof EqlError && error.code === "DAEMON_FAILED" && /mtu/.test(error.message),
    );
    assert.deepEqual(scratchDirectories(), []);
  });

  it("goes down at once when it is aborted", async (t) => {
    if (!needsBond(t)) return;
    const controller = new AbortController();
    let network: string | null = null;
    const work = withBond(
      BOND,
      (bond) => {
        network = networkOf(bond.far.host.pid);
        controller.abort(new Error("enough"));
        return new Promise<never>((_resolve, reject) => {
          bond.far.host.spawn(["sleep", "1000"]).once("exit", () => reject(new Error("killed")));
        });
      },
      controller.signal,
    );
    await assert.rejects(work, /enough/);
    assert.deepEqual(processesIn(String(network)), []);
  });
});

describe("its configuration", () => {
  const files = { socket: "/s", lockDirectory: "/l", devices: ["/a", "/b"] };
  const ends = { address: "10.77.0.1", peer: "10.77.0.2" };
  const speeds = (options: object): readonly string[] =>
    [...bondConfig({ ...BOND, ...options }, ends, files).matchAll(/^speed = (\d+)$/gm)].map(
      ([, n]) => n ?? "",
    );

  it("gives the rates that the lines have, or wrong ones: all, or one", () => {
    assert.deepEqual(speeds({}), ["115200", "57600"]);
    assert.deepEqual(speeds({ rateErrorPercent: 3 }), ["118656", "59328"]);
    assert.deepEqual(speeds({ rateErrorPercent: -3, rateErrorLine: 1 }), ["115200", "55872"]);
  });

  it("gives the keys of PPP to its lines", () => {
    const keys = (options: object): string => bondConfig({ ...BOND, ...options }, ends, files);
    assert.doesNotMatch(keys({}), /ppp|multilink|short/);
    assert.match(keys({ protocol: "ppp" }), /^\[line\.ppp1\]\nprotocol = "ppp"\nmultilink = false$/m);
    assert.match(keys({ protocol: "mlppp" }), /^multilink = true$/m);
    assert.doesNotMatch(keys({ protocol: "mlppp" }), /short/);
    assert.match(keys({ protocol: "mlppp", shortNumbers: true }), /^short-sequence-numbers = true$/m);
  });

  it("holds no octet in addresses that SLIP escapes", () => {
    const addresses = [...bondConfig(BOND, ends, files).matchAll(/\d+\.\d+\.\d+\.\d+/g)].map(
      ([found]) => found,
    );
    assert.equal(addresses.length, 2);
    for (const address of addresses)
      assert.ok(address.split(".").every((part) => part !== "192" && part !== "219"));
  });
});

describe("the commands", () => {
  it("`eql bench lines --json` prints one object with the documented keys", (t) => {
    if (!needsBond(t)) return;
    const args = [EQL, "bench", "lines", "--count", "2", "--speed", "115200", "--bytes", "40000", "--json"];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [
        report["lines"],
        report["speed"],
        report["mtu"],
        report["bytes"],
        report["intact"],
        report["protocol"],
      ],
      [2, 115_200, 576, 40_000, true, "slip"],
    );
    for (const key of ["seconds", "octetsPerSecond", "limitOctetsPerSecond", "percentOfLimit"]) {
      assert.equal(typeof report[key], "number", key);
    }
  });

  it("`eql bench lines --protocol mlppp` says what was measured in words", (t) => {
    if (!needsBond(t)) return;
    const numbers = ["--protocol", "mlppp", "--short-sequence-numbers"];
    const args = [EQL, "bench", "lines", "--speed", "115200", "--bytes", "40000", ...numbers];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^multilink PPP over 2 lines [^]*arrived intact/);
  });

  it("`eql bench lines` has numbers only where there are any", (t) => {
    if (!needsBond(t)) return;
    const args = [EQL, "bench", "lines", "--protocol", "ppp", "--short-sequence-numbers"];
    const { stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /--protocol mlppp/);
  });

  it("`eql demo --json` prints one object, and nothing else on standard output", (t) => {
    if (!needsBond(t)) return;
    const args = [EQL, "demo", "--lines", "115200,57600", "--mtu", "576", "--bytes", "40000", "--json"];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    const report = JSON.parse(stdout) as Record<string, Record<string, number>>;
    assert.deepEqual(report["lines"], [115_200, 57_600]);
    assert.deepEqual([report["mtu"], report["bytes"], report["intact"]], [576, 40_000, true]);
    assert.ok((report["bonded"]?.["seconds"] ?? 0) < (report["alone"]?.["seconds"] ?? 0));
    assert.match(stderr, /alone .*bonded/);
  });
});

describe("the commands, interrupted all at once", { concurrency: true }, () => {
  for (const [signal, code] of [
    ["SIGKILL", null],
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    it(`leave nothing when ${signal} ends them in mid-transfer`, async (t) => {
      if (!needsBond(t)) return;
      const word = randomUUID();
      const directory = join(temporary, signal);
      mkdirSync(directory);
      const command = spawn(process.execPath, [EQL, "demo", "--lines", "9600,9600", "--json"], {
        env: { ...process.env, EQL_TEST_WORD: word, TMPDIR: directory },
        stdio: ["ignore", "pipe", "pipe"],
      });
      t.after(() => command.kill("SIGKILL"));
      const exit = once(command, "exit");
      let told = "";
      command.stderr.on("data", (octets: Buffer) => {
        told += octets.toString();
      });
      const isUnderWay = (): boolean => /bonded \d+ s/.test(told);
      await eventually(() => isUnderWay() || command.exitCode !== null, "a transfer", 240_000);
      assert.ok(isUnderWay(), told);
      assert.ok(processesWith(word).length > 5);
      command.kill(signal);
      const [status] = (await exit) as [number | null];
      assert.equal(status, code);
      await eventually(() => processesWith(word).length === 0, "no process is left");
      await eventually(() => readdirSync(directory).length === 0, "no file is left");
    });
  }
});
