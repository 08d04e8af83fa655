import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PppEvent, PppRequest } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { ControlClient, Followed } from "./control-client.ts";

const EQL = fileURLToPath(new URL("../../../bin/eql", import.meta.url));
const START_MS = 15_000;
/** How long another daemon may take that stands in the way of ours. */
const OTHER_MS = 3_000;
const LOOK_MS = 50;
const COMPLAINT_LENGTH = 2_000;

/**
 * Hands a line to the daemon; where none answers, one is started that ends with its last line.
 * @param signal ends the wait for a daemon
 * @returns null: it was ended
 * @throws EqlError as the daemon refuses the line; DAEMON_NOT_RUNNING, DAEMON_FAILED: none could be started
 */
export async function requestLine(
  client: ControlClient,
  socket: string,
  request: PppRequest,
  signal: AbortSignal,
): Promise<Followed<PppEvent> | null> {
  const end = performance.now() + START_MS;
  let daemon: StartedDaemon | null = null;
  try {
    while (!signal.aborted) {
      try {
        return await client.follow<PppEvent>("POST", "/ppp", request);
      } catch (error) {
        if (!(error instanceof EqlError)) throw error;
        if (error.code === "DAEMON_NOT_RUNNING") daemon ??= new StartedDaemon(socket);
        // One that ends just now, as its last line has gone, makes room for ours.
        else if (error.code !== "DAEMON_ENDING") throw error;
        if (performance.now() > end || daemon?.isHopeless === true) throw daemon?.failed(error) ?? error;
      }
      await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    }
    return null;
  } finally {
    daemon?.leave();
  }
}

/** A daemon in a session of its own, which goes on when we end. */
class StartedDaemon {
  readonly #child: ChildProcess;
  #complaint = "";
  #endedAt: number | null = null;

  constructor(socket: string) {
    const args = [EQL, "up", "--socket", socket, "--until-last-line", "--log-level", "warn"];
    this.#child = spawn(process.execPath, args, {
      detached: true,
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = (): void => {
      this.#endedAt = performance.now();
    };
    this.#child.once("error", ended).once("exit", ended);
    this.#child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      this.#complaint = (this.#complaint + part).slice(-COMPLAINT_LENGTH);
    });
  }

  /** It has ended, and not because of another one: another pppd may have started that at the same time, and it answers soon. */
  get isHopeless(): boolean {
    return this.#endedAt !== null && performance.now() - this.#endedAt > OTHER_MS;
  }

  /** Its complaints are not listened to any longer. */
  leave(): void {
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  failed(cause: EqlError): EqlError {
    const said = this.#complaint.trim();
    const why = said === "" ? cause.message : said;
    return new EqlError("DAEMON_FAILED", `no EQL daemon runs, and none could be started: ${why}`, { cause });
  }
}
