import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { instant, NEVER } from "../../src/time.ts";
import { ArrivalLog } from "../../src/tunnel/arrival-log.ts";
import { LONGEST_HOLD_US, REPORT_BOUND, Report } from "../../src/wire/tunnel-report.ts";

const SESSION = -7;
const OCTETS = 1000;

class Receiver {
  readonly log = new ArrivalLog(5);
  readonly report = new Report();

  constructor() {
    this.log.intervalMs = 20;
  }

  come(counters: readonly number[], now: number, eliciting = true, session = SESSION): this {
    for (const counter of counters) this.log.handle(session, counter, OCTETS, instant(now), eliciting);
    return this;
  }

  /** Makes a report and reads it. */
  tell(now: number): [session: number, ...ranges: string[]] {
    const into = new Uint8Array(REPORT_BOUND);
    const length = this.log.write(into, 0, into.length, instant(now));
    const { report } = this;
    assert.ok(report.read(into, 0, length));
    const ranges = Array.from(
      { length: report.rangeCount },
      (_, i) => `${report.lows[i]}-${report.highs[i]}`,
    );
    return [report.session, ...ranges];
  }

  get dueAt(): number {
    return this.log.pollTimeout();
  }
}

const upTo = (end: number, from = 0): number[] => Array.from({ length: end - from }, (_, i) => from + i);

