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
import { packetOf, poolOf } from "../link/packets.ts";
import { segment } from "../sim/tcp-model.ts";
import { labelled } from "./host.ts";
import { NumberedHost } from "./numbered-host.ts";
import type { PartsLink } from "./parts-link.ts";

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function sendAll(host: NumberedHost, labels: readonly number[], length = 1500): void {
  for (const label of labels) host.send(labelled(label, { length }));
}

const numbersOf = ({ sent }: PartsLink): number[] => sent.map(({ number }) => number ?? -1);

describe("a numbered bundle", () => {
  it("cuts packets over its links, in the order of the queue, numbered from 0", () => {
    const host = new NumberedHost();
    host.joined(57_600, 14_400);
    sendAll(host, range(0, 10));
    host.run(10_000);
    assert.deepEqual(
      host.parts.map(({ number }) => number),
      range(0, 20),
    );
    assert.deepEqual(host.labels, range(0, 10));
    for (const link of host.links)
      assert.deepEqual(
        numbersOf(link),
        numbersOf(link).toSorted((a, b) => a - b),
      );
    assert.equal(host.bundle.sentPackets, 10);
    assert.equal(host.bundle.sentOctets, 15_000);
    assert.deepEqual(
      host.members.map(({ sentFragments }) => sentFragments),
      [10, 10],
    );
    assert.equal(host.pool.available, host.slots);
  });

  it("counts packets of IP, and nothing that it says to the peer itself", () => {
    const host = new NumberedHost();
    host.joined(28_800);
    host.sendControl(new Uint8Array(20));
    sendAll(host, [0]);
    host.run(10_000);
    assert.equal(host.parts.length, 2);
    const [member] = host.members;
    assert.deepEqual([host.bundle.sentPackets, host.bundle.sentOctets], [1, 1500]);
    assert.deepEqual([member?.sentPackets, member?.sentOctets, member?.sentFragments], [1, 1500, 2]);
  });

  it("writes the parts of a packet at once, and the next packet no earlier than its links are nearly drained", () => {
    const host = new NumberedHost();
    host.joined(28_800, 28_800);
    sendAll(host, [0, 1]);
    const begun = host.now;
    host.run(10_000);
    const at = host.parts.map((part) => part.at - begun);
    assert.deepEqual(at.slice(0, 2), [0, 0]);
    const drained = 759 / (2.88 * 0.997);
    assert.ok((at[2] as number) > drained - 9 && (at[2] as number) < drained, at.join());
    assert.equal(at[3], at[2]);
  });

  it("numbers on where it was when links come and go, and from 0 when it starts anew", () => {
    const host = new NumberedHost();
    const [first, second] = host.joined(28_800, 28_800) as [Member, Member];
    sendAll(host, [0]);
    host.run(1000);
    host.bundle.leave(second, false, host.now);
    sendAll(host, [1]);
    host.run(1000);
    host.bundle.join(second);
    sendAll(host, [2]);
    host.run(1000);
    assert.deepEqual(
      host.parts.map(({ number }) => number),
      range(0, 5),
    );
    for (const member of [first, second]) host.bundle.leave(member, false, host.now);
    host.bundle.start({ sendShort: false, receiveShort: false, mrru: 1500 });
    host.bundle.join(first);
    sendAll(host, [3]);
    host.run(1000);
    assert.equal(host.links[0]?.sent.at(-1)?.number, 0);
  });

  it("wraps its numbers at 12 bits when they are short", () => {
    const host = new NumberedHost(new EarliestArrival(), true);
    host.joined(10_000_000);
    for (const from of range(0, 205)) {
      sendAll(host, range(20 * from, 20 * from + 20), 100);
      host.run(100);
    }
    const numbers = numbersOf(host.links[0] as PartsLink);
    assert.equal(numbers.length, 4100);
    assert.deepEqual(numbers, [...range(0, 4096), ...range(0, 4)]);
  });

  it("sends a packet that is longer than frames in as many parts as it takes", () => {
    for (const scheduler of [new EarliestArrival(), new RoundRobin(), new ActiveBackup()]) {
      const host = new NumberedHost(scheduler);
      host.joined(28_800);
      (host.links[0] as PartsLink).fragmentMax = 700;
      sendAll(host, range(0, 5));
      host.run(20_000);
      assert.deepEqual(host.labels, range(0, 5));
      assert.ok(host.packets.every(({ length }) => length === 1500));
      assert.deepEqual(
        host.parts.slice(0, 3).map(({ octets }) => octets.length),
        [700, 700, 100],
      );
      assert.equal(host.pool.available, host.slots);
    }
  });

  it("drops what is longer than its MTU, and what comes while it has no link", () => {
    const host = new NumberedHost();
    sendAll(host, [0]);
    host.sendControl(labelled(1));
    const [member] = host.joined(28_800) as [Member];
    host.send(labelled(2, { length: 1501 }));
    host.sendPinned(member, labelled(3, { length: 1501 }));
    assert.deepEqual([host.bundle.drops.noLink, host.bundle.drops.oversize], [2, 2]);
    assert.equal(host.pool.available, host.slots);
  });

  it("drops what a link cannot take though it has room", () => {
    const host = new NumberedHost();
    const [member] = host.joined(28_800) as [Member];
    const link = host.links[0] as PartsLink;
    link.sendFragment = () => 0;
    link.begin = () => 0;
    sendAll(host, [0]);
    host.sendControl(labelled(1));
    host.sendPinned(member, labelled(2));
    host.run(1000);
    assert.equal(host.bundle.drops.oversize, 3);
    assert.equal(host.pool.available, host.slots);
  });

  it("goes on without a line whose driver is full", () => {
    const host = new NumberedHost();
    const [first, second] = host.joined(28_800, 28_800) as [Member, Member];
    first.blocked = true;
    sendAll(host, [0, 1]);
    host.run(2000);
    assert.equal(second.sentFragments, 2);
    assert.equal(first.sentFragments, 0);
    first.blocked = false;
    sendAll(host, [2]);
    host.run(2000);
    assert.equal(first.sentFragments, 1);
  });

  it("with short numbers waits for a line that is stopped before they could be taken for others", () => {
    const host = new NumberedHost(new EarliestArrival(), true);
    const [stopped, other] = host.joined(1_000_000, 1_000_000) as [Member, Member];
    sendAll(host, [0]);
    host.run(1);
    stopped.blocked = true;
    for (const from of range(1, 300)) {
      sendAll(host, range(10 * from, 10 * from + 10), 100);
      host.run(100);
    }
    assert.ok(other.sentFragments > 1900 && other.sentFragments < 2048, `${other.sentFragments}`);
    host.sendPinned(other, labelled(1e6));
    host.run(100);
    assert.deepEqual(host.plain(1), [1e6]);
    stopped.blocked = false;
    host.wake = host.now;
    host.run(10_000);
    assert.equal(host.held, 0);
  });
});

