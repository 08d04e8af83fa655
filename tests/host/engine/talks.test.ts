import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { EngineEvent } from "../../../src/host/engine/messages.ts";
import { Talks } from "../../../src/host/engine/talks.ts";
import { Watcher } from "../../../src/host/engine/watcher.ts";
import { nativeBuffer, read } from "../../../src/host/libc.ts";
import { Pty } from "../../../src/host/pty.ts";
import { Scratch } from "../../../src/lab/scratch.ts";
import { type Instant, instant } from "../../../src/time.ts";
import { eventually } from "../../daemon/world.ts";

const NOW: Instant = instant(0);
const text = (octets: string): Uint8Array => new TextEncoder().encode(octets);

describe("the ttys that are talked on", () => {
  let scratch: Scratch;
  let pty: Pty;
  let events: EngineEvent[];
  let talks: Talks;
  beforeEach(() => {
    scratch = new Scratch("eql-talks");
    pty = Pty.open();
    events = [];
    talks = new Talks(new Watcher(), (event) => events.push(event));
    const line = { talk: "sl0", device: pty.path, speedBps: 38_400, rtscts: false };
    talks.open({ ...line, lockDirectory: scratch.path });
  });
  afterEach(() => {
    talks.closeAll();
    pty.close();
    scratch.close();
  });

  /** What the line has carried; a pty takes a moment. */
  function untilReceived(count: number): Promise<string> {
    const { octets, address } = nativeBuffer(100);
    let said = "";
    return eventually(`${count} octets`, () => {
      const length = Math.max(0, read(pty.master, address, 100));
      said += new TextDecoder().decode(octets.subarray(0, length));
      return said.length >= count && said;
    });
  }

  it("say what comes after a break when that is over", async () => {
    talks.say("sl0", null, NOW);
    talks.say("sl0", text("ppp\r"), NOW);
    assert.ok(talks.timeoutAt > NOW);
    talks.handleTimeout(talks.timeoutAt);
    assert.equal(await untilReceived(4), "ppp\r");
  });

  it("go to a line without a break, and with nothing unsaid", async () => {
    talks.say("sl0", text("a"), NOW);
    talks.say("sl0", null, NOW);
    talks.say("sl0", text("b"), NOW);
    const held = talks.take("sl0", NOW);
    assert.equal(await untilReceived(2), "ab");
    held.close();
    assert.deepEqual(events, []);
  });

  it("are closed though their lock cannot be removed, which is told", () => {
    const [lock = ""] = readdirSync(scratch.path);
    const file = join(scratch.path, lock);
    rmSync(file);
    mkdirSync(file);
    talks.close("sl0");
    assert.deepEqual(
      events.map((event) => event.type === "trouble" && event.code),
      ["LOCK_FAILED"],
    );
  });
});
