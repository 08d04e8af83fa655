import { closeSync, constants, openSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { isatty } from "node:tty";
import type { Config, LogLevel } from "../config/config.ts";
import { EqlError } from "../errors.ts";
import { startControlServer } from "./control-server.ts";
import { Daemon } from "./daemon.ts";
import { type Logger, makeLog } from "./log.ts";

export interface RunOptions {
  readonly config: Config;
  /** Reads the configuration again, where it has a file. */
  readonly readConfig: (() => Config) | null;
  /** Instead of the configuration's control socket. */
  readonly socket: string | null;
  readonly logLevel: LogLevel | null;
  /** Each control packet of every PPP line is logged, decoded. */
  readonly debug: boolean;
  readonly version: string;
  /** It was started for a line (`eql pppd`), and ends soon after the last one has gone. */
  readonly untilLastLine: boolean;
}

/** How often it is looked whether a line is there, and for how long there must be none. */
const LOOK_MS = 500;
const LINGER_MS = 5_000;
/** How long the first line may take. */
const FIRST_LINE_MS = 30_000;

const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * Runs the daemon until it is told to stop: by `eql down`, SIGINT, SIGTERM, or SIGHUP of a terminal that is closed. Any other SIGHUP has the
 * configuration read again, where it has a file. @returns the exit code, when everything is down again
 * @throws EqlError when something cannot be brought up; nothing is left behind then
 */
export async function runDaemon({
  config: given,
  readConfig,
  socket,
  logLevel,
  debug,
  version,
  untilLastLine,
}: RunOptions): Promise<number> {
  const complete = debug ? withDebug : (each: Config): Config => each;
  const config = complete(given);
  const log = makeLog(logLevel ?? (debug ? "debug" : config.daemon.logLevel));
  const path = socket ?? config.daemon.socket;
  const { socketMode: mode, socketGroup: group } = config.daemon;
  let crash: (code: number) => void = () => {};
  const crashed = new Promise<number>((resolve) => {
    crash = resolve;
  });
  const daemon = new Daemon({
    config,
    readConfig: readConfig && (() => complete(readConfig())),
    version,
    log,
    socket: path,
    onCrash: (error) => {
      log.fatal({ error: error.stack ?? error.message }, "the engine failed");
      crash(1);
    },
  });
  const terminals = openTerminals();
  let hungUp = false;
  const stop = (signal: NodeJS.Signals): void => {
    const isHangUp = signal === "SIGHUP" && openTerminals() < terminals;
    hungUp ||= isHangUp;
    if (signal !== "SIGHUP" || isHangUp || readConfig === null) void daemon.down();
    else void daemon.reload().catch((error: unknown) => tellFailure(log, error));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    // First the socket: a second daemon ends here, before it touches anything.
    const server = await startControlServer(daemon, { path, mode, group, log });
    try {
      await daemon.start();
      log.info({ socket: path, version }, "ready");
      if (untilLastLine) void lastLineGone(daemon).then(() => daemon.down());
      return await Promise.race([daemon.stopped.then(() => 0), crashed]);
    } finally {
      await daemon.down();
      await server.close();
    }
  } finally {
    await daemon.down();
    // Whoever says it once more changes nothing: a command that a line ran may still be on its way out.
    if (hungUp) letGoOfTerminal();
  }
}

const withDebug = (config: Config): Config => ({
  ...config,
  lines: config.lines.map((line) => ({ ...line, ppp: line.ppp && { ...line.ppp, debug: true } })),
});

/** Resolves when there has been no line for a while, or the daemon is down for another reason. */
async function lastLineGone(daemon: Daemon): Promise<void> {
  let stopped = false;
  void daemon.stopped.then(() => {
    stopped = true;
  });
  let last = performance.now() + FIRST_LINE_MS - LINGER_MS;
  while (!stopped && performance.now() - last < LINGER_MS) {
    await delay(LOOK_MS, undefined, { ref: false });
    const lines = await daemon.status().then(
      (status) => status.lines.length,
      () => 0,
    );
    if (lines > 0) last = performance.now();
  }
}

function tellFailure(log: Logger, error: unknown): void {
  if (!(error instanceof EqlError)) throw error;
  const { code, message } = error;
  log.error({ code, error: message }, "configuration not read again, and nothing is changed");
}

/** How many of our terminals there are still: our own one, and those that are standard input, output and error. */
function openTerminals(): number {
  let count = [0, 1, 2].filter((fd) => isatty(fd)).length;
  try {
    closeSync(openSync("/dev/tty", constants.O_RDONLY | constants.O_NOCTTY));
    count++;
  } catch {
    // There is none, or it has been closed.
  }
  return count;
}

/** At its end Node gives its terminal the settings back that it had, and aborts when that fails, as it does for a closed one. */
function letGoOfTerminal(): void {
  for (const fd of [0, 1, 2]) {
    closeSync(fd);
    openSync("/dev/null", "r+"); // gets the lowest free number, which is this one
  }
}
