import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { meanBps, ratesOf, sumBps, WAN_CASES, type WanCase } from "../../src/lab/wan-cases.ts";

const byName = (name: string): WanCase => {
  const found = WAN_CASES.find((wan) => wan.name === name);
  assert.ok(found, name);
  return found;
};

describe("the cases of `eql bench wan`", () => {
  it("have names of their own, and change only links that they have, in time", () => {
    assert.equal(new Set(WAN_CASES.map(({ name }) => name)).size, WAN_CASES.length);
    for (const { links, changes, seconds, alone } of WAN_CASES) {
      assert.ok(changes.every(({ link, atMs }) => link < links.length && atMs < seconds * 1000));
      assert.ok(alone === undefined || alone < links.length);
    }
  });

  it("know what there was to be had, at first and on average", () => {
    const figures = (name: string) => [sumBps(byName(name)), meanBps(byName(name))];
    assert.deepEqual(figures("a"), [40e6, 40e6]);
    assert.deepEqual(figures("f"), [75e6, 75e6]);
    assert.deepEqual(figures("g"), [40e6, 34e6]);
    assert.deepEqual(figures("h"), [101e6, 101e6]);
    assert.deepEqual(figures("i"), [40e6, 30e6]);
    assert.deepEqual(figures("u"), [null, null]);
  });

  it("know what there was by time", () => {
    assert.deepEqual(ratesOf(byName("g")), [
      { fromMs: 0, toMs: 8000, bps: 40e6 },
      { fromMs: 8000, toMs: 14_000, bps: 20e6 },
      { fromMs: 14_000, toMs: 20_000, bps: 40e6 },
    ]);
    const early = { ...byName("g"), seconds: 10 };
    assert.deepEqual(ratesOf(early).at(-1), { fromMs: 8000, toMs: 10_000, bps: 20e6 });
    assert.deepEqual(
      ratesOf(byName("i")).map(({ bps }) => bps),
      [40e6, 20e6, 40e6, 20e6],
    );
    assert.deepEqual(ratesOf(byName("u")), [{ fromMs: 0, toMs: 20_000, bps: null }]);
  });
});
