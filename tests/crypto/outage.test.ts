import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { INITIATION_TYPE } from "../../src/wire/tunnel-datagram.ts";
import { established, type TunnelPair } from "./tunnel-pair.ts";

const TRAFFIC_MS = 500;

/** Nothing passes for so long. @returns how many initiations were said */
function outage(pair: TunnelPair, ms: number, isBusy: boolean): number {
  pair.way = () => [];
  const before = pair.sent.length;
  for (let passed = 0; passed < ms; passed += TRAFFIC_MS) {
    if (isBusy) pair.near.peer.want(pair.now);
    pair.runFor(TRAFFIC_MS);
  }
  return pair.sent.slice(before).filter(({ datagram }) => datagram[0] === INITIATION_TYPE).length;
}

/** Something passes again. @returns how long it takes until there is a session */
function recovery(pair: TunnelPair, delayMs: number): number {
  const begun = pair.now;
  pair.way = () => [delayMs];
  while (pair.near.peer.session === null) {
    assert.ok(pair.now - begun < 60_000, "there is a session again");
    pair.near.peer.want(pair.now);
    pair.runFor(10);
  }
  return pair.now - begun;
}

describe("a session that expired while nothing passed", () => {
  // Where a round trip takes longer than a second, what is answered may just have been given up for a new one.
  for (const [delayMs, mostMs] of [
    [10, 1060],
    [300, 2220],
    [700, 6000],
  ] as const) {
    it(`is there again soon after that, with ${delayMs} ms each way`, () => {
      for (let seed = 1; seed <= 12; seed++) {
        const pair = established({ seed });
        outage(pair, 200_000 + seed * 7919, true);
        assert.equal(pair.near.peer.session, null);
        const tookMs = recovery(pair, delayMs);
        assert.ok(tookMs <= mostMs, `${tookMs} ms, seed ${seed}`);
      }
    });
  }

  it("is asked for each second while it is wanted, and seldom otherwise", () => {
    for (const isBusy of [true, false]) {
      const pair = established({ seed: 3 });
      outage(pair, 200_000, isBusy);
      const said = outage(pair, 120_000, isBusy);
      const [least, most] = isBusy ? [115, 160] : [6, 12];
      assert.ok(said >= least && said <= most, `${said} initiations in two minutes`);
    }
  });
});
