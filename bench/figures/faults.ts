import { setTimeout as delay } from "node:timers/promises";
import type { BondOptions } from "../../src/lab/bond-config.ts";
import { type Bond, withBond } from "../../src/lab/bond-scenario.ts";
import { transferLimit } from "../../src/lab/limit.ts";
import { patienceMs } from "../../src/lab/measure.ts";
import { round } from "../../src/lab/statistics.ts";
import { type TcpTransferResult, transferTcp } from "../../src/lab/transfer.ts";
import { type CaseRow, caseTable, type Figure } from "../figure.ts";

/** A line that goes away in mid-transfer and comes back. */

const SPEEDS = [57_600, 57_600];
const MTU = 576;
const BYTES = 600_000;
const SEED = 1995;
const VICTIM = 1;
/** The line goes when so much of the data is there, and is away so long. */
const GOES_AT = 0.25;
const AWAY_MS = 8_000;
/** A line is used again when it has carried so much since its return. */
const USED_OCTETS = 10_000;
const LOOK_MS = 100;

interface Fault {
  readonly name: string;
  readonly options: BondOptions;
  go(bond: Bond): Promise<void>;
  comeBack(bond: Bond): Promise<void>;
}

const base: BondOptions = { speeds: SPEEDS, mtu: MTU, scheduler: "earliest-arrival" };

const FAULTS: readonly Fault[] = [
  {
    name: "hung up",
    options: base,
    go: ({ lines }) => lines.hangUp(VICTIM),
    comeBack: ({ lines }) => lines.restore(VICTIM),
  },
  {
    name: "cable pulled, echo every second",
    options: { ...base, echoSeconds: 1 },
    go: ({ lines }) => lines.setCut(VICTIM, true),
    comeBack: ({ lines }) => lines.setCut(VICTIM, false),
  },
];

interface FaultRun {
  readonly result: TcpTransferResult;
  /** From the line's return to its first use; null: it was not used again. */
  readonly usedAgainAfterMs: number | null;
}

async function runFault(bond: Bond, fault: Fault): Promise<FaultRun> {
  const { near, far, lines } = bond;
  const limit = transferLimit({ bytes: BYTES, mtu: MTU, speeds: SPEEDS, seed: SEED });
  let octets = 0;
  let over = false;
  const transfer = transferTcp(near.host, far.host, {
    address: far.address,
    bytes: BYTES,
    seed: SEED,
    deadlineMs: patienceMs(limit.seconds),
    onProgress: (received) => {
      octets = received;
    },
  }).finally(() => {
    over = true;
  });
  const trouble = async (): Promise<number | null> => {
    while (octets < GOES_AT * BYTES && !over) await delay(LOOK_MS);
    await fault.go(bond);
    await delay(AWAY_MS);
    const carried = async (): Promise<number> => (await lines.counts())[VICTIM]?.nearToFar ?? 0;
    const before = await carried();
    await fault.comeBack(bond);
    const back = performance.now();
    while (!over) {
      if ((await carried()) - before >= USED_OCTETS) return performance.now() - back;
      await delay(LOOK_MS);
    }
    return null;
  };
  const [result, usedAgainAfterMs] = await Promise.all([transfer, trouble()]);
  return { result, usedAgainAfterMs };
}

export const lostLine: Figure = {
  name: "faults",
  title: "One of two equal lines goes and comes back",
  mark: "the transfer completes, intact, and the line is used again.",
  async run({ repeat, signal, say }) {
    const rows: CaseRow[] = [];
    for (const fault of FAULTS) {
      const runs: FaultRun[] = [];
      for (let i = 0; i < repeat; i++) {
        const run = await withBond(fault.options, (bond) => runFault(bond, fault), signal);
        say(
          `${fault.name}: ${round(run.result.seconds, 1)} s, intact ${run.result.intact}, used again after ${Math.round(run.usedAgainAfterMs ?? Number.NaN)} ms`,
        );
        runs.push(run);
      }
      const seconds = runs.map(({ result }) => round(result.seconds, 1)).join(", ");
      const after = runs
        .map(({ usedAgainAfterMs: ms }) => (ms === null ? "never" : round(ms / 1000, 1)))
        .join(", ");
      const intact = runs.every(({ result }) => result.intact);
      const reached = intact && runs.every(({ usedAgainAfterMs }) => usedAgainAfterMs !== null);
      rows.push({ cells: [fault.name, seconds, intact ? "yes" : "NO", after], reached });
    }
    const titles = ["57600 × 2, a line away for 8 s", "seconds", "intact", "10 KB on it again after, s"];
    return caseTable(titles, rows);
  },
};