describe("a TCP segment sent again", () => {
  /** Both halves of it, each with a frame around; lines count as a little slower than they are. */
  const FRAME_MS = (1500 + 2 * 9) / (2 * 2.88 * 0.997);

  function withOneSent(): NumberedHost {
    const host = new NumberedHost();
    host.joined(28_800, 28_800);
    host.send(segment(1, 1460));
    return host;
  }

  it("does not go into a numbered bundle before the first one can be acknowledged", () => {
    const host = withOneSent();
    host.run(FRAME_MS - 5);
    host.send(segment(1, 1460));
    host.run(15);
    host.send(segment(1, 1460));
    assert.equal(host.bundle.drops.repeated, 2);
    host.run(10);
    host.send(segment(1, 1460));
    host.run(5000);
    assert.equal(host.bundle.drops.repeated, 2);
    assert.equal(host.packets.length, 2);
    assert.equal(host.pool.available, host.slots);
  });

  it("goes at once when a line died, for parts of the first one may have been on it", () => {
    const host = withOneSent();
    host.run(10);
    host.bundle.leave(host.members[1] as Member, false, host.now);
    host.send(segment(1, 1460));
    host.run(5000);
    assert.equal(host.bundle.drops.repeated, 0);
    assert.equal(host.packets.length, 2);
  });
});

describe("control packets of a numbered bundle", () => {
  it("go before the queue, whole, where they arrive first", () => {
    const host = new NumberedHost();
    host.joined(28_800, 115_200);
    sendAll(host, range(0, 4));
    for (const label of [100, 101]) host.sendControl(labelled(label, { length: 300 }));
    host.run(10_000);
    assert.deepEqual(host.labels, [100, 101, 0, 1, 2, 3]);
    assert.equal(host.links[1]?.sent[0]?.octets.length, 300);
    assert.ok(host.links[1]?.sent[0]?.first && host.links[1].sent[0].last);
  });

  it("do not wait for more than what has begun", () => {
    const host = new NumberedHost();
    host.joined(9600, 9600, 9600);
    sendAll(host, range(0, 10));
    host.run(600);
    host.sendControl(labelled(100, { length: 100 }));
    host.run(20_000);
    assert.deepEqual(host.labels.slice(0, 4), [0, 1, 100, 2]);
  });

  it("are bounded", () => {
    const host = new NumberedHost();
    const [member] = host.joined(9600) as [Member];
    for (const label of range(0, 13)) host.sendControl(labelled(label));
    assert.equal(host.bundle.drops.queueFull, 3);
    host.bundle.leave(member, false, host.now);
    assert.equal(host.bundle.drops.noLink, 10);
    assert.equal(host.pool.available, host.slots);
  });
});

