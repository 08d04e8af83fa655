import { spawn } from "node:child_process";
import { hostname, userInfo } from "node:os";
import type { PppdProcess } from "../config/pppd-draft.ts";
import { type PppdOptions, parsePppdOptions } from "../config/pppd-options.ts";
import { EqlError } from "../errors.ts";
import { socketPath } from "./control-client.ts";
import { EXIT, exitForError } from "./pppd-exit.ts";
import { isSameTerminal, ownTerminal } from "./pppd-port.ts";
import { type PppdHost, PppdRun } from "./pppd-process.ts";
import { packageVersion } from "./version.ts";

/** Set for the process that goes on in the background; its scripts do not see it. */
const BACKGROUND = "EQL_PPPD_BACKGROUND";
const USAGE = `usage: eql-pppd [options]
Speaks PPP on a serial line, as pppd does, by the EQL daemon: no kernel driver is needed.
Options are those of pppd(8), among them: the device (/dev/ttyS0), its speed, LOCAL:REMOTE addresses,
connect, file, call, crtscts, defaultroute, multilink, nodetach. docs/pppd.md describes them all.
`;

/** Where pppd of this machine looks for its files. */
function thisHost(): PppdHost {
  return {
    directory: "/etc/ppp",
    home: homeDirectory(),
    hostName: hostname(),
    lockDirectory: "/var/lock",
    runDirectory: "/var/run",
    socket: socketPath(),
  };
}

/**
 * The command `eql-pppd`, and `eql pppd`: the command line of pppd(8).
 * @param args what follows the program's name
 * @param host for tests, which have another one
 * @returns the exit code of pppd(8)
 */
export async function pppd(args: readonly string[], host: PppdHost = thisHost()): Promise<number> {
  if (args.includes("--version"))
    return print(`eql ${packageVersion()}, pppd's options as of version 2.4.9\n`);
  if (args.includes("--help") || args.includes("-h")) return print(USAGE);
  const background = process.env[BACKGROUND] !== undefined;
  delete process.env[BACKGROUND];
  try {
    const options = parsePppdOptions(args, host);
    if (!background) for (const warning of options.warnings) process.stderr.write(`eql-pppd: ${warning}\n`);
    if (options.process.dump !== "no" && !background) print(describe(options));
    if (options.process.dump === "dryrun") return EXIT.ok;
    const run = withOwnTerminal(options);
    if (run.process.detach !== "never" && !background) return await goOnInBackground(run.process);
    const onUp = (): void => void (background && process.send?.("up", undefined, undefined, () => {}));
    return await new PppdRun({ options: run, host, background, onUp }).run();
  } catch (error) {
    if (!(error instanceof EqlError)) throw error;
    process.stderr.write(`eql-pppd: ${error.message}\n`);
    return exitForError(error.code);
  }
}

/**
 * The terminal on standard input, named as the device, is as good as not named: nothing goes on without it.
 * @throws EqlError CONFIG_INVALID: there is no line at all
 */
function withOwnTerminal(options: PppdOptions): PppdOptions {
  const { device, pty, notty } = options.process;
  if (device === null && pty === null && !notty) ownTerminal();
  if (device === null || !isSameTerminal(device)) return options;
  return { ...options, process: { ...options.process, device: null, detach: "never", lock: false } };
}

/**
 * Starts this very program once more, in a session of its own.
 * @returns the exit code: at once, or when the line is up or the other has ended
 */
function goOnInBackground({ detach, log }: PppdProcess): Promise<number> {
  const waits = detach === "when-up";
  const logFd = "fd" in log ? log.fd : -1;
  // Scripts keep our standard error: those of 1995 have it on a console.
  const stdio: ("ignore" | "inherit" | "ipc" | number)[] = [
    "ignore",
    waits || logFd === 1 ? "inherit" : "ignore",
    "inherit",
  ];
  if (logFd > 2) {
    while (stdio.length < logFd) stdio.push("ignore");
    stdio.push(logFd);
  }
  if (waits) stdio.push("ipc");
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    env: { ...process.env, [BACKGROUND]: "1" },
    stdio,
  });
  return new Promise((resolve, reject) => {
    const leave = (code: number): void => {
      child.removeAllListeners();
      if (child.connected) child.disconnect();
      child.unref();
      for (const signal of FORWARDED) process.removeAllListeners(signal);
      resolve(code);
    };
    child.once("error", reject);
    if (!waits) {
      child.once("spawn", () => leave(EXIT.ok));
      return;
    }
    for (const signal of FORWARDED) process.on(signal, () => void child.kill(signal));
    child.once("message", () => leave(EXIT.ok));
    child.once("exit", (code) => leave(code ?? EXIT.fatal));
  });
}

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What `dryrun` and `dump` show: the keys of [line.NAME], then what the process does; never a password. */
function describe({ line, process: settings }: PppdOptions): string {
  const hidden = { ...line, ...("password" in line && { password: "********" }) };
  const show = (entries: object): string =>
    Object.entries(entries)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
      .join("");
  return `${show(hidden)}\n${show(settings)}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return EXIT.ok;
}

function homeDirectory(): string | null {
  try {
    return userInfo().homedir || null;
  } catch {
    return null; // a user that no database knows
  }
}
