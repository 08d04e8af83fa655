import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Random } from "../../src/sim/random.ts";
import { instant, NEVER } from "../../src/time.ts";
import { ArrivalLog } from "../../src/tunnel/arrival-log.ts";
import { SentLog, type SentSink } from "../../src/tunnel/sent-log.ts";
import { readIndex } from "../../src/wire/tunnel-datagram.ts";
import { REPORT_BOUND, Report } from "../../src/wire/tunnel-report.ts";

const OCTETS = 1200;
const PROBE_OCTETS = 60;
const PROBE_MS = 250;
const SESSION_STEP = 1_000_003;

interface Conditions {
  readonly seed: number;
  readonly datagrams: number;
  readonly spacingMs: number;
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly loss: number;
  readonly reportLoss: number;
  /** Datagrams of a session. */
  readonly rekeyAfter: number;
  /** Reports of random octets, besides. */
  readonly hostile: boolean;
}

/** A sender's log and its receiver's, with a network between that loses and reorders, on virtual time. */
class Pair implements SentSink {
  readonly sent = new SentLog();
  readonly arrivals = new ArrivalLog(0);
  readonly verdicts: ("acked" | "lost")[][] = [];
  readonly came = new Set<number>();
  reports = 0;
  deliveredOctets = 0;
  deliveredMs = 0;
  lostOctets = 0;
  ackedOctets = 0;
  now = 0;
  readonly #conditions: Conditions;
  readonly #random: Random;
  /** The next one last; what is due at the same time, in the order in which it was planned. */
  readonly #events: { at: number; act: () => void }[] = [];
  #session = 0;
  #counter = 0;
  #octetsOut = 0;
  /** Without a verdict. */
  #waiting = 0;

  constructor(conditions: Conditions) {
    this.#conditions = conditions;
    this.#random = new Random(conditions.seed);
    this.arrivals.intervalMs = Math.max(5, conditions.delayMs / 4);
  }

  acked(run: number): void {
    this.verdicts[run]?.push("acked");
    this.#waiting--;
    assert.ok(this.came.has(run));
  }

  lost(run: number): void {
    this.verdicts[run]?.push("lost");
    this.#waiting--;
  }

  /** Sends all, and probes until there is a verdict on each. */
  run(): this {
    const { datagrams, spacingMs } = this.#conditions;
    const send = (run: number): void => {
      this.#send(run);
      if (run + 1 < datagrams) this.#at((run + 1) * spacingMs, () => send(run + 1));
    };
    this.#at(0, () => send(0));
    this.#at(datagrams * spacingMs + PROBE_MS, () => this.#probe(50));
    for (;;) {
      const dueAt = this.arrivals.pollTimeout();
      const next = this.#events.at(-1);
      if (next === undefined && dueAt === NEVER) return this;
      if (next === undefined || dueAt < next.at) this.now = Math.max(this.now, dueAt);
      else {
        this.#events.pop();
        this.now = next.at;
        next.act();
        this.#check();
      }
      while (this.arrivals.isDue(instant(this.now))) this.#report();
    }
  }

  #at(at: number, act: () => void): void {
    let low = 0;
    for (let high = this.#events.length; low < high; ) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.at ?? 0) > at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, { at, act });
  }

