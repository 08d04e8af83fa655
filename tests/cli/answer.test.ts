import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Bench } from "./run.ts";

describe("eql answer", () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const cases: readonly [args: string, code: number, message: RegExp][] = [
    ["--address 10.0.0.1", 2, /missing required argument 'DEVICE'/],
    ["/dev/ttyS0", 2, /required option '--address <A>' not specified/],
    [
      "/dev/ttyS0 --address here",
      1,
      /the command line: answer.call.address: found "here" .*; allowed: an IPv4/,
    ],
    [
      "/dev/ttyS0 --address 10.0.0.1 --pool 10.0.0.9-10.0.0.8",
      1,
      /answer.call.pool\[0\]: found "10.0.0.9-10.0.0.8" .*; allowed: IPv4/,
    ],
    [
      "/dev/ttyS0 /dev/ttyS0 --address 10.0.0.1",
      1,
      /line.line1.device: found "\/dev\/ttyS0", which line.line0 has/,
    ],
    [
      "/dev/ttyS0 --address 10.0.0.1 --no-login --no-ppp",
      1,
      /answer.call.ppp: found false, and login as well/,
    ],
    [
      "/dev/ttyS0 --address 10.0.0.1 --wait-for-caller",
      1,
      /answer.call.wait-for-caller: only on a direct line/,
    ],
    ["/dev/ttyS0 --address 10.0.0.1 --speed fast", 2, /--speed is "fast"; allowed: a whole number/],
  ];
  for (const [args, code, message] of cases) {
    it(`says what is wrong with ${args}`, async () => {
      const outcome = await bench.run("eql", "answer", ...args.split(" "));
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
    });
  }
});
