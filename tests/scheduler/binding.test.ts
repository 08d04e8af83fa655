import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Eql1995 } from "../../src/scheduler/eql-1995.ts";
import { RoundRobin } from "../../src/scheduler/round-robin.ts";
import type { BindingScheduler, LinkView } from "../../src/scheduler/scheduler.ts";
import { Weighted } from "../../src/scheduler/weighted.ts";
import { after, instant } from "../../src/time.ts";
import { linkViews } from "./views.ts";

/** Octets and packets by each link, for packets of these lengths. */
function shares(scheduler: BindingScheduler, links: readonly LinkView[], lengths: Iterable<number>) {
  const octets = links.map(() => 0);
  const packets = links.map(() => 0);
  let now = instant(0);
  for (const length of lengths) {
    const index = scheduler.bind(length, links, now);
    octets[index] = (octets[index] as number) + length;
    packets[index] = (packets[index] as number) + 1;
    now = after(now, 1);
  }
  return { octets, packets };
}

const repeat = (length: number, count: number): number[] => Array.from({ length: count }, () => length);

/** Long and short packets in an order that has no period in common with links. */
function* mixed(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield 40 + ((i * 7919) % 1461);
}

describe("round robin", () => {
  it("gives each link the same count, in turn, whatever speeds and lengths", () => {
    const { packets } = shares(new RoundRobin(), linkViews(57_600, 9600, 14_400), mixed(300));
    assert.deepEqual(packets, [100, 100, 100]);
    const scheduler = new RoundRobin();
    const turns = [1, 2, 3, 4, 5].map((length) => scheduler.bind(length, linkViews(1, 2, 3)));
    assert.deepEqual(turns, [0, 1, 2, 0, 1]);
  });

  it("leaves nobody out when one leaves", () => {
    const scheduler = new RoundRobin();
    const links = linkViews(1, 2, 3);
    for (let i = 0; i < 3; i++) scheduler.bind(1, links);
    const { packets } = shares(scheduler, links.slice(0, 2), repeat(100, 100));
    assert.deepEqual(packets, [50, 50]);
  });
});

describe("weighted", () => {
  for (const speeds of [
    [57_600, 14_400],
    [115_200, 9600],
    [28_800, 14_400, 9600, 2400],
    [1_000_000, 9600],
    [9600, 9600],
  ]) {
    it(`gives ${speeds.join(" + ")} octets in proportion, within 2 %, whatever the lengths`, () => {
      for (const lengths of [repeat(576, 20_000), [...mixed(20_000)]]) {
        const { octets } = shares(new Weighted(), linkViews(...speeds), lengths);
        const sum = octets.reduce((a, b) => a + b, 0);
        const speed = speeds.reduce((a, b) => a + b, 0);
        for (const [i, each] of octets.entries()) {
          const share = each / sum / ((speeds[i] as number) / speed);
          assert.ok(Math.abs(share - 1) < 0.02, `link ${i} has ${share.toFixed(3)} of its share`);
        }
      }
    });
  }

  it("lets a link that joins, or comes back, start where the others are", () => {
    const scheduler = new Weighted();
    const links = linkViews(28_800, 28_800, 28_800);
    shares(scheduler, links, repeat(500, 300));
    shares(scheduler, links.slice(0, 2), repeat(500, 3000));
    const { packets } = shares(scheduler, links, repeat(500, 300));
    for (const count of packets) assert.ok(Math.abs(count - 100) <= 66, packets.join(" "));
    const again = shares(scheduler, links, repeat(500, 300));
    assert.deepEqual(again.packets, [100, 100, 100]);
  });
});

describe("the formula of 1995", () => {
  it("lets the link enslaved last win a tie", () => {
    assert.equal(new Eql1995().bind(100, linkViews(9600, 9600, 9600), instant(0)), 2);
  });

  it("is load = queued octets · 8 − bps / 8, and each second bps / 8 octets are taken off, to none", () => {
    const speed = fc.integer({ min: 300, max: 115_200 });
    const packet = fc.record({ length: fc.integer({ min: 20, max: 1500 }), pause: fc.nat(2500) });
    fc.assert(
      fc.property(
        fc.array(speed, { minLength: 1, maxLength: 5 }),
        fc.array(packet, { maxLength: 100 }),
        (speeds, packets) => {
          const scheduler = new Eql1995();
          const links = linkViews(...speeds);
          const queued = speeds.map(() => 0);
          let now = 0;
          let ticks = 0;
          for (const [i, { length, pause }] of packets.entries()) {
            if (i > 0) now += pause;
            for (; (ticks + 1) * 1000 <= now; ticks++) {
              for (const [link, bps] of speeds.entries()) {
                queued[link] = Math.max(0, (queued[link] as number) - Math.floor(bps / 8));
              }
            }
            const loads = speeds.map((bps, link) => (queued[link] as number) * 8 - Math.floor(bps / 8));
            const expected = loads.lastIndexOf(Math.min(...loads));
            assert.equal(scheduler.bind(length, links, instant(now)), expected);
            queued[expected] = (queued[expected] as number) + length;
          }
        },
      ),
    );
  });
});
