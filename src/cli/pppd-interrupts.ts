import { constants } from "node:os";
import type { PppdLog } from "./pppd-log.ts";

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** pppd changes its debugging and renegotiates compression on these; they must not end us, nor start Node's inspector. */
const IGNORED = ["SIGUSR1", "SIGUSR2"] as const;

/** The signals that end a connection: SIGHUP this one, SIGINT and SIGTERM all. */
export class PppdInterrupts {
  readonly #log: PppdLog;
  #current = new AbortController();
  #quits = false;
  #onSignal: (signal: NodeJS.Signals) => void = () => {};

  constructor(log: PppdLog) {
    this.#log = log;
    for (const signal of ENDING) process.on(signal, this.#interrupt);
    for (const signal of IGNORED) process.on(signal, ignore);
  }

  /** Whether no further connection is wanted. */
  get quits(): boolean {
    return this.#quits;
  }

  /** Of the connection under way, or the pause after it. */
  get signal(): AbortSignal {
    return this.#current.signal;
  }

  /** A new connection begins: earlier hang-ups are over. */
  renew(): void {
    if (!this.#quits) this.#current = new AbortController();
  }

  /** Who else is to get the signals: a script that runs. */
  set onSignal(handler: (signal: NodeJS.Signals) => void) {
    this.#onSignal = handler;
  }

  close(): void {
    for (const signal of ENDING) process.off(signal, this.#interrupt);
    for (const signal of IGNORED) process.off(signal, ignore);
  }

  readonly #interrupt = (signal: NodeJS.Signals): void => {
    const text =
      signal === "SIGHUP" ? "Hangup (SIGHUP)" : `Terminating on signal ${constants.signals[signal]}`;
    this.#log.write("info", text);
    this.#quits ||= signal !== "SIGHUP";
    this.#onSignal(signal);
    this.#current.abort();
  };
}

const ignore = (): void => {};
