import { openSync, writeSync } from "node:fs";
import type { PppdProcess } from "../config/pppd-draft.ts";
import type { PppEvent } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { Syslog } from "../host/syslog.ts";

export type PppdLevel = Extract<PppEvent, { event: "log" }>["level"];

const STDOUT = 1;
const STDERR = 2;

/** The messages of pppd, a line each: to the system's log, and to where its options say: `logfile`, `logfd`, else standard output. */
export class PppdLog {
  readonly #debug: boolean;
  readonly #fd: number | null;
  readonly #syslog = new Syslog("pppd", "daemon");
  /** Nobody reads the log: trouble goes to standard error, where scripts of 1995 send it to a console. */
  #onlyTrouble: boolean;

  /**
   * @param closed standard streams that are the line itself, or somebody else's
   * @throws EqlError CONFIG_INVALID: the log file cannot be written
   */
  constructor({ log, debug }: Pick<PppdProcess, "log" | "debug">, closed: ReadonlySet<number>) {
    this.#debug = debug;
    this.#onlyTrouble = "to" in log && log.to === "stdout" && closed.has(STDOUT);
    if (this.#onlyTrouble) this.#fd = closed.has(STDERR) ? null : STDERR;
    else if ("file" in log) this.#fd = openLog(log.file);
    else if ("fd" in log) this.#fd = log.fd;
    else this.#fd = log.to === "stdout" ? STDOUT : null;
  }

  /** From now on, standard output belongs to somebody else. */
  leaveStdout(): void {
    this.#onlyTrouble ||= this.#fd === STDOUT;
  }

  write(level: PppdLevel, text: string): void {
    if (level === "debug" && !this.#debug) return;
    const line = printable(text);
    this.#syslog.write(level, line);
    if (this.#fd === null || (this.#onlyTrouble && (level === "debug" || level === "info"))) return;
    try {
      writeSync(this.#onlyTrouble ? STDERR : this.#fd, `${line}\n`);
    } catch {
      // A full disk or a closed terminal is no reason to end the line.
    }
  }
}

/** What peers say may end up here, and then on a terminal. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, "?");

function openLog(file: string): number {
  try {
    return openSync(file, "a", 0o640);
  } catch (cause) {
    const message = `the log file ${file} cannot be written: ${(cause as Error).message}`;
    throw new EqlError("CONFIG_INVALID", message, { details: { file }, cause });
  }
}
