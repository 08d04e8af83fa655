import { type MeasureOptions, measure } from "../../src/lab/measure.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { caseTable, type Figure } from "../figure.ts";
import { runTransfers, type TransferCase } from "../transfer-cases.ts";

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

export const pairName = ({ speeds }: Pair): string => speeds.join(" + ");

export const optionsOf = ({ speeds, bytes }: Pair): MeasureOptions => ({
  speeds,
  bytes,
  mtu: MTU,
  scheduler: "earliest-arrival",
});

export const unequalPairs: Figure = {
  name: "pairs",
  title: "Two unequal lines",
  mark: `${LEAST_PERCENT} % of the limit (MTU ${MTU}; the driver of 1995 reached 27 and 16 % of the raw rate).`,
  run: (context) => {
    const cases = [SLOW_PAIR, MEDIUM_PAIR].map(
      (pair): TransferCase => ({ cells: [pairName(pair)], least: LEAST_PERCENT, ...optionsOf(pair) }),
    );
    return runTransfers(["lines"], cases, context);
  },
};

export const wrongRates: Figure = {
  name: "rates",
  title: "One rate given wrong",
  mark: `${LEAST_PERCENT_WITH_ERROR} % of the limit with the rate of one line given ${ERROR_PERCENT} % too high or too low.`,
  run: (context) => {
    const cases = PAIRS.flatMap((pair) =>
      pair.speeds.flatMap((speed, line) =>
        [ERROR_PERCENT, -ERROR_PERCENT].map(
          (rateErrorPercent): TransferCase => ({
            cells: [
              `${pairName(pair)}, ${speed} given ${rateErrorPercent > 0 ? "+" : ""}${rateErrorPercent} %`,
            ],
            least: LEAST_PERCENT_WITH_ERROR,
            ...optionsOf(pair),
            rateErrorPercent,
            rateErrorLine: line,
          }),
        ),
      ),
    );
    return runTransfers(["lines"], cases, context);
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
