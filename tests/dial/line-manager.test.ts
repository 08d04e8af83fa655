import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NEVER } from "../../src/time.ts";
import { DIRECT, LineBench } from "./line-bench.ts";

describe("a line that dials", () => {
  it("is opened, dialed and logged in on, and carries", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    assert.equal(bench.takeActions(), "open");
    manager.handleOpened(bench.now);
    assert.equal(bench.takeActions(), "dial 100");
    assert.equal(manager.number, "100");
    manager.handleCarrier(28_800, bench.now);
    assert.equal(manager.carrierBps, 28_800);
    manager.handleDialed(bench.now);
    assert.equal(bench.takeActions(), "carry");
    manager.handleUp(bench.now);
    manager.handleEnslaved("eql", bench.now);
    assert.equal(manager.pollTimeout(), NEVER, "a link may last for ever");
    assert.equal(manager.reason, "a slave of eql");
    assert.equal(bench.takeStates(), "locking, dialing, login, negotiating, up, enslaved");
    manager.handleFreed("master down", bench.now);
    assert.equal(manager.state, "up");
    manager.handleUnwanted("told to", bench.now);
    assert.equal(bench.takeActions(), "hangUp");
    manager.handleClosed(bench.now);
    assert.equal(bench.takeStates(), "up, hangingUp, idle");
    assert.equal(manager.reason, "told to");
    assert.equal(manager.carrierBps, null);
    assert.equal(bench.takeActions(), "");
  });

  it("tells each transition with its time and reason", () => {
    const bench = new LineBench();
    bench.manager.handleWanted("there is traffic", bench.now);
    bench.advance(70);
    bench.manager.handleOpenFailed("/dev/ttyS1: no such file", bench.now);
    assert.deepEqual(bench.manager.pollEvent(), {
      at: 1000,
      from: "idle",
      to: "locking",
      reason: "there is traffic",
    });
    assert.deepEqual(bench.manager.pollEvent(), {
      at: 1070,
      from: "locking",
      to: "waiting",
      reason: "/dev/ttyS1: no such file",
    });
    assert.equal(bench.manager.since, 1070);
    assert.equal(bench.manager.retryAt, 6070);
  });

  it("needs no carrier to be told when the dialer is a program", () => {
    const bench = new LineBench({ numbers: [] });
    bench.manager.handleWanted("configured", bench.now);
    bench.manager.handleOpened(bench.now);
    assert.equal(bench.takeActions(), "open, dial null");
    bench.manager.handleDialed(bench.now);
    assert.equal(bench.takeActions(), "carry");
  });

  it("keeps DTR down for a second between calls", () => {
    const bench = new LineBench();
    bench.manager.handleWanted("configured", bench.now);
    bench.connect();
    bench.manager.handleUnwanted("told to", bench.now);
    bench.manager.handleClosed(bench.now);
    bench.advance(300);
    bench.takeActions();
    bench.manager.handleWanted("told to", bench.now, true);
    assert.equal(bench.manager.state, "waiting");
    assert.equal(bench.wait(), 700);
    assert.equal(bench.takeActions(), "open");
  });
});

