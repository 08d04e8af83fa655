/** What arrived while a queue stood, and what had been sent for it; what is older counts less. */
export class Throughput {
  #octets = 0;
  #ms = 0;
  #sentOctets = 0;

  clear(): void {
    this.#octets = 0;
    this.#ms = 0;
    this.#sentOctets = 0;
  }

  /** @param sentRate octets a millisecond at which was sent what arrived. @param spanMs for so long it counts */
  handle(octets: number, ms: number, sentRate: number, spanMs: number): void {
    const keep = spanMs / (spanMs + ms);
    this.#octets = this.#octets * keep + octets;
    this.#ms = this.#ms * keep + ms;
    this.#sentOctets = this.#sentOctets * keep + ms * sentRate;
  }

  /** Octets a millisecond, if it was `rate` for `priorMs` before. */
  after(rate: number, priorMs: number): number {
    return (this.#octets + priorMs * rate) / (this.#ms + priorMs);
  }

  /** As much arrives as is sent: no queue of ours grows, and the bottleneck may carry more. */
  get isEven(): boolean {
    return this.#octets >= 0.98 * this.#sentOctets;
  }
}
