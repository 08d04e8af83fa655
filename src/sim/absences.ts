import type { Random } from "./random.ts";

export interface AbsenceSettings {
  /** For how long a program does not get the processor, milliseconds: from, to, evenly spread. */
  readonly awayMs: readonly [number, number];
  /** How long it has it in between. */
  readonly awakeMs: readonly [number, number];
  /** The share of absences that begin when it has looked at the clock for what it does after them. */
  readonly staleShare?: number;
  /** From the beginning of the trial. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** When a program runs that does not always get the processor. */
export class Absences {
  readonly #settings: AbsenceSettings;
  readonly #random: Random;
  readonly #end: number;
  readonly #froms: number[] = [];
  readonly #tos: number[] = [];
  readonly #isStale: boolean[] = [];
  /** Absences are known until here. */
  #known: number;

  constructor(settings: AbsenceSettings, random: Random, start: number) {
    this.#settings = settings;
    this.#random = random;
    this.#known = start + (settings.fromMs ?? 0);
    this.#end = start + (settings.untilMs ?? Number.POSITIVE_INFINITY);
  }

  /** When what happens then is seen. */
  seenAt(time: number): number {
    while (this.#known <= time && this.#known < this.#end) {
      const from = this.#known + this.#between(this.#settings.awakeMs);
      const to = from + this.#between(this.#settings.awayMs);
      this.#froms.push(from);
      this.#tos.push(to);
      this.#isStale.push(this.#random.next() < (this.#settings.staleShare ?? 0));
      this.#known = to;
    }
    for (let i = this.#tos.length - 1; i >= 0; i--) {
      if (time >= (this.#tos[i] as number)) return time;
      if (time >= (this.#froms[i] as number)) return this.#tos[i] as number;
    }
    return time;
  }

  /** What the clock says that it looked at for what it does then. */
  clockAt(time: number): number {
    for (let i = this.#tos.length - 1; i >= 0 && time <= (this.#tos[i] as number); i--)
      if (time === this.#tos[i] && this.#isStale[i] === true) return this.#froms[i] as number;
    return time;
  }

  #between([least, most]: readonly [number, number]): number {
    return least + (most - least) * this.#random.next();
  }
}
