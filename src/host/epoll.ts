import { type Instant, NEVER } from "../time.ts";
import {
  check,
  close,
  EINTR,
  epollCreate,
  epollCtl,
  epollWait,
  eventfd,
  type NativeBuffer,
  nativeBuffer,
  O_CLOEXEC,
  O_NONBLOCK,
  read,
  timerfdCreate,
  timerfdSettime,
  write,
} from "./libc.ts";

export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x8000_0000;

const CTL_ADD = 1;
const CTL_DEL = 2;
const CTL_MOD = 3;
const CLOCK_MONOTONIC = 1;
const TIMER_ABSOLUTE = 1;

/** struct epoll_event in 32-bit words: packed (12 octets) on x86-64 only, with padding before the data elsewhere. */
const PACKED = process.arch === "x64";
const STRIDE = PACKED ? 3 : 4;
const DATA = PACKED ? 1 : 2;
/** How far `monotonicNow` may be behind the kernel's clock; a timer that expired early would be set again and again. */
const CLOCK_SKEW_NS = 2000;
/** Where struct itimerspec has its first expiry: two 64-bit words, of which the lower halves are enough until 2106. */
const EXPIRY_SECONDS = 16;
const EXPIRY_NANOSECONDS = 24;
/** The token of our own timer. */
const TIMER = 0xffff_ffff;

/**
 * A set of descriptors to wait for, level-triggered, each known by a token of the caller's (0 to 2^32 - 2). Waiting
 * and looking at the results allocates nothing.
 */
export class Epoll {
  readonly #fd: number;
  readonly #timer: number;
  readonly #maxEvents: number;
  readonly #memory: NativeBuffer;
  readonly #ready: Uint32Array;
  readonly #change: NativeBuffer = nativeBuffer(16);
  readonly #changeWords = new Uint32Array(this.#change.octets.buffer, 0, 4);
  /** struct itimerspec: interval and first expiry, each seconds and nanoseconds. */
  readonly #expiry: NativeBuffer = nativeBuffer(32);
  #armed: Instant = NEVER;

  constructor(maxEvents = 64) {
    this.#maxEvents = maxEvents + 1;
    this.#memory = nativeBuffer(this.#maxEvents * STRIDE * 4);
    this.#ready = new Uint32Array(this.#memory.octets.buffer, 0, this.#maxEvents * STRIDE);
    this.#fd = check(epollCreate(O_CLOEXEC), "epoll_create1");
    this.#timer = timerfdCreate(CLOCK_MONOTONIC, O_NONBLOCK | O_CLOEXEC);
    if (this.#timer < 0) close(this.#fd);
    check(this.#timer, "timerfd_create");
    // Edge-triggered: each expiry is told once, and nobody has to read the timer to quiet it.
    this.#control(CTL_ADD, this.#timer, TIMER, EPOLLIN | EPOLLET);
  }

  /** @param events EPOLLIN and so on, or 0: then only EPOLLHUP and EPOLLERR, which are always told, are. */
  add(fd: number, token: number, events: number): void {
    this.#control(CTL_ADD, fd, token, events);
  }

  modify(fd: number, token: number, events: number): void {
    this.#control(CTL_MOD, fd, token, events);
  }

  /** Must be called before the descriptor is closed if others share its open file. */
  remove(fd: number): void {
    this.#control(CTL_DEL, fd, 0, 0);
  }

  #control(operation: number, fd: number, token: number, events: number): void {
    this.#changeWords[0] = events;
    this.#changeWords[DATA] = token;
    check(epollCtl(this.#fd, operation, fd, this.#change.address), `epoll_ctl for descriptor ${fd}`);
  }

  /**
   * Waits for the first event, a signal, or the time.
   * @param timeoutMs whole milliseconds; 0 only looks, -1 waits without end
   * @returns how many results `token` and `events` now have; 0 after the time or a signal
   */
  wait(timeoutMs: number): number {
    const count = epollWait(this.#fd, this.#memory.address, this.#maxEvents, timeoutMs);
    if (count === -EINTR) return 0;
    return this.#withoutTimer(check(count, "epoll_wait"));
  }

  /**
   * Waits until `deadline` at the latest, to about 50 µs; NEVER waits without end. A return of 0 may come early: look
   * at the clock. The kernel's timer is set only when the deadline is not the one of the call before.
   */
  waitUntil(deadline: Instant, now: Instant): number {
    if (deadline <= now) return this.wait(0);
    if (deadline !== this.#armed) this.#arm(deadline);
    return this.wait(-1);
  }

  token(index: number): number {
    return this.#ready[index * STRIDE + DATA] as number;
  }

  events(index: number): number {
    return this.#ready[index * STRIDE] as number;
  }

  close(): void {
    close(this.#timer);
    close(this.#fd);
  }

  #arm(deadline: Instant): void {
    this.#armed = deadline;
    let seconds = 0;
    let nanoseconds = 0; // both 0 disarm
    if (deadline !== NEVER) {
      seconds = Math.floor(deadline / 1000);
      nanoseconds = Math.ceil((deadline - seconds * 1000) * 1e6) + CLOCK_SKEW_NS;
      if (nanoseconds >= 1e9) {
        seconds += 1;
        nanoseconds -= 1e9;
      }
    }
    this.#expiry.view.setUint32(EXPIRY_SECONDS, seconds, true);
    this.#expiry.view.setUint32(EXPIRY_NANOSECONDS, nanoseconds, true);
    check(timerfdSettime(this.#timer, TIMER_ABSOLUTE, this.#expiry.address), "timerfd_settime");
  }

  /** Takes our timer out of the results: the last one moves to its place. */
  #withoutTimer(count: number): number {
    for (let i = 0; i < count; i++) {
      if (this.token(i) !== TIMER) continue;
      this.#armed = NEVER; // it has expired; a deadline of NEVER needs no disarming
      const last = (count - 1) * STRIDE;
      this.#ready.copyWithin(i * STRIDE, last, last + STRIDE);
      return count - 1;
    }
    return count;
  }
}

/**
 * A bell (eventfd) that any thread may ring to end another's wait: the waiting one has `fd` in its {@link Epoll} with
 * EPOLLIN. A thread that is given only the number makes its own object by it; only the maker closes.
 */
export class Wakeup {
  readonly fd: number;
  readonly #counter: NativeBuffer = nativeBuffer(8);

  constructor(fd?: number) {
    this.fd = fd ?? check(eventfd(0, O_NONBLOCK | O_CLOEXEC), "eventfd");
  }

  signal(): void {
    new BigUint64Array(this.#counter.octets.buffer, 0, 1)[0] = 1n;
    write(this.fd, this.#counter.address, 8); // EAGAIN: it has been rung 2^64 - 2 times, so it rings
  }

  /** Quiet until the next signal. */
  clear(): void {
    read(this.fd, this.#counter.address, 8);
  }

  close(): void {
    close(this.fd);
  }
}
