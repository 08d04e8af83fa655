import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "smol-toml";
import { dialScript } from "../../src/config/dial-script-keys.ts";

/** Where something is wrong, and what. */
function faults(toml: string): string[] {
  const result = dialScript().safeParse(parse(toml)["script"]);
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`);
}

describe("a dial script in TOML", () => {
  it("has steps of each kind", () => {
    const script = dialScript().parse(
      parse(`
        [[script]]
        abort = ["BUSY", "NO CARRIER"]
        [[script]]
        hang-up = true
        [[script]]
        dial = "ATDT"
        [[script]]
        expect = ["CONNECT", { text = "VOICE", end = "voice" }, { text = "RING", steps = [{ pause = 1 }] }]
        timeout = 90
        otherwise = [{ break = true }, { end = "timeout" }]
        [[script]]
        timeout = 10
        [[script]]
        send = "hello"
        raw = true
        secret = true
      `)["script"],
    );
    assert.deepEqual(script.length, 6);
    assert.deepEqual(script[3], {
      expect: ["CONNECT", { text: "VOICE", end: "voice" }, { text: "RING", steps: [{ pause: 1 }] }],
      timeout: 90,
      otherwise: [{ break: true }, { end: "timeout" }],
    });
  });

  it("does one thing in each step", () => {
    assert.deepEqual(faults("script = [{}]"), ["0: it does nothing"]);
    assert.deepEqual(faults('script = [{ send = "x", pause = 1 }]'), [
      "0: it does two things, `send` and `pause`",
    ]);
    assert.deepEqual(faults('script = [{ send = "x" }, { send = "x", timeout = 1 }]'), [
      "1: it does two things, `send` and `timeout`",
    ]);
    assert.deepEqual(faults('script = [{ expect = "x", secret = true }]'), [
      "0: `secret` does not belong to `expect`",
    ]);
    assert.deepEqual(faults("script = [{ timeout = 1, otherwise = [] }]"), [
      "0: `otherwise` does not belong to `timeout`",
    ]);
  });

  it("is checked in its branches", () => {
    const nested = (step: string): string => `script = [{ expect = [{ text = "a", steps = [${step}] }] }]`;
    assert.deepEqual(faults(nested('{ send = "x" }')), []);
    assert.deepEqual(faults(nested("{}")), ["0.expect.0.steps.0: it does nothing"]);
    assert.deepEqual(faults(nested('{ snd = "x", pause = 1 }')), [
      '0.expect.0.steps.0: Unrecognized key: "snd"',
    ]);
    assert.deepEqual(faults('script = [{ expect = [{ text = "a", steps = [], end = "ok" }] }]'), [
      "0.expect.0: it has both `steps` and `end`",
    ]);
    assert.equal(faults('script = [{ expect = [{ text = "a", end = "fine" }] }]').length, 1);
    assert.equal(faults('script = [{ expect = [{ text = "é" }] }]').length, 1);
  });
});
