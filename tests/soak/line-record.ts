import type { LifeTransition } from "../../src/control/messages.ts";

interface Interval {
  readonly from: number;
  readonly to: number;
}

/** When a line was up, from what its daemon tells of its life; times as there, in milliseconds since 1970. */
export class LineRecord {
  readonly #ups: Interval[] = [];
  #upSince: number | null = null;
  #last: LifeTransition | null = null;

  get isUp(): boolean {
    return this.#upSince !== null;
  }

  /** @param history the latest part, which begins before the last one that was handled ended */
  handleHistory(history: readonly LifeTransition[]): void {
    const last = this.#last;
    const known = history.findLastIndex(
      ({ at, from, to }) => at === last?.at && from === last.from && to === last.to,
    );
    for (const transition of history.slice(known + 1)) {
      this.#last = transition;
      if (transition.to === "enslaved") this.#upSince ??= transition.at;
      else this.#handleDown(transition.at);
    }
  }

  /** Its daemon is no more; the next one begins a new history. */
  handleCrash(at: number): void {
    this.#handleDown(at);
    this.#last = null;
  }

  /** When it was up, up to `now`. */
  ups(now: number): readonly Interval[] {
    return this.#upSince === null ? this.#ups : [...this.#ups, { from: this.#upSince, to: now }];
  }

  /** How long it was not up each time, in milliseconds. */
  outages(now: number): readonly number[] {
    const ups = this.ups(now);
    const ends = ups.map(({ to }) => to);
    const returns = [...ups.map(({ from }) => from), ...(this.isUp ? [] : [now])].slice(1);
    return returns.map((at, index) => at - (ends[index] as number));
  }

  #handleDown(at: number): void {
    if (this.#upSince !== null) this.#ups.push({ from: this.#upSince, to: at });
    this.#upSince = null;
  }
}

/** The part of a time, from 0 to 1, in which at least one of the lines was up. */
export function shareWithOneUp(lines: readonly LineRecord[], from: number, to: number): number {
  const ups = lines.flatMap((line) => line.ups(to)).toSorted((one, other) => one.from - other.from);
  let covered = 0;
  let until = from;
  for (const up of ups) {
    covered += Math.max(0, Math.min(up.to, to) - Math.max(up.from, until));
    until = Math.max(until, up.to);
  }
  return covered / (to - from);
}
