import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { userInfo } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What scripts are told of a line, by arguments and environment (pppd(8), SCRIPTS). */
export interface HookLine {
  /** Name of the interface: `ppp0`, or that of the master. */
  readonly interface: string;
  /** Path of the tty. */
  readonly device: string;
  readonly speedBps: number;
  readonly ipparam: string | null;
  readonly linkName: string | null;
  /** As the peer proved itself; null: it did not have to. */
  readonly peerName: string | null;
}

export interface HookAddresses {
  readonly local: string;
  readonly remote: string;
  /** Name servers that the peer told. */
  readonly dns: readonly string[];
}

/** What a connection was, for the scripts at its end. */
export interface HookTotals {
  readonly connectMs: number;
  /** Null: not counted. */
  readonly octetsSent: number | null;
  readonly octetsReceived: number | null;
}

interface HookLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface HooksOptions {
  /** Where the scripts are, usually /etc/ppp. */
  readonly directory: string;
  readonly log: HookLog;
  /** The daemon's control socket, for scripts that call `eql_enslave`; null: it is where they look by themselves. */
  readonly socket: string | null;
  /** How long ip-pre-up is waited for, and ip-up by ip-down; by default 10 s. A script may go on after that. */
  readonly waitMs?: number;
}

const WAIT_MS = 10_000;
const STANDARD_PATHS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const PROGRAMS = fileURLToPath(new URL("../../../bin", import.meta.url));

/** Where scripts and commands find theirs, `eql_enslave` among them. */
export const scriptPath = (): string =>
  [...new Set([...STANDARD_PATHS, PROGRAMS, dirname(process.execPath)])].join(delimiter);

/** What undoes what: pppd starts it when the other has ended. */
const UNDOES: Readonly<Record<string, string>> = {
  "auth-down": "auth-up",
  "ip-down": "ip-up",
  "ipv6-down": "ipv6-up",
};

/**
 * The scripts that pppd runs when a line comes and goes: those of a directory that are there and executable, with pppd's
 * arguments and environment, nothing on standard input, output and error to nowhere. None is waited for but ip-pre-up, and no
 * one keeps the daemon or its end waiting. Unlike with pppd, PATH is set, so that a script finds `eql_enslave`, and
 * EQL_SOCKET where the daemon does not listen at the usual place.
 */
export class Hooks {
  readonly #options: HooksOptions;
  readonly #running = new Set<ChildProcess>();
  /** Scripts of lines that came up, by script and interface, for those that undo them. */
  readonly #ups = new Map<string, Promise<void>>();
  readonly #waiting = new Set<Promise<void>>();

  constructor(options: HooksOptions) {
    this.#options = options;
  }

  /** Scripts under way. */
  get running(): number {
    return this.#running.size;
  }

  /** The peer proved itself. */
  authUp(line: HookLine): void {
    this.#startUp("auth-up", authArguments(line), this.#environment(line));
  }

  authDown(line: HookLine, totals: HookTotals): void {
    this.#startAfter("auth-down", authArguments(line), { ...this.#environment(line), ...endOf(totals) });
  }

  /** The interface has its addresses and is down still. Resolves when the script has ended, or after a while. */
  async ipPreUp(line: HookLine, addresses: HookAddresses): Promise<void> {
    const ended = this.#start(
      "ip-pre-up",
      ipArguments(line, addresses),
      this.#ipEnvironment(line, addresses),
    );
    // Whoever ends meanwhile has no use for what comes after the script.
    if (ended === null || (await this.#inTime(ended, false))) return;
    this.#options.log.warn(
      { script: "ip-pre-up", interface: line.interface },
      "the script is not waited for any longer",
    );
  }

  ipUp(line: HookLine, addresses: HookAddresses): void {
    this.#startUp("ip-up", ipArguments(line, addresses), this.#ipEnvironment(line, addresses));
  }

