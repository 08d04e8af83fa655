import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { longestStall, pingCount, runWanDemo, spanOf, WAN_DEMO } from "../../src/lab/wan-demo.ts";
import type { WanNote, WanProgress } from "../../src/lab/wan-watch.ts";
import { needsHosts } from "./lab-support.ts";

const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
/** Each part longer than a machine stands still; the cut, than TCP does that lost a lot to it and is kept off the processor. */
const BRIEF = { ...WAN_DEMO, seconds: 7.5, cut: { link: 0, fromSeconds: 1, toSeconds: 5.4 } };

/** A temporary directory of this file's own, for it and its children. */
const temporary = mkdtempSync(join(tmpdir(), "eql-test-"));
process.env["TMPDIR"] = temporary;
after(() => {
  const left = readdirSync(temporary);
  rmSync(temporary, { recursive: true, maxRetries: 5 });
  assert.deepEqual(left, []);
});

describe("the demo of uplinks", { concurrency: true }, () => {
  it("bonds two, goes on by one while the other is cut, and has both again", async (t) => {
    if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
    const notes: WanNote[] = [];
    const moments: WanProgress[] = [];
    const result = await runWanDemo({
      scenario: BRIEF,
      onProgress: (progress, more) => {
        moments.push(progress);
        notes.push(...more);
      },
    });
    assert.deepEqual([result.complete, result.intact], [true, true], JSON.stringify(result));
    assert.equal(Math.round((result.octets * 8) / BRIEF.seconds), result.whole.goodputBps);
    const { before, during, after: since, whole } = result;
    assert.ok(
      [before, during, since].every(({ goodputBps }) => goodputBps > 0),
      JSON.stringify(result),
    );
    assert.ok(whole.percentOfSum < 100 && result.gapMs > 0, JSON.stringify(result));
    assert.ok(result.pings.sent > 0 && result.pingMs.idle >= 20, JSON.stringify(result));
    const of = (type: "stream" | "link"): readonly string[] =>
      notes.flatMap((note) => (note.type === type ? [note.what] : []));
    assert.deepEqual(of("stream"), ["begins", "ends"]);
    assert.deepEqual(of("link"), ["cut", "back"]);
    const states = notes.flatMap((note) =>
      note.type === "path" && note.link.name === "DSL" ? [note.to] : [],
    );
    assert.deepEqual([states[0], states.at(-1)], ["dead", "alive"]);
    assert.ok(moments.some(({ links: [dsl, lte] }) => dsl?.cut === true && (lte?.bps ?? 0) > 0));
    const end = moments.at(-1);
    assert.deepEqual([end?.seconds, end?.octets], [BRIEF.seconds, result.octets]);
  });

  it("leaves nothing when it is interrupted", async (t) => {
    if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return;
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    await assert.rejects(runWanDemo({ scenario: BRIEF, signal: stop.signal, onProgress }), {
      name: "AbortError",
    });
  });

  it("has links of its own", () => {
    for (const other of [["--dial"], ["--lines", "9600,9600"], ["--bytes", "1000"]]) {
      const { stderr, status } = spawnSync(process.execPath, [EQL, "demo", "--wan", ...other], {
        encoding: "utf8",
      });
      assert.equal(status, 2);
      assert.match(stderr, /--wan.*cannot be used with.*--/);
    }
  });
});

describe("what the demo of uplinks counts", () => {
  it("is a part of the stream, of what there was then", () => {
    const scenario = { ...WAN_DEMO, cut: { link: 0, fromSeconds: 1, toSeconds: 2 } };
    const tenths = Array.from({ length: 30 }, (_, i) => (i < 10 ? 27e6 : i < 20 ? 9e6 : 24e6));
    const of = (from: number, to: number): unknown => spanOf(scenario, tenths, from, to);
    assert.deepEqual(of(0, 1), { seconds: 1, goodputBps: 27e6, sumBps: 30e6, percentOfSum: 90 });
    assert.deepEqual(of(1, 2), { seconds: 1, goodputBps: 9e6, sumBps: 10e6, percentOfSum: 90 });
    assert.deepEqual(of(0, 2), { seconds: 2, goodputBps: 18e6, sumBps: 20e6, percentOfSum: 90 });
  });

  it("is the longest stall of a time", () => {
    const stalls = [5, 90, 3, 0, 0, 250, 4, 120];
    assert.equal(longestStall(stalls, 300, 700), 250);
    assert.equal(longestStall(stalls, 100, 300), 250, "it had begun");
    assert.equal(longestStall(stalls, 200, 240), 3);
    assert.equal(longestStall(stalls, 600, 800), 120);
    assert.equal(longestStall([], 0, 100), 0);
  });

  it("is pings that were not answered, between those that were", () => {
    const answers = [7, 5, 9].map((sequence) => ({ sequence }));
    assert.deepEqual(pingCount(answers), { sent: 5, lost: 2 });
    assert.deepEqual(pingCount([]), { sent: 0, lost: 0 });
  });
});
