import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EngineClient } from "../../../src/host/engine/client.ts";
import { Pty } from "../../../src/host/pty.ts";

const start = (): EngineClient =>
  new EngineClient(
    (event) => assert.fail(JSON.stringify(event)),
    (error) => assert.fail(error),
  );

describe("an engine that has stopped", () => {
  it("refuses what is asked of it, by the one error that is no bug", async () => {
    const engine = start();
    assert.deepEqual(await engine.request("load", {}), await engine.request("load", {}));
    await engine.stop();
    await assert.rejects(engine.request("status", {}), { name: "EqlError", code: "DAEMON_ENDING" });
  });
  it("opens nothing that was asked for just after its end", async () => {
    const lockDirectory = mkdtempSync(join(tmpdir(), "eql-engine-"));
    const pty = Pty.open();
    try {
      const engine = start();
      await engine.request("load", {});
      const ended = engine.stop();
      const opening = engine.request("openTalk", {
        talk: "sl0",
        device: pty.path,
        speedBps: 9600,
        rtscts: false,
        lockDirectory,
      });
      await assert.rejects(opening, { name: "EqlError", code: "DAEMON_ENDING" });
      await ended;
      assert.deepEqual(readdirSync(lockDirectory), []);
    } finally {
      pty.close();
      rmSync(lockDirectory, { recursive: true });
    }
  });
});
