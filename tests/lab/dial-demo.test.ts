import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type DialDemoResult, enslavedMs, redialOf, runDialDemo } from "../../src/lab/dial-demo.ts";
import type { DialNote, DialStep } from "../../src/lab/dial-watch.ts";
import { checkTun } from "../../src/lab/lab-access.ts";
import { eventually, needsHosts } from "./lab-support.ts";

const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
const CARRIERS = [57_600, 28_800];

/** A temporary directory of this file's own, and of each test that is to leave nothing in it. */
const temporary = mkdtempSync(join(tmpdir(), "eql-test-"));
after(() => rmSync(temporary, { recursive: true, maxRetries: 5 }));

function ownTemporary(name: string): string {
  const path = join(temporary, name);
  mkdirSync(path);
  return path;
}

const ours = ownTemporary("ours");
process.env["TMPDIR"] = ours;

const startDemo = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(process.execPath, [EQL, "demo", "--dial", ...args], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });

/** A demo that ends by itself. */
async function demo(...args: readonly string[]): Promise<{ out: string; said: string; code: number | null }> {
  const command = startDemo(args, { TMPDIR: temporary });
  let [out, said] = ["", ""];
  command.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  command.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await once(command, "close");
  return { out, said, code: command.exitCode };
}

function needsCalls(t: TestContext): boolean {
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

/** Processes that descend from the one that was given a word in its environment. */
const processesWith = (word: string): readonly string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(word);
    } catch {
      return false;
    }
  });

/** All at once: most of their time is that of modems which train. */
describe("the demo of dialing", { concurrency: true }, () => {
  it("dials, logs in, bundles, loses a call during the transfer and dials again", async (t) => {
    if (!needsCalls(t)) return;
    const args = ["--lines", CARRIERS.join(), "--bytes", "40000", "--json"];
    const { out: stdout, said: stderr, code } = await demo(...args);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as DialDemoResult & Record<"lines" | "mtu" | "bytes", unknown>;
    assert.deepEqual([report.lines, report.mtu, report.bytes], [CARRIERS, 1500, 40_000]);
    assert.deepEqual([report.complete, report.intact, report.cut?.line], [true, true, 0]);
    const dropped = report.cut?.octets ?? 0;
    assert.ok(dropped >= 40_000 / 3 && dropped < 40_000, `${dropped} octets before the drop`);
    for (const percent of [report.percentOfRaw, report.cut?.percentOfRaw ?? 0]) {
      assert.ok(percent > 0 && percent <= 100, stdout);
    }
    const { dialing = 0, login = 0, waiting = 0 } = report.redial?.spent ?? {};
    assert.ok(dialing >= 5 && login > 0 && waiting > 0, stdout);
    const story = [
      "ppp0: dialing 5551000",
      "ppp0: provider. rings",
      "ppp0: connected at 57600 bit/s; login",
      "ppp0: logged in; PPP negotiates",
      "ppp0: enslaved",
      "the transfer begins",
      "ppp0: THE CALL IS DROPPED",
      "ppp0: dialing 5551000",
      "ppp0: connected at 57600 bit/s; login",
      "ppp0: enslaved",
    ];
    assert.match(stderr, new RegExp(story.join("[^]*")));
  });

  it("is not complete when no call was dropped, and says what was", async (t) => {
    if (!needsCalls(t)) return;
    const notes: DialNote[] = [];
    const result = await runDialDemo({
      carriers: CARRIERS,
      mtu: 576,
      // One segment: there is no moment at which a part of it has come.
      bytes: 500,
      trainingMs: 200,
      onProgress: (_, more) => notes.push(...more),
    });
    const { complete, intact, cut, redial } = result;
    assert.deepEqual([complete, intact, cut, redial], [false, true, null, null]);
    assert.equal(notes.filter((note) => note.type === "line" && note.to === "enslaved").length, 2);
    assert.deepEqual(
      notes.filter(({ type }) => type === "transfer" || type === "cut").map((note) => ({ ...note, at: 0 })),
      ["begins", "ends"].map((what) => ({ type: "transfer", at: 0, what })),
    );
    assert.deepEqual(readdirSync(ours), []);
  });

  for (const [signal, code] of [
    ["SIGKILL", null],
    ["SIGINT", 130],
  ] as const) {
    it(`leaves nothing when ${signal} ends it during a call`, async (t) => {
      if (!needsCalls(t)) return;
      const word = randomUUID();
      const directory = ownTemporary(signal);
      const command = startDemo(["--json"], { EQL_TEST_WORD: word, TMPDIR: directory });
      t.after(() => command.kill("SIGKILL"));
      const exit = once(command, "exit");
      let told = "";
      command.stderr?.on("data", (octets: Buffer) => {
        told += octets.toString();
      });
      await eventually(() => told.includes("provider0 rings"), `a call (it said: ${told})`, 60_000);
      assert.ok(processesWith(word).length > 4);
      command.kill(signal);
      const [status] = (await exit) as [number | null];
      assert.equal(status, code);
      await eventually(() => processesWith(word).length === 0, "no process is left", 30_000);
      await eventually(() => readdirSync(directory).length === 0, "no file is left", 30_000);
    });
  }

  it("wants two carriers or more that the ports are fast enough for", async (t) => {
    if (!needsCalls(t)) return;
    for (const lines of ["28800", "28800,230400"]) {
      const { said, code } = await demo("--lines", lines);
      assert.equal(code, 1);
      assert.match(said, /two carriers or more of at most 115200 bit\/s/);
    }
  });
});

describe("what the demo tells of a line", () => {
  const step = (at: number, from: DialStep["from"], to: DialStep["to"]): DialStep => ({ at, from, to });
  const steps = [
    step(0, "idle", "dialing"),
    step(9_000, "dialing", "enslaved"),
    step(21_400, "enslaved", "up"),
    step(21_400, "up", "waiting"),
    step(23_400, "waiting", "dialing"),
    step(24_400, "dialing", "waiting"),
    step(28_400, "waiting", "dialing"),
    step(37_400, "dialing", "enslaved"),
    step(60_000, "enslaved", "up"),
  ];

  it("is how long it was in each state until it was back", () => {
    assert.deepEqual(redialOf(steps, 20_000), {
      seconds: 17.4,
      spent: { enslaved: 1.4, up: 0, waiting: 6, dialing: 10 },
    });
    assert.equal(redialOf(steps.slice(0, -2), 20_000), null);
  });

  it("is how long it was enslaved, of a span", () => {
    assert.equal(enslavedMs(steps, 0, 9_000), 0);
    assert.equal(enslavedMs(steps, 0, 10_000), 1_000);
    assert.equal(enslavedMs(steps, 10_000, 40_000), 11_400 + 2_600);
    assert.equal(enslavedMs(steps, 38_000, 100_000), 22_000);
    assert.equal(enslavedMs([], 0, 1_000), 0);
  });
});
