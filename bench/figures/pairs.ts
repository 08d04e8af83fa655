import { type Measurement, type MeasureOptions, measure } from "../../src/lab/measure.ts";
import { type Job, runPool } from "../../src/lab/pool.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { type CaseRow, caseTable, type Figure, type FigureContext } from "../figure.ts";

/** Two unequal lines, with the right rates and with wrong ones. */

export interface Pair {
  readonly speeds: readonly number[];
  /** Enough that the start of TCP does not count. */
  readonly bytes: number;
}

export const SLOW_PAIR: Pair = { speeds: [57_600, 14_400], bytes: 289_284 };
export const MEDIUM_PAIR: Pair = { speeds: [115_200, 9_600], bytes: 289_284 };
export const FAST_PAIR: Pair = { speeds: [1_000_000, 9_600], bytes: 2_000_000 };
const PAIRS: readonly Pair[] = [SLOW_PAIR, MEDIUM_PAIR, FAST_PAIR];
export const MTU = 576;

const LEAST_PERCENT = 97;
const LEAST_PERCENT_WITH_ERROR = 90;
const LEAST_OF_FAST = 99;
const ERROR_PERCENT = 3;
/** Few, so that two cores are not what limits. */
const PARALLEL = 3;

export const pairName = ({ speeds }: Pair): string => speeds.join(" + ");

const range = (values: readonly number[]): string => `${Math.min(...values)}-${Math.max(...values)}`;

export const optionsOf = ({ speeds, bytes }: Pair): MeasureOptions => ({
  speeds,
  bytes,
  mtu: MTU,
  scheduler: "earliest-arrival",
});

interface Case extends MeasureOptions {
  readonly name: string;
}

/** Runs each case `repeat` times and shows medians; damaged data misses every mark. */
async function runCases(
  cases: readonly Case[],
  least: number,
  { repeat, signal, say }: FigureContext,
): Promise<readonly CaseRow[]> {
  const jobs = cases.flatMap((one) =>
    Array.from(
      { length: repeat },
      (): Job<Measurement> => async (stop) => {
        const run = await measure({ ...one, signal: stop });
        say(`${one.name}: ${run.percentOfLimit} % of the limit`);
        return run;
      },
    ),
  );
  const runs = await runPool(jobs, PARALLEL, signal);
  return cases.map(({ name }, i) => {
    const own = runs.slice(i * repeat, (i + 1) * repeat);
    const percents = own.map(({ percentOfLimit }) => percentOfLimit);
    const percent = round(median(percents), 2);
    const seconds = round(median(own.map((run) => run.seconds)), 2);
    const intact = own.every((run) => run.intact);
    return { cells: [name, seconds, percent, range(percents)], reached: intact && percent >= least };
  });
}

const TITLES = ["lines", "seconds", "% of the limit", "runs"];

export const unequalPairs: Figure = {
  name: "pairs",
  title: "Two unequal lines",
  mark: `${LEAST_PERCENT} % of the limit (MTU ${MTU}; the driver of 1995 reached 27 and 16 % of the raw rate).`,
  async run(context) {
    const cases = [SLOW_PAIR, MEDIUM_PAIR].map((pair) => ({ name: pairName(pair), ...optionsOf(pair) }));
    return caseTable(TITLES, await runCases(cases, LEAST_PERCENT, context));
  },
};

export const wrongRates: Figure = {
  name: "rates",
  title: "One rate given wrong",
  mark: `${LEAST_PERCENT_WITH_ERROR} % of the limit with the rate of one line given ${ERROR_PERCENT} % too high or too low.`,
  async run(context) {
    const cases = PAIRS.flatMap((pair) =>
      pair.speeds.flatMap((speed, line) =>
        [ERROR_PERCENT, -ERROR_PERCENT].map((rateErrorPercent) => ({
          name: `${pairName(pair)}, ${speed} given ${rateErrorPercent > 0 ? "+" : ""}${rateErrorPercent} %`,
          ...optionsOf(pair),
          rateErrorPercent,
          rateErrorLine: line,
        })),
      ),
    );
    return caseTable(TITLES, await runCases(cases, LEAST_PERCENT_WITH_ERROR, context));
  },
};

export const fastAndSlow: Figure = {
  name: "fast",
  title: "A very slow line beside a fast one",
  mark: `${LEAST_OF_FAST} % of what the fast line moves alone, runs alternated.`,
  async run({ repeat, signal, say }) {
    const { speeds, bytes } = FAST_PAIR;
    const alone: number[] = [];
    const bonded: number[] = [];
    let intact = true;
    for (let i = 0; i < repeat; i++) {
      for (const [lines, into] of [
        [speeds.slice(0, 1), alone],
        [speeds, bonded],
      ] as const) {
        const run = await measure({ ...optionsOf({ speeds: lines, bytes }), signal });
        say(`${lines.join(" + ")}: ${run.octetsPerSecond} octets/s, ${run.percentOfLimit} % of the limit`);
        into.push(run.octetsPerSecond);
        intact &&= run.intact;
      }
    }
    const percent = round((100 * median(bonded)) / median(alone), 2);
    return caseTable(
      ["lines", "alone, octets/s", "bonded, octets/s", "% of alone"],
      [
        {
          cells: [pairName(FAST_PAIR), median(alone), median(bonded), percent],
          reached: intact && percent >= LEAST_OF_FAST,
        },
      ],
    );
  },
};
