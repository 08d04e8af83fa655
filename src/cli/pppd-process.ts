import { chdir } from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import type { PppdProcess } from "../config/pppd-draft.ts";
import type { PppdOptions, PppdPlace } from "../config/pppd-options.ts";
import { EqlError } from "../errors.ts";
import { ControlClient } from "./control-client.ts";
import { resolveAddresses } from "./pppd-addresses.ts";
import { type CallResult, PppdCall } from "./pppd-call.ts";
import { EXIT, exitForError } from "./pppd-exit.ts";
import { PppdInterrupts } from "./pppd-interrupts.ts";
import { PppdLog } from "./pppd-log.ts";
import { PidFiles } from "./pppd-pid-files.ts";
import { isSameTerminal, ownTerminal, PppdPort } from "./pppd-port.ts";
import { PtyLine, runScript } from "./pppd-script.ts";

/** The rest of where a pppd runs. */
export interface PppdHost extends PppdPlace {
  readonly lockDirectory: string;
  readonly runDirectory: string;
  /** The daemon's control socket. */
  readonly socket: string;
}

export interface PppdRunOptions {
  readonly options: PppdOptions;
  readonly host: PppdHost;
  readonly background: boolean;
  /** A network protocol is up; standard output is not written to after that in the background. */
  readonly onUp: () => void;
}

const STDOUT = 1;
const STDERR = 2;
const HOLDOFF_MS = 30_000;
/** After an attempt that failed, so that one that fails at once is not made thousands of times. */
const LEAST_PAUSE_MS = 1_000;
/** Least seconds and tries for Terminate-Requests, as the configuration has them by default. */
const RESTART_S = 3;
const MAX_TERMINATE = 2;
/** Names of interfaces have at most as many octets, and so have those of lines. */
const NAME_LENGTH = 15;

const HOPELESS: ReadonlySet<number> = new Set([EXIT.options, EXIT.notPrivileged, EXIT.noPpp]);

/** What one attempt came to. */
interface Attempt {
  readonly code: number;
  readonly wasUp: boolean;
  readonly idle: boolean;
  /** Another attempt would fail in the same way. */
  readonly hopeless: boolean;
}

/**
 * The process `eql pppd`: one for each line, for as long as the line lasts.
 *
 * 1. the port is locked and opened, or a pty made
 * 2. `init`, `connect` and `welcome` run on it
 * 3. the daemon gets it, and tells what happens until it has ended
 * 4. `disconnect` runs, the port is given back and freed; with `persist`, again from 1
 */
export class PppdRun {
  readonly #settings: PppdProcess;
  readonly #options: PppdRunOptions;
  readonly #client: ControlClient;
  readonly #log: PppdLog;
  readonly #interrupts: PppdInterrupts;
  readonly #pidFiles: PidFiles;
  #line: Record<string, unknown> = {};

  /** @throws EqlError CONFIG_INVALID: the log file cannot be written */
  constructor(run: PppdRunOptions) {
    this.#options = run;
    this.#settings = run.options.process;
    this.#client = new ControlClient(run.host.socket);
    this.#log = new PppdLog(this.#settings, foreignStreams(run));
    this.#interrupts = new PppdInterrupts(this.#log);
    this.#pidFiles = new PidFiles(run.host.runDirectory, this.#log);
  }