describe("the pause before another call", () => {
  it("grows from failure to failure to its longest", () => {
    const bench = new LineBench({ longestPauseMs: 30_000 });
    bench.manager.handleWanted("configured", bench.now);
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      bench.manager.handleOpened(bench.now);
      bench.failCall("modem");
      pauses.push(bench.wait());
    }
    assert.deepEqual(pauses, [5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
    assert.equal(bench.manager.attempt, 7);
  });

  it("is short again after a link that was up for a while", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    for (let i = 0; i < 3; i++) {
      manager.handleOpened(bench.now);
      bench.failCall("no-carrier");
      bench.wait();
    }
    bench.connect();
    bench.advance(60_000);
    manager.handleLost("carrier lost", bench.now);
    manager.handleClosed(bench.now);
    assert.equal(manager.attempt, 1);
    assert.equal(bench.wait(), 5000);
  });

  it("grows after links that do not last", () => {
    const bench = new LineBench({ attempts: 4 });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    for (const expected of [5000, 10_000, 20_000]) {
      bench.connect();
      bench.advance(3000);
      manager.handleLost("the peer ended it", bench.now);
      manager.handleClosed(bench.now);
      assert.equal(bench.wait(), expected);
    }
    bench.connect();
    bench.advance(3000);
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "givenUp");
  });

  it("is short after a busy tone, and long after a refused login", () => {
    const pauseAfter = (failure: "busy" | "modem" | "refused", times: number): number => {
      const bench = new LineBench();
      bench.manager.handleWanted("configured", bench.now);
      let pause = 0;
      for (let i = 0; i < times; i++) {
        bench.manager.handleOpened(bench.now);
        bench.failCall(failure);
        pause = bench.wait();
      }
      return pause;
    };
    assert.deepEqual(
      [1, 2, 3, 5].map((times) => pauseAfter("busy", times)),
      [5000, 5000, 7071, 14_142],
    );
    assert.deepEqual(
      [1, 2].map((times) => pauseAfter("refused", times)),
      [20_000, 160_000],
    );
    assert.equal(pauseAfter("modem", 1), 5000);
  });

  it("is long after a proof that the peer does not accept, though the link came so far", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    for (const expected of [20_000, 160_000]) {
      manager.handleOpened(bench.now);
      manager.handleDialed(bench.now);
      bench.takeActions();
      manager.handleRefused("authentication failed", bench.now);
      assert.equal(bench.takeActions(), "hangUp");
      manager.handleClosed(bench.now);
      assert.equal(manager.reason, "authentication failed");
      assert.equal(bench.wait(), expected);
    }
  });

  it("lasts although the line is not wanted for a time", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("in place of another", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("refused");
    manager.handleUnwanted("others are there", bench.now);
    assert.equal(manager.state, "idle");
    assert.equal(manager.pollTimeout(), NEVER);
    bench.advance(4000);
    manager.handleWanted("in place of another", bench.now);
    assert.equal(manager.state, "waiting");
    assert.equal(bench.wait(), 16_000);
    assert.equal(manager.state, "locking");
  });

  it("is not kept when a person wants the line now", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("refused");
    bench.advance(2000);
    bench.takeActions();
    manager.handleWanted("asked for", bench.now);
    assert.equal(manager.state, "waiting", "who wants it already keeps the pause");
    manager.handleWanted("asked for", bench.now, true);
    assert.equal(bench.takeActions(), "open");
    assert.equal(manager.attempt, 1);
  });
});

describe("a hunt group", () => {
  const numbers = ["1", "2", "3"];

  it("is called number by number, at once where a line is busy, and from its beginning after a pause", () => {
    const bench = new LineBench({ numbers });
    bench.manager.handleWanted("configured", bench.now);
    const heard: [string | null, number][] = [];
    for (const failure of ["busy", "no-answer", "busy", "busy"] as const) {
      bench.manager.handleOpened(bench.now);
      bench.failCall(failure);
      heard.push([bench.manager.number, bench.wait()]);
    }
    assert.deepEqual(heard, [
      ["1", 1000],
      ["2", 1000],
      ["3", 5000],
      ["1", 1000],
    ]);
  });

  it("is called at the next number after a login that failed, with a pause", () => {
    const bench = new LineBench({ numbers });
    bench.manager.handleWanted("configured", bench.now);
    bench.manager.handleOpened(bench.now);
    bench.manager.handleCarrier(null, bench.now);
    bench.failCall("timeout");
    assert.equal(bench.wait(), 5000);
    bench.manager.handleOpened(bench.now);
    assert.equal(bench.manager.number, "2");
  });

  it("is called at the same number where the modem failed, or after a link", () => {
    const bench = new LineBench({ numbers });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("busy");
    bench.wait();
    manager.handleOpened(bench.now);
    bench.failCall("modem");
    bench.wait();
    bench.connect();
    assert.equal(manager.number, "2");
    bench.advance(100_000);
    manager.handleClosed(bench.now, "hung up");
    bench.wait();
    manager.handleOpened(bench.now);
    assert.equal(manager.number, "2");
  });
});

