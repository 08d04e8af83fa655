import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { EPOLLIN, Epoll, Wakeup } from "../host/epoll.ts";
import { nativeBuffer, read, write } from "../host/libc.ts";
import { Pty } from "../host/pty.ts";
import { SerialLine } from "../sim/serial-line.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import type {
  LineReply,
  LineRequest,
  LineWorkerData,
  VirtualLineCount,
  VirtualLineOptions,
} from "./virtual-line.ts";

/** The thread behind {@link VirtualLines}: one loop over epoll for all lines, asleep while all of them are idle. */

/** Busy lines are visited on this common grid, so that many lines cost no more wakeups than one. */
const TICK_MS = 1;
const CHUNK_OCTETS = 4096;
const COMMANDS = 0;

const buffer = nativeBuffer(CHUNK_OCTETS);

/** One direction of one cable: takes from one pty what the line has time for, and gives it to the other. */
class Direction {
  readonly token: number;
  readonly line: SerialLine;
  delivered = 0;
  overruns = 0;
  readonly #epoll: Epoll;
  #from = -1;
  #to = -1;

  constructor(epoll: Epoll, token: number, rateBps: number) {
    this.#epoll = epoll;
    this.token = token;
    this.line = new SerialLine(rateBps);
  }

  connect(from: number, to: number): void {
    this.#from = from;
    this.#to = to;
    this.#epoll.add(from, this.token, EPOLLIN);
  }

  disconnect(): void {
    this.#epoll.remove(this.#from);
    this.line.handlePassed(0, true);
    this.#from = -1;
    this.#to = -1;
  }

  handleReadable(now: Instant): void {
    if (this.#from < 0 || this.line.busy) return;
    this.line.handleWaiting(now);
    this.#epoll.modify(this.#from, this.token, 0); // from here on the clock says when to look
  }

  handleTick(now: Instant): void {
    let allowance = this.line.allowance(now);
    while (allowance > 0) {
      const wanted = Math.min(allowance, CHUNK_OCTETS);
      const got = read(this.#from, buffer.address, wanted);
      // A short read proves nothing, the kernel hands over in pieces; only "nothing there" does.
      this.#deliver(this.line.handlePassed(Math.max(got, 0), got <= 0));
      if (got <= 0) return this.#epoll.modify(this.#from, this.token, EPOLLIN);
      allowance -= got;
    }
  }

  #deliver(octets: number): void {
    let given = 0;
    while (given < octets) {
      const took = write(this.#to, buffer.address + given, octets - given);
      if (took <= 0) break; // nobody reads at the far end, and its buffer is full
      given += took;
    }
    this.delivered += given;
    this.overruns += octets - given;
  }
}

class Cable {
  readonly forth: Direction;
  readonly back: Direction;
  readonly #options: VirtualLineOptions;
  #near: Pty | null = null;
  #far: Pty | null = null;

  constructor(epoll: Epoll, index: number, options: VirtualLineOptions) {
    this.#options = options;
    this.forth = new Direction(epoll, 2 * index + 1, options.rateBps);
    this.back = new Direction(epoll, 2 * index + 2, options.rateBackBps ?? options.rateBps);
  }

  plug(): void {
    if (this.#near !== null) return;
    const near = Pty.open();
    let far: Pty | null = null;
    try {
      far = Pty.open();
      near.linkAt(this.#options.near);
      far.linkAt(this.#options.far);
    } catch (error) {
      far?.close();
      near.close();
      throw error;
    }
    this.forth.connect(near.master, far.master);
    this.back.connect(far.master, near.master);
    this.#near = near;
    this.#far = far;
  }

  unplug(): void {
    if (this.#near === null || this.#far === null) return;
    this.forth.disconnect();
    this.back.disconnect();
    this.#near.close();
    this.#far.close();
    this.#near = null;
    this.#far = null;
  }

  count(): VirtualLineCount {
    return {
      nearToFar: this.forth.delivered,
      farToNear: this.back.delivered,
      overruns: this.forth.overruns + this.back.overruns,
    };
  }
}

const { lines, port, wakeup, stopped } = workerData as LineWorkerData;
const epoll = new Epoll(2 * lines.length + 1);
const bell = new Wakeup(wakeup);
const cables: Cable[] = [];

const reply = (message: LineReply): void => port.postMessage(message);

/** Does what was asked and answers. */
function handle(request: Exclude<LineRequest, { kind: "stop" }>): void {
  if (request.kind !== "counts") {
    const cable = cables[request.line];
    if (cable === undefined) throw new EqlError("LINE_UNKNOWN", `there is no virtual line ${request.line}`);
    if (request.kind === "hangUp") cable.unplug();
    else if (request.kind === "restore") cable.plug();
    else cable.forth.line.cut = cable.back.line.cut = request.cut;
  }
  reply({ counts: cables.map((cable) => cable.count()) });
}

/** Answers with the error instead of dying of it. */
function guarded(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (!(error instanceof EqlError)) throw error;
    reply({ failure: { code: error.code, message: error.message, details: error.details } });
    return false;
  }
}

/** @returns false: stop */
function handleCommands(): boolean {
  bell.clear();
  for (;;) {
    const request = (receiveMessageOnPort(port) as { message: LineRequest } | undefined)?.message;
    if (request === undefined) return true;
    if (request.kind === "stop") return false;
    guarded(() => handle(request));
  }
}

/** When the first busy line has something to pass, moved up to the grid. */
function nextTick(directions: readonly Direction[]): Instant {
  let next = NEVER;
  for (const direction of directions) {
    const due = direction.line.pollTimeout();
    if (due < next) next = due;
  }
  return next === NEVER ? NEVER : instant(Math.ceil(next / TICK_MS) * TICK_MS);
}

function run(): void {
  const directions = cables.flatMap((cable) => [cable.forth, cable.back]);
  for (;;) {
    const ready = epoll.waitUntil(nextTick(directions), monotonicNow());
    const now = monotonicNow();
    let commanded = false;
    for (let i = 0; i < ready; i++) {
      const token = epoll.token(i);
      if (token === COMMANDS) commanded = true;
      else directions[token - 1]?.handleReadable(now);
    }
    for (const direction of directions) direction.handleTick(now);
    if (commanded && !handleCommands()) return;
  }
}

try {
  epoll.add(bell.fd, COMMANDS, EPOLLIN);
  const ready = guarded(() => {
    for (const [index, options] of lines.entries()) {
      const cable = new Cable(epoll, index, options);
      cable.plug();
      cables.push(cable);
    }
    reply({ counts: cables.map((cable) => cable.count()) });
  });
  if (ready) run();
} finally {
  for (const cable of cables) cable.unplug();
  epoll.close();
  port.close();
  Atomics.store(stopped, 0, 1);
  Atomics.notify(stopped, 0);
}
