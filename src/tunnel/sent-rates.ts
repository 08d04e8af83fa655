const LENGTH = 256;

/** At which rates was sent, for as long as it takes until reports tell of it. */
export class SentRates {
  readonly #times = new Float64Array(LENGTH).fill(Number.NEGATIVE_INFINITY);
  readonly #rates = new Float64Array(LENGTH);
  #next = 0;

  add(now: number, rate: number): void {
    this.#times[this.#next] = now;
    this.#rates[this.#next] = rate;
    this.#next = (this.#next + 1) & (LENGTH - 1);
  }

  /** Then, or as long ago as is known. */
  at(time: number): number {
    let i = this.#next;
    for (let n = 0; n < LENGTH; n++) {
      i = (i - 1) & (LENGTH - 1);
      if ((this.#times[i] as number) <= time) break;
    }
    return this.#rates[i] as number;
  }
}
