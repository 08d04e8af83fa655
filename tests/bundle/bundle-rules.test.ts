import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Member } from "../../src/bundle/member.ts";
import { ActiveBackup } from "../../src/scheduler/active-backup.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { RoundRobin } from "../../src/scheduler/round-robin.ts";
import { segment } from "../sim/tcp-model.ts";
import { BundleHost, labelled } from "./host.ts";

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const sendAll = (host: BundleHost, labels: readonly number[]): void => {
  for (const label of labels) host.send(labelled(label));
};
const sorted = (labels: readonly number[]): number[] => [...labels].sort((a, b) => a - b);

describe("a packet behind its predecessor on the same line", () => {
  it("is not held: its frame is closed ahead, as on a line alone, so that the line never waits for a timer", () => {
    const host = new BundleHost(new EarliestArrival());
    host.joined(1_000_000, 9600);
    const begun = host.now;
    for (const label of range(0, 4)) host.send(labelled(label, { length: 560 }));
    host.run(1000);
    const frameMs = 561 / 100;
    for (const [i, { line, at }] of host.departures.entries()) {
      assert.equal(line, 0);
      assert.ok(at - begun < Math.max(1, (i + 1) * frameMs - 7), `packet ${i} after ${at - begun} ms`);
    }
    assert.equal(host.departures.length, 4);
  });
});

describe("a bundle without members", () => {
  it("drops what comes, and counts it", () => {
    const host = new BundleHost(new EarliestArrival());
    sendAll(host, [1, 2, 3]);
    host.run(1000);
    assert.equal(host.bundle.drops.noLink, 3);
    assert.equal(host.pool.available, host.slots);
  });

  it("keeps what waits when the last one leaves, for the next that joins", () => {
    for (const scheduler of [new EarliestArrival(), new RoundRobin(), new ActiveBackup()]) {
      const host = new BundleHost(new EarliestArrival());
      const [line] = host.joined(28_800) as [Member];
      sendAll(host, range(0, 5));
      host.leave(line);
      host.bundle.scheduler = scheduler;
      host.run(5000);
      assert.equal(host.dropped, 0);
      host.bundle.join(line);
      host.wake = host.now;
      host.run(5000);
      assert.deepEqual(host.labels(), range(0, 5));
    }
  });
});

describe("a TCP segment that was lost", () => {
  it("may be sent again, however it was lost", () => {
    const lose: Record<string, (host: BundleHost, lines: readonly Member[]) => void> = {
      "its line died with the last member": (host, [only]) => host.die(only as Member),
      "a binding scheduler took over, and its line died": (host, [only]) => {
        host.bundle.scheduler = new RoundRobin();
        host.run(300);
        host.die(only as Member);
      },
    };
    for (const [how, act] of Object.entries(lose)) {
      const host = new BundleHost(new EarliestArrival(), { slots: 2 });
      const lines = host.joined(9600);
      host.send(segment(1, 500));
      host.send(segment(501, 500));
      host.run(10);
      act(host, lines);
      host.bundle.scheduler = new EarliestArrival();
      host.bundle.join(lines[0] as Member);
      host.run(10_000);
      const before = host.departures.length;
      host.send(segment(1, 500));
      host.run(10_000);
      host.send(segment(501, 500));
      host.run(10_000);
      assert.equal(host.bundle.drops.repeated, 0, how);
      assert.equal(host.departures.length, before + 2, how);
    }
  });

  it("is known to be under way until it can be acknowledged", () => {
    const host = new BundleHost(new EarliestArrival());
    const [line] = host.joined(9600) as [Member];
    host.send(segment(1, 500));
    host.run(10);
    // All of it is on the line, the closing octet too, which goes out when the line is nearly drained.
    while (line.open !== null) host.run(1);
    host.run(line.pacer.freeAt - host.now + 30);
    host.send(segment(1, 500));
    assert.equal(host.bundle.drops.repeated, 1);
    host.run(20);
    host.send(segment(1, 500));
    assert.equal(host.bundle.drops.repeated, 1);
  });
});