  #send(run: number): void {
    const { loss, rekeyAfter } = this.#conditions;
    if (this.#session === 0 || this.#counter >= rekeyAfter) {
      this.sent.beginSession(++this.#session * SESSION_STEP);
      this.#counter = 0;
    }
    const session = this.#session * SESSION_STEP;
    const counter = this.#counter++;
    const octets = run < 0 ? PROBE_OCTETS : OCTETS;
    if (run >= 0) {
      this.verdicts[run] = [];
      this.#waiting++;
    }
    this.sent.add(instant(this.now), octets, run, 0, true);
    this.#octetsOut += octets;
    if (this.#random.next() < loss) return;
    this.#at(this.now + this.#way(), () => {
      if (run >= 0) this.came.add(run);
      this.arrivals.handle(session, counter, octets, instant(this.now), true);
      if (run < 0) this.arrivals.urge(instant(this.now));
    });
  }

  #probe(left: number): void {
    if (this.sent.hasElicited === 0) return;
    if (left === 0) {
      this.sent.abandon(this);
      this.lostOctets += this.sent.lostOctets;
      return;
    }
    this.#send(-1);
    this.#at(this.now + PROBE_MS, () => this.#probe(left - 1));
  }

  #way(): number {
    return this.#conditions.delayMs + this.#random.next() * this.#conditions.jitterMs;
  }

  #report(): void {
    const octets = new Uint8Array(REPORT_BOUND);
    const length = this.arrivals.write(octets, 0, octets.length, instant(this.now));
    assert.ok(length > 0);
    const session = readIndex(octets, 1);
    this.reports++;
    if (this.#conditions.hostile) this.#at(this.now + this.#way(), () => this.#hearNonsense(octets, length));
    if (this.#random.next() < this.#conditions.reportLoss) return;
    this.#at(this.now + this.#way(), () => {
      if (!this.#hear(octets, length)) {
        // Only what is about a session of long ago is not understood.
        assert.ok(session <= (this.#session - 3) * SESSION_STEP);
        return;
      }
      // Not the pause before a probe.
      if (this.sent.deliveredMs < PROBE_MS / 2) {
        this.deliveredOctets += this.sent.deliveredOctets;
        this.deliveredMs += this.sent.deliveredMs;
      }
      this.ackedOctets += this.sent.ackedOctets;
      this.lostOctets += this.sent.lostOctets;
      assert.ok(this.sent.deliveredMs >= 0);
      assert.ok(Number.isFinite(this.sent.oneWayMs));
      // The two clocks are one here.
      if (this.sent.hasSample && this.#conditions.jitterMs === 0)
        assert.ok(Math.abs(this.sent.oneWayMs - this.#conditions.delayMs) < 0.01);
    });
  }

  #hear(octets: Uint8Array, length: number): boolean {
    const report = new Report();
    return report.read(octets, 0, length) && this.sent.handleReport(report, instant(this.now), this);
  }

  /** A session that there is not, counters that are still to come, and noise. */
  #hearNonsense(octets: Uint8Array, length: number): void {
    const stranger = octets.slice();
    stranger[1] = 0x7f;
    const future = octets.slice();
    future[5] = 0x7f;
    const noise = octets.map(() => this.#random.next() * 256);
    const before = [this.sent.outstanding, this.sent.inFlight, this.sent.oldestSentAt, this.sent.spurious];
    for (const nonsense of [stranger, future, noise]) assert.equal(this.#hear(nonsense, length), false);
    const after = [this.sent.outstanding, this.sent.inFlight, this.sent.oldestSentAt, this.sent.spurious];
    assert.deepEqual(after, before);
  }

  #check(): void {
    assert.ok(this.#waiting >= 0);
    assert.ok(this.sent.inFlight >= this.#waiting * OCTETS);
    assert.ok(this.sent.outstanding >= this.#waiting);
    assert.ok(this.ackedOctets + this.lostOctets + this.sent.inFlight <= this.#octetsOut);
  }

  /** After `run`. */
  expectVerdicts(): void {
    assert.equal(this.verdicts.length, this.#conditions.datagrams);
    for (const verdicts of this.verdicts) assert.equal(verdicts.length, 1);
    assert.equal(this.ackedOctets + this.lostOctets, this.#octetsOut);
    assert.equal(this.sent.inFlight, 0);
    assert.equal(this.sent.outstanding, 0);
    assert.equal(this.sent.hasElicited, 0);
    assert.equal(this.sent.oldestSentAt, NEVER);
  }

  get lostRuns(): number[] {
    return [...this.verdicts.entries()].filter(([, verdicts]) => verdicts[0] === "lost").map(([run]) => run);
  }
}

const GOOD: Conditions = {
  seed: 1,
  datagrams: 600,
  spacingMs: 0.5,
  delayMs: 20,
  jitterMs: 0,
  loss: 0,
  reportLoss: 0,
  rekeyAfter: 10_000,
  hostile: false,
};

describe("SentLog and ArrivalLog", () => {
  it("lose nothing on a path that loses nothing, whatever becomes of reports", () => {
    const pair = new Pair({ ...GOOD, reportLoss: 0.5 }).run();
    pair.expectVerdicts();
    assert.deepEqual(pair.lostRuns, []);
    assert.equal(pair.sent.spurious, 0);
    // A report each 5 ms.
    assert.ok(pair.reports < 300 / 5 + 15, `${pair.reports} reports`);
  });

  it("lose nothing where a session ends, though one report in a while is lost", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const pair = new Pair({ ...GOOD, seed, reportLoss: 0.02, rekeyAfter: 170 }).run();
      pair.expectVerdicts();
      assert.deepEqual(pair.lostRuns, []);
    }
  });

  it("find just what is lost", () => {
    const pair = new Pair({ ...GOOD, loss: 0.05 }).run();
    pair.expectVerdicts();
    const missing = pair.verdicts.flatMap((_, run) => (pair.came.has(run) ? [] : [run]));
    assert.ok(missing.length > 15);
    assert.deepEqual(pair.lostRuns, missing);
    assert.equal(pair.sent.spurious, 0);
  });

  it("keep up with a fast path that loses every other datagram", () => {
    const pair = new Pair({ ...GOOD, datagrams: 5000, spacingMs: 0.01, loss: 0.5 }).run();
    pair.expectVerdicts();
    const missing = pair.verdicts.flatMap((_, run) => (pair.came.has(run) ? [] : [run]));
    assert.deepEqual(pair.lostRuns, missing);
    assert.equal(pair.sent.spurious, 0);
    assert.ok(pair.reports < 2500 / 24, `${pair.reports} reports`);
  });

  it("learn how much a path reorders", () => {
    const pair = new Pair({ ...GOOD, datagrams: 3000, jitterMs: 8 }).run();
    pair.expectVerdicts();
    assert.equal(pair.came.size, 3000);
    assert.ok(pair.lostRuns.length > 0);
    const late = pair.lostRuns.filter((run) => run > 1000);
    assert.deepEqual(late, []);
  });

  it("measure the rate of delivery", () => {
    const pair = new Pair({ ...GOOD, loss: 0.02, reportLoss: 0.2, jitterMs: 1, datagrams: 1500 }).run();
    const rate = pair.deliveredOctets / pair.deliveredMs;
    assert.ok(Math.abs(rate / ((0.98 * OCTETS) / 0.5) - 1) < 0.03, `${rate} octets a millisecond`);
    assert.ok(pair.deliveredMs > 700);
  });

  it("give one verdict on each datagram, whatever the network does", () => {
    const conditions: fc.Arbitrary<Conditions> = fc.record({
      seed: fc.nat(),
      datagrams: fc.integer({ min: 1, max: 300 }),
      spacingMs: fc.double({ min: 0.01, max: 10, noNaN: true }),
      delayMs: fc.double({ min: 0, max: 300, noNaN: true }),
      jitterMs: fc.constantFrom(0, 1, 20, 200),
      loss: fc.constantFrom(0, 0.01, 0.2, 0.9),
      reportLoss: fc.constantFrom(0, 0.1, 0.5, 1),
      rekeyAfter: fc.constantFrom(5, 50, 1000),
      hostile: fc.boolean(),
    });
    fc.assert(
      fc.property(conditions, (given) => new Pair(given).run().expectVerdicts()),
      { numRuns: 60 },
    );
  });
});
