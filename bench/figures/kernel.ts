import { type BondOptions, FAR_ADDRESS, NEAR_ADDRESS } from "../../src/lab/bond-config.ts";
import { startSide } from "../../src/lab/bond-scenario.ts";
import { LabProcess } from "../../src/lab/lab-process.ts";
import { transferLimit } from "../../src/lab/limit.ts";
import { BYTES_1995, DEFAULT_SEED, patienceMs } from "../../src/lab/measure.ts";
import { Host } from "../../src/lab/namespace.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { median, round } from "../../src/lab/statistics.ts";
import { FIRST_PORT, transferHash } from "../../src/lab/transfer.ts";
import { KernelPeer, kernelPeerMissing } from "../../tests/interop/kernel-peer.ts";
import { type CaseRow, caseTable, type Figure } from "../figure.ts";

/** Our sender to a real kernel with the drivers of 1995. */

const CASES = [
  [57_600, 14_400],
  [28_800, 28_800],
] as const;
const MTU = 576;
const LEAST_PERCENT = 95;
const READY_MS = 30_000;
const CONNECT_MS = 20_000;
const STALL_SECONDS = 60;

interface KernelRun {
  readonly percent: number;
  readonly intact: boolean;
}

async function send(speeds: readonly number[]): Promise<KernelRun> {
  const scratch = new Scratch("eql-bench");
  const peer = await KernelPeer.start({ lines: speeds.length });
  const us = await Host.create("us");
  try {
    await peer.slip(FAR_ADDRESS, NEAR_ADDRESS, speeds, MTU);
    const devices: string[] = [];
    for (const [line, bps] of speeds.entries()) devices.push(await peer.expose(line, bps));
    const options: BondOptions = { speeds, mtu: MTU, scheduler: "earliest-arrival" };
    const { daemon } = startSide(options, scratch, us, devices, NEAR_ADDRESS, FAR_ADDRESS);
    const enslaved = "all lines enslaved";
    await daemon.until(({ lines }) => lines.every(({ state }) => state === "enslaved"), enslaved, READY_MS);

    const limit = transferLimit({ bytes: BYTES_1995, mtu: MTU, speeds, seed: DEFAULT_SEED });
    const deadline = patienceMs(limit.seconds);
    const received = peer.must(`tcpx recv ${FIRST_PORT} | sha256sum`, deadline);
    const port = FIRST_PORT.toString(16).toUpperCase().padStart(4, "0");
    await peer.must(`until grep -q ':${port} ' /proc/net/tcp; do sleep 0.05; done`);
    const sender = new LabProcess(us, {
      role: "tcp-send",
      address: FAR_ADDRESS,
      port: FIRST_PORT,
      sourcePort: 20_000,
      bytes: BYTES_1995,
      seed: DEFAULT_SEED,
      stallSeconds: STALL_SECONDS,
    });
    const [connecting, sent, sum] = await Promise.all([
      sender.event("connecting", CONNECT_MS),
      sender.event("sent", deadline),
      received,
    ]);
    await daemon.stop();
    return {
      // To the far end's close, which comes after the last octet: the guest has another clock.
      percent: (100 * limit.seconds * 1000) / (sent.at - connecting.at),
      intact: sum.split(" ")[0] === transferHash(BYTES_1995, DEFAULT_SEED),
    };
  } finally {
    await us.close();
    await peer.close();
    scratch.close();
  }
}

export const kernelPeer: Figure = {
  name: "kernel",
  title: "To a real Linux kernel with the original eql",
  mark: `${LEAST_PERCENT} % of the limit (MTU ${MTU}, a User-Mode Linux guest with the slip and eql drivers).`,
  async run({ repeat, signal, say }) {
    const missing = kernelPeerMissing();
    if (missing !== false) return { reached: null, body: `Not measured: ${missing}.` };
    const rows: CaseRow[] = [];
    for (const speeds of CASES) {
      const runs: KernelRun[] = [];
      for (let i = 0; i < repeat; i++) {
        signal.throwIfAborted();
        const run = await send(speeds);
        say(`${speeds.join(" + ")}: ${round(run.percent, 2)} % of the limit, intact ${run.intact}`);
        runs.push(run);
      }
      const percents = runs.map(({ percent }) => round(percent, 2));
      const intact = runs.every((run) => run.intact);
      rows.push({
        cells: [speeds.join(" + "), median(percents), percents.join(", ")],
        reached: intact && median(percents) >= LEAST_PERCENT,
      });
    }
    return caseTable(["lines", "% of the limit", "runs"], rows);
  },
};
