import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { KernelPeer } from "../interop/kernel-peer.ts";

/**
 * Measures how the original driver shares packets out, on a real kernel, and writes eql-1995-shares.json:
 *
 *     npm run build && node dist/tests/scheduler/measure-eql-1995-shares.js && npm run format
 *
 * The lines are drained as fast as the guest writes, so that none is ever full: the driver looks only at priorities,
 * lengths and the time. Takes five minutes, nearly all of them waiting.
 */

const OUTPUT = fileURLToPath(new URL("../../../tests/scheduler/eql-1995-shares.json", import.meta.url));
const PRIORITIES_BPS = [
  [57600, 14400],
  [28800, 28800],
  [115200, 9600],
  [28800, 14400],
  [14400, 57600],
  [57600, 28800, 14400],
];
/** Offered octets a second, as a part of the priorities' sum at 8 bits an octet. */
const LOADS = [0.3, 0.6, 0.95, 1.3];
const PACKET_OCTETS = [576, 160];
const UDP_IP_OCTETS = 28;
const SECONDS = 10;
const LOCAL = "10.8.0.1";
const REMOTE = "10.8.0.2";

async function sentOn(peer: KernelPeer, lines: number): Promise<{ packets: number; octets: number }[]> {
  const files = Array.from(
    { length: lines },
    (_, line) => `/sys/class/net/sl${line}/statistics/tx_{packets,bytes}`,
  );
  const counts = (await peer.must(`cat ${files.join(" ")}`)).trim().split("\n").map(Number);
  return files.map((_, line) => ({ packets: counts[2 * line] ?? 0, octets: counts[2 * line + 1] ?? 0 }));
}

async function measure(
  peer: KernelPeer,
  prioritiesBps: readonly number[],
  packetOctets: number,
  load: number,
) {
  const lines = prioritiesBps.length;
  for (const [line, bps] of prioritiesBps.entries()) {
    await peer.must(`eqlctl emancipate eql sl${line} 2>/dev/null; eqlctl enslave eql sl${line} ${bps}`);
  }
  const limit = prioritiesBps.reduce((sum, bps) => sum + bps / 8, 0);
  const packetsPerSecond = Math.round(((limit * load) / packetOctets) * 100) / 100;
  const packets = Math.floor(packetsPerSecond * SECONDS);
  const before = await sentOn(peer, lines);
  const taken = await peer.must(
    `udpx ${REMOTE} 9 ${packetOctets - UDP_IP_OCTETS} ${packetsPerSecond} ${packets}`,
  );
  const sent = (await sentOn(peer, lines)).map((now, line) => ({
    packets: now.packets - (before[line]?.packets ?? 0),
    octets: now.octets - (before[line]?.octets ?? 0),
  }));
  assert.equal(Number(taken), packets);
  assert.equal(
    sent.reduce((sum, line) => sum + line.packets, 0),
    packets,
    "lost, or not ours alone",
  );
  assert.deepEqual(
    sent.map((line) => line.packets * packetOctets),
    sent.map((line) => line.octets),
  );
  const sentPackets = sent.map((line) => line.packets);
  const shares = sentPackets.map((count) => Math.round((count / packets) * 1e4) / 1e4);
  return { prioritiesBps, packetOctets, packetsPerSecond, packets, sentPackets, shares };
}

/** All measurements of one set of slaves, in a guest of its own. */
async function measureSlaves(prioritiesBps: readonly number[]) {
  const peer = await KernelPeer.start({ lines: prioritiesBps.length });
  try {
    for (const line of prioritiesBps.keys()) peer.drain(line);
    await peer.slip(LOCAL, REMOTE, prioritiesBps, 576);
    const measurements = [];
    for (const packetOctets of PACKET_OCTETS) {
      for (const load of LOADS) measurements.push(await measure(peer, prioritiesBps, packetOctets, load));
    }
    return { kernel: (await peer.must("uname -r")).trim(), measurements };
  } finally {
    await peer.close();
  }
}

const results = [];
for (let at = 0; at < PRIORITIES_BPS.length; at += 2) {
  results.push(...(await Promise.all(PRIORITIES_BPS.slice(at, at + 2).map(measureSlaves))));
}
await writeFile(
  OUTPUT,
  JSON.stringify({
    about:
      "Packets that the original eql driver gave to each slave; slaves in the order in which they were enslaved.",
    driver: `eql of Linux ${results[0]?.kernel}, User-Mode Linux`,
    measurements: results.flatMap((result) => result.measurements),
  }),
);
