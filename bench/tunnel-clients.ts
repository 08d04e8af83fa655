import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { inLab } from "../src/cli/lab-options.ts";
import { whole } from "../src/cli/options.ts";
import { monotonicNow } from "../src/host/clock.ts";
import { newPrivateKey, tunnelCrypto } from "../src/host/tunnel-crypto.ts";
import { DaemonProcess } from "../src/lab/daemon-process.ts";
import { processUsage } from "../src/lab/process-usage.ts";
import { Scratch } from "../src/lab/scratch.ts";
import { serverAddress, uplink, type WanWorld, withWorld } from "../src/lab/wan-world.ts";
import type { LoadEvent, LoadOptions } from "./tunnel-load-options.ts";

/** What many clients cost a server: memory and processor time, and how long until all are there, also after it began anew. */

const PORT = 7411;
const TARGET = "10.98.0.1";
const LOAD_MBIT = 50;
const LOAD_OCTETS = 1400;
const EACH_OCTETS = 100;
const READY_MS = 60_000;

interface Options {
  readonly clients: string;
  readonly links: number;
  readonly seconds: number;
}

interface Sample {
  readonly at: number;
  readonly cpuSeconds: number;
  readonly resident: number;
}

const sampleOf = (pid: number): Sample => {
  const resident = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  const cpuSeconds = processUsage(pid)?.cpuSeconds ?? 0;
  return { at: monotonicNow(), cpuSeconds, resident: Number(resident) * 1024 };
};

const addressOf = (client: number): string => `10.98.${(client + 2) >> 8}.${(client + 2) & 255}`;

/** The server's daemon, and the one argument of the load process. */
class Trial {
  readonly #world: WanWorld;
  readonly #scratch: Scratch;
  readonly #config: string;
  readonly load: LoadOptions;

