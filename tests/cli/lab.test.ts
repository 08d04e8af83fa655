import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { describePhoneEvent } from "../../src/cli/phone-view.ts";
import { check, close, O_NOCTTY, O_NONBLOCK, O_RDWR, open } from "../../src/host/libc.ts";
import { instant } from "../../src/time.ts";
import { Bench, ROOT } from "./run.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench[Symbol.asyncDispose]());

describe("eql lab phone", () => {
  it("runs the example until it is interrupted, says what happens, and leaves nothing", async () => {
    const example = readFileSync(join(ROOT, "examples/lab/phones.toml"), "utf8");
    const file = join(bench.directory, "phones.toml");
    writeFileSync(file, example.replaceAll('"/tmp/', `"${bench.directory}/`));
    const running = bench.start("eql", ["lab", "phone", "-c", file]);
    await running.untilOutput(/^modem isp1: /m);
    const device = join(bench.directory, "ttyHome0");
    const fd = check(open(device, O_RDWR | O_NOCTTY | O_NONBLOCK), `opening ${device}`);
    try {
      const command = Buffer.from("ATX1S6=0S11=50DT5551001\r");
      writeFileSync(device, command);
      await running.untilOutput(/^ +\d+\.\d{3} home0: a person answers$/m);
    } finally {
      close(fd);
    }
    await running.untilOutput(/^ +\d+\.\d{3} home0: the call is over: caller hung up$/m);
    running.child.kill("SIGINT");
    const { code, stdout, stderr } = await running.outcome();
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^ +\d+\.\d{3} home0: dials 5551001$/m);
    assert.equal(existsSync(device), false);
    assert.deepEqual(readdirSync(bench.directory), ["phones.toml"]);
  });

  it("refuses a file with errors", async () => {
    writeFileSync(join(bench.directory, "wrong.toml"), "[modem.a]\n");
    const { code, stderr } = await bench.run("eql", "lab", "phone", "-c", "wrong.toml");
    assert.equal(code, 1);
    assert.match(stderr, /^eql: wrong.toml: modem.a.device: found nothing/);
  });
});

it("what happens on a telephone network has words", () => {
  const at = instant(12_345.6);
  const say = (event: Parameters<typeof describePhoneEvent>[0]): string =>
    describePhoneEvent(event, instant(1000));
  assert.equal(say({ type: "dialed", at, modem: "a", number: "5" }), "    11.346 a: dials 5");
  assert.equal(say({ type: "failed", at, modem: "a", why: "busy" }), "    11.346 a: busy");
  assert.equal(say({ type: "ringing", at, modem: "a", to: "b" }), "    11.346 a: rings b");
  assert.equal(
    say({ type: "connected", at, modem: "a", to: "b", bps: 28_800 }),
    "    11.346 a: connected to b at 28800 bit/s",
  );
  assert.equal(
    say({ type: "ended", at, modem: "a", to: "b", why: "dropped" }),
    "    11.346 a: the call to b is over: dropped",
  );
});
