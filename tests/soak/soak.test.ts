import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { CALL_MS } from "../daemon/phone-world.ts";
import { eventually, worldMissing } from "../daemon/world.ts";
import { LONGEST_OUTAGE_MS, Soak, type SoakReport } from "./soak.ts";
import type { SoakDaemon } from "./soak-daemon.ts";

const SECONDS = Number(process.env["EQL_SOAK_SECONDS"] ?? 15);
const SEED = Number(process.env["EQL_SOAK_SEED"] ?? 1995);
/** A daemon's memory settles in its first minute; then it is watched for half a minute at least. */
const SETTLED_MS = 60_000;
const WATCHED_MS = 30_000;
/** What the heap of a JavaScript program may grow before it is tidied up. */
const MOST_GROWTH = 48e6;
/** Connections to the control socket come and go. */
const MOST_MORE_DESCRIPTORS = 4;

describe(`calls that are dropped for ${SECONDS} s, seed ${SEED}`, { skip: worldMissing() }, () => {
  let soak: Soak;
  let report: SoakReport;

  before(async () => {
    const times = SECONDS < 120 ? [2 / 3] : [1 / 6, 2 / 3];
    const far = times.map((at) => ({ side: "far", at }) as const);
    soak = await Soak.create({
      seconds: SECONDS,
      seed: SEED,
      crashes: [{ side: "near", at: 1 / 3 }, ...far],
    });
    report = await soak.run();
  });
  after(() => soak?.close());

  it("cost no TCP connection and no octet", (t) => {
    for (const line of summary(report)) t.diagnostic(line);
    for (const { name, toFar, toNear } of report.conversations) assert.ok(toFar + toNear > 0, name);
    assert.ok(report.drops >= Math.ceil(SECONDS / 20), "calls were dropped");
  });

  it("are called again: no line is stuck", () => {
    const longest = Math.max(...report.outages.flat());
    assert.ok(longest < LONGEST_OUTAGE_MS, JSON.stringify(report.outages));
  });

  it("leave the daemons' memory and descriptors as they were", (t) => {
    for (const side of ["near", "far"] as const) {
      for (const line of usage(soak[side])) t.diagnostic(`${side} daemon: ${line}`);
      for (const { samples } of soak[side].lives) {
        assert.ok(samples.length > 0, `the ${side} daemon was looked at`);
        const growth = growthOf(samples);
        assert.ok(growth < MOST_GROWTH, `the memory of the ${side} daemon grew by ${growth} octets`);
        const full = samples.filter(({ up }) => up === soak.lines).map(({ descriptors }) => descriptors);
        const [first = 0, last = 0] = [full[0], full.at(-1)];
        assert.ok(
          last <= first + MOST_MORE_DESCRIPTORS,
          `descriptors of the ${side} daemon: ${first}, ${last}`,
        );
      }
    }
  });

  it("leave no lock, socket or interface, and every session is accounted for", async () => {
    const { near, far } = soak.world;
    for (const { name, locks } of [near, far]) {
      const isSo = (): boolean => readdirSync(locks).length === soak.lines;
      await eventually(`${name} has a lock for each line`, isSo, CALL_MS);
    }
    for (const side of ["near", "far"] as const) {
      const { locks, socket } = soak.world[side];
      assert.equal(await soak[side].daemon.stop(), 0);
      assert.deepEqual(readdirSync(locks), []);
      assert.ok(!existsSync(socket));
      const left = (await soak.world[side].links()).map(({ ifname }) => ifname);
      // What else there is, is the kernel's own.
      assert.deepEqual(
        left.filter((name) => /^(eql|call|sl|tty|ppp)\d*$/.test(name)),
        [],
      );
    }
    const records = readFileSync(soak.accounting, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; session: string });
    const count = (event: string): number => records.filter((each) => each.event === event).length;
    const crashes = soak.far.lives.length - 1;
    const lost = count("start") - count("stop");
    assert.ok(
      lost >= 0 && lost <= crashes * soak.lines,
      `${lost} sessions without an end, ${crashes} crashes`,
    );
  });
});

interface Memory {
  readonly age: number;
  readonly resident: number;
}

/** Octets, from the end of the first minute to the end; 0: it did not live long enough. */
function growthOf(samples: readonly Memory[]): number {
  const age = samples.at(-1)?.age ?? 0;
  if (age < SETTLED_MS + WATCHED_MS) return 0;
  const around = (at: number): number =>
    median(samples.filter((sample) => Math.abs(sample.age - at) < 10_000).map(({ resident }) => resident));
  return around(age - 10_000) - around(SETTLED_MS);
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? 0;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function summary(report: SoakReport): string[] {
  const { drops, noises, dials, busy, noCarrier, calls, reachable, up, outages, conversations } = report;
  const all = outages.flat().toSorted((one, other) => one - other);
  return [
    `${seconds(1000 * report.seconds)}: ${drops} calls dropped, a line noisy ${noises} times`,
    `dialed ${dials} times: ${busy} busy, ${noCarrier} no carrier, ${calls} calls`,
    `at least one line up ${percent(reachable)} of the time, each line ${percent(up)}`,
    `a line was not up for ${seconds(median(all))} (median), ${seconds(all.at(-1) ?? 0)} at most`,
    ...conversations.map(({ name, toFar, toNear, answers, longestWaitMs }) => {
      const asked = answers === 0 ? "" : `, ${answers} answers, the longest wait ${seconds(longestWaitMs)}`;
      return `"${name}": ${toFar} octets to far, ${toNear} to near${asked}`;
    }),
  ];
}

const usage = ({ lives }: SoakDaemon): string[] =>
  lives.map(({ samples, cpuSeconds }) => {
    const resident = samples.map((sample) => Math.round(sample.resident / 1e6));
    const age = samples.at(-1)?.age ?? 0;
    return `${seconds(age)}, ${cpuSeconds.toFixed(1)} s of processor time, ${Math.min(...resident)} to ${Math.max(...resident)} MB, ${samples.at(-1)?.descriptors} descriptors`;
  });
