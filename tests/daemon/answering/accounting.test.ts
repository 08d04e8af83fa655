import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FileAccounting, type Usage } from "../../../src/daemon/answering/accounting.ts";
import type { AccountedSession } from "../../../src/daemon/answering/radius-accounting.ts";
import { eventually } from "../world.ts";

const SESSION: AccountedSession = {
  id: "one",
  bundle: "all",
  grant: {
    ok: true,
    user: "joe",
    protocol: "any",
    address: null,
    maxLines: null,
    idleMs: null,
    sessionMs: null,
    mtu: null,
  },
  about: { line: "tty0", device: "/dev/ttyS0", carrierBps: 28_800, callerId: "5551000" },
  protocol: "slip",
  address: "10.0.0.9",
};
const USAGE: Usage = { seconds: 61.4, sent: 1500, received: 40, packets: { sent: 2, received: 1 } };
const NEVER = (): Promise<Usage> => Promise.resolve(USAGE);

describe("accounting to a file", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "eql-accounting-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const read = (file: string): Record<string, unknown>[] =>
    readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it("adds a line at the beginning and at the end, in order", async () => {
    const file = join(directory, "log", "sessions.jsonl");
    const accounting = new FileAccounting(file, null, { warn: () => assert.fail("nothing is wrong") });
    const open = accounting.begin(SESSION, NEVER);
    accounting.begin({ ...SESSION, id: "two" }, NEVER);
    open.end(USAGE, "carrier", "hung up");
    await accounting.close();
    const lines = read(file);
    const common = {
      session: "one",
      bundle: "all",
      user: "joe",
      protocol: "slip",
      address: "10.0.0.9",
      line: "tty0",
      device: "/dev/ttyS0",
      carrierBps: 28_800,
      callerId: "5551000",
    };
    assert.deepEqual(
      lines.map(({ time, ...rest }) => ({
        ...rest,
        timed: Math.abs(Date.parse(String(time)) - Date.now()) < 60_000,
      })),
      [
        { event: "start", ...common, timed: true },
        { event: "start", ...common, session: "two", timed: true },
        {
          event: "stop",
          ...common,
          seconds: 61,
          sent: { packets: 2, octets: 1500 },
          received: { packets: 1, octets: 40 },
          end: "carrier",
          reason: "hung up",
          timed: true,
        },
      ],
    );
    assert.equal(statSync(file).mode & 0o007, 0, "it is nobody else's business");
  });

  it("adds lines in between while a session goes on, and none after it", async () => {
    const file = join(directory, "sessions.jsonl");
    const accounting = new FileAccounting(file, 20, { warn: () => assert.fail("nothing is wrong") });
    const open = accounting.begin(SESSION, NEVER);
    await eventually("there are some", () => existsSync(file) && read(file).length >= 3, 20_000);
    open.end(USAGE, "idle", "");
    await accounting.close();
    const events = read(file).map(({ event }) => event);
    assert.deepEqual(events, ["start", ...events.slice(1, -1).fill("interim"), "stop"]);
  });

  it("says so when it cannot write, and goes on", async () => {
    const file = join(directory, "file", "sessions.jsonl");
    writeFileSync(join(directory, "file"), "");
    const warnings: object[] = [];
    const accounting = new FileAccounting(file, null, {
      warn: (fields: object) => void warnings.push(fields),
    });
    accounting.begin(SESSION, NEVER).end(USAGE, "user", "");
    await accounting.close();
    assert.equal(warnings.length, 2);
  });
});
