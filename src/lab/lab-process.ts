import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EqlError } from "../errors.ts";
import type { Host } from "./namespace.ts";
import type { LabEvent, LabEventOf, LabRole } from "./transfer-roles.ts";

/** One of our own scripts on a host (`transfer-main.ts`), which reports by lines of JSON on its standard output. */
export class LabProcess {
  readonly #child: ChildProcess;
  readonly #role: LabRole["role"];
  readonly #events: LabEvent[] = [];
  readonly #listeners = new Set<() => void>();
  #complaint = "";
  #ended = false;

  /** @param onEvent called for each report, in order */
  constructor(host: Host, role: LabRole, onEvent: (event: LabEvent) => void = () => {}) {
    this.#role = role.role;
    const script = fileURLToPath(new URL("transfer-main.js", import.meta.url));
    this.#child = host.spawn([process.execPath, script, JSON.stringify(role)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stderr?.on("data", (octets: Buffer) => {
      this.#complaint = (this.#complaint + octets.toString()).slice(-2000);
    });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const event = JSON.parse(line) as LabEvent;
        this.#events.push(event);
        onEvent(event);
        this.#notify();
      });
    }
    const end = (): void => {
      this.#ended = true;
      this.#notify();
    };
    this.#child.once("close", end);
    this.#child.once("error", end);
  }

  /** All reports so far. */
  get events(): readonly LabEvent[] {
    return this.#events;
  }

  /**
   * Waits for the first report of a kind.
   * @throws EqlError TRANSFER_FAILED when the process ends without it or `deadlineMs` passes
   */
  async event<Kind extends LabEvent["event"]>(kind: Kind, deadlineMs: number): Promise<LabEventOf<Kind>> {
    const found = (): LabEventOf<Kind> | undefined =>
      this.#events.find((event): event is LabEventOf<Kind> => event.event === kind);
    await this.#until(() => this.#ended || found() !== undefined, deadlineMs);
    const event = found();
    if (event !== undefined) return event;
    const why = this.#ended
      ? this.#complaint.trim() || `ended by ${this.#child.signalCode ?? `exit ${this.#child.exitCode}`}`
      : `not done within ${deadlineMs / 1000} s`;
    throw new EqlError("TRANSFER_FAILED", `${this.#role}: ${why}`);
  }

  /** Ends the process and waits until it is gone. */
  async stop(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#until(() => this.#ended, 10_000);
  }

  #until(condition: () => boolean, deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve();
      };
      const look = (): void => {
        if (condition()) done();
      };
      const timer = setTimeout(done, deadlineMs);
      this.#listeners.add(look);
      look();
    });
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
