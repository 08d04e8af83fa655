import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { REPLAY_WINDOW, ReplayWindow } from "../../src/crypto/replay-window.ts";

/** The same by a set of all that ever came. */
class Model {
  readonly #seen = new Set<number>();
  #greatest = -1;

  add(counter: number): boolean {
    if (this.#seen.has(counter) || this.#greatest - counter >= REPLAY_WINDOW) return false;
    this.#seen.add(counter);
    this.#greatest = Math.max(this.#greatest, counter);
    return true;
  }
}

describe("the replay window", () => {
  it("is at least 8192 wide", () => {
    assert.ok(REPLAY_WINDOW >= 8192);
  });

  it("takes each counter once, in any order, as far back as it reaches", () => {
    const window = new ReplayWindow();
    for (let counter = REPLAY_WINDOW - 1; counter >= 0; counter--)
      assert.ok(window.add(counter), `${counter}`);
    for (let counter = 0; counter < REPLAY_WINDOW; counter++)
      assert.ok(!window.isFresh(counter), `${counter}`);
    assert.ok(window.add(REPLAY_WINDOW + 1));
    assert.ok(!window.isFresh(1));
    assert.ok(window.isFresh(REPLAY_WINDOW));
    assert.equal(window.greatest, REPLAY_WINDOW + 1);
  });

  it("is not moved by a question", () => {
    const window = new ReplayWindow();
    assert.ok(window.isFresh(2 ** 40));
    assert.ok(window.add(0));
  });

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: -REPLAY_WINDOW - 70, max: REPLAY_WINDOW + 70 }) },
    { weight: 1, arbitrary: fc.integer({ min: -3 * REPLAY_WINDOW, max: 3 * REPLAY_WINDOW }) },
  );
  for (const start of [0, 2 ** 31 - 500, 2 ** 32 - 500, 2 ** 52]) {
    it(`agrees with a set, from ${start} on`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
          const window = new ReplayWindow();
          const model = new Model();
          let at = start;
          for (const by of steps) {
            at = Math.max(0, at + by);
            assert.equal(window.add(at), model.add(at), `${at}`);
          }
        }),
        { numRuns: 200 },
      );
    });
  }
});
