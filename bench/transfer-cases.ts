import { type Measurement, type MeasureOptions, measure } from "../src/lab/measure.ts";
import { type Job, runPool } from "../src/lab/pool.ts";
import { median, round } from "../src/lab/statistics.ts";
import { caseTable, type FigureContext, type FigureOutcome } from "./figure.ts";

/** Few, so that two cores are not what limits. */
const PARALLEL = 3;

/** A transfer between two of our daemons, and what it is to reach. */
export interface TransferCase extends MeasureOptions {
  /** What tells it from the others; the first cells of its row. */
  readonly cells: readonly (string | number)[];
  /** Per cent of the limit. */
  readonly least: number;
}

const range = (values: readonly number[]): string => `${Math.min(...values)}-${Math.max(...values)}`;

/** Runs each case `repeat` times and shows medians; damaged data misses every mark. @param titles of the cases' own cells */
export async function runTransfers(
  titles: readonly string[],
  cases: readonly TransferCase[],
  { repeat, signal, say }: FigureContext,
): Promise<FigureOutcome> {
  const jobs = cases.flatMap((one) =>
    Array.from(
      { length: repeat },
      (): Job<Measurement> => async (stop) => {
        const run = await measure({ ...one, signal: stop });
        say(`${one.cells.join(", ")}: ${run.percentOfLimit} % of the limit`);
        return run;
      },
    ),
  );
  const runs = await runPool(jobs, PARALLEL, signal);
  const rows = cases.map(({ cells, least }, i) => {
    const own = runs.slice(i * repeat, (i + 1) * repeat);
    const percents = own.map(({ percentOfLimit }) => percentOfLimit);
    const percent = round(median(percents), 2);
    const seconds = round(median(own.map((run) => run.seconds)), 2);
    const reached = percent >= least && own.every(({ intact }) => intact);
    return { cells: [...cells, seconds, percent, range(percents)], reached };
  });
  return caseTable([...titles, "seconds", "% of the limit", "runs"], rows);
}