describe("a member that leaves", () => {
  it("alive closes the frame that it has open, and others take what waits", () => {
    const host = new BundleHost(new EarliestArrival());
    const [first] = host.joined(28_800, 28_800) as [Member, Member];
    sendAll(host, range(0, 6));
    host.run(20);
    assert.notEqual(first.open, null);
    host.leave(first);
    assert.equal(first.open, null);
    host.run(5000);
    assert.deepEqual(sorted(host.labels()), range(0, 6));
    assert.equal(host.pool.available, host.slots);
  });

  it("dead leaves the packet of its open frame to others, in its old place", () => {
    const host = new BundleHost(new EarliestArrival());
    const [first, second] = host.joined(28_800, 28_800) as [Member, Member];
    sendAll(host, range(0, 6));
    host.run(20);
    assert.ok(first.open !== null && second.open !== null);
    host.die(first);
    host.run(5000);
    assert.deepEqual(host.labels(0), []);
    assert.deepEqual(host.labels(1), [1, 0, 2, 3, 4, 5]);
    assert.equal(host.dropped, 0);
    assert.equal(host.pool.available, host.slots);
  });

  it("dead leaves its open packet to others with a binding scheduler too", () => {
    const host = new BundleHost(new RoundRobin());
    const [first] = host.joined(28_800, 28_800) as [Member, Member];
    sendAll(host, range(0, 6));
    host.run(20);
    assert.notEqual(first.open, null);
    host.die(first);
    host.run(5000);
    assert.deepEqual(sorted(host.labels(1)), range(0, 6));
    assert.equal(host.dropped, 0);
    assert.equal(host.pool.available, host.slots);
  });

  it("leaves what was bound to it to others, but not what came from its own interface", () => {
    for (const alive of [true, false]) {
      const host = new BundleHost(new RoundRobin());
      const [first] = host.joined(9600, 9600) as [Member, Member];
      sendAll(host, range(0, 8));
      for (const label of [100, 101]) host.sendPinned(first, labelled(label));
      host.run(10);
      if (alive) host.leave(first);
      else host.die(first);
      host.run(20_000);
      assert.deepEqual(sorted(host.labels()), range(0, 8));
      assert.equal(host.bundle.drops.noLink, 2);
      assert.equal(host.pool.available, host.slots);
    }
  });

  it("dead drops an open packet of its own interface", () => {
    const host = new BundleHost(new EarliestArrival());
    const [first] = host.joined(9600, 9600) as [Member, Member];
    host.sendPinned(first, labelled(100));
    host.run(10);
    assert.notEqual(first.open, null);
    host.die(first);
    host.run(5000);
    assert.deepEqual(host.labels(), []);
    assert.equal(host.bundle.drops.noLink, 1);
    assert.equal(host.pool.available, host.slots);
  });

  it("is out once: leaving again changes nothing", () => {
    const host = new BundleHost(new EarliestArrival());
    const [first, second] = host.joined(9600, 9600) as [Member, Member];
    host.leave(first);
    host.leave(first);
    assert.deepEqual(host.bundle.members, [second]);
  });
});

describe("packets of a link's own interface", () => {
  it("go by that link, whatever the scheduler prefers, and take turns with the queue's", () => {
    const host = new BundleHost(new EarliestArrival());
    const [line] = host.joined(28_800) as [Member];
    for (const label of range(0, 10)) host.send(labelled(label, { length: 100 }));
    for (const label of range(100, 110)) host.sendPinned(line, labelled(label, { length: 100 }));
    host.run(20_000);
    const labels = host.labels();
    assert.equal(labels.length, 20);
    for (let i = 0; i < 20; i += 2) {
      assert.equal(labels.slice(i, i + 2).filter((label) => label >= 100).length, 1, labels.join(" "));
    }
  });

  it("are served on a slow line that the queue does not need, and the queue on the fast one", () => {
    const host = new BundleHost(new ActiveBackup());
    const [, slow] = host.joined(57_600, 9600) as [Member, Member];
    sendAll(host, range(0, 10));
    for (const label of range(100, 105)) host.sendPinned(slow, labelled(label));
    host.run(5000);
    assert.deepEqual(host.labels(0), range(0, 10));
    assert.deepEqual(host.labels(1), range(100, 105));
  });

  it("do not hold up the queue of a saturated line, nor does the queue them", () => {
    const host = new BundleHost(new EarliestArrival(), { slots: 2000 });
    const lines = host.joined(57_600, 14_400) as [Member, Member];
    let label = 0;
    for (let i = 0; i < 600; i++) {
      while (host.bundle.queue.count < 30) host.send(labelled(label++));
      for (const line of lines) while (line.bound.length < 5) host.sendPinned(line, labelled(1e6 + label++));
      host.run(50);
    }
    const pinned = host.labels().filter((each) => each >= 1e6).length;
    const share = pinned / host.departures.length;
    assert.ok(share > 0.45 && share < 0.55, `${share} of ${host.departures.length} packets are pinned`);
    for (const line of [0, 1]) {
      const own = host.labels(line).filter((each) => each >= 1e6).length;
      assert.ok(own > 0.4 * host.labels(line).length, `line ${line}: ${own} of ${host.labels(line).length}`);
    }
  });

  it("wait up to ten, and more are dropped and counted", () => {
    const host = new BundleHost(new EarliestArrival());
    const [line] = host.joined(9600) as [Member];
    for (const label of range(0, 13)) host.sendPinned(line, labelled(label));
    assert.equal(host.bundle.drops.linkQueueFull, 3);
    host.run(20_000);
    assert.deepEqual(host.labels(), range(0, 10));
  });
});

