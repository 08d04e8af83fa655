import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Host } from "../../src/lab/namespace.ts";
import { pingTimes, transferDatagrams } from "../../src/lab/transfer.ts";
import { WanEmulator } from "../../src/lab/wan-emulator.ts";
import type { WanCount, WanCounts } from "../../src/lab/wan-emulator-roles.ts";
import { streamTcp } from "../../src/lab/wan-traffic.ts";
import { clientAddress, serverAddress, WanWorld, type WanWorldOptions } from "../../src/lab/wan-world.ts";
import { needsHosts } from "./lab-support.ts";

const MBIT = 1_000_000;
const DEADLINE_MS = 120_000;
/** A sender that was held up for so long would be taken for one that is done. */
const IDLE_SECONDS = 3;
/** Of a full queue; at 10 Mbit/s a packet more or less is 0.8 % of it. */
const FULL_MS = 150;

async function world(t: TestContext, options: WanWorldOptions): Promise<WanWorld | null> {
  if (!needsHosts(t, ["ip", "nsenter", "setpriv"])) return null;
  const made = await WanWorld.start(options);
  t.after(() => made.close());
  return made;
}

function emulatorOf({ emulator }: WanWorld): WanEmulator {
  assert.ok(emulator);
  return emulator;
}

/** Half as much again as the link carries, in packets of 1500 octets, for half a second. @returns how many came */
async function blast(from: Host, to: Host, address: string, rateBps: number): Promise<number> {
  const perSecond = (1.5 * rateBps) / 12_000;
  const options = { address, datagrams: Math.round(perSecond * 0.5), length: 1472, perSecond, seed: 1 };
  const { received } = await transferDatagrams(from, to, {
    ...options,
    idleSeconds: IDLE_SECONDS,
    deadlineMs: DEADLINE_MS,
  });
  return received;
}

/** The counts at short intervals until the work is done. */
async function sample(emulator: WanEmulator, work: Promise<unknown>): Promise<WanCounts[]> {
  const samples: WanCounts[] = [];
  let done = false;
  const end = (): void => {
    done = true;
  };
  work.then(end, end);
  while (!done) {
    samples.push(await emulator.counts());
    await delay(10);
  }
  return samples;
}

/** The most bits per second between two moments of a time in which a link's queue overflowed again and again; 0: it did not for long. */
function fullRate(
  samples: readonly WanCounts[],
  countOf: (counts: WanCounts) => WanCount | undefined,
): number {
  let best = 0;
  let begun: WanCounts[] = [];
  for (const [i, counts] of samples.entries()) {
    const before = samples[i - 1];
    const overflows =
      before !== undefined && (countOf(counts)?.queueFull ?? 0) > (countOf(before)?.queueFull ?? 0);
    begun = overflows ? [...begun, counts] : [];
    for (const first of begun) {
      if (counts.at - first.at < FULL_MS) break;
      const octets = (countOf(counts)?.octets ?? 0) - (countOf(first)?.octets ?? 0);
      best = Math.max(best, (octets * 8000) / (counts.at - first.at));
    }
  }
  return best;
}

