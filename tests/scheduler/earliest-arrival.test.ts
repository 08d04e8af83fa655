import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LinkId } from "../../src/link/link.ts";
import type { Flow, Packet } from "../../src/link/packet.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import type { Choice, LinkView, QueueView } from "../../src/scheduler/scheduler.ts";
import { after, instant, NEVER } from "../../src/time.ts";
import { linkView, linkViews, queueOf } from "./views.ts";

const NOW = instant(1000);

function choose(queue: QueueView, links: readonly LinkView[], guardMs = 0): Choice | null {
  const choice: Choice = { packet: -1, link: -1, notBefore: NEVER };
  return new EarliestArrival().choose(queue, links, guardMs, NOW, choice) ? choice : null;
}

const chosen = (choice: Choice | null): readonly [number, number] | null =>
  choice === null ? null : [choice.packet, choice.link];

/** The same links, with one busy for so long. */
const busy = (links: readonly LinkView[], index: number, ms: number): LinkView[] =>
  links.map((link, i) => (i === index ? { ...link, ready: false, startAt: after(NOW, ms) } : link));

const bulk = (count: number): QueueView =>
  queueOf(...Array.from({ length: count }, () => ["a", 575] as const));

describe("earliest arrival", () => {
  it("gives the first packet to the link by which it arrives first", () => {
    assert.deepEqual(chosen(choose(bulk(9), linkViews(14_400, 57_600))), [0, 1]);
    const delayed = linkViews(57_600, 14_400).map((link, i) => ({ ...link, delayMs: i === 0 ? 900 : 0 }));
    assert.deepEqual(chosen(choose(bulk(1), delayed)), [0, 1]);
  });

  it("gives the slow link the packet that the fast one would deliver no sooner", () => {
    // The fast line takes 100 ms a packet and is busy for 100, the slow one 400: the fourth of the queue is as soon by it.
    const links = busy(linkViews(57_600, 14_400), 0, 99);
    assert.deepEqual(chosen(choose(bulk(9), links)), [3, 1]);
  });

  it("leaves the slow link idle when the queue is too short for it", () => {
    const links = busy(linkViews(57_600, 14_400), 0, 99);
    assert.equal(choose(bulk(3), links), null);
    assert.equal(choose(bulk(60), busy(linkViews(1_000_000, 9600), 0, 8)), null);
  });

  it("times a short packet behind the long one before it", () => {
    // Alone it would arrive at once by the second link, and overtake.
    const queue = queueOf(["a", 575], ["a", 39]);
    const links = linkViews(28_800, 28_800).map((link) => ({ ...link, canHold: false }));
    const first = (queue.packets[0] as Packet).flow as Flow;
    assert.deepEqual(chosen(choose(queue, links)), [0, 0]);
    const rest = queueOf(["a", 39]);
    const packet = rest.packets[0] as Packet;
    packet.flow = first;
    packet.order = 2;
    const open = {
      ...linkView(),
      ready: false,
      open: queue.packets[0] as Packet,
      openArrival: after(NOW, 200),
      startAt: after(NOW, 200),
    };
    const choice: Choice = { packet: -1, link: -1, notBefore: NEVER };
    const idle = { ...(links[1] as LinkView), id: 1 as LinkId };
    assert.equal(new EarliestArrival().choose(rest, [open, idle], 5, NOW, choice), false);
    assert.ok(Math.abs(choice.notBefore - (NOW + 205 - 40 / 2.88)) < 1e-6, `${choice.notBefore}`);
    assert.ok(new EarliestArrival().choose(rest, [open, { ...idle, canHold: true }], 5, NOW, choice));
    assert.equal(choice.link, 1);
  });

  it("lets another flow's packet go at once meanwhile", () => {
    const queue = queueOf(["a", 575], ["b", 39]);
    const links = busy(linkViews(28_800, 28_800), 0, 10);
    assert.deepEqual(chosen(choose(queue, links)), [0, 1]);
    assert.deepEqual(chosen(choose(queueOf(["b", 39], ["a", 575]), links)), [0, 1]);
  });

  it("begins on a link at rest that cannot hold, whatever rounding does to the times", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e10, noNaN: true }),
        fc.integer({ min: 1200, max: 1e8 }),
        fc.double({ min: 0, max: 300, noNaN: true }),
        fc.integer({ min: 20, max: 1500 }),
        (at, bps, delayMs, length) => {
          const now = instant(at);
          const link = linkView({
            givenBps: bps,
            rate: (bps / 10_000) * 0.997,
            delayMs,
            startAt: now,
            canHold: false,
          });
          const choice: Choice = { packet: -1, link: -1, notBefore: NEVER };
          assert.ok(
            new EarliestArrival().choose(queueOf(["a", length]), [link], 0, now, choice),
            `asked to wait ${choice.notBefore - now} ms`,
          );
        },
      ),
    );
  });
});
