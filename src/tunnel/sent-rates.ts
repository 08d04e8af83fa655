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

  /** On average, as far back as is known. */
  mean(from: number, to: number): number {
    let octets = 0;
    let until = to;
    let rate = 0;
    for (let n = 1; n <= LENGTH && until > from; n++) {
      const i = (this.#next - n) & (LENGTH - 1);
      const since = this.#times[i] as number;
      if (since >= until) continue;
      if (since === Number.NEGATIVE_INFINITY) break;
      rate = this.#rates[i] as number;
      octets += (until - Math.max(since, from)) * rate;
      until = since;
    }
    // Before all that is known it was as then.
    if (until > from) octets += (until - from) * rate;
    return to > from ? octets / (to - from) : rate;
  }
}
