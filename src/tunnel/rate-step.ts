/** One try at a higher rate, and what reports tell of it. */
export class RateStep {
  /** By which share more is sent; 0: none is under way. */
  gain = 0;
  /** More is sent until here: until it is judged, or, where answers take long, as a pulse long before. */
  until: number = Number.NEGATIVE_INFINITY;
  judgeAt: number = Number.NEGATIVE_INFINITY;
  octets = 0;
  ms = 0;
  lost = 0;
  #from = Number.NEGATIVE_INFINITY;
  #crowded = 0;
  #queueMs = 0;
  #peakMs = 0;

  /** @param excessMs of the rate, that it may send too much. @param queueMs before it */
  begin(now: number, gain: number, excessMs: number, loopMs: number, queueMs: number): void {
    const spanMs = excessMs / gain;
    this.gain = gain;
    this.#from = now;
    this.until = now + Math.min(spanMs, loopMs);
    this.judgeAt = spanMs >= loopMs ? this.until : this.until + loopMs;
    this.octets = 0;
    this.ms = 0;
    this.lost = 0;
    this.#crowded = 0;
    this.#peakMs = 0;
    this.#queueMs = queueMs;
  }

  /** It was over long before the first answer. */
  get isPulse(): boolean {
    return this.judgeAt !== this.until;
  }

  /** Octets a millisecond that came while reports told of it. */
  get delivered(): number {
    return this.octets / this.ms;
  }

  /** Reports tell of what was sent in it. */
  isSeen(now: number, roundTripMs: number): boolean {
    return now >= this.#from + roundTripMs;
  }

  /** @param ms 0: no measure. @param latestMs above the base. @param limitMs from here on it is a queue */
  handle(octets: number, ms: number, lost: number, latestMs: number, limitMs: number): void {
    this.lost += lost;
    if (ms > 0) {
      this.octets += octets;
      this.ms += ms;
    }
    if (latestMs > limitMs) this.#crowded += latestMs > 2 * limitMs ? 2 : 1;
    if (latestMs > this.#peakMs) this.#peakMs = latestMs;
  }

  /** Seen twice, or beyond doubt. */
  get isCrowded(): boolean {
    return this.#crowded >= 2;
  }

  /** The capacity, as a multiple of what it was held for, by the queue that a pulse left behind. */
  pulsedGain(uncertainMs: number): number {
    const riseMs = this.#peakMs - this.#queueMs - uncertainMs;
    return Math.max(1, (1 + this.gain) / (1 + Math.max(0, riseMs) / (this.until - this.#from)));
  }
}
