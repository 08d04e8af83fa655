import { FAR_ADDRESS } from "../src/lab/bond-config.ts";
import { LabProcess } from "../src/lab/lab-process.ts";
import { type LimitInput, transferLimit } from "../src/lab/limit.ts";
import { BYTES_1995, DEFAULT_SEED, patienceMs } from "../src/lab/measure.ts";
import type { Host } from "../src/lab/namespace.ts";
import { median, round } from "../src/lab/statistics.ts";
import { FIRST_PORT, transferHash } from "../src/lab/transfer.ts";
import { type KernelPeer, kernelPeerMissing } from "../tests/interop/kernel-peer.ts";
import { type CaseRow, caseTable, type FigureContext, type FigureOutcome } from "./figure.ts";

const CONNECT_MS = 20_000;
const STALL_SECONDS = 60;
const FIRST_SOURCE_PORT = 20_000;

export interface GuestRun {
  /** Of the limit. */
  readonly percent: number;
  readonly intact: boolean;
}

/** A transfer to a guest, whose daemons, lines and guest it makes and takes away. */
export interface GuestCase {
  /** What tells it from the others; the first cells of its row. */
  readonly cells: readonly (string | number)[];
  /** Per cent of the limit. */
  readonly least: number;
  readonly send: () => Promise<GuestRun>;
}

/** Moves the data of 1995 from a host of ours to a guest at the far address. @param lines what they are between the two */
export async function sendToGuest(
  us: Host,
  guest: KernelPeer,
  lines: Pick<LimitInput, "speeds" | "mtu" | "protocol">,
): Promise<GuestRun> {
  const limit = transferLimit({ ...lines, bytes: BYTES_1995, seed: DEFAULT_SEED });
  const deadline = patienceMs(limit.seconds);
  const received = guest.must(`tcpx recv ${FIRST_PORT} | sha256sum`, deadline);
  received.catch(() => undefined); // it is asked for below, unless the sending failed
  const port = FIRST_PORT.toString(16).toUpperCase().padStart(4, "0");
  await guest.must(`until grep -q ':${port} ' /proc/net/tcp; do sleep 0.05; done`);
  const sender = new LabProcess(us, {
    role: "tcp-send",
    address: FAR_ADDRESS,
    port: FIRST_PORT,
    sourcePort: FIRST_SOURCE_PORT,
    bytes: BYTES_1995,
    seed: DEFAULT_SEED,
    stallSeconds: STALL_SECONDS,
  });
  const [connecting, sent, sum] = await Promise.all([
    sender.event("connecting", CONNECT_MS),
    sender.event("sent", deadline),
    received,
  ]);
  return {
    // To the far end's close, which comes after the last octet: the guest has another clock.
    percent: (100 * limit.seconds * 1000) / (sent.at - connecting.at),
    intact: sum.split(" ")[0] === transferHash(BYTES_1995, DEFAULT_SEED),
  };
}

/** Runs each case `repeat` times and shows medians; damaged data misses every mark. @param titles of the cases' own cells */
export async function runGuestTransfers(
  titles: readonly string[],
  cases: readonly GuestCase[],
  { repeat, signal, say }: FigureContext,
): Promise<FigureOutcome> {
  const missing = kernelPeerMissing();
  if (missing !== false) return { reached: null, body: `Not measured: ${missing}.` };
  const rows: CaseRow[] = [];
  for (const { cells, least, send } of cases) {
    const runs: GuestRun[] = [];
    for (let i = 0; i < repeat; i++) {
      signal.throwIfAborted();
      const run = await send();
      say(`${cells.join(", ")}: ${round(run.percent, 2)} % of the limit, intact ${run.intact}`);
      runs.push(run);
    }
    const percents = runs.map(({ percent }) => round(percent, 2));
    const reached = median(percents) >= least && runs.every(({ intact }) => intact);
    rows.push({ cells: [...cells, round(median(percents), 2), percents.join(", ")], reached });
  }
  return caseTable([...titles, "% of the limit", "runs"], rows);
}
