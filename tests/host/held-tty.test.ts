import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { HeldTty } from "../../src/host/held-tty.ts";
import { Pty } from "../../src/host/pty.ts";
import { Scratch } from "../../src/lab/scratch.ts";

const SPEED = { speedBps: 57_600 };

describe("a serial device that is ours", () => {
  let scratch: Scratch;
  let pty: Pty;
  let locks: string;
  before(() => {
    scratch = new Scratch("eql-held-tty");
    pty = Pty.open();
    locks = join(scratch.path, "locks");
    mkdirSync(locks);
  });
  after(() => {
    pty.close();
    scratch.close();
  });

  it("keeps its lock when another line of this process wants it too", () => {
    const held = HeldTty.open(pty.path, SPEED, locks);
    try {
      const files = readdirSync(locks);
      assert.equal(files.length, 1);
      assert.throws(() => HeldTty.open(pty.path, SPEED, locks), { code: "DEVICE_BUSY" });
      assert.deepEqual(readdirSync(locks), files);
    } finally {
      held.close();
    }
    assert.deepEqual(readdirSync(locks), []);
  });

  it("leaves no lock when it cannot be opened", () => {
    assert.throws(() => HeldTty.open("/dev/null", SPEED, locks), { code: "DEVICE_NOT_A_TTY" });
    assert.deepEqual(readdirSync(locks), []);
  });
});
