import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { PppEvent } from "../../src/control/messages.ts";
import { type ControlServer, startControlServer } from "../../src/daemon/control-server.ts";
import { EqlError } from "../../src/errors.ts";
import { FakeDaemon, FakeLog } from "./fake-daemon.ts";

const REQUEST = { name: "ttyS1", unit: null, settings: { device: "/dev/ttyS1" } };

describe("a client's PPP line", () => {
  let directory: string;
  let daemon: FakeDaemon;
  let server: ControlServer;
  let client: ControlClient;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "eql-control-"));
    daemon = new FakeDaemon();
    const path = join(directory, "eql.sock");
    server = await startControlServer(daemon, { path, mode: 0o600, group: null, log: new FakeLog() });
    client = new ControlClient(path);
  });
  afterEach(async () => {
    await server.close();
    rmSync(directory, { recursive: true, maxRetries: 5 });
  });

  it("tells what happens, in order, to its end", async () => {
    daemon.pppEvents = [
      { event: "line", line: "ttyS1" },
      { event: "up", interface: "ppp0", local: "10.0.0.1", remote: "10.0.0.2" },
    ];
    const followed = await client.follow<PppEvent>("POST", "/ppp", REQUEST);
    const told: string[] = [];
    for await (const event of followed.events) {
      told.push(event.event);
      if (event.event === "up") daemon.endPpp();
    }
    assert.deepEqual(told, ["line", "up", "ended"]);
    assert.deepEqual(daemon.calls, [["ppp", REQUEST]]);
  });

  it("is told nothing after its end", async () => {
    daemon.pppEventsTooLate = [{ event: "log", level: "info", text: "too late" }];
    const followed = await client.follow<PppEvent>("POST", "/ppp", REQUEST);
    daemon.endPpp();
    const told: string[] = [];
    for await (const event of followed.events) told.push(event.event);
    assert.deepEqual(told, ["ended"]);
  });

  it("ends with its client, once", async () => {
    const stopped = new Promise<void>((resolve) => {
      daemon.onStop = resolve;
    });
    const followed = await client.follow<PppEvent>("POST", "/ppp", REQUEST);
    assert.equal(daemon.stops, 0);
    followed.close();
    await stopped;
    await server.close();
    assert.equal(daemon.stops, 1);
  });

  it("that is refused says why", async () => {
    daemon.before = () => {
      throw new EqlError("DEVICE_MISSING", "there is no /dev/ttyS1");
    };
    await assert.rejects(client.follow("POST", "/ppp", REQUEST), { code: "DEVICE_MISSING" });
    for (const body of [
      { ...REQUEST, unit: -1 },
      { ...REQUEST, name: "a/b" },
      { name: null, unit: null },
    ]) {
      await assert.rejects(client.follow("POST", "/ppp", body), { code: "REQUEST_INVALID" });
    }
  });
});
