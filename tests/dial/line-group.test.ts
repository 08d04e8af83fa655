import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LineGroup, type LineGroupSettings } from "../../src/dial/line-group.ts";
import type { LineState } from "../../src/dial/line-states.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";

const ALL: LineGroupSettings = {
  target: null,
  demand: false,
  highWaterOctets: null,
  highWaterMs: 10_000,
  idleMs: null,
};

/** A group whose lines do what the test says. */
class GroupBench {
  readonly group: LineGroup;
  now: Instant = instant(1000);
  lastReason = "";
  #traffic = 0;

  constructor(settings: Partial<LineGroupSettings>, lines = "ABCD") {
    this.group = new LineGroup({ ...ALL, ...settings }, lines.split(""));
  }

  /** What it asked for since the last call: +A to bring it up, ++A at once, -A to take it down. */
  take(): string {
    const found: string[] = [];
    for (let command = this.group.pollCommand(); command !== undefined; command = this.group.pollCommand()) {
      const { line, wanted, atOnce, reason } = command;
      this.lastReason = reason;
      found.push(`${wanted ? (atOnce ? "++" : "+") : "-"}${line}`);
    }
    return found.join(" ");
  }

  /** All these lines come to the state, one after the other. */
  set(lines: string, state: LineState, retryMs: number | null = null): void {
    const retryAt = retryMs === null ? NEVER : instant(this.now + retryMs);
    for (const line of lines) this.group.handleState(line, state, this.now, retryAt);
  }

  /** Lines are called one after the other, and come up. */
  bringUp(lines: string): void {
    for (const line of lines) {
      this.set(line, "locking");
      this.set(line, "enslaved");
    }
  }

