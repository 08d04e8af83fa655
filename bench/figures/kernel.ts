import { type BondOptions, FAR_ADDRESS, NEAR_ADDRESS } from "../../src/lab/bond-config.ts";
import { startSide, untilBonded } from "../../src/lab/bond-scenario.ts";
import { Host } from "../../src/lab/namespace.ts";
import { Scratch } from "../../src/lab/scratch.ts";
import { KernelPeer } from "../../tests/interop/kernel-peer.ts";
import type { Figure } from "../figure.ts";
import { type GuestCase, type GuestRun, runGuestTransfers, sendToGuest } from "../guest-transfers.ts";

/** Our sender to a real kernel with the drivers of 1995. */

const PAIRS = [
  [57_600, 14_400],
  [28_800, 28_800],
] as const;
const MTU = 576;
const LEAST_PERCENT = 95;

async function send(speeds: readonly number[]): Promise<GuestRun> {
  const scratch = new Scratch("eql-bench");
  const peer = await KernelPeer.start({ lines: speeds.length });
  const us = await Host.create("us");
  try {
    await peer.slip(FAR_ADDRESS, NEAR_ADDRESS, speeds, MTU);
    const devices: string[] = [];
    for (const [line, bps] of speeds.entries()) devices.push(await peer.expose(line, bps));
    const options: BondOptions = { speeds, mtu: MTU, scheduler: "earliest-arrival" };
    const { daemon } = startSide(options, scratch, us, devices, NEAR_ADDRESS, FAR_ADDRESS);
    await untilBonded(daemon, options);
    const run = await sendToGuest(us, peer, options);
    await daemon.stop();
    return run;
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
  run: (context) => {
    const cases = PAIRS.map(
      (speeds): GuestCase => ({
        cells: [speeds.join(" + ")],
        least: LEAST_PERCENT,
        send: () => send(speeds),
      }),
    );
    return runGuestTransfers(["lines"], cases, context);
  },
};