describe("the filler of a numbered bundle", () => {
  const FILLER = 1e6;

  function withFiller(...bps: number[]): NumberedHost {
    const host = new NumberedHost();
    host.joined(...bps);
    host.bundle.filler = packetOf(poolOf(1, 100), labelled(FILLER, { length: 50 }));
    return host;
  }

  it("goes by links that others have passed by for a second, once until they do again", () => {
    const host = withFiller(28_800, 28_800, 28_800);
    host.run(60_000);
    assert.equal(host.parts.length, 0);
    sendAll(host, [0], 100);
    host.run(999);
    assert.deepEqual(host.labels, [0]);
    host.run(60_000);
    assert.deepEqual(host.labels, [0, FILLER, FILLER]);
    assert.ok(host.links.every(({ sent }) => sent.length === 1));
    sendAll(host, [1], 100);
    host.run(60_000);
    assert.deepEqual(host.labels, [0, FILLER, FILLER, 1, FILLER, FILLER]);
    assert.deepEqual([host.bundle.sentPackets, host.bundle.sentOctets], [2, 200]);
    assert.equal(host.pool.available, host.slots);
  });

  it("does not go where there is enough to carry, nor between the parts of a packet", () => {
    const host = withFiller(9600, 9600);
    for (const link of host.links) link.fragmentMax = 400;
    sendAll(host, range(0, 30));
    host.run(24_000);
    assert.ok(!host.labels.includes(FILLER));
    host.run(60_000);
    assert.deepEqual(host.labels.slice(0, 30), range(0, 30));
    assert.ok(host.labels.length <= 31);
  });

  it("does not go by a line whose driver is full", () => {
    const host = withFiller(28_800, 28_800);
    (host.members[1] as Member).blocked = true;
    sendAll(host, [0], 100);
    host.run(10_000);
    assert.deepEqual(host.labels, [0]);
  });
});

describe("packets of a link's own in a numbered bundle", () => {
  it("go by that link without a number, and take turns with the queue's", () => {
    const host = new NumberedHost();
    const [member] = host.joined(28_800) as [Member];
    sendAll(host, range(0, 8), 100);
    for (const label of range(100, 108)) host.sendPinned(member, labelled(label, { length: 100 }));
    host.run(20_000);
    assert.deepEqual(host.plain(0), range(100, 108));
    assert.deepEqual(host.labels, range(0, 8));
    const numbers = numbersOf(host.links[0] as PartsLink);
    for (let i = 0; i < 16; i += 2)
      assert.equal(numbers.slice(i, i + 2).filter((n) => n < 0).length, 1, numbers.join());
  });

  it("are served on a slow line that the queue has no use for", () => {
    const host = new NumberedHost();
    const [, slow] = host.joined(1_000_000, 1200) as [Member, Member];
    sendAll(host, range(0, 40));
    for (const label of range(100, 105)) host.sendPinned(slow, labelled(label, { length: 60 }));
    host.run(5000);
    assert.deepEqual(host.plain(1), range(100, 105));
    assert.deepEqual(host.labels, range(0, 40));
  });
});

describe("schedulers in a numbered bundle", () => {
  it("that bind give whole packets to links, numbered as they begin", () => {
    for (const scheduler of [new RoundRobin(), new Weighted(), new Eql1995()]) {
      const host = new NumberedHost(scheduler);
      host.joined(28_800, 28_800);
      sendAll(host, range(0, 12));
      host.run(20_000);
      assert.deepEqual(
        host.labels.toSorted((a, b) => a - b),
        range(0, 12),
      );
      for (const { sent } of host.links) {
        assert.equal(sent.length, 6);
        assert.ok(sent.every(({ first, last }) => first && last));
      }
    }
  });

  it("that keep to one link do so here, until it leaves", () => {
    const host = new NumberedHost(new ActiveBackup());
    const [, fast] = host.joined(9600, 28_800) as [Member, Member];
    sendAll(host, range(0, 4));
    host.run(10_000);
    assert.deepEqual(numbersOf(host.links[0] as PartsLink), []);
    host.bundle.leave(fast, true, host.now);
    sendAll(host, range(4, 6));
    host.run(10_000);
    assert.deepEqual(numbersOf(host.links[0] as PartsLink), [4, 5]);
    assert.deepEqual(host.labels, range(0, 6));
  });
});

