import { measure } from "../../src/lab/measure.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { type CaseRow, caseTable, type Figure } from "../figure.ts";
import { FAST_PAIR, MEDIUM_PAIR, MTU, optionsOf, type Pair, pairName, SLOW_PAIR } from "./pairs.ts";

/** Round trips beside a bulk transfer in the same direction. */

/** How far ahead of an idle line the bundle decides (`bundle/bundle.ts`). */
const HORIZON_MS = 8;
const ALLOWANCE_MS = 20;
/** The fast pair needs more data for as many pings. */
const PINGED: readonly Pair[] = [SLOW_PAIR, MEDIUM_PAIR, { ...FAST_PAIR, bytes: 4_000_000 }];

const mtuTimeMs = (bps: number): number => ((MTU + 1) * 10_000) / bps;

export const pingUnderLoad: Figure = {
  name: "ping",
  title: "Ping beside one bulk transfer",
  mark: `p95 at most idle p95 + one MTU time of the fastest line + the horizon (${HORIZON_MS} ms) + ${ALLOWANCE_MS} ms.`,
  async run({ repeat, signal, say }) {
    const rows: CaseRow[] = [];
    for (const pair of PINGED) {
      let isIntact = true;
      const idle: { p50: number; p95: number }[] = [];
      const loaded: { p50: number; p95: number }[] = [];
      for (let i = 0; i < repeat; i++) {
        const { ping, intact } = await measure({ ...optionsOf(pair), ping: true, signal });
        isIntact &&= intact;
        if (ping === undefined) continue;
        say(`${pairName(pair)}: p95 idle ${ping.idle.p95} ms, loaded ${ping.loaded.p95} ms`);
        idle.push(ping.idle);
        loaded.push(ping.loaded);
      }
      const middle = (of: readonly { p50: number; p95: number }[], key: "p50" | "p95"): number =>
        round(median(of.map((one) => one[key])), 1);
      const fastest = mtuTimeMs(Math.max(...pair.speeds));
      const allowed = round(middle(idle, "p95") + fastest + HORIZON_MS + ALLOWANCE_MS, 1);
      const times = (of: readonly { p50: number; p95: number }[]): string =>
        `${middle(of, "p50")} / ${middle(of, "p95")}`;
      rows.push({
        cells: [pairName(pair), times(idle), times(loaded), allowed],
        reached: middle(loaded, "p95") <= allowed && isIntact && idle.length === repeat,
      });
    }
    return caseTable(["lines", "idle p50 / p95, ms", "loaded p50 / p95, ms", "p95 allowed, ms"], rows);
  },
};
