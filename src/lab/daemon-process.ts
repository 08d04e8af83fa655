import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Status } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { Host } from "./namespace.ts";

/** The command `eql` of this very package: the same way from the built files in a clone and in an installation. */
const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
const POLL_MS = 50;
const STOP_MS = 20_000;
const ANSWER_MS = 30_000;
const COMPLAINT_LENGTH = 2_000;

/** A daemon on a host of the lab. */
export class DaemonProcess {
  readonly #host: Host;
  readonly #socket: string;
  readonly #child: ChildProcess;
  #complaint = "";
  #exited = false;

  constructor(host: Host, configPath: string, socket: string) {
    this.#host = host;
    this.#socket = socket;
    const command = [process.execPath, EQL, "up", "-c", configPath, "--log-level", "warn"];
    this.#child = host.spawn(command, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (octets: Buffer) => {
        this.#complaint = (this.#complaint + octets.toString()).slice(-COMPLAINT_LENGTH);
      });
    }
    const exit = (): void => {
      this.#exited = true;
    };
    this.#child.once("exit", exit);
    this.#child.once("error", exit);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it wrote last, on either stream. */
  get complaint(): string {
    return this.#complaint.trim();
  }

  /** @throws EqlError DAEMON_FAILED when it does not answer */
  async status(): Promise<Status> {
    try {
      return await getJson<Status>(this.#socket, "/status");
    } catch (cause) {
      throw this.#failed(this.#exited ? "has ended" : "does not answer", cause);
    }
  }

  /**
   * Waits until what it reports is as wanted.
   * @throws EqlError DAEMON_FAILED when it ends before or `deadlineMs` passes; `what` was waited for
   */
  async until(wanted: (status: Status) => boolean, what: string, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    for (;;) {
      if (this.#exited) throw this.#failed("has ended");
      const status = await getJson<Status>(this.#socket, "/status").catch(() => null);
      if (status !== null && wanted(status)) return;
      if (performance.now() > end) {
        const lines = status?.lines.map(({ name, state, reason }) => `${name} ${state} ${reason}`.trim());
        throw this.#failed(
          `has not got to "${what}" in ${deadlineMs / 1000} s (${lines?.join(", ") ?? "no answer"})`,
        );
      }
      await delay(POLL_MS);
    }
  }

  /** Asks it to bring everything down and waits for that; one that hangs is killed with its host. */
  async stop(): Promise<void> {
    if (this.#exited) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await Promise.race([exit, delay(STOP_MS, undefined, { ref: false })]);
  }

  #failed(what: string, cause?: unknown): EqlError {
    const { name } = this.#host;
    const said = this.complaint === "" ? "" : `: ${this.complaint}`;
    return new EqlError("DAEMON_FAILED", `the daemon on host ${name} ${what}${said}`, { cause });
  }
}

function getJson<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path, agent: false, timeout: ANSWER_MS }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => {
        text += part;
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new EqlError("DAEMON_FAILED", text));
      });
    });
    request.on("timeout", () => request.destroy(new EqlError("DAEMON_FAILED", "no answer")));
    request.on("error", reject);
  });
}
