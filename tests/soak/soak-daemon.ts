import { readdirSync, readFileSync } from "node:fs";
import type { Status } from "../../src/control/messages.ts";
import { processUsage } from "../../src/lab/process-usage.ts";
import type { Side, TestDaemon } from "../daemon/world.ts";

const RESTART_MS = 60_000;

interface Sample {
  /** Milliseconds since this daemon began. */
  readonly age: number;
  /** Octets. */
  readonly resident: number;
  readonly descriptors: number;
  /** Lines that are slaves. */
  readonly up: number;
}

/** A daemon from its beginning to a crash, or to the end. */
interface DaemonLife {
  readonly began: number;
  readonly samples: Sample[];
  cpuSeconds: number;
}

/** A daemon that is killed now and then, and started again as an init system does. */
export class SoakDaemon {
  readonly lives: DaemonLife[] = [];
  readonly #side: Side;
  readonly #tables: readonly string[];
  #daemon: TestDaemon | null = null;

  constructor(side: Side, tables: readonly string[]) {
    this.#side = side;
    this.#tables = tables;
  }

  /** @throws Error it is being started again */
  get daemon(): TestDaemon {
    if (this.#daemon === null) throw new Error("the daemon is not there");
    return this.#daemon;
  }

  async start(): Promise<void> {
    this.lives.push({ began: performance.now(), samples: [], cpuSeconds: 0 });
    this.#daemon = await this.#side.up(...this.#tables);
  }

  /** Leaves it no time for anything. */
  async crash(): Promise<void> {
    const { daemon } = this;
    this.#daemon = null;
    daemon.kill("SIGKILL");
    await daemon.exit(RESTART_MS);
    await this.start();
  }

  /** @returns its status; null when it was killed meanwhile */
  async look(): Promise<Status | null> {
    const daemon = this.#daemon;
    if (daemon === null) return null;
    try {
      const status = await daemon.status();
      if (daemon !== this.#daemon) return null;
      this.#sample(daemon.pid, status);
      return status;
    } catch (error) {
      if (daemon === this.#daemon) throw new Error(`no status\nit said:\n${daemon.said}`, { cause: error });
      return null;
    }
  }

  #sample(pid: number, { masters }: Status): void {
    const life = this.lives.at(-1);
    if (life === undefined) return;
    const [, resident] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ").map(Number);
    life.cpuSeconds = processUsage(pid)?.cpuSeconds ?? life.cpuSeconds;
    life.samples.push({
      age: performance.now() - life.began,
      resident: (resident ?? 0) * 4096,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      up: masters.reduce((sum, { slaves }) => sum + slaves.length, 0),
    });
  }
}
