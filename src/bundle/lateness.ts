/** Classes of lateness, each about 1.4 times as long as the one before; the first ends at 1 ms, the last is beyond a minute. */
const CLASSES = 34;
/** What is not known from as many observations is not known. */
const ENOUGH = 8;
/** After this many observations the older ones count half. */
const MEMORY = 256;
const SHARE = 0.995;

/** How late parts of packets come that came late: a histogram that forgets. */
export class LatenessHistogram {
  readonly #counts = new Float64Array(CLASSES);
  #total = 0;

  observe(ms: number): void {
    const index = ms <= 1 ? 0 : Math.min(CLASSES - 1, Math.ceil(2 * Math.log2(ms)));
    this.#counts[index] = (this.#counts[index] as number) + 1;
    if (++this.#total < MEMORY) return;
    this.#total /= 2;
    for (let i = 0; i < CLASSES; i++) this.#counts[i] = (this.#counts[i] as number) / 2;
  }

  /** What 99.5 % of them stay below, milliseconds, rounded up to a class; null: there were too few to say. */
  get high(): number | null {
    if (this.#total < ENOUGH) return null;
    let sum = 0;
    for (let i = 0; i < CLASSES; i++) {
      sum += this.#counts[i] as number;
      if (sum >= SHARE * this.#total) return 2 ** (i / 2);
    }
    return 2 ** (CLASSES / 2);
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }
}