describe("a bundle's limits", () => {
  it("are the MTU, for what comes by the master and by a link", () => {
    const host = new BundleHost(new EarliestArrival());
    const [line] = host.joined(28_800) as [Member];
    host.send(labelled(1, { length: 577 }));
    host.sendPinned(line, labelled(2, { length: 577 }));
    host.send(labelled(3, { length: 576 }));
    host.run(1000);
    assert.equal(host.bundle.drops.oversize, 2);
    assert.deepEqual(host.labels(), [3]);
  });

  it("are ten packets for each link with a scheduler that binds", () => {
    const host = new BundleHost(new RoundRobin());
    host.joined(28_800, 28_800);
    sendAll(host, range(0, 25));
    assert.equal(host.bundle.drops.linkQueueFull, 5);
    host.run(60_000);
    assert.equal(host.departures.length, 20);
  });

  it("are the queue's with one that plans", () => {
    const host = new BundleHost(new EarliestArrival(), { queuePackets: 16 });
    host.joined(28_800);
    sendAll(host, range(0, 20));
    assert.equal(host.bundle.drops.queueFull, 4);
    host.run(60_000);
    assert.deepEqual(host.labels(), range(4, 20));
  });

  it("are no line's outbox: a fast line loses nothing", () => {
    for (const kind of ["addLine", "addDevice"] as const) {
      const host = new BundleHost(new EarliestArrival());
      host.bundle.join(host[kind](100_000_000));
      sendAll(host, range(0, 60));
      host.run(1000);
      assert.equal(host.dropped, 0, JSON.stringify(host.bundle.drops));
      assert.deepEqual(host.labels(), range(0, 60));
    }
  });
});

describe("switching the scheduler with packets waiting", () => {
  it("loses none, whatever becomes what", () => {
    const makers = [() => new EarliestArrival(), () => new RoundRobin(), () => new ActiveBackup()];
    for (const from of makers) {
      for (const to of makers) {
        const host = new BundleHost(from(), { queuePackets: 64 });
        host.joined(28_800, 14_400);
        sendAll(host, range(0, 18));
        host.run(100);
        host.bundle.scheduler = to();
        host.wake = host.now;
        host.run(30_000);
        assert.equal(host.dropped, 0);
        assert.deepEqual(sorted(host.labels()), range(0, 18));
      }
    }
  });

  it("loses none of a full queue when links' own queues are shorter", () => {
    const host = new BundleHost(new EarliestArrival());
    const [line] = host.joined(28_800, 14_400) as [Member];
    sendAll(host, range(0, 60));
    host.bundle.scheduler = new RoundRobin();
    for (const label of range(100, 110)) host.sendPinned(line, labelled(label));
    host.run(60_000);
    assert.equal(host.dropped, 0);
    assert.deepEqual(sorted(host.labels()), [...range(0, 60), ...range(100, 110)]);
  });
});

describe("a line whose driver is full", () => {
  it("is given nothing until it takes octets again, and the others do not wait for it", () => {
    const host = new BundleHost(new EarliestArrival());
    const [first] = host.joined(28_800, 28_800) as [Member, Member];
    first.blocked = true;
    sendAll(host, range(0, 10));
    host.run(4000);
    assert.deepEqual(host.labels(0), []);
    assert.deepEqual(sorted(host.labels(1)), range(0, 10));
    host.send(labelled(10));
    host.run(1000);
    assert.deepEqual(host.labels(1).slice(-1), [10]);
    first.blocked = false;
    sendAll(host, range(11, 15));
    host.run(10_000);
    assert.deepEqual(sorted(host.labels()), range(0, 15));
    assert.ok(host.labels(0).length > 0);
  });
});
