import { type BondOptions, type BondProtocol, FAR_ADDRESS, NEAR_ADDRESS } from "../../src/lab/bond-config.ts";
import { startSide, untilBonded, withBond } from "../../src/lab/bond-scenario.ts";
import { BYTES_1995 } from "../../src/lab/measure.ts";
import { Host } from "../../src/lab/namespace.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { pingTimes } from "../../src/lab/transfer.ts";
import { PppdPeer } from "../../tests/interop/pppd-peer.ts";
import { caseTable, type Figure } from "../figure.ts";
import { type GuestCase, type GuestRun, runGuestTransfers, sendToGuest } from "../guest-transfers.ts";
import { runTransfers, type TransferCase } from "../transfer-cases.ts";

/** PPP and multilink PPP: throughput of ours to ours and to pppd, and what cutting packets does for latency. */

interface Pair {
  readonly speeds: readonly number[];
  /** Per cent of the limit, ours to ours. */
  readonly least: number;
}

const PAIRS: readonly Pair[] = [
  { speeds: [28_800, 28_800], least: 97 },
  { speeds: [57_600, 14_400], least: 95 },
  { speeds: [115_200, 9_600], least: 95 },
];
const PROTOCOLS: readonly [BondProtocol, string][] = [
  ["mlppp", "multilink"],
  ["ppp", "classic"],
];
const MTUS = [1500, 576];
const LEAST_TO_PPPD = 90;
const PING_LINES = 4;
const PING_SPEED = 9600;
/** Of the data of an echo in one packet of 1500 octets. */
const PING_OCTETS = 1472;
const PINGS = 5;
/** Longer than such a ping takes on one line. */
const PING_INTERVAL_MS = 4000;
const MOST_OF_ONE_LINE = 45;

export const pppPairs: Figure = {
  name: "ppp",
  title: "PPP and multilink PPP",
  mark: "97 % of the limit on equal lines, 95 % on unequal ones; multilink: packets cut and numbered, classic: whole ones.",
  run: (context) => {
    const cases = PROTOCOLS.flatMap(([protocol, word]) =>
      MTUS.flatMap((mtu) =>
        PAIRS.map(
          ({ speeds, least }): TransferCase => ({
            cells: [word, speeds.join(" + "), mtu],
            least,
            speeds,
            mtu,
            protocol,
            bytes: BYTES_1995,
            scheduler: "earliest-arrival",
          }),
        ),
      ),
    );
    return runTransfers(["PPP", "lines", "MTU"], cases, context);
  },
};

async function sendToPppd(speeds: readonly number[], mtu: number): Promise<GuestRun> {
  const scratch = new Scratch("eql-bench");
  const peer = await PppdPeer.start({ lines: speeds.length });
  const us = await Host.create("us");
  try {
    const devices: string[] = [];
    for (const [line, bps] of speeds.entries()) devices.push(await peer.kernel.expose(line, bps));
    const options: BondOptions = { speeds, mtu, protocol: "mlppp", scheduler: "earliest-arrival" };
    const { daemon } = startSide(options, scratch, us, devices, NEAR_ADDRESS, FAR_ADDRESS);
    for (const line of speeds.keys()) await peer.pppd(line, `multilink ${FAR_ADDRESS}:${NEAR_ADDRESS}`);
    await untilBonded(daemon, options);
    const run = await sendToGuest(us, peer.kernel, options);
    await daemon.stop();
    return run;
  } finally {
    await us.close();
    await peer.close();
    scratch.close();
  }
}

export const toPppd: Figure = {
  name: "pppd",
  title: "Multilink to pppd",
  mark: `${LEAST_TO_PPPD} % of the limit (pppd 2.4.9 in a User-Mode Linux guest; pppd to pppd reached 93 % of the raw rate on 28800 × 2, 69 % on 57600 + 14400).`,
  run: (context) => {
    const cases = MTUS.flatMap((mtu) =>
      PAIRS.map(
        ({ speeds }): GuestCase => ({
          cells: [speeds.join(" + "), mtu],
          least: LEAST_TO_PPPD,
          send: () => sendToPppd(speeds, mtu),
        }),
      ),
    );
    return runGuestTransfers(["lines", "MTU"], cases, context);
  },
};

/** Round trips of a long ping, nothing else being sent, in milliseconds. */
const pingOver = (lines: number, protocol: BondProtocol, signal: AbortSignal): Promise<readonly number[]> =>
  withBond(
    {
      speeds: Array.from({ length: lines }, () => PING_SPEED),
      mtu: 1500,
      protocol,
      scheduler: "earliest-arrival",
    },
    ({ near, far }) =>
      pingTimes(near.host, far.address, {
        count: PINGS,
        intervalMs: PING_INTERVAL_MS,
        length: PING_OCTETS,
      }),
    signal,
  );

export const cutLatency: Figure = {
  name: "latency",
  title: `A ping of 1500 octets over ${PING_LINES} × ${PING_SPEED} with multilink`,
  mark: `less than ${MOST_OF_ONE_LINE} % of the time over one line with PPP.`,
  async run({ repeat, signal, say }) {
    const alone: number[] = [];
    const bonded: number[] = [];
    for (let i = 0; i < repeat; i++) {
      alone.push(median(await pingOver(1, "ppp", signal)));
      bonded.push(median(await pingOver(PING_LINES, "mlppp", signal)));
      say(`one line ${round(alone[i] ?? 0, 0)} ms, ${PING_LINES} lines ${round(bonded[i] ?? 0, 0)} ms`);
    }
    const percent = round((100 * median(bonded)) / median(alone), 1);
    const cells = [round(median(alone), 0), round(median(bonded), 0), percent];
    return caseTable(
      ["one line, ms", `${PING_LINES} lines, ms`, "% of one line's"],
      [{ cells, reached: percent < MOST_OF_ONE_LINE }],
    );
  },
};
