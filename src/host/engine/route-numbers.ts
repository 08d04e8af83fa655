/** Numbers of strangers at most. */
const STRANGERS = 1024;

const UNUSED = 0;
const STRANGER = 1;
const KNOWN = 2;
const NONE = -1;

/**
 * Which numbers stand for routes, and which is used again when there is none left.
 *
 * 1. A new one is a *stranger*. Strangers use numbers of strangers again, the oldest first.
 * 2. One that is *known* keeps its number until all are in use. Then the one goes that was not used for longest and that nobody holds.
 */
export class RouteNumbers {
  readonly capacity: number;
  readonly #state: Uint8Array;
  readonly #holds: Uint16Array;
  /** By a clock that counts uses. */
  readonly #usedAt: Float64Array;
  #uses = 0;
  /** A stack. */
  readonly #unused: Int32Array;
  #unusedCount: number;
  /** A ring; some of them have become known since. */
  readonly #strangers = new Int32Array(STRANGERS);
  #strangersFrom = 0;
  #strangersCount = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#state = new Uint8Array(capacity);
    this.#holds = new Uint16Array(capacity);
    this.#usedAt = new Float64Array(capacity);
    this.#unused = Int32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#unusedCount = capacity;
  }

  /** How many are in use. */
  get count(): number {
    return this.capacity - this.#unusedCount;
  }

  /** @returns a number, which may have been in use until now; -1: all are held */
  take(): number {
    let route = NONE;
    while (route < 0 && this.#strangersCount === STRANGERS) route = this.#oldestStranger();
    if (route < 0 && this.#unusedCount > 0) route = this.#unused[--this.#unusedCount] as number;
    if (route < 0) route = this.#oldestKnown();
    while (route < 0 && this.#strangersCount > 0) route = this.#oldestStranger();
    if (route < 0) return NONE;
    this.#state[route] = STRANGER;
    const end = this.#strangersFrom + this.#strangersCount++;
    this.#strangers[end % STRANGERS] = route;
    return route;
  }

  free(route: number): void {
    this.#state[route] = UNUSED;
    this.#unused[this.#unusedCount++] = route;
  }

  isHeld(route: number): boolean {
    return this.#holds[route] !== 0;
  }

  hold(route: number): void {
    if (this.#state[route] === UNUSED) return;
    this.#state[route] = KNOWN;
    this.#holds[route] = (this.#holds[route] as number) + 1;
    this.touch(route);
  }

  release(route: number): void {
    this.#holds[route] = Math.max(0, (this.#holds[route] as number) - 1);
  }

  /** It is known from now on. */
  confirm(route: number): void {
    if (this.#state[route] === UNUSED) return;
    this.#state[route] = KNOWN;
    this.touch(route);
  }

  /** It is used. */
  touch(route: number): void {
    this.#usedAt[route] = ++this.#uses;
  }

  /** @returns -1: the oldest has become known, and is forgotten as a stranger */
  #oldestStranger(): number {
    const route = this.#strangers[this.#strangersFrom] as number;
    this.#strangersFrom = (this.#strangersFrom + 1) % STRANGERS;
    this.#strangersCount--;
    return this.#state[route] === STRANGER ? route : NONE;
  }

  #oldestKnown(): number {
    let oldest = NONE;
    for (let route = 0; route < this.capacity; route++) {
      if (this.#state[route] !== KNOWN || this.#holds[route] !== 0) continue;
      if (oldest < 0 || (this.#usedAt[route] as number) < (this.#usedAt[oldest] as number)) oldest = route;
    }
    return oldest;
  }
}