  /** A second for each: so much is queued, and so much goes by. */
  load(queued: number, octets: number, seconds = 1): void {
    for (let i = 0; i < seconds; i++) {
      this.now = instant(this.now + 1000);
      this.#traffic += octets;
      this.group.handleLoad(queued, this.#traffic, this.now);
    }
  }

  /** A second for each: so is the need. */
  need(why: string | null, seconds = 1): void {
    for (let i = 0; i < seconds; i++) {
      this.now = instant(this.now + 1000);
      this.group.handleNeed(why, this.now);
    }
  }

  advance(ms: number): void {
    this.now = instant(this.now + ms);
    this.group.handleTimeout(this.now);
  }
}

describe("a group that keeps its lines up", () => {
  it("calls all without a target, at once", () => {
    const bench = new GroupBench({});
    assert.equal(bench.take(), "+A +B +C +D");
    bench.bringUp("ABCD");
    assert.equal(bench.take(), "");
    assert.equal(bench.group.pollTimeout(), NEVER);
  });

  it("calls so many as its target says, the preferred ones first", () => {
    const bench = new GroupBench({ target: 2 });
    assert.equal(bench.take(), "+A +B");
    assert.equal(bench.lastReason, "to be kept up");
  });

  it("calls another one in place of one that waits, and does not go back", () => {
    const bench = new GroupBench({ target: 2 });
    bench.take();
    bench.bringUp("AB");
    bench.set("A", "hangingUp");
    assert.equal(bench.take(), "");
    bench.set("A", "waiting", 5000);
    assert.equal(bench.take(), "-A +C");
    assert.equal(bench.lastReason, "in place of A");
    bench.set("A", "idle");
    bench.bringUp("C");
    bench.advance(3_600_000);
    assert.equal(bench.take(), "");
  });

  it("waits for the pause that ends first when all others are used up", () => {
    const bench = new GroupBench({ target: 1 }, "ABC");
    assert.equal(bench.take(), "+A");
    bench.set("A", "dialing");
    bench.set("A", "waiting", 60_000);
    assert.equal(bench.take(), "-A +B");
    bench.set("A", "idle");
    bench.set("B", "dialing");
    bench.set("B", "waiting", 20_000);
    assert.equal(bench.take(), "-B +C");
    bench.set("B", "idle");
    bench.set("C", "dialing");
    bench.set("C", "waiting", 40_000);
    assert.equal(bench.take(), "+B -C", "B is ready before C");
    bench.set("C", "idle");
    bench.set("B", "waiting", 20_000);
    assert.equal(bench.take(), "");
    bench.advance(20_000);
    bench.set("B", "locking");
    assert.equal(bench.take(), "");
    bench.set("B", "waiting", 100_000);
    assert.equal(bench.take(), "-B +C");
    bench.set("B", "idle");
    bench.set("C", "waiting", 20_000);
    assert.equal(bench.group.pollTimeout(), instant(61_000), "A is ready then");
  });

  it("calls none while something is in the way, but what a person asks for", () => {
    const bench = new GroupBench({}, "ABC");
    bench.group.handleHindrance("eql is down", bench.now);
    assert.equal(bench.take(), "");
    bench.group.handleAsked("C", true, bench.now);
    assert.equal(bench.take(), "++C");
    bench.group.handleHindrance(null, bench.now);
    assert.equal(bench.take(), "+A +B");
    bench.bringUp("A");
    bench.set("B", "dialing");
    bench.group.handleHindrance("eql is down", bench.now);
    assert.equal(bench.take(), "", "those that are up or being called stay so");
    bench.set("A", "waiting", 5000);
    bench.set("B", "waiting", 5000);
    assert.equal(bench.take(), "-A -B");
    assert.equal(bench.lastReason, "eql is down");
    bench.set("AB", "idle");
    bench.advance(3_600_000);
    assert.equal(bench.take(), "");
    bench.group.handleHindrance(null, bench.now);
    assert.equal(bench.take(), "+A +B");
    assert.equal(bench.lastReason, "to be kept up");
  });

  it("leaves a line that gave up alone, until somebody asks for it", () => {
    const bench = new GroupBench({ target: 1 }, "AB");
    assert.equal(bench.take(), "+A");
    bench.set("A", "dialing");
    bench.set("A", "givenUp");
    assert.equal(bench.take(), "+B");
    bench.set("B", "dialing");
    bench.set("B", "givenUp");
    assert.equal(bench.take(), "");
    bench.advance(86_400_000);
    assert.equal(bench.take(), "");
    bench.group.handleAsked("A", true, bench.now);
    assert.equal(bench.take(), "++A");
  });

  it("takes lines in, and lets them go", () => {
    const bench = new GroupBench({ target: 2 }, "A");
    assert.equal(bench.take(), "+A");
    bench.group.handleAdded("B", bench.now);
    assert.equal(bench.take(), "+B");
    bench.group.handleAdded("C", bench.now);
    assert.equal(bench.take(), "");
    bench.bringUp("AB");
    bench.group.handleRemoved("A", bench.now);
    assert.equal(bench.take(), "+C");
  });
});

describe("a person's word", () => {
  it("brings a line up besides those that the target asks for, and keeps it", () => {
    const bench = new GroupBench({ target: 1 });
    bench.take();
    bench.bringUp("A");
    bench.group.handleAsked("C", true, bench.now);
    assert.equal(bench.take(), "++C");
    assert.equal(bench.lastReason, "asked for");
    bench.bringUp("C");
    bench.set("C", "waiting", 5000);
    assert.equal(bench.take(), "", "nobody is called in its place");
    bench.bringUp("C");
    bench.group.handleAsked("C", null, bench.now);
    assert.equal(bench.take(), "-C", "it was the last to be called");
  });

  it("keeps a line down, and another one is called in its place", () => {
    const bench = new GroupBench({ target: 1 });
    bench.take();
    bench.bringUp("A");
    bench.group.handleAsked("A", false, bench.now);
    assert.equal(bench.take(), "-A +B");
    bench.set("A", "idle");
    bench.set("B", "waiting", 5000);
    assert.equal(bench.take(), "-B +C");
    bench.group.handleAsked("A", null, bench.now);
    assert.equal(bench.take(), "", "C has been told already");
    bench.set("C", "dialing");
    bench.set("C", "waiting", 9000);
    assert.equal(bench.take(), "+A -C");
  });

  it("is passed on each time that a line is asked for", () => {
    const bench = new GroupBench({});
    bench.take();
    bench.set("A", "waiting", 60_000);
    assert.equal(bench.take(), "");
    bench.group.handleAsked("A", true, bench.now);
    assert.equal(bench.take(), "++A");
    bench.group.handleAsked("A", true, bench.now);
    assert.equal(bench.take(), "++A");
  });
});

describe("bandwidth on demand", () => {
  const settings = { target: 1, highWaterOctets: 8000, highWaterMs: 5000, idleMs: 60_000 };

  function grown(): GroupBench {
    const bench = new GroupBench(settings);
    bench.take();
    bench.bringUp("A");
    bench.load(9000, 3000, 6);
    return bench;
  }

  it("calls one more line when the queue was long for a time", () => {
    const bench = new GroupBench(settings);
    assert.equal(bench.take(), "+A");
    bench.bringUp("A");
    bench.load(9000, 3000, 5);
    bench.load(0, 3000);
    bench.load(9000, 3000, 5);
    assert.equal(bench.take(), "", "never for five seconds");
    bench.load(9000, 3000);
    assert.equal(bench.take(), "+B");
    assert.equal(bench.lastReason, "more than 8000 octets are queued");
  });

  it("needs no load to be told at the very end of the time", () => {
    const bench = new GroupBench(settings);
    bench.bringUp("A");
    bench.take();
    bench.load(9000, 3000);
    assert.equal(bench.group.pollTimeout(), instant(bench.now + 5000));
    bench.advance(5000);
    assert.equal(bench.take(), "+B");
  });

  it("calls no other one while one is being called, and no more than there are", () => {
    const bench = grown();
    assert.equal(bench.take(), "+B");
    bench.set("B", "dialing");
    bench.load(9000, 3000, 60);
    assert.equal(bench.take(), "");
    bench.bringUp("B");
    bench.load(9000, 6000, 6);
    assert.equal(bench.take(), "+C");
    bench.bringUp("C");
    bench.load(9000, 9000, 6);
    assert.equal(bench.take(), "+D");
    bench.bringUp("D");
    bench.load(9000, 12_000, 60);
    assert.equal(bench.take(), "");
  });

  it("keeps what the traffic needs, though the queue is short again", () => {
    const bench = grown();
    bench.bringUp("B");
    bench.take();
    bench.load(2000, 5500, 600);
    assert.equal(bench.take(), "");
  });

  it("drops what the traffic does not need, one at a time, the last dialed first", () => {
    const bench = grown();
    bench.bringUp("B");
    bench.load(9000, 6000, 6);
    bench.bringUp("C");
    assert.equal(bench.take(), "+B +C");
    bench.set("A", "waiting", 5000);
    assert.equal(bench.take(), "-A +D");
    bench.bringUp("D");
    bench.load(500, 1000, 55);
    assert.equal(bench.take(), "");
    bench.load(500, 1000, 10);
    assert.equal(bench.take(), "-D");
    assert.equal(bench.lastReason, "more lines than the traffic needs");
    bench.set("D", "hangingUp");
    bench.load(500, 1000, 50);
    assert.equal(bench.take(), "");
    bench.load(500, 1000, 10);
    assert.equal(bench.take(), "-C");
    bench.load(0, 0, 600);
    assert.equal(bench.take(), "", "the target is kept");
  });

  it("drops it also when it was called between two measurements", () => {
    const bench = new GroupBench({ ...settings, highWaterMs: 1000 });
    bench.bringUp("A");
    bench.load(0, 3000);
    bench.load(9000, 3000);
    bench.advance(1000);
    assert.equal(bench.take(), "+A +B");
    bench.bringUp("B");
    bench.load(0, 100, 70);
    assert.equal(bench.take(), "-B");
  });

  it("drops it though more traffic is left than there was on average when it was called", () => {
    const bench = new GroupBench({ ...settings, highWaterMs: 1000 });
    bench.bringUp("A");
    bench.load(0, 100, 3);
    bench.load(9000, 3000);
    bench.advance(1000);
    assert.equal(bench.take(), "+A +B");
    bench.load(9000, 6000);
    bench.bringUp("B");
    bench.load(0, 1000, 70);
    assert.equal(bench.take(), "-B");
  });

  it("keeps a line for as long as there is traffic, where none is to be up without", () => {
    const bench = new GroupBench({ ...settings, target: 0 });
    bench.load(9000, 0, 6);
    assert.equal(bench.take(), "+A");
    bench.bringUp("A");
    bench.load(0, 100, 600);
    assert.equal(bench.take(), "");
    bench.load(0, 0, 60);
    assert.equal(bench.take(), "-A");
  });

  it("never drops a line when there is no idle time", () => {
    const bench = new GroupBench({ ...settings, idleMs: null });
    bench.bringUp("A");
    bench.load(9000, 3000, 6);
    bench.bringUp("B");
    bench.take();
    bench.load(0, 0, 3600);
    assert.equal(bench.take(), "");
  });
});

describe("a group on demand", () => {
  const settings = { target: 1, demand: true, idleMs: 60_000 };

  it("calls when something is queued, and hangs up all when there was no traffic for a time", () => {
    const bench = new GroupBench(settings);
    assert.equal(bench.take(), "");
    bench.load(0, 0, 3600);
    assert.equal(bench.take(), "");
    bench.load(84, 0);
    assert.equal(bench.take(), "+A");
    assert.equal(bench.lastReason, "there is traffic");
    bench.bringUp("A");
    bench.load(0, 500, 100);
    bench.load(0, 0, 59);
    assert.equal(bench.take(), "");
    bench.advance(1000);
    assert.equal(bench.take(), "-A");
    assert.equal(bench.lastReason, "no traffic");
    bench.set("A", "hangingUp");
    bench.set("A", "idle");
    bench.load(0, 0, 3600);
    assert.equal(bench.take(), "");
    bench.load(0, 100);
    assert.equal(bench.take(), "+A");
  });

  it("drops all additional lines together when there is no traffic", () => {
    const bench = new GroupBench({ ...settings, highWaterOctets: 8000, highWaterMs: 5000 });
    bench.load(9000, 0);
    bench.bringUp("A");
    bench.load(9000, 3000, 6);
    bench.bringUp("B");
    assert.equal(bench.take(), "+A +B");
    bench.load(0, 0, 61);
    assert.equal(bench.take(), "-A -B");
  });

  it("does not hang up while it calls, and gives a line that came up the whole time", () => {
    const bench = new GroupBench({ ...settings, idleMs: 5000 });
    bench.load(0, 100);
    assert.equal(bench.take(), "");
    bench.load(0, 100);
    assert.equal(bench.take(), "+A");
    bench.set("A", "dialing");
    bench.load(0, 0, 20);
    assert.equal(bench.take(), "");
    bench.set("A", "enslaved");
    bench.load(0, 0, 4);
    assert.equal(bench.take(), "");
    bench.load(0, 0, 2);
    assert.equal(bench.take(), "-A");
  });

  it("tries again with each new demand after a line gave up", () => {
    const bench = new GroupBench(settings, "A");
    bench.load(84, 0);
    bench.set("A", "dialing");
    bench.set("A", "givenUp");
    bench.load(84, 0, 100);
    assert.equal(bench.take(), "+A");
    bench.load(0, 0, 61);
    assert.equal(bench.take(), "-A");
    bench.set("A", "idle");
    bench.load(84, 0);
    assert.equal(bench.take(), "+A");
  });

  it("calls nobody while a line is up that a person asked for", () => {
    const bench = new GroupBench(settings);
    bench.group.handleAsked("D", true, bench.now);
    bench.bringUp("D");
    bench.load(500, 3000, 600);
    assert.equal(bench.take(), "++D");
  });
});

describe("a group that is needed now and then", () => {
  it("is called while it is needed, and hung up when it has not been for a time", () => {
    const bench = new GroupBench({ target: 1, demand: true, idleMs: 30_000 }, "A");
    bench.need(null, 100);
    assert.equal(bench.take(), "");
    bench.need("no other path is there");
    assert.deepEqual([bench.take(), bench.lastReason], ["+A", "no other path is there"]);
    bench.bringUp("A");
    bench.need("no other path is there", 100);
    bench.need(null, 29);
    assert.equal(bench.take(), "");
    bench.need(null);
    assert.deepEqual([bench.take(), bench.lastReason], ["-A", "not needed"]);
  });
});

describe("a line with an idle limit of its own", () => {
  it("is called again when there is traffic and no line is up", () => {
    const bench = new GroupBench({ target: 2 }, "AB");
    bench.take();
    bench.bringUp("AB");
    bench.set("B", "hangingUp");
    bench.set("B", "idle");
    bench.load(0, 3000, 60);
    assert.equal(bench.take(), "", "A carries it");
    bench.set("A", "hangingUp");
    bench.set("A", "idle");
    bench.load(0, 0, 60);
    assert.equal(bench.take(), "");
    bench.load(84, 0);
    assert.equal(bench.take(), "+A +B");
  });

  it("is called again when the queue is long", () => {
    const bench = new GroupBench({ target: 2, highWaterOctets: 8000, highWaterMs: 5000 }, "ABC");
    bench.take();
    bench.bringUp("AB");
    bench.set("B", "hangingUp");
    bench.set("B", "idle");
    assert.equal(bench.take(), "", "another line would have no more to do");
    bench.load(9000, 3000, 6);
    assert.equal(bench.take(), "+B");
  });
});
