import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LifeEvent, LifeState } from "../../src/control/messages.ts";
import { AT } from "../daemon/fake-daemon.ts";
import { Bench } from "./run.ts";

const state = (to: LifeState, reason: string): LifeEvent => ({ event: "state", at: AT, state: to, reason });

describe("eql dial", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = new Bench();
    await bench.serve();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const asked = ["ask", "sl0", { ask: "up" }];

  it("asks for a line that is up already, so that it stays up", async () => {
    bench.daemon.lifeEvents = [state("enslaved", "a slave of eql")];
    assert.deepEqual(await bench.run("eql", "dial", "sl0"), { code: 0, stdout: "", stderr: "" });
    assert.deepEqual(bench.daemon.calls, [["watch", "sl0"], asked]);
  });

  it("says why the line is not up", async () => {
    bench.daemon.lifeEvents = [
      state("idle", "no traffic"),
      state("locking", "asked for"),
      state("waiting", "the modem says BUSY"),
    ];
    const { code, stderr } = await bench.run("eql", "dial", "sl0");
    assert.equal(code, 1);
    assert.equal(stderr, "eql: sl0 is not up: the modem says BUSY\n");
  });

  it("is no success when it is interrupted, and says that the daemon goes on", async () => {
    bench.daemon.lifeEvents = [{ event: "text", text: "> ATZ" }, state("dialing", "the device is open")];
    const running = bench.start("eql", ["dial", "sl0", "--watch"]);
    await running.untilOutput(/dialing/);
    running.child.kill("SIGINT");
    const { code, stderr } = await running.outcome();
    assert.equal(code, 1);
    assert.match(stderr, /^eql: sl0 is not up yet; .*`eql hangup sl0`\n$/);
  });
});
