import { type Instant, instant, NEVER } from "../../time.ts";

/** Who can be in a heap: in one at a time. */
export interface Scheduled {
  /** Where in the heap; -1: it is not in it. */
  place: number;
}

/** Who is due when, the first one first: a binary heap, so that many who wait cost nothing. */
export class DueHeap<T extends Scheduled> {
  readonly #items: T[] = [];
  readonly #times: number[] = [];

  /** When the first one is due. */
  get dueAt(): Instant {
    return this.#items.length === 0 ? NEVER : instant(this.#times[0] as number);
  }

  /** Puts one in, or moves it. */
  set(item: T, at: Instant): void {
    if (item.place < 0) item.place = this.#items.length;
    else if (at === this.#times[item.place]) return;
    this.#put(item.place, item, at);
    this.#rise(item, at);
    this.#sink(item, at);
  }

  remove(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#items.pop() as T;
    const at = this.#times.pop() as number;
    if (last === item) return;
    this.#put(place, last, at);
    this.#rise(last, at);
    this.#sink(last, at);
  }

  /** Takes out the first one if it is due; undefined: none is. */
  takeDue(now: Instant): T | undefined {
    if (this.#items.length === 0 || (this.#times[0] as number) > now) return undefined;
    const first = this.#items[0] as T;
    this.remove(first);
    return first;
  }

  #put(place: number, item: T, at: number): void {
    this.#items[place] = item;
    this.#times[place] = at;
    item.place = place;
  }

  #rise(item: T, at: number): void {
    while (item.place > 0) {
      const { place } = item;
      const parent = (place - 1) >> 1;
      if ((this.#times[parent] as number) <= at) return;
      this.#put(place, this.#items[parent] as T, this.#times[parent] as number);
      this.#put(parent, item, at);
    }
  }

  #sink(item: T, at: number): void {
    const times = this.#times;
    for (;;) {
      const { place } = item;
      let child = 2 * place + 1;
      if (child >= times.length) return;
      if (child + 1 < times.length && (times[child + 1] as number) < (times[child] as number)) child++;
      if ((times[child] as number) >= at) return;
      this.#put(place, this.#items[child] as T, times[child] as number);
      this.#put(child, item, at);
    }
  }
}
