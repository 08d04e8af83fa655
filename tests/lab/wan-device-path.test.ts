import assert from "node:assert/strict";
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { monotonicNow } from "../../src/host/clock.ts";
import { mkfifo } from "../../src/host/libc.ts";
import { SlotStack, WanDevicePath } from "../../src/lab/wan-device-path.ts";
import { after } from "../../src/time.ts";

it("a packet that comes while a turn is under way is not early", () => {
  const directory = mkdtempSync(join(tmpdir(), "eql-wan-"));
  try {
    const pipe = join(directory, "device");
    assert.equal(mkfifo(pipe, 0o600), 0);
    const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      const path = new WanDevicePath(new SlotStack(), fd, fd, { delayMs: 10 }, 1);
      const turnAt = monotonicNow();
      while (monotonicNow() < after(turnAt, 1)); // the processor is elsewhere
      const cameAt = monotonicNow();
      writeSync(fd, new Uint8Array(100));
      assert.equal(path.handleTurn(turnAt, false), 1);
      assert.ok(path.path.pollTimeout() >= after(cameAt, 10));
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});
