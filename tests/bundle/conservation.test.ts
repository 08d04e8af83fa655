import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Member } from "../../src/bundle/member.ts";
import { ActiveBackup } from "../../src/scheduler/active-backup.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { Eql1995 } from "../../src/scheduler/eql-1995.ts";
import { RoundRobin } from "../../src/scheduler/round-robin.ts";
import type { Scheduler } from "../../src/scheduler/scheduler.ts";
import { Weighted } from "../../src/scheduler/weighted.ts";
import { BundleHost, labelled, labelOf } from "./host.ts";

const SCHEDULERS: readonly (() => Scheduler)[] = [
  () => new EarliestArrival(),
  () => new Eql1995(),
  () => new RoundRobin(),
  () => new Weighted(),
  () => new ActiveBackup(),
];

const LINES = 4;
const line = fc.nat(LINES - 1);

/** What can happen to a bundle. */
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      send: fc.integer({ min: 1, max: 12 }),
      flow: fc.nat(3),
      length: fc.integer({ min: 28, max: 576 }),
      ecn: fc.nat(2),
    }),
  },
  { weight: 6, arbitrary: fc.record({ run: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 2, arbitrary: fc.record({ pinned: line, count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ join: line }) },
  { weight: 1, arbitrary: fc.record({ leave: line }) },
  { weight: 1, arbitrary: fc.record({ die: line }) },
  { weight: 1, arbitrary: fc.record({ block: line }) },
  { weight: 1, arbitrary: fc.record({ unblock: line }) },
  { weight: 1, arbitrary: fc.record({ scheduler: fc.nat(SCHEDULERS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ given: line, bps: fc.integer({ min: 1200, max: 1_000_000 }) }) },
);
const events = fc.array(event, { minLength: 20, maxLength: 80, size: "max" });
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

const speeds = fc.array(fc.constantFrom(2400, 9600, 14_400, 28_800, 57_600, 115_200, 1_000_000, 50_000_000), {
  minLength: LINES,
  maxLength: LINES,
});

/** Puts events to a bundle, as its host does, and counts. */
class Story {
  readonly host: BundleHost;
  sent = 0;

  constructor(first: Scheduler, bps: readonly number[], withDevice: boolean) {
    this.host = new BundleHost(first, { queuePackets: 24, slots: 120 });
    for (const [i, rate] of bps.entries()) {
      if (withDevice && i === 0) this.host.addDevice(rate);
      else this.host.addLine(rate);
    }
    for (const member of this.host.members.slice(0, 2)) this.host.bundle.join(member);
  }

  happen(what: Event): void {
    const { host } = this;
    const member = (index: number): Member => host.members[index] as Member;
    const isIn = (index: number): boolean => host.bundle.members.includes(member(index));
    if ("send" in what) {
      for (let i = 0; i < what.send; i++) {
        host.send(labelled(this.sent++, { sourcePort: what.flow, length: what.length, ecn: what.ecn }));
      }
    } else if ("run" in what) host.run(what.run);
    else if ("pinned" in what && isIn(what.pinned)) {
      for (let i = 0; i < what.count; i++) host.sendPinned(member(what.pinned), labelled(this.sent++));
    } else if ("join" in what && !isIn(what.join)) host.bundle.join(member(what.join));
    else if ("leave" in what) host.leave(member(what.leave));
    else if ("die" in what && isIn(what.die)) host.die(member(what.die));
    else if ("block" in what) member(what.block).blocked = true;
    else if ("unblock" in what) member(what.unblock).blocked = false;
    else if ("scheduler" in what) host.bundle.scheduler = (SCHEDULERS[what.scheduler] as () => Scheduler)();
    else if ("given" in what) member(what.given).pacer.setGiven(what.bps, host.now);
    if (!("run" in what)) host.wake = host.now;
    assert.equal(host.pool.available + host.held, host.slots, "a packet in nobody's hands, or in two");
  }

  /** All lines are well: everything that still waits goes out. */
  finish(): void {
    const { host } = this;
    for (const member of host.members) {
      member.blocked = false;
      if (!host.bundle.members.includes(member)) host.bundle.join(member);
    }
    host.wake = host.now;
    host.run(600_000);
    assert.equal(host.held, 0, "something waits for ever");
    assert.equal(host.pool.available, host.slots);
  }
}

/** Tells a story to its end. */
function tell(
  first: number,
  bps: readonly number[],
  happenings: readonly Event[],
  withDevice: boolean,
): Story {
  const story = new Story((SCHEDULERS[first] as () => Scheduler)(), bps, withDevice);
  for (const each of happenings) story.happen(each);
  story.finish();
  return story;
}

describe("packets in a bundle", () => {
  const scheduler = fc.nat(SCHEDULERS.length - 1);
  const labelsOf = (story: Story): Set<number> =>
    new Set(story.host.departures.map(({ packet }) => labelOf(packet)));

  it("leave once or are counted as dropped, whatever happens to lines and schedulers", () => {
    fc.assert(
      fc.property(scheduler, speeds, events, (first, bps, happenings) => {
        const story = tell(first, bps, happenings, false);
        const { departures, dropped } = story.host;
        assert.equal(labelsOf(story).size, departures.length);
        assert.equal(departures.length + dropped, story.sent);
      }),
      { numRuns: 300 },
    );
  });

  it("are not lost either where a line is a kernel interface, which may have sent one when it dies", () => {
    fc.assert(
      fc.property(scheduler, speeds, events, (first, bps, happenings) => {
        const story = tell(first, bps, happenings, true);
        assert.ok(labelsOf(story).size + story.host.dropped >= story.sent);
      }),
      { numRuns: 150 },
    );
  });

  it("cost few polls: about as many as frames, and next to none when nothing can be done", () => {
    for (const make of SCHEDULERS) {
      const host = new BundleHost(make());
      const lines = host.joined(57_600, 14_400);
      for (let i = 0; i < 20; i++) host.send(labelled(i));
      host.run(60_000);
      assert.ok(host.polls < 8 * (host.departures.length + 5), `${host.polls} polls`);
      for (const each of lines) each.blocked = true;
      for (let i = 0; i < 20; i++) host.send(labelled(100 + i));
      const before = host.polls;
      host.run(60_000);
      assert.ok(host.polls - before < 60, `${host.polls - before} polls in a minute with all lines blocked`);
    }
  });
});
