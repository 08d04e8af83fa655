import { type Instant, instant } from "../../time.ts";
import { monotonicNow } from "../clock.ts";
import { EPOLLIN, EPOLLOUT, Epoll } from "../epoll.ts";

/** Called with what a descriptor is ready for (EPOLLIN and so on). */
export type Handler = (events: number, now: Instant) => void;

/** Descriptors, and who is called when one is ready. */
export class Watcher {
  /** The clock, as it was last looked at: whoever looks again in a turn moves the time of all that comes after. */
  now: Instant = instant(0);
  readonly #epoll = new Epoll();
  readonly #handlers = new Map<number, Handler>();
  readonly #tokens = new Map<number, number>();
  #nextToken = 1;

  /**
   * Calls when the descriptor can be read, or is hung up; with `events` 0, only when it is hung up.
   * @throws EqlError SYSTEM_CALL_FAILED: the kernel watches no more (fs.epoll.max_user_watches), or has no memory; nothing is changed
   */
  watch(fd: number, handler: Handler, events: number = EPOLLIN): void {
    const token = this.#nextToken++;
    this.#epoll.add(fd, token, events);
    this.#handlers.set(token, handler);
    this.#tokens.set(fd, token);
  }

  /** Before the descriptor is closed; one that is not watched is no error. */
  unwatch(fd: number): void {
    const token = this.#tokens.get(fd);
    if (token === undefined) return;
    this.#epoll.remove(fd);
    this.#tokens.delete(fd);
    this.#handlers.delete(token);
  }

  /** Whether to call when the descriptor can be written too. */
  setWritable(fd: number, wanted: boolean): void {
    const token = this.#tokens.get(fd);
    if (token !== undefined) this.#epoll.modify(fd, token, EPOLLIN | (wanted ? EPOLLOUT : 0));
  }

  /** Looks at the clock. */
  look(): Instant {
    this.now = monotonicNow();
    return this.now;
  }

  /** Waits until a descriptor is ready or the deadline has come, and calls. @returns the time after the wait: what had come by then was read */
  turn(deadline: Instant): Instant {
    const count = this.#epoll.waitUntil(deadline, monotonicNow());
    const waitedUntil = this.look();
    // A descriptor that an earlier handler stopped watching has no handler any more.
    for (let i = 0; i < count; i++)
      this.#handlers.get(this.#epoll.token(i))?.(this.#epoll.events(i), this.now);
    return waitedUntil;
  }
}