  /** @returns the exit code of pppd */
  async run(): Promise<number> {
    const { persist, maxFail, linkName, addressByHostName } = this.#settings;
    const { options, host } = this.#options;
    try {
      this.#line = await resolveAddresses(options.line, addressByHostName ? host.hostName : null);
      const device = this.#settings.device ?? (this.#usesPty ? null : ownTerminal());
      if (this.#options.background) chdir("/");
      if (linkName !== null) this.#pidFiles.writeLink(linkName, null);
      for (let failures = 0; ; ) {
        const { code, wasUp, idle, hopeless } = await this.#attempt(device);
        failures = wasUp ? 0 : failures + 1;
        if (this.#interrupts.quits) return EXIT.signal;
        if (!persist || hopeless || (maxFail > 0 && failures >= maxFail)) return code;
        await this.#pause(idle, wasUp);
        if (this.#interrupts.quits) return EXIT.signal;
      }
    } catch (error) {
      return this.#fail(error);
    } finally {
      this.#pidFiles.close();
      this.#interrupts.close();
      this.#log.write("info", "Exit.");
    }
  }

  get #usesPty(): boolean {
    return this.#settings.notty || this.#settings.pty !== null;
  }

  /** A hang-up during the pause ends it. */
  async #pause(idle: boolean, wasUp: boolean): Promise<void> {
    this.#interrupts.renew();
    const { holdoffMs, connect } = this.#settings;
    const wantedMs = idle ? 0 : (holdoffMs ?? (connect === null ? 0 : HOLDOFF_MS));
    const pauseMs = wasUp ? wantedMs : Math.max(wantedMs, LEAST_PAUSE_MS);
    await delay(pauseMs, undefined, { signal: this.#interrupts.signal }).catch(() => {});
  }

  async #attempt(device: string | null): Promise<Attempt> {
    this.#interrupts.renew();
    let pty: PtyLine | null = null;
    let port: PppdPort | null = null;
    try {
      if (device === null) {
        const { pty: command } = this.#settings;
        pty = command === null ? PtyLine.ofStandardStreams() : PtyLine.ofCommand(command);
        if (!pty.started) return failed(EXIT.pty);
      }
      port = PppdPort.open(
        { ...this.#settings, device: device ?? pty?.path ?? "" },
        this.#options.host.lockDirectory,
      );
      const fault = await this.#prepare(port);
      if (fault !== null) return failed(fault);
      return { ...(await this.#call(port)), hopeless: false };
    } catch (error) {
      const code = this.#fail(error);
      return { ...failed(code), hopeless: HOPELESS.has(code) };
    } finally {
      port?.close();
      pty?.close();
    }
  }

  /** Everything that comes before PPP. @returns the exit code when it fails */
  async #prepare(port: PppdPort): Promise<number | null> {
    const { init, connect, welcome, connectDelayMs } = this.#settings;
    const { signal } = this.#interrupts;
    if (init !== null || connect !== null) await port.resetModem(signal);
    if (signal.aborted) return EXIT.signal;
    if (init !== null && !(await this.#script(init, port)))
      return this.#scriptFailed("Initializer", EXIT.init);
    if (connect !== null && !(await this.#script(connect, port)))
      return this.#scriptFailed("Connect", EXIT.connect);
    if (connect === null) await port.waitForCarrier(signal);
    if (signal.aborted) return EXIT.signal;
    this.#log.write("info", "Serial connection established.");
    if (welcome !== null && !(await this.#script(welcome, port)))
      this.#log.write("warn", "Welcome script failed");
    if (connect !== null || this.#settings.pty !== null) await port.listen(connectDelayMs, signal);
    return signal.aborted ? EXIT.signal : null;
  }

  #script(command: string, port: PppdPort): Promise<boolean> {
    return runScript(command, port.fd, this.#interrupts);
  }

  #scriptFailed(name: string, code: number): number {
    this.#log.write("error", `${name} script failed`);
    return this.#interrupts.signal.aborted ? EXIT.signal : code;
  }

  async #call(port: PppdPort): Promise<CallResult> {
    const { unit, idleMs, maxConnectMs, disconnect, linkName } = this.#settings;
    const { path: device, speedBps: speed, rtscts } = port;
    let owned: string | null = null;
    const call = new PppdCall({
      client: this.#client,
      socket: this.#options.host.socket,
      request: { name: lineName(device), unit, settings: { ...this.#line, device, speed, rtscts } },
      log: this.#log,
      idleMs,
      maxConnectMs,
      terminateMs: terminateMs(this.#line),
      onUp: (name, owner) => {
        if (owner) this.#pidFiles.writeInterface(name);
        if (linkName !== null) this.#pidFiles.writeLink(linkName, name);
        owned = owner ? name : null;
        if (this.#options.background) this.#log.leaveStdout();
        this.#options.onUp();
      },
    });
    this.#interrupts.onSignal = () => call.interrupt();
    let hungUp = false;
    try {
      const result = await call.run(this.#interrupts.signal);
      hungUp = result.hungUp;
      return result;
    } finally {
      this.#interrupts.onSignal = () => {};
      if (owned !== null) this.#pidFiles.removeInterface(owned);
      if (disconnect !== null && !hungUp && !(await this.#script(disconnect, port))) {
        this.#log.write("warn", "disconnect script failed");
      }
    }
  }

  #fail(error: unknown): number {
    if (!(error instanceof EqlError)) throw error;
    this.#log.write("error", error.message);
    return exitForError(error.code);
  }
}

const failed = (code: number): Attempt => ({ code, wasUp: false, idle: false, hopeless: false });

/** Standard streams that messages must not go to: they are the line, or another program's. */
function foreignStreams({ options, background }: PppdRunOptions): ReadonlySet<number> {
  const { device, pty, notty } = options.process;
  if (notty) return new Set([STDOUT]);
  if (device !== null || pty !== null)
    return new Set(background && options.process.detach === "now" ? [STDOUT] : []);
  return new Set([STDOUT, STDERR].filter((fd) => isSameTerminal(fd)));
}

/** `ttyS1` of /dev/ttyS1; null where that is no name for a line, which is then called as its interface. */
function lineName(device: string): string | null {
  const name = device
    .replace(/^\/dev\//, "")
    .replace(/^\//, "")
    .replaceAll("/", ".");
  return /^[\w.+-]+$/.test(name) && name.length <= NAME_LENGTH ? name : null;
}

function terminateMs(line: Readonly<Record<string, unknown>>): number {
  const { restart = RESTART_S, "max-terminate": tries = MAX_TERMINATE } = line;
  return Number(restart) * Number(tries) * 1000;
}
