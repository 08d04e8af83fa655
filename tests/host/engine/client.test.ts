import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EngineClient } from "../../../src/host/engine/client.ts";

describe("an engine that has stopped", () => {
  it("refuses what is asked of it, by the one error that is no bug", async () => {
    const engine = new EngineClient(
      (event) => assert.fail(JSON.stringify(event)),
      (error) => assert.fail(error),
    );
    assert.deepEqual(await engine.request("load", {}), await engine.request("load", {}));
    await engine.stop();
    await assert.rejects(engine.request("status", {}), { name: "EqlError", code: "DAEMON_ENDING" });
  });
});
