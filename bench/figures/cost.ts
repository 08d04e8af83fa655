import { type Measurement, measure } from "../../src/lab/measure.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { type CaseRow, caseTable, type Figure } from "../figure.ts";

/** What four busy lines cost. */

const SPEEDS = [115_200, 115_200, 115_200, 115_200];
const BYTES = 1_000_000;
/** Lines that carry less than this, in per cent of the limit, are not saturated. */
const SATURATED = 95;
const MOST_CPU = 10;
const MOST_RESIDENT = 150_000_000;
const MTUS = [576, 1500];

export const cost: Figure = {
  name: "cost",
  title: "Processor and memory, 4 × 115200 saturated",
  mark: `less than ${MOST_CPU} % of a core and ${MOST_RESIDENT / 1e6} MB resident a side.`,
  async run({ repeat, signal, say }) {
    const rows: CaseRow[] = [];
    for (const mtu of MTUS) {
      const runs: Measurement[] = [];
      for (let i = 0; i < repeat; i++) {
        const run = await measure({
          speeds: SPEEDS,
          mtu,
          bytes: BYTES,
          scheduler: "earliest-arrival",
          signal,
        });
        say(
          `MTU ${mtu}: ${run.near.cpuPercent} / ${run.far.cpuPercent} % of a core, ${run.percentOfLimit} % of the limit`,
        );
        runs.push(run);
      }
      const middle = (value: (run: Measurement) => number, digits: number): number =>
        round(median(runs.map(value)), digits);
      const cpu = [middle(({ near }) => near.cpuPercent, 1), middle(({ far }) => far.cpuPercent, 1)];
      const resident = [middle(({ near }) => near.peakResident, 0), middle(({ far }) => far.peakResident, 0)];
      const reached = cpu.every((one) => one < MOST_CPU) && resident.every((one) => one < MOST_RESIDENT);
      const megabytes = resident.map((octets) => round(octets / 1e6, 0)).join(" / ");
      rows.push({
        cells: [mtu, middle(({ percentOfLimit }) => percentOfLimit, 2), cpu.join(" / "), megabytes],
        reached: reached && runs.every(({ intact, percentOfLimit }) => intact && percentOfLimit > SATURATED),
      });
    }
    return caseTable(
      ["MTU", "% of the limit", "% of a core, sender / receiver", "MB at most, sender / receiver"],
      rows,
    );
  },
};