  constructor(world: WanWorld, scratch: Scratch, clients: number, { links, seconds }: Options) {
    this.#world = world;
    this.#scratch = scratch;
    const primitives = tunnelCrypto(null);
    const publicOf = (key: Uint8Array): string =>
      Buffer.from(primitives.keyPair(key).publicKey).toString("base64");
    const serverKey = newPrivateKey();
    const keys = Array.from({ length: clients }, () => newPrivateKey());
    const text = (key: Uint8Array): string => Buffer.from(key).toString("base64");
    const keyFile = join(scratch.path, "server.key");
    writeFileSync(keyFile, `${text(serverKey)}\n`, { mode: 0o600 });
    const tables = keys.map(
      (key, i) => `[server.eqls.client.c${i}]\nkey = "${publicOf(key)}"\naddress = "${addressOf(i)}"`,
    );
    this.#config = join(scratch.path, "server.toml");
    const daemon = `[daemon]\nsocket = ${JSON.stringify(this.#socket)}`;
    const server = `[server.eqls]\nlisten = ["0.0.0.0:${PORT}"]\nkey-file = ${JSON.stringify(keyFile)}\naddress = "${TARGET}/16"`;
    writeFileSync(this.#config, `${[daemon, server, ...tables].join("\n\n")}\n`);
    const each = Array.from({ length: links }, (_, link) => link);
    const full = (LOAD_MBIT * 1e6) / 8 / LOAD_OCTETS;
    this.load = {
      clients: keys.map((key, i) => ({ privateKey: text(key), address: addressOf(i) })),
      serverKey: publicOf(serverKey),
      devices: each.map((link) => uplink(link)),
      servers: each.map((link) => `${serverAddress(link)}:${PORT}`),
      target: TARGET,
      phases: [
        { seconds, packetsPerSecond: 0, octets: EACH_OCTETS },
        { seconds: seconds / 2, packetsPerSecond: clients, octets: EACH_OCTETS },
        { seconds: seconds / 2, packetsPerSecond: full, octets: LOAD_OCTETS },
        { seconds: READY_MS / 1000, packetsPerSecond: 0, octets: EACH_OCTETS },
      ],
    };
  }

  get #socket(): string {
    return join(this.#scratch.path, "server.sock");
  }

  async start(): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(this.#world.server, this.#config, this.#socket);
    const { length } = this.load.clients;
    await daemon.until(({ tunnels }) => tunnels[0]?.peers.length === length, "all peers", READY_MS);
    return daemon;
  }

  /** @param handle called with each event, which it may answer with true: that was all */
  async run(handle: (event: LoadEvent) => Promise<boolean>): Promise<void> {
    const script = fileURLToPath(new URL("tunnel-load.js", import.meta.url));
    const child = this.#world.client.spawn([process.execPath, script, JSON.stringify(this.load)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { stdout } = child;
    if (stdout === null) return;
    for await (const line of createInterface({ input: stdout })) {
      if (await handle(JSON.parse(line) as LoadEvent)) break;
    }
    child.kill("SIGKILL");
  }
}

async function tryWith(clients: number, options: Options, world: WanWorld, base: number): Promise<number> {
  const scratch = new Scratch("eql-clients");
  const trial = new Trial(world, scratch, clients, options);
  const began = monotonicNow();
  let daemon = await trial.start();
  const readyMs = monotonicNow() - began;
  const configured = sampleOf(daemon.pid);
  let before = configured;
  let begun = 0;
  let killedAt = Number.POSITIVE_INFINITY;

  await trial.run(async (event) => {
    if (event.event === "begun") begun = event.at;
    if (event.event === "alive" && event.at > killedAt) {
      process.stdout.write(
        `  after a restart all are there ${seconds(event.at - begun)} s after it answered\n`,
      );
      return true;
    }
    if (event.event === "alive" && killedAt === Number.POSITIVE_INFINITY) {
      process.stdout.write(
        `${clients} clients: ready ${seconds(readyMs)} s, all are there after ${seconds(event.at - begun)} s\n`,
      );
      before = sampleOf(daemon.pid);
    }
    if (event.event !== "end") return false;
    const sample = sampleOf(daemon.pid);
    const share = (100 * (sample.cpuSeconds - before.cpuSeconds)) / ((sample.at - before.at) / 1000);
    const each = (sample.resident - base) / clients / 1000;

    process.stdout.write(
      `  phase ${event.phase}: ${share.toFixed(1)} % of a core, ${(sample.resident / 1e6).toFixed(1)} MB, ${base > 0 ? each.toFixed(0) : "-"} kB a client; ${event.sent} sent, ${event.replies} replies, ${event.delayed} dropped by clients, ${event.cpuSeconds.toFixed(1)} s of their processor so far\n`,
    );
    before = sample;
    if (event.phase !== 2) return event.phase === 3;
    if (base === 0) return true;
    const [tunnel] = (await daemon.status()).tunnels;
    const sums: Record<string, number> = { ...tunnel?.drops };
    for (const { drops } of tunnel?.peers ?? [])
      for (const [why, count] of Object.entries(drops)) if (count > 0) sums[why] = (sums[why] ?? 0) + count;
    process.stdout.write(`  ${JSON.stringify(sums)}\n`);
    // Killed, so that it says no farewell.
    killedAt = monotonicNow();
    process.kill(daemon.pid, "SIGKILL");
    await delay(500);
    daemon = await trial.start();
    begun = monotonicNow();
    return false;
  });
  await daemon.stop();
  scratch.close();
  return configured.resident;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);

const program = new Command("tunnel-clients")
  .description("What many clients of a UDP server cost it.")
  .option("--clients <LIST>", "how many, of each trial", "50,200,500")
  .option("--links <N>", "paths of each", whole("--links", 1, 8), 2)
  .option(
    "--seconds <N>",
    "how long it is idle; the other phases are half as long",
    whole("--seconds", 1, 3600),
    30,
  )
  .action((options: Options) =>
    inLab(async (signal) => {
      const links = Array.from({ length: options.links }, () => null);
      let base = 0;
      for (const clients of [1, ...options.clients.split(",").map(Number)]) {
        const found = await withWorld({ links }, (world) => tryWith(clients, options, world, base), signal);
        if (base === 0) base = found;
      }
      return 0;
    }),
  );

await program.parseAsync();