describe("ArrivalLog", () => {
  it("tells what came, and when the highest did", () => {
    const receiver = new Receiver().come(upTo(10), 1000.25).come([12], 1001.5);
    receiver.log.patienceMs = 30.2;
    assert.deepEqual(receiver.tell(1003), [SESSION, "12-12", "0-9"]);
    const { report } = receiver;
    assert.equal(report.link, 5);
    assert.equal(report.highest, 12);
    assert.equal(report.arrivalUs, 1_001_500);
    assert.equal(report.holdUs, 1500);
    assert.equal(report.totalDatagrams, 11);
    assert.equal(report.totalOctets, 11 * OCTETS);
    assert.equal(report.patienceMs, 31);
    assert.equal(report.floor, 0);
  });

  it("tells times modulo 2^32 microseconds, and a long hold as the longest", () => {
    const receiver = new Receiver().come([0], 5_000_000_000);
    receiver.tell(5_000_020_000);
    assert.equal(receiver.report.arrivalUs, 5_000_000_000_000 % 2 ** 32);
    assert.equal(receiver.report.holdUs, LONGEST_HOLD_US);
  });

  it("counts modulo 2^32", () => {
    const { log } = new Receiver();
    for (let i = 0; i < 2 ** 17; i++) log.handle(SESSION, i, 0xffff, instant(0), true);
    assert.equal(log.totalOctets, (2 ** 17 * 0xffff) % 2 ** 32);
    assert.equal(log.totalDatagrams, 2 ** 17);
  });

  it("has a report due when the first datagram that asks for one has waited", () => {
    const receiver = new Receiver();
    assert.equal(receiver.dueAt, NEVER);
    receiver.come([0], 100).come([1], 110);
    assert.equal(receiver.log.isDue(instant(119.9)), false);
    assert.ok(receiver.log.isDue(instant(120)));
    assert.equal(receiver.log.urgent, false);
    receiver.tell(120);
    assert.equal(receiver.dueAt, NEVER);
    receiver.come([2], 130);
    assert.equal(receiver.dueAt, 150);
  });

  it("makes no report of reports, but tells them", () => {
    const receiver = new Receiver().come([0, 1], 100, false);
    assert.equal(receiver.dueAt, NEVER);
    receiver.come([2], 101);
    assert.deepEqual(receiver.tell(121), [SESSION, "0-2"]);
  });

  it("hurries when a gap has not closed after 2 ms and three datagrams", () => {
    const receiver = new Receiver().come([0, 2, 3], 100);
    assert.equal(receiver.log.urgent, false);
    assert.equal(receiver.dueAt, 120);
    receiver.come([4], 101);
    assert.ok(receiver.log.urgent);
    assert.equal(receiver.dueAt, 102);
    const slow = new Receiver().come([0, 2], 100).come([3], 105).come([4], 110);
    assert.equal(slow.dueAt, 110);
    // Another gap soon after does not start the time anew.
    const many = new Receiver().come([0, 2], 100).come([4], 101).come([6], 101.5);
    assert.equal(many.dueAt, 102);
  });

  it("does not hurry when it closes", () => {
    const receiver = new Receiver().come([0, 3, 4, 5, 1], 100);
    assert.equal(receiver.dueAt, 102);
    receiver.come([2], 101);
    assert.equal(receiver.log.urgent, false);
    assert.equal(receiver.dueAt, 120);
    // A newer one has not been overtaken yet.
    receiver.come([7, 9], 101).come([10], 101);
    assert.ok(receiver.log.urgent);
    receiver.come([6], 101);
    assert.equal(receiver.log.urgent, false);
  });

  it("gives gaps more time when what was told as missing comes, and less again after a while", () => {
    const receiver = new Receiver().come([0, 2, 3, 4], 100);
    receiver.tell(102);
    receiver.come([1], 103);
    receiver.tell(120);
    // Twice as many, and twice as long.
    receiver.come([6, 7, 8, 9, 10], 130);
    assert.equal(receiver.log.urgent, false);
    receiver.come([11], 131);
    assert.equal(receiver.dueAt, 134);
    receiver.tell(134);
    receiver.tell(30_200);
    receiver.come([13, 14, 15], 30_300);
    assert.equal(receiver.dueAt, 30_302);
  });

  it("tells a gap twice within a short time", () => {
    const receiver = new Receiver().come([0, 2, 3, 4], 100);
    receiver.tell(102);
    assert.equal(receiver.dueAt, 107);
    assert.equal(receiver.log.urgent, false);
    assert.deepEqual(receiver.tell(107), [SESSION, "2-4", "0-0"]);
    assert.equal(receiver.dueAt, NEVER);
  });

  it("hurries when it is asked, even if a gap closes", () => {
    const receiver = new Receiver().come([0, 2], 100);
    receiver.log.urge(instant(101));
    receiver.come([1], 101);
    assert.equal(receiver.dueAt, 101);
    receiver.tell(101);
    assert.equal(receiver.dueAt, NEVER);
  });

  it("keeps a distance between urgent reports", () => {
    const receiver = new Receiver();
    receiver.log.intervalMs = 40;
    receiver.come([0, 2, 3, 4], 100).tell(100);
    receiver.come([6, 7, 8], 101);
    assert.equal(receiver.dueAt, 110);
    receiver.tell(110);
    receiver.log.intervalMs = 10;
    receiver.come([9], 111).log.urge(instant(111));
    assert.equal(receiver.dueAt, 120);
    receiver.tell(120);
    receiver.log.urge(instant(121));
    assert.equal(receiver.dueAt, 124);
  });

  it("waits less when what came is worth a report", () => {
    const receiver = new Receiver();
    const { log } = receiver;
    log.intervalMs = 60;
    log.quickMs = 10;
    log.unpaidOctets = 3 * OCTETS;
    receiver.come([0, 1], 100);
    assert.equal(receiver.dueAt, 160);
    receiver.come([2], 105);
    assert.equal(receiver.dueAt, 110);
    receiver.tell(110);
    assert.equal(receiver.dueAt, NEVER);
    log.unpaidOctets = 3 * OCTETS;
    receiver.come([3, 4], 120);
    assert.equal(receiver.dueAt, 180);
    receiver.come([5], 150);
    assert.ok(log.isDue(instant(150)), "it has waited for long enough");
  });

  it("has nothing to tell before anything came", () => {
    const { log } = new Receiver();
    log.urge(instant(5));
    assert.equal(log.pollTimeout(), NEVER);
    assert.equal(log.write(new Uint8Array(REPORT_BOUND), 0, REPORT_BOUND, instant(5)), 0);
  });

  it("keeps a report due that there is no room for", () => {
    const receiver = new Receiver().come([0], 100);
    assert.equal(receiver.log.write(new Uint8Array(20), 0, 20, instant(120)), 0);
    assert.ok(receiver.log.isDue(instant(120)));
  });

  it("tells the end of a session when the next one begins, and once more", () => {
    const receiver = new Receiver().come([0, 1, 2], 100).come([0], 105, true, 9);
    assert.ok(receiver.log.isDue(instant(105)));
    assert.deepEqual(receiver.tell(105), [SESSION, "0-2"]);
    assert.equal(receiver.report.totalDatagrams, 4);
    assert.equal(receiver.dueAt, 125);
    receiver.come([3], 106);
    assert.deepEqual(receiver.tell(145), [SESSION, "0-3"]);
    assert.deepEqual(receiver.tell(145), [9, "0-0"]);
    assert.equal(receiver.dueAt, NEVER);
    // Later still, it is told like anything else.
    receiver.come([5], 200);
    assert.equal(receiver.dueAt, 220);
    assert.deepEqual(receiver.tell(220), [SESSION, "5-5", "0-3"]);
    assert.equal(receiver.dueAt, NEVER);
  });

  it("says nothing of a session that was told, and of one before the last only counts", () => {
    const receiver = new Receiver().come([0], 100);
    receiver.tell(120);
    receiver.come([0], 130, true, 9);
    assert.equal(receiver.dueAt, 150);
    receiver.tell(150);
    receiver.come([0], 160, true, 10);
    receiver.tell(180);
    receiver.come([1], 181);
    assert.equal(receiver.dueAt, NEVER);
    receiver.come([1], 182, true, 10);
    assert.deepEqual(receiver.tell(202), [10, "0-1"]);
    assert.equal(receiver.report.totalDatagrams, 5);
  });

  it("forgets the oldest gaps, and says of them nothing", () => {
    const even = upTo(80).map((n) => 2 * n);
    const receiver = new Receiver().come(even, 100);
    receiver.tell(120);
    const { report } = receiver;
    assert.equal(report.rangeCount, 64);
    assert.equal(report.floor, 158 - 2 * 63);
    // Of what fills a forgotten one, too.
    receiver.come([1], 121);
    receiver.tell(141);
    assert.ok(report.floor > 1);
    // Those that were told before are not all told again.
    assert.equal(report.rangeCount, 21);
    receiver.come([160], 150);
    assert.equal(receiver.tell(170).length, 1 + 21);
  });

  it("hurries when there are more gaps than would be remembered for long", () => {
    const receiver = new Receiver().come([0, 2], 100);
    receiver.tell(102);
    const odd = upTo(23).map((n) => 4 + 2 * n);
    receiver.come(odd, 103);
    assert.ok(receiver.dueAt > 103);
    receiver.come([50], 103);
    assert.equal(receiver.dueAt, 103);
    assert.equal(receiver.tell(103).length, 1 + 26);
  });

  it("tells nothing but what came, whatever came in whatever order", () => {
    const arrivals = fc.uniqueArray(fc.nat({ max: 300 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(arrivals, fc.nat({ max: 12 }), (counters, jumble) => {
        const receiver = new Receiver();
        const nearly = counters
          .map((counter, i) => ({ counter, at: counter + ((i * 7919) % (jumble + 1)) }))
          .sort((a, b) => a.at - b.at)
          .map(({ counter }) => counter);
        const came = new Set<number>();
        let gaps = 0;
        for (const counter of nearly) {
          if (counter > Math.max(-1, ...came) + 1) gaps++;
          came.add(counter);
          receiver.come([counter], 100);
        }
        receiver.tell(120);
        const { report } = receiver;
        assert.equal(report.highest, Math.max(...came));
        const told = new Set<number>();
        for (let i = 0; i < report.rangeCount; i++)
          for (const n of upTo((report.highs[i] as number) + 1, report.lows[i])) told.add(n);
        for (let n = report.floor; n <= report.highest; n++) assert.equal(told.has(n), came.has(n));
        if (gaps < 60 && jumble === 0) assert.equal(report.floor, 0);
      }),
      { numRuns: 300 },
    );
  });
});
