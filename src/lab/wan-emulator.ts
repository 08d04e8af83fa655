import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EqlError } from "../errors.ts";
import { findTool } from "./tool.ts";
import type {
  WanChange,
  WanCounts,
  WanEmulatorLink,
  WanLaterChange,
  WanRequest,
} from "./wan-emulator-roles.ts";

interface Pending {
  resolve(counts: WanCounts): void;
  reject(error: Error): void;
}

const COMPLAINT_LENGTH = 2000;

/**
 * Emulated IP links between hosts: each end is an interface (a TUN device, without address and down at first), and a
 * process of its own carries what is sent into one to the other, at the pace and with the faults of `sim`'s
 * `WanPath`. The interfaces are gone with the process, and the process with its owner.
 */
export class WanEmulator {
  readonly #child: ChildProcess;
  readonly #pending: Pending[] = [];
  readonly #exited: Promise<unknown>;
  #complaint = "";
  #ended = false;

  private constructor(links: readonly WanEmulatorLink[]) {
    const script = fileURLToPath(new URL("wan-emulator-main.js", import.meta.url));
    const argv = ["--pdeathsig", "KILL", process.execPath, script, JSON.stringify(links)];
    const child = spawn(findTool("setpriv"), argv, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    child.stdin.on("error", () => {}); // its end is noticed below
    child.stderr.on("data", (octets: Buffer) => {
      this.#complaint = (this.#complaint + octets.toString()).slice(-COMPLAINT_LENGTH);
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.#pending.shift()?.resolve(JSON.parse(line) as WanCounts);
    });
    this.#exited = new Promise((resolve) => child.once("close", resolve));
    void this.#exited.then(() => this.#handleEnd());
    child.on("error", () => {}); // shows as a close
  }

  /**
   * Resolves when all interfaces are there.
   * @throws EqlError SYSTEM_CALL_FAILED, TOOL_MISSING
   */
  static async start(links: readonly WanEmulatorLink[]): Promise<WanEmulator> {
    const emulator = new WanEmulator(links);
    await emulator.#answer();
    return emulator;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws EqlError SYSTEM_CALL_FAILED: the process has ended (the same in all that follow) */
  counts(): Promise<WanCounts> {
    return this.#request({ kind: "counts" });
  }

  change(change: WanChange): Promise<WanCounts> {
    return this.#request({ kind: "change", ...change });
  }

  /** Begins now; replaces what is left of a schedule before. @returns the counts at its beginning */
  schedule(changes: readonly WanLaterChange[]): Promise<WanCounts> {
    return this.#request({ kind: "schedule", changes });
  }

  /** May be called again. */
  async close(): Promise<void> {
    if (!this.#ended) this.#child.stdin?.end();
    await this.#exited;
  }

  #request(request: WanRequest): Promise<WanCounts> {
    const answer = this.#answer();
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return answer;
  }

  #answer(): Promise<WanCounts> {
    return new Promise((resolve, reject) => {
      if (this.#ended) reject(this.#failure());
      else this.#pending.push({ resolve, reject });
    });
  }

  #handleEnd(): void {
    this.#ended = true;
    for (const pending of this.#pending.splice(0)) pending.reject(this.#failure());
  }

  #failure(): EqlError {
    const why = this.#complaint.trim() || `ended by ${this.#child.signalCode ?? this.#child.exitCode}`;
    return new EqlError("SYSTEM_CALL_FAILED", `the emulator of links: ${why}`);
  }
}
