import { writeSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { EPOLLIN, Epoll } from "../host/epoll.ts";
import { check, close, nativeBuffer, O_CLOEXEC, open, prctl, read, setns } from "../host/libc.ts";
import { openTun } from "../host/tun.ts";
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { SlotStack, WanDevicePath } from "./wan-device-path.ts";
import type {
  WanChange,
  WanCounts,
  WanDirection,
  WanEmulatorLink,
  WanEnd,
  WanLaterChange,
  WanRequest,
} from "./wan-emulator-roles.ts";

/**
 * The process behind {@link WanEmulator}: a TUN device at each end of each link, and one loop over epoll that moves
 * packets between them as `sim`'s {@link WanPath} says. Its argument is the links, as JSON; it ends with its standard
 * input.
 */

const CLONE_NEWNET = 0x4000_0000;
const PR_SET_TIMERSLACK = 29;
const ONE_MICROSECOND = 1000;
const STDIN = 0;
const STDOUT = 1;
/** The token of standard input; directions have theirs from 0 on. */
const REQUESTS = 0x8000_0000;
/**
 * While packets come, all is done on a grid of so many milliseconds: that costs a few wakeups for many packets, and a
 * turn that is late knows since when.
 */
const TICK_MS = 0.25;
/** So long after the last packet the devices are waited for instead. */
const BUSY_MS = 20;
const REQUEST_OCTETS = 65_536;

/** Enters the host's network for it; this process has no other business in any. */
function openEnd({ pid, device }: WanEnd): number {
  const doing = `enter the network of process ${pid}`;
  const network = check(open(`/proc/${pid}/ns/net`, O_CLOEXEC), doing);
  try {
    check(setns(network, CLONE_NEWNET), doing, "CAPABILITY_MISSING");
    return openTun(device);
  } finally {
    close(network);
  }
}

const nextTick = (now: Instant): Instant => instant((Math.floor(now / TICK_MS) + 1) * TICK_MS);

class Emulator {
  readonly #links: readonly Readonly<Record<WanDirection, WanDevicePath>>[];
  readonly #directions: readonly WanDevicePath[];
  /** Devices and standard input. */
  readonly #all: Epoll;
  /** Standard input alone. */
  readonly #clock: Epoll = new Epoll(1);
  readonly #input = nativeBuffer(REQUEST_OCTETS);
  #unread = "";
  /** What is still to be changed, the next one last. */
  #schedule: (WanChange & { readonly at: Instant })[] = [];
  #latestMs = 0;

  constructor(links: readonly WanEmulatorLink[]) {
    this.#all = new Epoll(2 * links.length + 1);
    const slots = new SlotStack();
    this.#links = links.map(({ client, server, up, down, seed }) => {
      const near = openEnd(client);
      const far = openEnd(server);
      return {
        up: new WanDevicePath(slots, near, far, up, 2 * seed),
        down: new WanDevicePath(slots, far, near, down, 2 * seed + 1),
      };
    });
    this.#directions = this.#links.flatMap(({ up, down }) => [up, down]);
    for (const [token, { from }] of this.#directions.entries()) this.#all.add(from, token, EPOLLIN);
    this.#all.add(STDIN, REQUESTS, EPOLLIN);
    this.#clock.add(STDIN, REQUESTS, EPOLLIN);
  }

  run(): void {
    let now = monotonicNow();
    let busyUntil = now;
    for (;;) {
      const busy = now < busyUntil;
      const deadline = busy ? nextTick(now) : this.#deadline();
      let ready = (busy ? this.#clock : this.#all).waitUntil(deadline, now);
      now = monotonicNow();
      if (now - deadline > this.#latestMs) this.#latestMs = now - deadline;
      this.#changeWhatIsDue(now);
      for (let i = 0; i < this.#directions.length; i++) {
        const direction = this.#directions[i] as WanDevicePath;
        if (direction.handleTurn(now, busy) > 0) busyUntil = after(now, BUSY_MS);
        direction.deliver(now);
      }
      while (ready-- > 0) {
        const token = busy ? REQUESTS : this.#all.token(ready);
        if (token === REQUESTS && !this.#handleInput(now)) return;
      }
    }
  }

  #deadline(): Instant {
    let next = this.#schedule.at(-1)?.at ?? NEVER;
    for (let i = 0; i < this.#directions.length; i++)
      next = earlier(next, (this.#directions[i] as WanDevicePath).path.pollTimeout());
    return next;
  }

  #changeWhatIsDue(now: Instant): void {
    for (
      let next = this.#schedule.at(-1);
      next !== undefined && next.at <= now;
      next = this.#schedule.at(-1)
    ) {
      this.#schedule.pop();
      this.#change(next, now);
    }
  }

  /**
   * @param now the turn's: what was due by then has been delivered, and is in the counts
   * @returns false: the owner is gone
   */
  #handleInput(now: Instant): boolean {
    const length = read(STDIN, this.#input.address, REQUEST_OCTETS);
    if (length <= 0) return false;
    this.#unread += Buffer.from(this.#input.octets.subarray(0, length)).toString();
    const lines = this.#unread.split("\n");
    this.#unread = lines.pop() ?? "";
    for (const line of lines) this.#handleRequest(JSON.parse(line) as WanRequest, now);
    return true;
  }

  #handleRequest(request: WanRequest, now: Instant): void {
    if (request.kind === "change") this.#change(request, now);
    if (request.kind === "schedule") this.#begin(request.changes, now);
    this.reply(now);
  }

  #begin(changes: readonly WanLaterChange[], now: Instant): void {
    this.#schedule = changes
      .map(({ atMs, ...change }) => ({ ...change, at: after(now, atMs) }))
      .toSorted((a, b) => b.at - a.at);
  }

  #change({ link, direction, settings }: WanChange, now: Instant): void {
    const changed = this.#links[link];
    if (direction !== "down") changed?.up.change(settings, now);
    if (direction !== "up") changed?.down.change(settings, now);
  }

  reply(now: Instant): void {
    const links = this.#links.map(({ up, down }) => ({ up: up.count(), down: down.count() }));
    const counts: WanCounts = { at: now, latestMs: this.#latestMs, links };
    this.#latestMs = 0;
    writeSync(STDOUT, `${JSON.stringify(counts)}\n`);
  }
}

/** Ahead of the load that it carries; an ordinary user may not, and measures with more noise. */
function hurry(): void {
  prctl(PR_SET_TIMERSLACK, ONE_MICROSECOND);
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
  } catch {
    // as said
  }
}

try {
  hurry();
  const emulator = new Emulator(JSON.parse(process.argv[2] ?? "[]") as WanEmulatorLink[]);
  emulator.reply(monotonicNow());
  emulator.run();
} catch (error) {
  process.stderr.write(`${error instanceof EqlError ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