const SCHEDULERS: readonly (() => Scheduler)[] = [
  () => new EarliestArrival(),
  () => new Eql1995(),
  () => new RoundRobin(),
  () => new Weighted(),
  () => new ActiveBackup(),
];
const LINES = 4;
const line = fc.nat(LINES - 1);
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      send: fc.integer({ min: 1, max: 12 }),
      flow: fc.nat(3),
      length: fc.integer({ min: 28, max: 1500 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ run: fc.integer({ min: 0, max: 3000 }) }) },
  { weight: 2, arbitrary: fc.record({ pinned: line, count: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ control: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 2, arbitrary: fc.record({ join: line }) },
  { weight: 1, arbitrary: fc.record({ leave: line, alive: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ block: line }) },
  { weight: 1, arbitrary: fc.record({ unblock: line }) },
  { weight: 1, arbitrary: fc.record({ scheduler: fc.nat(SCHEDULERS.length - 1) }) },
  { weight: 1, arbitrary: fc.record({ given: line, bps: fc.integer({ min: 1200, max: 1_000_000 }) }) },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** Puts events to a bundle, as its host does, and counts. */
class Story {
  readonly host: NumberedHost;
  sent = 0;

  constructor(first: number, bps: readonly number[], frame: number) {
    this.host = new NumberedHost((SCHEDULERS[first] as () => Scheduler)());
    for (const rate of bps) this.host.addLine(rate);
    for (const link of this.host.links) link.fragmentMax = frame;
    for (const member of this.host.members.slice(0, 2)) this.host.bundle.join(member);
  }

  happen(what: Event): void {
    const { host } = this;
    const member = (index: number): Member => host.members[index] as Member;
    const isIn = (index: number): boolean => host.bundle.members.includes(member(index));
    if ("send" in what) {
      const { flow: sourcePort, length } = what;
      for (let i = 0; i < what.send; i++) host.send(labelled(this.sent++, { sourcePort, length }));
    } else if ("run" in what) host.run(what.run);
    else if ("pinned" in what && isIn(what.pinned)) {
      for (let i = 0; i < what.count; i++) host.sendPinned(member(what.pinned), labelled(this.sent++));
    } else if ("control" in what) {
      for (let i = 0; i < what.control; i++) host.sendControl(labelled(this.sent++));
    } else if ("join" in what && !isIn(what.join)) host.bundle.join(member(what.join));
    else if ("leave" in what && isIn(what.leave)) {
      host.bundle.leave(member(what.leave), what.alive, host.now);
      host.links[what.leave]?.reset();
    } else if ("block" in what) member(what.block).blocked = true;
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

describe("packets in a numbered bundle", () => {
  it("leave once or are counted as dropped, whatever happens to lines and schedulers; numbers leave none out and grow on each link", () => {
    const speeds = fc.array(fc.constantFrom(2400, 9600, 28_800, 57_600, 115_200, 1_000_000), {
      minLength: LINES,
      maxLength: LINES,
    });
    const events = fc.array(event, { minLength: 20, maxLength: 80, size: "max" });
    const first = fc.nat(SCHEDULERS.length - 1);
    fc.assert(
      fc.property(
        first,
        speeds,
        fc.constantFrom(1500, 1494, 600, 100),
        events,
        (scheduler, bps, frame, all) => {
          const story = new Story(scheduler, bps, frame);
          for (const each of all) story.happen(each);
          story.finish();
          const { host } = story;
          const plain = range(0, LINES).flatMap((each) => host.plain(each));
          const left = [...host.labels, ...plain];
          assert.equal(new Set(left).size, left.length);
          assert.equal(left.length + host.dropped, story.sent);
          assert.deepEqual(
            host.parts.map(({ number }) => number),
            range(0, host.parts.length),
          );
          for (const link of host.links) {
            const numbers = numbersOf(link).filter((number) => number >= 0);
            assert.ok(numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number)));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("cost few polls: about as many as packets, and next to none when nothing can be done", () => {
    for (const make of SCHEDULERS) {
      const host = new NumberedHost(make());
      const lines = host.joined(57_600, 14_400);
      sendAll(host, range(0, 20));
      host.run(60_000);
      assert.ok(host.polls < 8 * (host.packets.length + 5), `${host.polls} polls`);
      for (const each of lines) each.blocked = true;
      sendAll(host, range(100, 120));
      const before = host.polls;
      host.run(60_000);
      assert.ok(host.polls - before < 60, `${host.polls - before} polls in a minute with all lines blocked`);
    }
  });
});
