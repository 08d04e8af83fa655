import { type Bond, withBond } from "../../src/lab/bond-scenario.ts";
import { datagramLimitPerSecond, transferLimit } from "../../src/lab/limit.ts";
import { patienceMs } from "../../src/lab/measure.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { type TcpTransferResult, transferDatagrams, transferTcp } from "../../src/lab/transfer.ts";
import { caseTable, type Figure } from "../figure.ts";
import { MTU, optionsOf, pairName, SLOW_PAIR } from "./pairs.ts";

/** More than one transfer in one direction: several at once, datagrams, both directions. */

const TRANSFERS = 4;
const BYTES_EACH = 150_000;
const LEAST_IN_SUM = 95;
const MOST_OFF_SHARE = 20;
const LOAD = 0.95;
const DATAGRAM_SECONDS = 30;
const LEAST_DELIVERED = 99;
const LEAST_EACH_WAY = 88;
const FIRST_SEED = 100;

const { speeds } = SLOW_PAIR;
const limitOf = (bytes: number, seed: number): ReturnType<typeof transferLimit> =>
  transferLimit({ bytes, mtu: MTU, speeds, seed });

interface Shared {
  /** Of the limit that all data together have. */
  readonly percentInSum: number;
  /** Of the equal share, the worst transfer's distance when the first one ends. */
  readonly mostOffShare: number;
  readonly intact: boolean;
}

async function transfersAtOnce(bond: Bond): Promise<Shared> {
  const seeds = Array.from({ length: TRANSFERS }, (_, i) => FIRST_SEED + i);
  const progress = seeds.map((): { octets: number; at: number }[] => []);
  const limitSeconds = seeds.reduce((sum, seed) => sum + limitOf(BYTES_EACH, seed).seconds, 0);
  const results: readonly TcpTransferResult[] = await Promise.all(
    seeds.map((seed, index) =>
      transferTcp(bond.near.host, bond.far.host, {
        address: bond.far.address,
        bytes: BYTES_EACH,
        seed,
        index,
        deadlineMs: patienceMs(limitSeconds),
        onProgress: (octets, at) => progress[index]?.push({ octets, at }),
      }),
    ),
  );
  const start = Math.min(...results.map(({ startedAt }) => startedAt));
  const firstEnd = Math.min(...results.map(({ endedAt }) => endedAt));
  const lastEnd = Math.max(...results.map(({ endedAt }) => endedAt));
  const octets = progress.map((of) => of.findLast(({ at }) => at <= firstEnd)?.octets ?? 0);
  const share = octets.reduce((sum, n) => sum + n, 0) / TRANSFERS;
  return {
    percentInSum: (100 * limitSeconds * 1000) / (lastEnd - start),
    mostOffShare: Math.max(...octets.map((n) => (100 * Math.abs(n - share)) / share)),
    intact: results.every(({ intact }) => intact),
  };
}

export const severalTransfers: Figure = {
  name: "several",
  title: "Four transfers at once",
  mark: `${LEAST_IN_SUM} % of the limit in sum, each within ${MOST_OFF_SHARE} % of its share (${pairName(SLOW_PAIR)}, MTU ${MTU}).`,
  async run({ repeat, signal, say }) {
    const runs: Shared[] = [];
    for (let i = 0; i < repeat; i++) {
      const run = await withBond(optionsOf(SLOW_PAIR), transfersAtOnce, signal);
      say(`${round(run.percentInSum, 2)} % in sum, at most ${round(run.mostOffShare, 1)} % off the share`);
      runs.push(run);
    }
    const sum = round(median(runs.map(({ percentInSum }) => percentInSum)), 2);
    const off = round(median(runs.map(({ mostOffShare }) => mostOffShare)), 1);
    const intact = runs.every((run) => run.intact);
    const reached = intact && sum >= LEAST_IN_SUM && off <= MOST_OFF_SHARE;
    return caseTable(
      ["transfers", "% of the limit in sum", "most off its share, %"],
      [{ cells: [TRANSFERS, sum, off], reached }],
    );
  },
};

export const datagrams: Figure = {
  name: "datagrams",
  title: "UDP at 95 % of the limit",
  mark: `${LEAST_DELIVERED} % delivered (${pairName(SLOW_PAIR)}, packets of ${MTU} octets, ${DATAGRAM_SECONDS} s).`,
  async run({ repeat, signal, say }) {
    const perSecond = LOAD * datagramLimitPerSecond(MTU, speeds);
    const delivered: number[] = [];
    const reordered: number[] = [];
    for (let i = 0; i < repeat; i++) {
      const run = await withBond(
        optionsOf(SLOW_PAIR),
        (bond) =>
          transferDatagrams(bond.near.host, bond.far.host, {
            address: bond.far.address,
            datagrams: Math.round(perSecond * DATAGRAM_SECONDS),
            length: MTU - 28,
            perSecond,
            seed: FIRST_SEED,
            deadlineMs: patienceMs(DATAGRAM_SECONDS),
          }),
        signal,
      );
      say(`${round(run.deliveredPercent, 2)} % delivered, ${round(run.reorderedPercent, 2)} % out of order`);
      delivered.push(run.deliveredPercent);
      reordered.push(run.reorderedPercent);
    }
    const percent = round(median(delivered), 2);
    return caseTable(
      ["offered, packets/s", "% delivered", "% out of order"],
      [
        {
          cells: [round(perSecond, 2), percent, round(median(reordered), 2)],
          reached: percent >= LEAST_DELIVERED,
        },
      ],
    );
  },
};

export const bothWays: Figure = {
  name: "both-ways",
  title: "One transfer in each direction",
  mark: `${LEAST_EACH_WAY} % of the limit each way (${pairName(SLOW_PAIR)}, MTU ${MTU}).`,
  async run({ repeat, signal, say }) {
    const there: number[] = [];
    const back: number[] = [];
    let intact = true;
    const { bytes } = SLOW_PAIR;
    const limits = [limitOf(bytes, FIRST_SEED), limitOf(bytes, FIRST_SEED + 1)] as const;
    for (let i = 0; i < repeat; i++) {
      const [a, b] = await withBond(
        optionsOf(SLOW_PAIR),
        ({ near, far }) => {
          const options = { bytes, deadlineMs: patienceMs(limits[0].seconds) };
          return Promise.all([
            transferTcp(near.host, far.host, { ...options, address: far.address, seed: FIRST_SEED }),
            transferTcp(far.host, near.host, {
              ...options,
              address: near.address,
              seed: FIRST_SEED + 1,
              index: 1,
            }),
          ]);
        },
        signal,
      );
      there.push((100 * a.octetsPerSecond) / limits[0].octetsPerSecond);
      back.push((100 * b.octetsPerSecond) / limits[1].octetsPerSecond);
      intact &&= a.intact && b.intact;
      say(`there ${round(there.at(-1) ?? 0, 2)} %, back ${round(back.at(-1) ?? 0, 2)} % of the limit`);
    }
    const percents = [round(median(there), 2), round(median(back), 2)];
    return caseTable(
      ["there, % of the limit", "back, % of the limit"],
      [{ cells: percents, reached: intact && percents.every((percent) => percent >= LEAST_EACH_WAY) }],
    );
  },
};