describe("emulated links between hosts", () => {
  it("carry their rate both ways at once, and delay it", async (t) => {
    const rates = [10 * MBIT, 30 * MBIT] as const;
    const made = await world(t, { links: rates.map((rateBps) => ({ rateBps, delayMs: 15, queueMs: 50 })) });
    if (made === null) return;
    const { client, server } = made;
    const emulator = emulatorOf(made);
    const idle = await pingTimes(client, serverAddress(1), { count: 3, intervalMs: 10 });
    assert.ok(Math.min(...idle) >= 30, idle.join());
    const before = (await emulator.counts()).links[1]?.down.packets ?? 0;
    let got = [0, 0];
    let shares = [0, 0];
    // A sender that is held up leaves the link idle meanwhile: until they have not been for a while.
    const end = performance.now() + DEADLINE_MS;
    while (Math.min(...shares) < 0.98) {
      assert.ok(performance.now() < end, `${shares.join()} of the rates`);
      const blasts = Promise.all([
        blast(client, server, serverAddress(0), rates[0]),
        blast(server, client, clientAddress(1), rates[1]),
      ]);
      const samples = await sample(emulator, blasts);
      const up = fullRate(samples, (counts) => counts.links[0]?.up) / rates[0];
      const down = fullRate(samples, (counts) => counts.links[1]?.down) / rates[1];
      shares = [Math.max(up, shares[0] ?? 0), Math.max(down, shares[1] ?? 0)];
      got = (await blasts).map((packets, i) => packets + (got[i] ?? 0));
    }
    assert.ok(Math.max(...shares) <= 1.02, `${shares.join()} of the rates`);
    const { links } = await emulator.counts();
    assert.deepEqual([links[0]?.up.packets, (links[1]?.down.packets ?? 0) - before], got);
  });

  it("change while they run: cut and restored, by word and by schedule", async (t) => {
    const made = await world(t, { links: [{ rateBps: 10 * MBIT }, { rateBps: 10 * MBIT }] });
    if (made === null) return;
    const emulator = emulatorOf(made);
    const answers = async (more: { lastWaitMs?: number } = {}): Promise<number> =>
      (await pingTimes(made.client, serverAddress(1), { count: 1, intervalMs: 1, ...more })).length;
    assert.equal(await answers(), 1);
    await emulator.change({ link: 1, settings: { outage: true } });
    assert.equal(await answers({ lastWaitMs: 150 }), 0);
    const cut = (await emulator.counts()).links[1]?.up;
    assert.equal(cut?.outage, 1);
    await emulator.schedule([
      { atMs: 200, link: 1, direction: "down", settings: { delayMs: 40 } },
      { atMs: 0, link: 1, settings: { outage: false } },
    ]);
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const [ms = 0] = await pingTimes(made.client, serverAddress(1), { count: 1, intervalMs: 1 });
      if (ms >= 40) break;
      assert.ok(performance.now() < deadline, "the delay has changed");
    }
    const { links, latestMs } = await emulator.counts();
    assert.equal(links[0]?.up.packets, 0);
    assert.ok(latestMs >= 0);
  });

  it("are gone with their process, which says why it cannot be", async (t) => {
    const made = await world(t, { links: [{ rateBps: MBIT }] });
    if (made === null) return;
    const emulator = emulatorOf(made);
    const end = (pid: number) => ({ pid, device: "wan0" });
    const link = { client: end(made.client.pid), server: end(made.server.pid), up: {}, down: {}, seed: 1 };
    await assert.rejects(WanEmulator.start([link]), /emulator.*interface wan0 already/);
    await assert.rejects(WanEmulator.start([{ ...link, client: end(0) }]), /enter the network of process 0/);
    process.kill(emulator.pid, "SIGKILL");
    await assert.rejects(emulator.counts(), /emulator.*ended by SIGKILL/);
    const gone = performance.now() + DEADLINE_MS;
    while ((await made.client.must(["ip", "link"])).includes("wan0"))
      assert.ok(performance.now() < gone, "the interface is gone");
  });
});

describe("cables without limit", () => {
  it("carry packets of their MTU only, by two ways", async (t) => {
    const made = await world(t, { links: [null, null] });
    if (made === null) return;
    assert.equal(made.emulator, null);
    let started = 0;
    const options = { address: serverAddress(1), seconds: 0.25, onStart: () => started++ };
    const result = await streamTcp(made.client, made.server, options);
    assert.equal(started, 1);
    assert.equal(result.intact, true);
    assert.equal(result.congestion, "cubic");
    assert.equal(result.goodputBps, result.octets * 32);
    assert.equal(
      result.tenthsBps.reduce((a, b) => a + b, 0),
      result.octets * 80,
    );
    assert.ok(result.longestStallMs > 0 && result.longestStallAt < 250);
    const text = await made.server.must(["cat", "/proc/net/dev"]);
    const [octets = 0, packets = 0] = /wan1:\s*(\d+)\s+(\d+)/.exec(text)?.slice(1).map(Number) ?? [];
    assert.ok(octets >= result.octets && octets / packets <= 1514, `${octets} octets in ${packets} packets`);
  });
});
