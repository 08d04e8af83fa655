import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { instant, NEVER } from "../../src/time.ts";
import { SentLog, type SentSink } from "../../src/tunnel/sent-log.ts";
import { Report } from "../../src/wire/tunnel-report.ts";

const SESSION = 77;
const OCTETS = 1000;

type Fields = Partial<
  Pick<Report, "session" | "arrivalUs" | "holdUs" | "totalOctets" | "totalDatagrams" | "floor">
>;

/** Its datagrams carry runs numbered from 0; the test says what reports tell of them. */
class Sender implements SentSink {
  readonly log = new SentLog();
  acks: number[] = [];
  losses: number[] = [];
  #run = 0;

  constructor() {
    this.log.beginSession(SESSION);
  }

  send(now: number, count = 1): this {
    for (let i = 0; i < count; i++) this.log.add(instant(now), OCTETS, this.#run, this.#run++ % 1000);
    return this;
  }

  /** @param ranges of counters, the newest first */
  hear(now: number, ranges: readonly (readonly [number, number])[], fields: Fields = {}): boolean {
    const report = new Report();
    report.session = SESSION;
    report.highest = ranges[0]?.[1] ?? 0;
    for (const [low, high] of ranges) report.addRange(low, high);
    Object.assign(report, fields);
    this.acks = [];
    this.losses = [];
    return this.log.handleReport(report, instant(now), this);
  }

  acked(run: number, segment: number): void {
    assert.equal(segment, run % 1000);
    this.acks.push(run);
  }

  lost(run: number, segment: number): void {
    assert.equal(segment, run % 1000);
    this.losses.push(run);
  }

  get state(): readonly number[] {
    const { outstanding, hasElicited, inFlight, oldestSentAt, spurious } = this.log;
    return [outstanding, hasElicited, inFlight, oldestSentAt, spurious];
  }
}

/** Datagrams at a pace, and a round trip of 40 ms is known: 1 ms is overdue, and 51 ms are late. */
function steady(count: number, spacingMs = 1): Sender {
  const sender = new Sender();
  for (let i = 0; i < count; i++) sender.send(i * spacingMs);
  assert.ok(sender.hear(40, [[0, 0]]));
  assert.equal(sender.log.roundTripMs, 40);
  return sender;
}

describe("SentLog", () => {
  it("tells each acknowledgement once, and what is under way", () => {
    const sender = new Sender().send(10, 3).send(11, 2);
    assert.deepEqual(sender.state, [5, 5, 5 * OCTETS, 10, 0]);
    assert.ok(sender.hear(50, [[0, 2]], { holdUs: 8000 }));
    assert.deepEqual(sender.acks, [0, 1, 2]);
    assert.equal(sender.log.ackedOctets, 3 * OCTETS);
    assert.equal(sender.log.ackedCount, 3);
    assert.equal(sender.log.roundTripMs, 32);
    assert.equal(sender.log.reportedSentAt, 10);
    assert.equal(sender.log.sampleOctets, OCTETS);
    assert.deepEqual(sender.state, [2, 2, 2 * OCTETS, 11, 0]);
    assert.ok(sender.hear(51, [[0, 2]]));
    assert.deepEqual(sender.acks, []);
    assert.equal(sender.log.ackedOctets, 0);
    assert.equal(sender.log.roundTripMs, -1);
    assert.equal(sender.log.hasSample, false);
    assert.ok(sender.hear(52, [[0, 4]]));
    assert.deepEqual(sender.state, [0, 0, 0, NEVER, 0]);
  });

  it("tells how long after one report the next was made, by the receiver's clock", () => {
    const sender = new Sender().send(0, 10);
    const { log } = sender;
    const gapAfter = (now: number, top: number, arrivalUs: number, holdUs: number): number => {
      assert.ok(sender.hear(now, [[0, top]], { arrivalUs: arrivalUs >>> 0, holdUs }));
      return log.reportGapMs;
    };
    // That clock goes round soon.
    const base = 2 ** 32 - 5000;
    assert.equal(gapAfter(40, 1, base, 2000), 0);
    // When a report comes is of no account, nor is what it tells of.
    assert.equal(gapAfter(75, 2, base + 10_000, 5000), 13);
    assert.equal(gapAfter(76, 2, base + 10_000, 25_000), 20);
    // It was made before the one that has come before it.
    assert.equal(gapAfter(77, 2, base + 10_000, 15_000), 0);
    // The clock was set.
    assert.equal(gapAfter(90, 3, base + 60_000_000, 1000), 0);
    assert.ok(log.clockRebased);
    assert.equal(gapAfter(100, 4, base + 60_010_000, 1000), 10);
    log.beginSession(SESSION + 1);
    sender.send(110);
    assert.ok(sender.hear(150, [[0, 0]], { session: SESSION + 1, arrivalUs: 5, holdUs: 0 }));
    assert.equal(log.reportGapMs, 0);
  });

  it("gives no verdict on control messages, and waits only for those that are to be reported", () => {
    const { log, ...sender } = new Sender();
    assert.equal(log.add(instant(1), 60, -1, 0), 0);
    assert.equal(log.hasElicited, 0);
    assert.equal(log.oldestSentAt, NEVER);
    assert.equal(log.inFlight, 0);
    assert.equal(log.outstanding, 1);
    log.add(instant(2), 50, -1, 0, true);
    assert.equal(log.hasElicited, 1);
    assert.equal(log.oldestSentAt, 2);
    assert.equal(log.sentAtOf(0), 1);
    assert.equal(log.sentAtOf(2), NEVER);
    assert.deepEqual(sender.acks, []);
  });

  it("takes for lost what three have overtaken that is overdue", () => {
    const sender = steady(20, 0.2);
    const withoutTwo = [
      [3, 5],
      [0, 1],
    ] as const;
    const withoutSix = [
      [8, 9],
      [3, 5],
    ] as const;
    // 5 went 0.6 ms later than 2: too soon to know. A report that was held for 0.4 ms knows.
    sender.hear(41, withoutTwo);
    assert.deepEqual(sender.losses, []);
    sender.hear(41, withoutTwo, { holdUs: 400 });
    assert.deepEqual(sender.losses, [2]);
    assert.equal(sender.log.lostOctets, OCTETS);
    assert.equal(sender.log.lostCount, 1);
    // Only two came after 7: that is not enough, however overdue, until it is late.
    sender.hear(51.8, withoutSix, { holdUs: 10_000 });
    assert.deepEqual(sender.losses, [6]);
    sender.hear(90, withoutSix, { holdUs: 50_000 });
    assert.deepEqual(sender.losses, []);
    sender.hear(91, withoutSix, { holdUs: 51_000 });
    assert.deepEqual(sender.losses, [7]);
    assert.deepEqual(sender.state.slice(0, 4), [10, 10, 10 * OCTETS, 2]);
  });

  it("does not take for lost what a report says nothing of, until it is late", () => {
    const sender = steady(100);
    sender.hear(90, [[30, 50]]);
    assert.deepEqual(sender.losses, []);
    sender.hear(100, [[30, 60]]);
    assert.deepEqual(sender.losses, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // The same report, with what is missing told.
    sender.hear(100, [[30, 60]], { floor: 10 });
    assert.deepEqual(sender.losses[0], 10);
    assert.equal(sender.losses.length, 20);
  });

  it("believes that a path reorders more when what was lost comes, and less again after a while", () => {
    const sender = steady(100);
    sender.hear(45, [
      [5, 9],
      [0, 1],
    ]);
    assert.deepEqual(sender.losses, [2, 3, 4]);
    sender.hear(46, [[0, 9]]);
    assert.equal(sender.log.spurious, 3);
    assert.deepEqual(sender.acks, []);
    assert.deepEqual(sender.state.slice(0, 2), [90, 90]);
    // Twice as many have to come after.
    sender.hear(50, [
      [13, 15],
      [0, 9],
    ]);
    assert.deepEqual(sender.losses, []);
    sender.hear(50, [
      [13, 16],
      [0, 9],
    ]);
    assert.deepEqual(sender.losses, [10]);
    // Those were sent before it was learnt: they change nothing.
    sender.hear(51, [[0, 16]]);
    assert.equal(sender.log.spurious, 4);
    sender.hear(30_100, [
      [20, 24],
      [0, 16],
    ]);
    assert.deepEqual(sender.losses, [17, 18, 19]);
  });

  it("measures what was delivered, and in what time, between reports", () => {
    const sender = new Sender().send(0, 100);
    const tell = (now: number, high: number, arrivalUs: number, datagrams: number): number[] => {
      const totals = { totalDatagrams: datagrams >>> 0, totalOctets: (datagrams * OCTETS) >>> 0 };
      assert.ok(sender.hear(now, [[0, high]], { ...totals, arrivalUs: arrivalUs >>> 0 }));
      return [sender.log.deliveredOctets, sender.log.deliveredMs];
    };
    // Totals and times that go round.
    assert.deepEqual(tell(40, 9, -5000, -10), [0, 0]);
    assert.ok(sender.log.clockRebased);
    assert.deepEqual(tell(50, 19, 5000, 5), [15 * OCTETS, 10]);
    assert.equal(sender.log.clockRebased, false);
    assert.ok(sender.log.hasSample);
    // An older report, and one after which nothing came but what fills a gap.
    assert.deepEqual(tell(51, 14, 2000, 2), [0, 0]);
    assert.deepEqual(tell(55, 19, 5000, 7), [0, 0]);
    assert.deepEqual(tell(60, 29, 15_000, 15), [10 * OCTETS, 10]);
  });

  it("tells one-way times that go on when the receiver's clock goes round, and while nothing is sent", () => {
    const sender = new Sender();
    const offsetMs = 4_200_000;
    const times: number[] = [];
    for (const [counter, at] of [0, 60_000, 120_000, 50_000_000, 50_000_010].entries()) {
      const wayMs = 30 + counter;
      sender.send(at);
      const arrivalUs = ((at + wayMs + offsetMs) * 1000) % 2 ** 32;
      assert.ok(
        sender.hear(at + wayMs + 25, [[0, counter]], {
          arrivalUs,
          holdUs: 5000,
          totalDatagrams: counter + 1,
        }),
      );
      assert.equal(sender.log.clockRebased, counter === 0);
      assert.equal(sender.log.roundTripMs, wayMs + 20);
      times.push(sender.log.oneWayMs);
    }
    const first = times[0] as number;
    for (const [i, time] of times.entries()) assert.ok(Math.abs(time - first - i) < 0.01);
  });

  it("measures nothing by late reports of an earlier session", () => {
    const sender = new Sender().send(0, 10);
    sender.log.beginSession(78);
    sender.send(0, 10);
    const arrivalUs = 10_000;
    sender.hear(40, [[0, 4]], { session: 78, arrivalUs, totalDatagrams: 12, totalOctets: 12 * OCTETS });
    sender.hear(45, [[0, 9]], { arrivalUs: 11_000, totalDatagrams: 15, totalOctets: 15 * OCTETS });
    assert.equal(sender.acks.length, 10);
    assert.equal(sender.log.hasSample, false);
    assert.equal(sender.log.deliveredMs, 0);
    const after = { session: 78, arrivalUs: 15_000, totalDatagrams: 20, totalOctets: 20 * OCTETS };
    sender.hear(50, [[0, 9]], after);
    assert.deepEqual([sender.log.deliveredOctets, sender.log.deliveredMs], [8 * OCTETS, 5]);
  });

  it("knows the receiver's clock though reports are held for long", () => {
    const sender = new Sender().send(0).send(20_000);
    assert.ok(sender.hear(40, [[0, 0]], { arrivalUs: 20_000, totalDatagrams: 1 }));
    assert.ok(
      sender.hear(35_040, [[0, 1]], { arrivalUs: 20_020_000, holdUs: 15_000_000, totalDatagrams: 2 }),
    );
    assert.equal(sender.log.clockRebased, false);
    assert.equal(sender.log.roundTripMs, 40);
    assert.ok(Math.abs(sender.log.oneWayMs - 20) < 0.01);
  });

  it("says when the receiver's clock is another one", () => {
    const sender = new Sender().send(0, 10);
    sender.hear(40, [[0, 0]], { arrivalUs: 1_000_000, totalDatagrams: 1 });
    sender.hear(50, [[0, 1]], { arrivalUs: 20_000_000, totalDatagrams: 2, totalOctets: OCTETS });
    assert.ok(sender.log.clockRebased);
    assert.equal(sender.log.deliveredMs, 0);
    sender.hear(60, [[0, 2]], { arrivalUs: 20_010_000, totalDatagrams: 3, totalOctets: 2 * OCTETS });
    assert.equal(sender.log.clockRebased, false);
    assert.deepEqual([sender.log.deliveredOctets, sender.log.deliveredMs], [OCTETS, 10]);
  });

  it("maps the counters of the last three sessions", () => {
    const sender = new Sender().send(0, 10);
    for (const session of [78, 79]) {
      sender.log.beginSession(session);
      sender.send(session, 10);
    }
    assert.ok(sender.hear(90, [[0, 4]]));
    assert.deepEqual(sender.acks, [0, 1, 2, 3, 4]);
    assert.ok(sender.hear(91, [[7, 9]], { session: 79 }));
    assert.deepEqual(sender.acks, [27, 28, 29]);
    assert.ok(sender.hear(92, [[0, 9]], { session: 78 }));
    assert.equal(sender.acks.length, 10);
    sender.log.beginSession(80);
    assert.equal(sender.hear(93, [[0, 9]]), false);
    assert.ok(sender.hear(93, [[0, 9]], { session: 78 }));
  });

  it("begins in the middle of a session", () => {
    const sender = new Sender();
    sender.log.beginSession(78, 1000);
    sender.send(0, 10);
    assert.equal(sender.hear(40, [[0, 999]], { session: 78 }), false);
    assert.ok(sender.hear(40, [[3, 1004]], { session: 78, floor: 0 }));
    assert.deepEqual(sender.acks, [0, 1, 2, 3, 4]);
    assert.deepEqual(sender.losses, []);
  });

  it("is not moved by a report of what was never sent", () => {
    const sender = new Sender().send(0, 10);
    const before = sender.state;
    assert.equal(sender.hear(40, [[0, 10]]), false);
    assert.equal(sender.hear(40, [[2 ** 32 - 1, 2 ** 32 - 1]], { floor: 0 }), false);
    assert.equal(sender.hear(40, [[0, 5]], { session: 0 }), false);
    assert.deepEqual(sender.state, before);
    assert.deepEqual(sender.acks, []);
    assert.equal(sender.log.hasSample, false);
  });

  it("gives all up when the path is dead, and what still comes is no verdict", () => {
    const sender = steady(10);
    sender.log.abandon(sender);
    assert.deepEqual(sender.losses, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual(sender.state, [0, 0, 0, NEVER, 0]);
    assert.ok(sender.hear(80, [[0, 9]]));
    assert.deepEqual(sender.acks, []);
    assert.deepEqual(sender.state, [0, 0, 0, NEVER, 0]);
    sender.send(90);
    assert.ok(sender.hear(130, [[0, 10]]));
    assert.deepEqual(sender.acks, [10]);
    assert.equal(sender.log.roundTripMs, 40);
  });

  it("grows with what is under way, and gives up what is too old", () => {
    const sender = new Sender();
    for (let n = 0; n < 70_000; n++) sender.send(n / 100);
    // A ring of 65,536 entries, cleared 32 at a time.
    const kept = 70_000 - (70_000 % 32) + 32 - 65_536;
    const { log } = sender;
    assert.equal(log.outstanding, 70_000 - kept);
    assert.equal(log.oldestSentAt, kept / 100);
    assert.equal(log.inFlight, (70_000 - kept) * OCTETS);
    assert.ok(sender.hear(800, [[0, 69_999]]));
    assert.deepEqual(
      sender.losses,
      Array.from({ length: kept }, (_, n) => n),
    );
    assert.equal(sender.acks.length, 70_000 - kept);
    assert.equal(sender.acks[0], kept);
    assert.equal(log.outstanding, 0);
  });

  it("does not grow for what nobody reports", () => {
    const sender = new Sender();
    for (let n = 0; n < 1000; n++) sender.log.add(instant(n), 60, -1, 0);
    assert.ok(sender.log.outstanding <= 64);
    assert.equal(sender.log.hasElicited, 0);
  });
});
