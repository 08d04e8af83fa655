import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { monotonicNow } from "../../src/host/clock.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT, Epoll, Wakeup } from "../../src/host/epoll.ts";
import { close, nativeBuffer, write } from "../../src/host/libc.ts";
import { Pty } from "../../src/host/pty.ts";
import { after, NEVER } from "../../src/time.ts";

const DEADLINE_MS = 20_000;

describe("epoll", () => {
  it("tells which descriptors are ready, by their tokens", () => {
    const epoll = new Epoll(4);
    const bells = [new Wakeup(), new Wakeup(), new Wakeup()];
    try {
      for (const [i, bell] of bells.entries()) epoll.add(bell.fd, 0xffff_fff0 + i, EPOLLIN);
      assert.equal(epoll.wait(0), 0);
      bells[0]?.signal();
      bells[2]?.signal();
      assert.equal(epoll.wait(1000), 2);
      assert.deepEqual(new Set([epoll.token(0), epoll.token(1)]), new Set([0xffff_fff0, 0xffff_fff2]));
      assert.deepEqual([epoll.events(0), epoll.events(1)], [EPOLLIN, EPOLLIN]);
      bells[0]?.clear();
      assert.equal(epoll.wait(0), 1);
      epoll.modify(bells[2]?.fd ?? -1, 7, EPOLLIN | EPOLLOUT);
      assert.equal(epoll.wait(0), 1);
      assert.equal(epoll.token(0), 7);
      assert.equal(epoll.events(0), EPOLLIN | EPOLLOUT);
      epoll.remove(bells[2]?.fd ?? -1);
      assert.equal(epoll.wait(0), 0);
    } finally {
      epoll.close();
      for (const bell of bells) bell.close();
    }
  });

  it("ends a wait at its deadline: not before, and within half a millisecond when the processor is free", () => {
    const epoll = new Epoll();
    try {
      // By whole milliseconds each would be later than that.
      const end = after(monotonicNow(), DEADLINE_MS);
      for (let punctual = 0; punctual < 11; ) {
        const deadline = after(monotonicNow(), 1.3);
        while (monotonicNow() < deadline) assert.equal(epoll.waitUntil(deadline, monotonicNow()), 0);
        if (monotonicNow() < after(deadline, 0.5)) punctual++;
        assert.ok(monotonicNow() < end, `${punctual} waits ended in time`);
      }
    } finally {
      epoll.close();
    }
  });

  it("sleeps to the deadline instead of looking again and again", () => {
    const epoll = new Epoll();
    try {
      const deadline = after(monotonicNow(), 30);
      let looks = 0;
      for (let now = monotonicNow(); now < deadline; now = monotonicNow()) {
        epoll.waitUntil(deadline, now);
        looks++;
      }
      assert.ok(looks <= 3, `${looks} looks`);
    } finally {
      epoll.close();
    }
  });

  it("does not wait at all for a deadline that has passed, and forgets an earlier deadline for a later one", () => {
    const epoll = new Epoll();
    const bell = new Wakeup();
    try {
      epoll.add(bell.fd, 1, EPOLLIN);
      bell.signal();
      const far = after(monotonicNow(), DEADLINE_MS);
      assert.equal(epoll.waitUntil(far, monotonicNow()), 1);
      bell.clear();
      assert.equal(epoll.waitUntil(after(monotonicNow(), -1), monotonicNow()), 0);
      assert.ok(monotonicNow() < far, "returned at once");
      bell.signal();
      const soon = after(monotonicNow(), 20);
      assert.equal(epoll.waitUntil(soon, monotonicNow()), 1);
      bell.clear();
      const later = after(soon, 30);
      assert.equal(epoll.waitUntil(later, monotonicNow()), 0);
      assert.ok(monotonicNow() >= later, "the earlier deadline no longer wakes");
    } finally {
      epoll.close();
      bell.close();
    }
  });

  it("waits without end for NEVER, until another thread rings", async () => {
    const epoll = new Epoll();
    const bell = new Wakeup();
    const module = new URL("../../src/host/epoll.js", import.meta.url).href;
    const ringer = new Worker(
      `import(${JSON.stringify(module)}).then(({ Wakeup }) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
        new Wakeup(${bell.fd}).signal();
      });`,
      { eval: true },
    );
    const exited = new Promise((resolve) => ringer.once("exit", resolve));
    await new Promise((resolve) => ringer.once("online", resolve));
    try {
      epoll.add(bell.fd, 5, EPOLLIN);
      const expired = after(monotonicNow(), 2);
      while (monotonicNow() < expired) epoll.waitUntil(expired, monotonicNow());
      let ready = 0;
      while (ready === 0) ready = epoll.waitUntil(NEVER, monotonicNow());
      assert.equal(epoll.token(0), 5);
    } finally {
      await exited;
      epoll.close();
      bell.close();
    }
  });

  it("keeps a descriptor's results when the timer expires with it", () => {
    const epoll = new Epoll();
    const bells = [new Wakeup(), new Wakeup()];
    try {
      for (const [i, bell] of bells.entries()) epoll.add(bell.fd, i, EPOLLIN);
      const deadline = after(monotonicNow(), 5);
      bells[0]?.signal();
      epoll.waitUntil(deadline, monotonicNow()); // arms, returns at once
      while (monotonicNow() < after(deadline, 1)) bells[1]?.signal();
      assert.equal(epoll.wait(0), 2);
      assert.deepEqual(new Set([epoll.token(0), epoll.token(1)]), new Set([0, 1]));
    } finally {
      epoll.close();
      for (const bell of bells) bell.close();
    }
  });

  it("tells a hang-up even when no events are asked for", () => {
    const epoll = new Epoll();
    const pty = Pty.open();
    try {
      epoll.add(pty.slave, 3, 0);
      assert.equal(epoll.wait(0), 0);
      close(pty.master);
      assert.equal(epoll.wait(1000), 1);
      assert.equal(epoll.events(0) & EPOLLHUP, EPOLLHUP);
    } finally {
      close(pty.slave);
      epoll.close();
    }
  });

  it("names the descriptor in its error", () => {
    const epoll = new Epoll();
    try {
      assert.throws(() => epoll.add(1_000_000, 1, EPOLLIN), {
        code: "SYSTEM_CALL_FAILED",
        message: /1000000.*EBADF/,
      });
    } finally {
      epoll.close();
    }
  });

  it("has room for every octet of a token beside the events (the layout is the machine's)", () => {
    const epoll = new Epoll(2);
    const pty = Pty.open();
    try {
      epoll.add(pty.master, 0x1234_5678, EPOLLIN);
      const octet = nativeBuffer(1);
      assert.equal(write(pty.slave, octet.address, 1), 1);
      assert.equal(epoll.wait(1000), 1);
      assert.equal(epoll.token(0), 0x1234_5678);
      assert.equal(epoll.events(0), EPOLLIN);
    } finally {
      pty.close();
      epoll.close();
    }
  });
});