  ipDown(line: HookLine, addresses: HookAddresses, totals: HookTotals): void {
    const environment = { ...this.#ipEnvironment(line, addresses), ...endOf(totals) };
    this.#startAfter("ip-down", ipArguments(line, addresses), environment);
  }

  /** @param addresses link-local ones, such as fe80::1 */
  ipv6Up(line: HookLine, addresses: HookAddresses): void {
    this.#startUp("ipv6-up", ipArguments(line, addresses), this.#ipv6Environment(line, addresses));
  }

  ipv6Down(line: HookLine, addresses: HookAddresses, totals: HookTotals): void {
    const environment = { ...this.#ipv6Environment(line, addresses), ...endOf(totals) };
    this.#startAfter("ipv6-down", ipArguments(line, addresses), environment);
  }

  /** Resolves when no script waits for another one any longer, which is soon: before a daemon ends. */
  async allStarted(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  #startUp(script: string, args: readonly string[], env: Record<string, string>): void {
    const ended = this.#start(script, args, env);
    if (ended === null) return;
    const key = `${script} ${args[0]}`;
    this.#ups.set(key, ended);
    void ended.then(() => this.#ups.get(key) === ended && this.#ups.delete(key));
  }

  /** Starts what undoes another script when that has ended, or after a while. */
  #startAfter(script: string, args: readonly string[], env: Record<string, string>): void {
    const up = this.#ups.get(`${UNDOES[script]} ${args[0]}`);
    if (up === undefined) {
      void this.#start(script, args, env);
      return;
    }
    const waiting = this.#inTime(up).then(() => {
      this.#waiting.delete(waiting);
      void this.#start(script, args, env);
    });
    this.#waiting.add(waiting);
  }

  /**
   * Waits for a script.
   * @param ref whether the process stays for it
   * @returns whether it has ended in time
   */
  async #inTime(ended: Promise<void>, ref = true): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), this.#options.waitMs ?? WAIT_MS);
      if (!ref) timer.unref();
    });
    const first = await Promise.race([ended.then(() => true), late]);
    clearTimeout(timer);
    return first;
  }

  /** @returns when it has ended; null: there is no such script, or it cannot be started */
  #start(script: string, args: readonly string[], env: Record<string, string>): Promise<void> | null {
    const { directory, log } = this.#options;
    const path = join(directory, script);
    if (!isProgram(path)) return null;
    const [name = ""] = args;
    let child: ChildProcess;
    try {
      child = spawn(path, args, { env, cwd: "/", stdio: "ignore", detached: true });
    } catch (error) {
      // Some failures are told at once: somebody writes to the file just now, for one.
      const fields = { script, interface: name, error: (error as Error).message };
      log.warn(fields, "script could not be started");
      return null;
    }
    child.unref();
    this.#running.add(child);
    log.info({ script, interface: name, pid: child.pid }, "script started");
    return new Promise((resolve) => {
      const end = (fields: object, failed: boolean, message: string): void => {
        if (!this.#running.delete(child)) return;
        if (failed) log.warn({ script, interface: name, ...fields }, message);
        else log.info({ script, interface: name, ...fields }, message);
        resolve();
      };
      child.once("error", (error) => end({ error: error.message }, true, "script could not be started"));
      child.once("exit", (code, signal) =>
        end({ pid: child.pid, status: code ?? signal }, code !== 0, "script finished"),
      );
    });
  }

  #environment({ device, interface: name, speedBps, linkName, peerName }: HookLine): Record<string, string> {
    const { socket } = this.#options;
    return {
      PATH: scriptPath(),
      DEVICE: device,
      IFNAME: name,
      SPEED: String(speedBps),
      ORIG_UID: String(process.getuid?.() ?? 0),
      PPPLOGNAME: userName(),
      ...(linkName !== null && { LINKNAME: linkName }),
      ...(peerName !== null && { PEERNAME: peerName }),
      ...(socket !== null && { EQL_SOCKET: socket }),
    };
  }

  #ipEnvironment(line: HookLine, { local, remote, dns }: HookAddresses): Record<string, string> {
    return {
      ...this.#environment(line),
      IPLOCAL: local,
      IPREMOTE: remote,
      ...(dns.length > 0 && { USEPEERDNS: "1" }),
      ...Object.fromEntries(dns.slice(0, 2).map((server, i) => [`DNS${i + 1}`, server])),
    };
  }

  #ipv6Environment(line: HookLine, { local, remote }: HookAddresses): Record<string, string> {
    return { ...this.#environment(line), LLLOCAL: local, LLREMOTE: remote };
  }
}

const ipArguments = (line: HookLine, { local, remote }: HookAddresses): readonly string[] => [
  line.interface,
  line.device,
  String(line.speedBps),
  local,
  remote,
  line.ipparam ?? "",
];

const authArguments = ({ interface: name, peerName, device, speedBps }: HookLine): readonly string[] => [
  name,
  peerName ?? "",
  userName(),
  device,
  String(speedBps),
];

const endOf = ({ connectMs, octetsSent, octetsReceived }: HookTotals): Record<string, string> => ({
  CONNECT_TIME: String(Math.round(connectMs / 1000)),
  ...(octetsSent !== null && { BYTES_SENT: String(octetsSent) }),
  ...(octetsReceived !== null && { BYTES_RCVD: String(octetsReceived) }),
});

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Who runs the daemon; a user that no database knows is told by number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 0);
  }
}
