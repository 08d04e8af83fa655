import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { monotonicNow } from "../../src/host/clock.ts";
import { EPOLLHUP, EPOLLIN, Epoll } from "../../src/host/epoll.ts";
import {
  check,
  close,
  nativeBuffer,
  O_CLOEXEC,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  open,
  read,
  write,
} from "../../src/host/libc.ts";
import { VirtualLines } from "../../src/lab/virtual-line.ts";
import { after } from "../../src/time.ts";

const DEADLINE_MS = 60_000;

const openLine = (path: string): number =>
  check(open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), `opening ${path}`);

/** Octets to send, octets that came, and when. */
class End {
  readonly fd: number;
  readonly received: Buffer;
  have = 0;
  firstAt = 0;
  lastAt = 0;
  readonly #out: ReturnType<typeof nativeBuffer>;
  readonly #in = nativeBuffer(4096);
  sent = 0;

  constructor(path: string, outgoing: Uint8Array, expected: number) {
    this.fd = openLine(path);
    this.#out = nativeBuffer(outgoing.length);
    this.#out.octets.set(outgoing);
    this.received = Buffer.alloc(expected);
  }

  /** @returns true when all is sent and received */
  pump(): boolean {
    while (this.sent < this.#out.octets.length) {
      const took = write(this.fd, this.#out.address + this.sent, this.#out.octets.length - this.sent);
      if (took <= 0) break;
      this.sent += took;
    }
    while (this.have < this.received.length) {
      const wanted = Math.min(this.#in.octets.length, this.received.length - this.have);
      const got = read(this.fd, this.#in.address, wanted);
      if (got <= 0) break;
      this.lastAt = monotonicNow();
      if (this.have === 0) this.firstAt = this.lastAt;
      this.received.set(this.#in.octets.subarray(0, got), this.have);
      this.have += got;
    }
    return this.sent === this.#out.octets.length && this.have >= this.received.length;
  }

  close(): void {
    close(this.fd);
  }
}

/** Turns all ends until all are done. */
function transfer(ends: readonly End[]): void {
  const epoll = new Epoll();
  try {
    for (const [i, end] of ends.entries()) epoll.add(end.fd, i, EPOLLIN);
    const deadline = after(monotonicNow(), DEADLINE_MS);
    for (;;) {
      const done = ends.map((end) => end.pump());
      if (done.every(Boolean)) return;
      const now = monotonicNow();
      const progress = ends.map((end) => `${end.have} of ${end.received.length}`).join(", ");
      assert.ok(now < deadline, `only ${progress} octets in time`);
      // A pty is always writable by poll's word; octets that did not fit are offered again soon.
      const unsent = ends.some((_, i) => done[i] === false);
      epoll.waitUntil(unsent ? after(now, 5) : deadline, now);
    }
  } finally {
    epoll.close();
  }
}

const hash = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");
const NOTHING = new Uint8Array(0);

describe("virtual serial lines", () => {
  let folder: string;
  let lines: VirtualLines | null;
  let ends: End[];
  const path = (name: string): string => join(folder, name);
  const end = (name: string, outgoing: Uint8Array, expected: number): End => {
    const made = new End(path(name), outgoing, expected);
    ends.push(made);
    return made;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "eql-line-"));
    lines = null;
    ends = [];
  });
  afterEach(async () => {
    for (const one of ends) one.close();
    await lines?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("carries two lines at once in both directions, intact, each at its rate within 1 %", async () => {
    lines = await VirtualLines.start([
      { near: path("a"), far: path("b"), rateBps: 115_200 },
      { near: path("c"), far: path("d"), rateBps: 57_600, rateBackBps: 28_800 },
    ]);
    const out = [randomBytes(17_280), randomBytes(17_280), randomBytes(8640), randomBytes(4320)] as const;
    // Never earlier; and as late as the processor is elsewhere in the end: until each has come when it was due.
    const due = [false, false, false, false];
    const deadline = after(monotonicNow(), DEADLINE_MS);
    let rounds = 0;
    for (; due.includes(false); rounds++) {
      assert.ok(monotonicNow() < deadline, `${due.join()} after ${rounds} rounds`);
      const [a, b] = [new End(path("a"), out[0], out[1].length), new End(path("b"), out[1], out[0].length)];
      const [c, d] = [new End(path("c"), out[2], out[3].length), new End(path("d"), out[3], out[2].length)];
      const started = monotonicNow();
      transfer([a, b, c, d]);
      for (const [i, to] of [b, a, d, c].entries()) {
        assert.equal(hash(to.received), hash(out[i] as Buffer));
        // 1.5 s of octets on each; from the start, as 8N1 lines may not be ahead of that.
        const took = to.lastAt - started;
        assert.ok(took >= 1499, `${out[i]?.length} octets took ${took} ms`);
        if (took < 1515) due[i] = true;
      }
      for (const one of [a, b, c, d]) one.close();
    }
    assert.deepEqual(await lines.counts(), [
      { nearToFar: rounds * 17_280, farToNear: rounds * 17_280, overruns: 0 },
      { nearToFar: rounds * 8640, farToNear: rounds * 4320, overruns: 0 },
    ]);
  });

  it("brings one octet over an idle line in less than 5 ms, and sleeps when there is nothing to carry", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 115_200 }]);
    const deadline = after(monotonicNow(), DEADLINE_MS);
    for (let quick = 0, octets = 0; quick < 6; octets++) {
      assert.ok(monotonicNow() < deadline, `${quick} of ${octets} were quick`);
      const a = new End(path("a"), randomBytes(1), 0);
      const b = new End(path("b"), NOTHING, 1);
      const started = monotonicNow();
      transfer([a, b]);
      if (b.lastAt - started < 5) quick++;
      a.close();
      b.close();
    }
    const begun = monotonicNow();
    const before = threadSwitches();
    await new Promise((resolve) => setTimeout(resolve, 300)); // measured over this time, not waited for
    const woke = threadSwitches() - before;
    const ms = monotonicNow() - begun;
    assert.ok(woke < ms / 3, `the threads of an idle process woke ${woke} times in ${ms} ms`);
  });

