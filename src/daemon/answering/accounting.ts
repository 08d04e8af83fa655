import { mkdirSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "../log.ts";
import type { AccountedSession, SessionEnd, SessionUsage } from "./radius-accounting.ts";

interface Traffic {
  readonly packets: number;
  readonly octets: number;
}

export interface Usage extends SessionUsage {
  readonly packets: { readonly sent: number; readonly received: number };
}

export interface OpenAccount {
  /** @param reason in words */
  end(usage: Usage, why: SessionEnd, reason: string): void;
}

/** Who is told of sessions: a file, or RADIUS servers. */
export interface Accounting {
  /** @param usage what the session has had so far */
  begin(session: AccountedSession, usage: () => Promise<Usage>): OpenAccount;
  /** Waits until everything is told, but not longer than a limit. */
  close(limitMs: number): Promise<void>;
}

/** Writes sessions to a file: a line of JSON when one begins, when it ends, and, if that is wanted, in between. */
export class FileAccounting implements Accounting {
  readonly #path: string;
  readonly #intervalMs: number | null;
  readonly #log: Pick<Logger, "warn">;
  readonly #timers = new Set<NodeJS.Timeout>();
  #written: Promise<void> = Promise.resolve();

  /** @param intervalMs how often a line is written for a session that goes on; null: never */
  constructor(path: string, intervalMs: number | null, log: Pick<Logger, "warn">) {
    this.#path = path;
    this.#intervalMs = intervalMs;
    this.#log = log;
  }

  begin(session: AccountedSession, usage: () => Promise<Usage>): OpenAccount {
    const { id, bundle, grant, about, protocol, address } = session;
    const { line, device, carrierBps, callerId } = about;
    const common = {
      session: id,
      bundle,
      user: grant.user,
      protocol,
      address,
      line,
      device,
      carrierBps,
      callerId,
    };
    this.#write("start", common);
    const timer = this.#every(() => {
      usage().then(
        (had) => this.#write("interim", { ...common, ...figures(had) }),
        () => {}, // it has just ended
      );
    });
    return {
      end: (had, end, reason) => {
        this.#forget(timer);
        this.#write("stop", { ...common, ...figures(had), end, reason });
      },
    };
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) this.#forget(timer);
    await this.#written;
  }

  #every(act: () => void): NodeJS.Timeout | undefined {
    if (this.#intervalMs === null) return undefined;
    const timer = setInterval(act, this.#intervalMs);
    this.#timers.add(timer);
    return timer;
  }

  #forget(timer: NodeJS.Timeout | undefined): void {
    if (timer === undefined) return;
    clearInterval(timer);
    this.#timers.delete(timer);
  }

  #write(event: string, fields: object): void {
    const record = JSON.stringify({ event, time: new Date().toISOString(), ...fields });
    this.#written = this.#written.then(() => this.#append(`${record}\n`));
  }

  async #append(line: string): Promise<void> {
    try {
      mkdirSync(dirname(this.#path), { recursive: true });
      await appendFile(this.#path, line, { mode: 0o640 });
    } catch (error) {
      this.#log.warn({ file: this.#path, error: (error as Error).message }, "a session is not accounted for");
    }
  }
}

const figures = ({ seconds, sent, received, packets }: Usage): Record<string, number | Traffic> => ({
  seconds: Math.round(seconds),
  sent: { packets: packets.sent, octets: sent },
  received: { packets: packets.received, octets: received },
});
