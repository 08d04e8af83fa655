import { EqlError } from "../errors.ts";
import { EPOLLIN, EPOLLOUT, Epoll } from "../host/epoll.ts";
import {
  close,
  EAGAIN,
  EIO,
  EPERM,
  ioctl,
  type NativeBuffer,
  nativeBuffer,
  read,
  write,
} from "../host/libc.ts";
import { Termios } from "../host/termios.ts";
import type { Instant } from "../time.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const TCSBRK = 0x5409;

/** What a read may bring instead of an octet. */
export const NOTHING = -1;
export const ENDED = -2;

/**
 * Standard input and output as the line of a dialogue. It is read octet by octet: what the dialogue does not read stays
 * with the terminal, for the program that uses the line next. Waiting blocks the thread; a signal ends it.
 */
export class ChatLine {
  readonly #input = new Readiness(STDIN, EPOLLIN);
  readonly #output = new Readiness(STDOUT, EPOLLOUT);
  readonly #nothing = new Epoll(1);
  readonly #octet: NativeBuffer = nativeBuffer(1);
  readonly #saved: Termios | null;
  readonly #terminals: readonly number[];

  constructor() {
    this.#terminals = [STDIN, STDOUT, STDERR].filter(isTerminal);
    this.#saved = settingsOf(STDIN);
    const plain = settingsOf(STDIN);
    plain?.makePlain();
    plain?.set(STDIN);
  }

  /** @returns an octet, NOTHING by the deadline or earlier, or ENDED */
  read(deadline: Instant, now: Instant): number {
    if (!this.#input.wait(deadline, now)) return NOTHING;
    const count = read(STDIN, this.#octet.address, 1);
    if (count === -EAGAIN) return NOTHING;
    return count === 1 ? (this.#octet.octets[0] as number) : ENDED;
  }

  /** Waits without reading; may return early. */
  pause(deadline: Instant, now: Instant): void {
    this.#nothing.waitUntil(deadline, now);
  }

  /** @returns 1: written; NOTHING: the line takes nothing, by the deadline or earlier; ENDED */
  write(octet: number, deadline: Instant, now: Instant): number {
    if (!this.#output.wait(deadline, now)) return NOTHING;
    this.#octet.octets[0] = octet;
    const count = write(STDOUT, this.#octet.address, 1);
    if (count === -EAGAIN) return NOTHING;
    return count === 1 ? 1 : ENDED;
  }

  /** For a quarter of a second at least; nothing where the line is no terminal. */
  sendBreak(): void {
    ioctl(STDIN, TCSBRK, 0);
  }

  /** Gives the terminal back as it was. */
  close(): void {
    this.#saved?.set(STDIN); // fails after a hang-up, when there is nothing to restore
    this.#input.close();
    this.#output.close();
    this.#nothing.close();
    // At its end, Node aborts over a terminal of its own that was hung up.
    for (const fd of this.#terminals) if (settingsOf(fd) === null) close(fd);
  }
}

/** Whether it is one, or one that was hung up. */
function isTerminal(fd: number): boolean {
  try {
    Termios.get(fd, "a standard stream");
    return true;
  } catch (error) {
    return error instanceof EqlError && error.details["errno"] === EIO;
  }
}

/** null: it is no terminal, or one that was hung up. */
function settingsOf(fd: number): Termios | null {
  try {
    return Termios.get(fd, "standard input");
  } catch (error) {
    if (error instanceof EqlError) return null;
    throw error;
  }
}

/** Waits for one descriptor; a file is always ready. */
class Readiness {
  readonly #epoll: Epoll | null;

  constructor(fd: number, events: number) {
    const epoll = new Epoll(1);
    try {
      epoll.add(fd, fd, events);
    } catch (error) {
      epoll.close();
      if (!(error instanceof EqlError && error.details["errno"] === EPERM)) throw error;
      this.#epoll = null;
      return;
    }
    this.#epoll = epoll;
  }

  wait(deadline: Instant, now: Instant): boolean {
    return this.#epoll === null || this.#epoll.waitUntil(deadline, now) > 0;
  }

  close(): void {
    this.#epoll?.close();
  }
}
