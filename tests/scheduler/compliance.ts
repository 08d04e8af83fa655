import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Choice, LinkView, Scheduler } from "../../src/scheduler/scheduler.ts";
import { after, NEVER } from "../../src/time.ts";
import { BundleHost, labelled } from "../bundle/host.ts";
import { anyLinks, anyQueue, linkViews, NOW, queueOf } from "./views.ts";

/** Asks a scheduler of either kind for one decision, and holds it to what it may say. @returns index of the link, or null */
function decide(
  scheduler: Scheduler,
  queue: ReturnType<typeof queueOf>,
  links: readonly LinkView[],
  now = NOW,
): number | null {
  if (scheduler.kind === "binding") {
    const index = scheduler.bind(queue.packets[0]?.length ?? 100, links, now);
    assert.ok(
      Number.isInteger(index) && index >= 0 && index < links.length,
      `link ${index} of ${links.length}`,
    );
    return index;
  }
  const choice: Choice = { packet: -1, link: -1, notBefore: NEVER };
  if (!scheduler.choose(queue, links, 5, now, choice)) {
    assert.ok(choice.notBefore > now, `asks to be asked again at ${choice.notBefore}, now is ${now}`);
    return null;
  }
  assert.ok(choice.packet >= 0 && choice.packet < queue.count, `packet ${choice.packet} of ${queue.count}`);
  assert.ok(choice.link >= 0 && choice.link < links.length, `link ${choice.link} of ${links.length}`);
  assert.ok((links[choice.link] as LinkView).ready, "a link that is not ready");
  return choice.link;
}

/** What every scheduler does, whatever its policy. */
export function describeScheduler(name: string, make: () => Scheduler): void {
  describe(`${name}, as any scheduler`, () => {
    it("names packets and links that are there and ready, whatever the figures", () => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(anyLinks, anyQueue, fc.double({ min: 0, max: 3000, noNaN: true })), {
            maxLength: 10,
          }),
          (rounds) => {
            const scheduler = make();
            let now = NOW;
            for (const [links, queue, pause] of rounds) {
              now = after(now, pause);
              const current = links.map((link) => ({ ...link, startAt: after(link.startAt, now - NOW) }));
              decide(scheduler, queue, current, now);
            }
          },
        ),
      );
    });

    it("leaves everything where it is when nothing waits, or no link is ready", () => {
      const scheduler = make();
      if (scheduler.kind === "binding") return;
      const links = linkViews(28_800, 9600);
      const busy = links.map((link) => ({ ...link, ready: false, startAt: after(NOW, 500) }));
      assert.equal(decide(scheduler, queueOf(), links), null);
      assert.equal(decide(scheduler, queueOf(["a", 100], ["b", 50]), busy), null);
      assert.equal(decide(scheduler, queueOf(["a", 100]), []), null);
    });

    it("sends what waits, with any number of links from 1 to 16", () => {
      for (let count = 1; count <= 16; count++) {
        const speeds = Array.from({ length: count }, (_, i) => 9600 * (1 + (i % 3)));
        const links = linkViews(...speeds).map((link) => ({ ...link, startAt: NOW }));
        assert.notEqual(decide(make(), queueOf(["a", 576], ["a", 576]), links), null);
      }
    });

    it("goes on while links join and leave", () => {
      const host = new BundleHost(make(), { slots: 600 });
      const lines = host.joined(28_800, 14_400, 57_600);
      let label = 0;
      for (let i = 0; i < 60; i++) {
        for (let n = 0; n < 5; n++) host.send(labelled(label++, { sourcePort: n % 2 }));
        const line = lines[i % 3];
        assert.ok(line !== undefined);
        if (host.bundle.members.includes(line) && host.bundle.members.length > 1) host.leave(line);
        else if (!host.bundle.members.includes(line)) host.bundle.join(line);
        host.run(100);
      }
      const before = host.departures.length;
      host.run(60_000);
      assert.ok(before > 30, `${before} packets while links came and went`);
      assert.equal(host.held, 0);
      assert.equal(host.departures.length + host.dropped, label);
      assert.equal(host.pool.available, host.slots);
    });
  });
}
