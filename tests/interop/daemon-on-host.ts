import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlClient } from "../../src/cli/control-client.ts";
import type { LineStatus, ReloadReply, Status } from "../../src/control/messages.ts";
import type { Host } from "../../src/lab/namespace.ts";

const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
const DEADLINE_MS = 60_000;

/** Our daemon as users start it (`eql up -c FILE`), on a host, with socket and locks in a directory of its own. */
export class DaemonOnHost {
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #client: ControlClient;
  #log = "";

  get #file(): string {
    return join(this.#directory, "eql.toml");
  }

  private constructor(host: Host, config: string) {
    this.#directory = mkdtempSync(join(tmpdir(), "eql-daemon-"));
    const socket = join(this.#directory, "eql.sock");
    this.#write(config);
    this.#client = new ControlClient(socket);
    this.#process = host.spawn([process.execPath, EQL, "up", "-c", this.#file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#log += text;
      });
    }
  }

  /** Starts it and waits until its status satisfies `ready`. */
  static async start(host: Host, config: string, ready: (status: Status) => boolean): Promise<DaemonOnHost> {
    const daemon = new DaemonOnHost(host, config);
    try {
      await daemon.until(ready, "the daemon to be up");
      return daemon;
    } catch (error) {
      await daemon.close();
      throw error;
    }
  }

  /** Writes another configuration, and has it read. */
  reload(config: string): Promise<ReloadReply> {
    this.#write(config);
    return this.#client.request<ReloadReply>("POST", "/reload");
  }

  #write(config: string): void {
    const socket = join(this.#directory, "eql.sock");
    writeFileSync(
      this.#file,
      `daemon = { socket = "${socket}", lock-directory = "${this.#directory}" }\n${config}`,
      { mode: 0o600 }, // there may be secrets in it
    );
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  status(): Promise<Status> {
    return this.#client.request<Status>("GET", "/status");
  }

  async line(name: string): Promise<LineStatus | undefined> {
    return (await this.status()).lines.find((line) => line.name === name);
  }

  /** Asks for the status until it satisfies `condition`. */
  async until(condition: (status: Status) => boolean, what: string): Promise<Status> {
    let last: unknown;
    for (
      const deadline = Date.now() + DEADLINE_MS;
      Date.now() < deadline && this.#isRunning;
      await setTimeout(50)
    ) {
      try {
        const status = await this.status();
        if (condition(status)) return status;
        last = JSON.stringify(status);
      } catch (error) {
        last = error; // it does not listen yet
      }
    }
    throw new Error(`waited for ${what}; last: ${String(last)}\nits log:\n${this.#log}`);
  }

  /** Ends it by SIGTERM and gives its exit code; null when it had to be killed. */
  async close(): Promise<number | null> {
    const exited = this.#isRunning ? new Promise((resolve) => this.#process.once("exit", resolve)) : null;
    this.#process.kill("SIGTERM");
    const stop = new AbortController();
    await Promise.race([exited, setTimeout(DEADLINE_MS, null, { signal: stop.signal }).catch(() => null)]);
    stop.abort();
    if (this.#isRunning) this.#process.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
    return this.#process.exitCode;
  }

  get #isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
}
