import type { Instant } from "../time.ts";

const FEWEST_AFTER = 3;
const MOST_AFTER = 64;
/** Before anything is learnt. The receiver gives a gap time too, before it hurries to report it. */
const OVERDUE_MS = 1;
const MOST_DOUBLINGS = 5;
/** Without another mistake for so long, patience is halved again. */
const FORGET_MS = 30_000;

/**
 * How much reordering a path is believed to do, by either end of it. Each time that something was taken for lost which then came, belief
 * doubles, once for all that was sent until then.
 */
export class Reordering {
  #doublings = 0;
  #changedAt = 0;
  #until = 0;

  /** What this many have overtaken may be lost. */
  get datagrams(): number {
    return Math.min(MOST_AFTER, FEWEST_AFTER << this.#doublings);
  }

  /** And what is so long overdue. */
  get overdueMs(): number {
    return OVERDUE_MS << this.#doublings;
  }

  /** Datagram `number` was taken for lost, and came; `next` has not been sent, or has not come. */
  handleSpurious(number: number, next: number, now: Instant): void {
    if (number < this.#until) return;
    this.#until = next;
    this.#changedAt = now;
    if (this.#doublings < MOST_DOUBLINGS) this.#doublings++;
  }

  /** Numbers begin anew. */
  restart(): void {
    this.#until = 0;
  }

  /** A report was made, or came. */
  handleReport(now: Instant): void {
    if (this.#doublings === 0 || now - this.#changedAt < FORGET_MS) return;
    this.#changedAt = now;
    this.#doublings--;
  }
}