  it("drops and counts what nobody reads, and then goes on", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 1_000_000 }]);
    const a = end("a", randomBytes(60_000), 0);
    transfer([a]);
    const count = await poll(lines, (one) => one.nearToFar + one.overruns === 60_000);
    assert.ok(count.overruns > 30_000 && count.nearToFar >= 4096, JSON.stringify(count));
    const b = end("b", NOTHING, count.nearToFar);
    transfer([b]);
    const more = end("a", randomBytes(100), 0);
    const rest = end("b", NOTHING, 100);
    transfer([more, rest]);
  });

  it("swallows octets while the cable is pulled, and tells nobody", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 115_200 }]);
    await lines.setCut(0, true);
    transfer([end("a", randomBytes(500), 0)]);
    const drained = after(monotonicNow(), 500);
    while (monotonicNow() < drained) await lines.counts();
    await lines.setCut(0, false);
    const sent = randomBytes(200);
    const b = end("b", NOTHING, 200);
    transfer([end("a", sent, 0), b]);
    assert.equal(hash(b.received), hash(sent));
    assert.deepEqual(await lines.counts(), [{ nearToFar: 200, farToNear: 0, overruns: 0 }]);
  });

  it("hangs up both ends and removes the links; restores them with fresh devices", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 115_200 }]);
    const epoll = new Epoll();
    const [a, b] = [end("a", NOTHING, 0), end("b", NOTHING, 0)];
    try {
      epoll.add(a.fd, 1, EPOLLIN);
      epoll.add(b.fd, 2, EPOLLIN);
      await lines.hangUp(0);
      await lines.hangUp(0);
      assert.equal(epoll.wait(2000), 2);
      for (const i of [0, 1]) assert.equal(epoll.events(i) & EPOLLHUP, EPOLLHUP);
      const octet = nativeBuffer(1);
      assert.equal(read(a.fd, octet.address, 1), 0, "the end of the device");
      assert.deepEqual(readdirSync(folder), []);
    } finally {
      epoll.close();
    }
    await lines.restore(0);
    await lines.restore(0);
    const sent = randomBytes(300);
    const far = end("b", NOTHING, 300);
    transfer([end("a", sent, 0), far]);
    assert.equal(hash(far.received), hash(sent));
  });

  it("does not mind that an end is closed and opened again in mid-stream", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 115_200 }]);
    const sent = randomBytes(3000);
    const a = end("a", sent, 0);
    const first = new End(path("b"), NOTHING, 1000);
    transfer([a, first]);
    first.close();
    const rest = end("b", NOTHING, 3000 - first.have);
    transfer([rest]);
    assert.equal(hash(Buffer.concat([first.received.subarray(0, first.have), rest.received])), hash(sent));
  });

  it("leaves no link and no descriptor, however often it is closed", async () => {
    const descriptors = (): string[] =>
      readdirSync("/proc/self/fd").map((fd) => linkOf(`/proc/self/fd/${fd}`));
    const devices = (): number =>
      descriptors().filter((name) => /ptmx|\/pts\/|eventfd|timerfd/.test(name)).length;
    const warm = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 9600 }]);
    await warm.close();
    const before = devices();
    const made = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 9600 }]);
    assert.ok(devices() > before);
    await Promise.all([made.close(), made.close()]);
    assert.equal(devices(), before);
    assert.deepEqual(readdirSync(folder), []);
    await assert.rejects(made.counts(), /closed/);
  });

  it("starts all lines or none", async () => {
    writeFileSync(path("taken"), "");
    const starting = VirtualLines.start([
      { near: path("a"), far: path("b"), rateBps: 9600 },
      { near: path("c"), far: path("taken"), rateBps: 9600 },
    ]);
    await assert.rejects(starting, { name: "EqlError", code: "NAME_TAKEN" });
    assert.deepEqual(readdirSync(folder), ["taken"]);
  });

  it("refuses a line that it has not", async () => {
    lines = await VirtualLines.start([{ near: path("a"), far: path("b"), rateBps: 9600 }]);
    await assert.rejects(lines.hangUp(1), { code: "LINE_UNKNOWN" });
    assert.equal((await lines.counts()).length, 1);
  });

  for (const [how, ending] of [
    ["by running out of work", ""],
    ["by process.exit", "process.exit(7);"],
    ["by an exception", "throw new Error('gone');"],
  ] as const) {
    it(`lets a process end ${how}, without its links`, async () => {
      const module = new URL("../../src/lab/virtual-line.js", import.meta.url).href;
      const script = `const { VirtualLines } = await import(${JSON.stringify(module)});
        await VirtualLines.start([{ near: ${JSON.stringify(path("a"))}, far: ${JSON.stringify(path("b"))}, rateBps: 9600 }]);
        console.log("up");
        ${ending}`;
      writeFileSync(path("run.mjs"), script);
      const child = spawn(process.execPath, [path("run.mjs")], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const late = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      const ended = new Promise<[number | null, string | null]>((resolve) =>
        child.once("close", (code, signal) => resolve([code, signal])),
      );
      try {
        const [code, signal] = await ended;
        assert.equal(signal, null, "ended by itself");
        assert.equal(code, how === "by process.exit" ? 7 : how === "by an exception" ? 1 : 0);
        assert.equal(said, "up\n");
        assert.equal(lstatSync(path("a"), { throwIfNoEntry: false }), undefined);
        assert.equal(existsSync(path("b")), false);
      } finally {
        clearTimeout(late);
      }
    });
  }
});

/** Asks until the count of the first line is as wished. */
async function poll(
  lines: VirtualLines,
  wished: (count: { nearToFar: number; overruns: number }) => boolean,
): Promise<{ nearToFar: number; overruns: number }> {
  const deadline = after(monotonicNow(), DEADLINE_MS);
  for (;;) {
    const [count] = await lines.counts();
    assert.ok(count !== undefined && monotonicNow() < deadline, JSON.stringify(count));
    if (wished(count)) return count;
  }
}

/** How often the threads of this process were woken from a sleep of their own. */
function threadSwitches(): number {
  let switches = 0;
  for (const thread of readdirSync("/proc/self/task")) {
    const status = readFileSync(`/proc/self/task/${thread}/status`, "utf8");
    switches += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return switches;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
