import type { Instant } from "../time.ts";
import { type Bottleneck, LOWEST_RATE, QUEUE_MS, TICK_MS } from "./bottleneck.ts";
import type { PathFigures } from "./path-figures.ts";

/** What may be in flight before anything is known. */
export const INITIAL_DATAGRAMS = 8;
/** Longer pauses between the first datagrams are the sender's. */
const FIRST_MS = 150;
/** What came so much later than it could, as a share of the time in which it came, was sent at once. */
const WAITED = 0.5;

/** The first datagrams of a path, sent at a rate that was guessed: how far apart do they come? */
export class FirstDatagrams {
  /** How many may be in flight. */
  most: number = INITIAL_DATAGRAMS;
  /** Nothing is known but the initial rate. */
  isUnknown = true;
  readonly #path: Bottleneck;
  #until = Number.NEGATIVE_INFINITY;
  #octets = 0;
  #ms = 0;

  constructor(path: Bottleneck) {
    this.#path = path;
  }

  /** @returns whether something is known now */
  handle(now: Instant, figures: PathFigures, limited: boolean, full: boolean): boolean {
    const { deliveredOctets, deliveredMs } = figures;
    const { times, gauge, capacity } = this.#path;
    if (limited) {
      // With rests between them datagrams tell nothing of the rate, but so many at once are no more than the path takes.
      if (!full || now < this.#until) return false;
      if (gauge.latestMs <= QUEUE_MS) this.most *= 2;
      this.#until = now + Math.max(times.loopMs, FIRST_MS);
      return false;
    }
    // A pause in which the window was full measures nothing, unless what came after it had been waiting as long.
    const pauseMs = Math.max(FIRST_MS, times.roundTripMs / 2, 1.25 * times.intervalMs);
    const hasWaited = this.#path.riseMs > WAITED * deliveredMs;
    if (deliveredMs >= TICK_MS && (deliveredMs < pauseMs || hasWaited)) {
      this.#octets += deliveredOctets;
      this.#ms += deliveredMs;
    }
    if (this.#octets < 1.5 * this.#path.fullOctets) {
      if (now < this.#until) return false;
      if (this.#until > 0 && !hasWaited) this.most *= 2;
      this.#until = now + Math.max(times.loopMs, FIRST_MS);
      return false;
    }
    const found = this.#octets / this.#ms;
    this.isUnknown = false;
    this.most = INITIAL_DATAGRAMS;
    if (found < 0.7 * capacity && gauge.latestMs > QUEUE_MS)
      this.#path.capacity = Math.max(found, LOWEST_RATE);
    return true;
  }
}
