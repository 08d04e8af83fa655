/** As many as reports may still be under way of. */
const SESSIONS = 3;

/** Which numbers a link's datagrams have that went out in its last sessions; in each the receiver sees counters from 0. */
export class SentSessions {
  // What `find` found.
  /** Number of the first datagram; later sessions have greater ones. */
  first = -1;
  /** One more than the number of the last. */
  end = 0;
  /** The number that counter 0 has, or would have. */
  base = 0;
  /** The newest last; a first number of -1: there is none. */
  readonly #indices = new Int32Array(SESSIONS);
  readonly #firsts = new Float64Array(SESSIONS).fill(-1);
  readonly #bases = new Float64Array(SESSIONS);

  /** @param next the number and the counter of the next datagram */
  begin(index: number, next: number, counter: number): void {
    this.#indices.copyWithin(0, 1);
    this.#firsts.copyWithin(0, 1);
    this.#bases.copyWithin(0, 1);
    this.#indices[SESSIONS - 1] = index;
    this.#firsts[SESSIONS - 1] = next;
    this.#bases[SESSIONS - 1] = next - counter;
  }

  /** @param next the number of the next datagram. @returns false: there is no such session, or no longer */
  find(index: number, next: number): boolean {
    this.end = next;
    for (let i = SESSIONS - 1; i >= 0; i--) {
      this.first = this.#firsts[i] as number;
      if (this.first < 0) return false;
      this.base = this.#bases[i] as number;
      if (this.#indices[i] === index) return true;
      this.end = this.first;
    }
    return false;
  }
}