describe("attempts", () => {
  it("end after as many as are allowed, until the line is wanted again", () => {
    const bench = new LineBench({ attempts: 2, numbers: ["1", "2", "3"] });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("busy");
    bench.wait();
    manager.handleOpened(bench.now);
    bench.failCall("busy");
    assert.equal(manager.state, "givenUp");
    assert.equal(manager.attempt, 2);
    assert.equal(manager.pollTimeout(), NEVER);
    bench.advance(3_600_000);
    manager.handleWanted("there is traffic", bench.now);
    assert.equal(manager.state, "locking");
    assert.equal(manager.attempt, 1);
    manager.handleOpened(bench.now);
    assert.equal(manager.number, "3");
    bench.failCall("busy");
    assert.equal(manager.state, "waiting");
  });

  it("begin anew after the line was told to stay down", () => {
    const bench = new LineBench({ attempts: 1 });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("busy");
    assert.equal(manager.state, "givenUp");
    manager.handleUnwanted("told to", bench.now);
    assert.equal(manager.state, "idle");
    bench.advance(60_000);
    manager.handleWanted("told to", bench.now);
    assert.equal(manager.state, "locking");
  });

  it("to open a device cost nothing, and are made for ever with growing pauses", () => {
    const bench = new LineBench({ attempts: 2 }, DIRECT);
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    const pauses: number[] = [];
    for (let i = 0; i < 12; i++) {
      manager.handleOpenFailed("locked by pid 7", bench.now);
      assert.equal(manager.state, "waiting");
      pauses.push(bench.wait());
    }
    assert.deepEqual(pauses.slice(0, 4), [500, 850, 1445, 2456]);
    assert.deepEqual(pauses.slice(-3), [30_000, 30_000, 30_000]);
  });
});

describe("no state lasts for ever", () => {
  it("when the world does not answer", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    assert.equal(bench.wait(), 30_000, "locking");
    assert.equal(bench.wait(), 10_000, "closing");
    assert.equal(bench.wait(), 5000, "pause");
    manager.handleOpened(bench.now);
    assert.equal(bench.wait(), 90_000, "dialing");
    manager.handleClosed(bench.now);
    bench.wait();
    manager.handleOpened(bench.now);
    manager.handleCarrier(null, bench.now);
    assert.equal(bench.wait(), 50_000, "login");
    manager.handleClosed(bench.now);
    bench.wait();
    manager.handleOpened(bench.now);
    manager.handleDialed(bench.now);
    assert.equal(bench.wait(), 40_000, "negotiating");
    bench.takeActions();
    assert.equal(bench.wait(), 10_000, "hanging up properly");
    assert.equal(bench.takeActions(), "close");
    assert.equal(bench.wait(), 10_000, "closing");
    assert.equal(manager.state, "waiting");
    assert.equal(manager.reason, "negotiating took too long");
  });

  it("when a link that was up negotiates anew", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    bench.connect();
    manager.handleEnslaved("eql", bench.now);
    bench.advance(100_000);
    manager.handleRenegotiation("the peer asked for it", bench.now);
    manager.handleEnslaved("eql", bench.now);
    assert.equal(manager.state, "enslaved");
    manager.handleRenegotiation("the peer asked for it", bench.now);
    assert.equal(bench.wait(), 40_000);
    assert.equal(manager.state, "hangingUp");
  });
});

describe("limits of a connection", () => {
  it("end it after its longest time, and call again", () => {
    const bench = new LineBench({ sessionLimitMs: 3_600_000 });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    bench.connect();
    bench.advance(1_800_000);
    manager.handleEnslaved("eql", bench.now);
    assert.equal(bench.wait(), 1_800_000);
    assert.equal(bench.takeActions(), "open, dial 100, carry, hangUp");
    manager.handleClosed(bench.now);
    assert.equal(bench.wait(), 1000, "it was no failure");
    bench.connect();
    assert.equal(bench.wait(), 3_600_000);
  });

  it("end it when there is no traffic, until it is wanted again", () => {
    const bench = new LineBench({ idleLimitMs: 300_000 });
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    bench.connect();
    bench.advance(200_000);
    manager.handleTraffic(bench.now);
    assert.equal(bench.wait(), 300_000);
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "idle");
    assert.equal(manager.reason, "no traffic");
    assert.equal(manager.pollTimeout(), NEVER);
    bench.advance(1000);
    manager.handleWanted("there is traffic", bench.now);
    assert.equal(manager.state, "locking");
  });
});

