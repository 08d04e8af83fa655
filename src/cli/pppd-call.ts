import type { LineStatus, PppEvent, PppRequest, Status } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import type { ControlClient, Followed } from "./control-client.ts";
import { segment } from "./options.ts";
import { requestLine } from "./pppd-daemon.ts";
import { EXIT, exitForEnd } from "./pppd-exit.ts";
import type { PppdLog } from "./pppd-log.ts";

const LOOK_MS = 1_000;
/** Beyond the time that Terminate-Requests take by themselves. */
const END_SLACK_MS = 5_000;

export interface CallOptions {
  readonly client: ControlClient;
  readonly socket: string;
  readonly request: PppRequest;
  readonly log: PppdLog;
  /** Null: no limit. */
  readonly idleMs: number | null;
  readonly maxConnectMs: number | null;
  /** How long Terminate-Requests may take. */
  readonly terminateMs: number;
  /** A network protocol is up, or the link joined a bundle; `owner`: the interface is this line's. */
  readonly onUp: (name: string, owner: boolean) => void;
}

export interface CallResult {
  readonly code: number;
  /** The port was hung up by the other side. */
  readonly hungUp: boolean;
  readonly wasUp: boolean;
  /** It ended because nothing was going on, after which there is no pause. */
  readonly idle: boolean;
}

/** One connection: from handing the line to the daemon until it says that the line has ended. */
export class PppdCall {
  readonly #options: CallOptions;
  #followed: Followed<PppEvent> | null = null;
  #line: string | null = null;
  #upAt: number | null = null;
  #hungUp = false;
  /** Why we ended it; null: we did not. */
  #cause: number | null = null;
  #asked = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /**
   * @param signal ends the wait for the daemon; after that, `interrupt` ends the line
   * @throws EqlError as the daemon refuses the line
   */
  async run(signal: AbortSignal): Promise<CallResult> {
    try {
      this.#followed = await this.#request(signal);
      const code = this.#followed === null ? EXIT.signal : await this.#follow(this.#followed);
      const wasUp = this.#upAt !== null;
      return { code: this.#cause ?? code, hungUp: this.#hungUp, wasUp, idle: this.#cause === EXIT.idle };
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
      this.#followed?.close();
    }
  }

  /** A signal came: the line ends properly, and with the next one at once. */
  interrupt(): void {
    if (this.#cause === EXIT.signal) this.#followed?.close();
    else this.#end(EXIT.signal);
  }

  /** @returns null: a signal came first */
  async #request(signal: AbortSignal): Promise<Followed<PppEvent> | null> {
    const { client, socket, request } = this.#options;
    const answer = requestLine(client, socket, request, signal);
    const aborted = new Promise<null>((resolve) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
      if (signal.aborted) resolve(null);
    });
    const first = await Promise.race([answer, aborted]);
    if (first === null) void answer.then((late) => late?.close()).catch(() => {}); // too late for it to matter
    return first;
  }

  async #follow({ events }: Followed<PppEvent>): Promise<number> {
    const { log } = this.#options;
    for await (const event of events) {
      const code = this.#handle(event);
      if (code === null) continue;
      log.write("info", "Connection terminated.");
      return code;
    }
    // We closed it ourselves when it took too long to end.
    if (this.#cause === null) log.write("error", "The EQL daemon ended, and the line with it");
    return EXIT.fatal;
  }

  /** @returns the exit code when the line has ended */
  #handle(event: PppEvent): number | null {
    const { log } = this.#options;
    switch (event.event) {
      case "line":
        this.#line = event.line;
        if (this.#cause !== null) this.#ask(); // asked for while it was being made
        return null;
      case "log":
        log.write(event.level, event.text);
        return null;
      case "up":
        this.#cameUp(event.interface, true);
        this.#tellAddresses(event.local, event.remote);
        return null;
      case "joined":
        log.write("info", `Link attached to ${event.interface}`);
        this.#cameUp(event.interface, false);
        return null;
      case "down":
        if (this.#upAt !== null) log.write("info", `Connect time ${minutesSince(this.#upAt)} minutes.`);
        return null;
      case "ended":
        if (event.reason !== "") log.write("info", event.reason);
        this.#hungUp = event.end === "hangup";
        return exitForEnd(event.end, this.#upAt !== null);
    }
  }

  #tellAddresses(local: string, remote: string): void {
    const kind = local.includes(":") ? "LL" : "IP";
    this.#options.log.write("info", `local  ${kind} address ${local}`);
    if (remote !== "") this.#options.log.write("info", `remote ${kind} address ${remote}`);
  }

  #cameUp(name: string, owner: boolean): void {
    if (this.#upAt !== null) return;
    this.#upAt = performance.now();
    const { log, idleMs, maxConnectMs, onUp } = this.#options;
    if (owner) {
      log.write("info", `Using interface ${name}`);
      log.write("info", `Connect: ${name} <--> ${String(this.#options.request.settings["device"])}`);
    }
    onUp(name, owner);
    if (maxConnectMs !== null) {
      this.#later(maxConnectMs, () => {
        log.write("info", "Connect time expired");
        this.#end(EXIT.connectTime);
      });
    }
    if (idleMs !== null) this.#watchTraffic(idleMs, -1, performance.now());
  }

  /** Looks again and again whether packets passed. @param packets how many had passed at `since` */
  #watchTraffic(idleMs: number, packets: number, since: number): void {
    this.#later(Math.min(LOOK_MS, idleMs), () => {
      void this.#packets().then((now) => {
        if (now !== null && now !== packets) this.#watchTraffic(idleMs, now, performance.now());
        else if (performance.now() - since < idleMs) this.#watchTraffic(idleMs, packets, since);
        else {
          this.#options.log.write("info", "Terminating connection due to lack of activity.");
          this.#end(EXIT.idle);
        }
      });
    });
  }

  /** IP packets that passed so far; null: not to be learnt now. */
  async #packets(): Promise<number | null> {
    try {
      const { lines } = await this.#options.client.request<Status>("GET", "/status");
      const line: LineStatus | undefined = lines.find(({ name }) => name === this.#line);
      return line === undefined ? null : line.sent.packets + line.received.packets;
    } catch {
      return null;
    }
  }

  /** Ends the line; the first cause counts. */
  #end(cause: number): void {
    if (this.#cause !== null) return;
    this.#cause = cause;
    this.#ask();
    this.#later(this.#options.terminateMs + END_SLACK_MS, () => this.#followed?.close());
  }

  #ask(): void {
    if (this.#asked || this.#line === null) return;
    this.#asked = true;
    const path = `/lines/${segment(this.#line)}`;
    this.#options.client.request("DELETE", path).catch((error: unknown) => {
      // One that is ending already is unknown to the daemon: its last event is under way.
      if (!(error instanceof EqlError)) throw error;
      if (error.code !== "LINE_UNKNOWN") this.#followed?.close();
    });
  }

  #later(afterMs: number, what: () => void): void {
    this.#timers.push(setTimeout(what, afterMs));
  }
}

const minutesSince = (at: number): string => ((performance.now() - at) / 60_000).toFixed(1);
