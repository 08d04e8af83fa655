/** Chunks of runs that were given to a path and wait for its pace: first come first served, but for those that may go before. */
export class CommitQueue {
  /** Octets of packets in it. */
  octets = 0;
  count = 0;
  #mask = 63;
  #head = 0;
  /** Chunks at the head that go before others. */
  #urgent = 0;
  #runs = new Int32Array(64);
  #segments = new Uint8Array(64);
  #counts = new Uint8Array(64);

  /** Chunks that go before others. */
  get urgent(): number {
    return this.#urgent;
  }

  /** Of the first chunk. */
  get run(): number {
    return this.#runs[this.#head] as number;
  }

  get segment(): number {
    return this.#segments[this.#head] as number;
  }

  get segments(): number {
    return this.#counts[this.#head] as number;
  }

  push(run: number, segment: number, segments: number, octets: number): void {
    if (this.count > this.#mask) this.#grow();
    this.#set((this.#head + this.count) & this.#mask, run, segment, segments, octets);
  }

  /** Before all but those that have come this way before it. */
  pushUrgent(run: number, segment: number, segments: number, octets: number): void {
    if (this.count > this.#mask) this.#grow();
    this.#head = (this.#head - 1) & this.#mask;
    for (let i = 0; i < this.#urgent; i++)
      this.#move((this.#head + i + 1) & this.#mask, (this.#head + i) & this.#mask);
    this.#set((this.#head + this.#urgent++) & this.#mask, run, segment, segments, octets);
  }

  /** One segment of the first chunk is done. */
  advance(octets: number): void {
    this.octets -= octets;
    const left = (this.#counts[this.#head] as number) - 1;
    if (left > 0) {
      this.#counts[this.#head] = left;
      this.#segments[this.#head] = (this.#segments[this.#head] as number) + 1;
      return;
    }
    this.#head = (this.#head + 1) & this.#mask;
    this.count--;
    if (this.#urgent > 0) this.#urgent--;
  }

  #move(from: number, to: number): void {
    this.#runs[to] = this.#runs[from] as number;
    this.#segments[to] = this.#segments[from] as number;
    this.#counts[to] = this.#counts[from] as number;
  }

  #set(at: number, run: number, segment: number, segments: number, octets: number): void {
    this.#runs[at] = run;
    this.#segments[at] = segment;
    this.#counts[at] = segments;
    this.octets += octets;
    this.count++;
  }

  #grow(): void {
    const size = this.#mask + 1;
    const runs = new Int32Array(2 * size);
    const segments = new Uint8Array(2 * size);
    const counts = new Uint8Array(2 * size);
    for (let i = 0; i < this.count; i++) {
      const at = (this.#head + i) & this.#mask;
      runs[i] = this.#runs[at] as number;
      segments[i] = this.#segments[at] as number;
      counts[i] = this.#counts[at] as number;
    }
    this.#runs = runs;
    this.#segments = segments;
    this.#counts = counts;
    this.#mask = 2 * size - 1;
    this.#head = 0;
  }
}
