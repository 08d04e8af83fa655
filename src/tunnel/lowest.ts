/** The least figure of the last one to two spans: what was before is forgotten, so that it follows what grows slowly. */
export class Lowest {
  value: number = Number.POSITIVE_INFINITY;
  /** May be set at any time. */
  spanMs: number;
  #younger = Number.POSITIVE_INFINITY;
  #since = Number.NEGATIVE_INFINITY;

  constructor(spanMs: number) {
    this.spanMs = spanMs;
  }

  handle(now: number, figure: number): void {
    if (now - this.#since >= this.spanMs) {
      this.value = this.#younger;
      this.#younger = Number.POSITIVE_INFINITY;
      this.#since = now;
    }
    if (figure < this.#younger) this.#younger = figure;
    if (figure < this.value) this.value = figure;
  }

  /** What was before is wrong now. */
  reset(now: number, figure: number): void {
    this.value = figure;
    this.#younger = figure;
    this.#since = now;
  }
}