describe("a wish that changes", () => {
  it("ends what has begun, however far it has come", () => {
    const ends: [string, (bench: LineBench) => void, string][] = [
      ["locking", () => {}, "close"],
      ["dialing", ({ manager, now }) => manager.handleOpened(now), "close"],
      ["login", ({ manager, now }) => manager.handleCarrier(null, now), "close"],
      ["negotiating", ({ manager, now }) => manager.handleDialed(now), "hangUp"],
      ["up", ({ manager, now }) => manager.handleUp(now), "hangUp"],
      ["enslaved", ({ manager, now }) => manager.handleEnslaved("eql", now), "hangUp"],
    ];
    for (const [index, [state, , action]] of ends.entries()) {
      const bench = new LineBench();
      bench.manager.handleWanted("configured", bench.now);
      for (const [, reach] of ends.slice(0, index + 1)) reach(bench);
      assert.equal(bench.manager.state, state);
      bench.takeActions();
      bench.manager.handleUnwanted("told to", bench.now);
      assert.equal(bench.takeActions(), action, state);
      bench.manager.handleClosed(bench.now);
      assert.equal(bench.manager.state, "idle", state);
    }
  });

  it("while hanging up takes effect when the device is closed", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    bench.connect();
    manager.handleUnwanted("told to", bench.now);
    manager.handleWanted("told to", bench.now);
    bench.takeActions();
    manager.handleClosed(bench.now);
    assert.equal(bench.wait(), 1000);
    assert.equal(bench.takeActions(), "open");
    bench.connect();
    manager.handleLost("carrier lost", bench.now);
    manager.handleUnwanted("not now", bench.now);
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "idle");
    assert.equal(manager.reason, "not now");
  });

  it("while the device is being opened waits for no answer that is overtaken", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleUnwanted("told to", bench.now);
    assert.equal(bench.takeActions(), "open, close");
    manager.handleOpened(bench.now);
    assert.equal(manager.state, "hangingUp");
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "idle");
    bench.advance(2000);
    manager.handleWanted("told to", bench.now);
    manager.handleUnwanted("told to", bench.now);
    manager.handleOpenFailed("no such device", bench.now);
    assert.equal(manager.state, "idle", "there is nothing to close");
    assert.equal(manager.reason, "told to");
  });
});

describe("what comes late", () => {
  it("does not disturb", () => {
    const bench = new LineBench();
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    bench.failCall("busy");
    bench.takeStates();
    manager.handleDialed(bench.now);
    manager.handleUp(bench.now);
    manager.handleLost("late", bench.now);
    manager.handleClosed(bench.now);
    manager.handleCarrier(9600, bench.now);
    manager.handleDialFailed("no-carrier", "late", bench.now);
    assert.equal(bench.takeStates(), "");
    assert.equal(manager.reason, "busy");
    assert.equal(manager.carrierBps, null);
    assert.equal(manager.attempt, 2, "it is no second failure");
    assert.equal(bench.wait(), 5000);
    manager.handleClosed(bench.now);
    assert.equal(manager.state, "locking");
  });
});

describe("a direct line", () => {
  it("negotiates as soon as it is open, and needs no pause for DTR", () => {
    const bench = new LineBench({}, DIRECT);
    const { manager } = bench;
    manager.handleWanted("configured", bench.now);
    manager.handleOpened(bench.now);
    assert.equal(bench.takeActions(), "open, carry");
    assert.equal(manager.number, null);
    manager.handleUp(bench.now);
    manager.handleUnwanted("told to", bench.now);
    manager.handleClosed(bench.now);
    bench.takeActions();
    manager.handleWanted("told to", bench.now);
    assert.equal(bench.takeActions(), "open");
  });
});
