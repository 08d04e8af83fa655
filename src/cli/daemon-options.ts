import { type Command, Option } from "commander";
import type { Config, LogLevel } from "../config/config.ts";
import { type SocketOption, socketOption } from "./options.ts";
import { packageVersion } from "./version.ts";

/** What commands have in common that run the daemon. */
export interface DaemonOptions extends SocketOption {
  readonly logLevel?: LogLevel;
}

export const logLevelOption = (): Option =>
  new Option("--log-level <LEVEL>", "the least important messages to log").choices([
    "trace",
    "debug",
    "info",
    "warn",
    "error",
  ]);

export const daemonOptions = (command: Command): Command =>
  command.addOption(socketOption()).addOption(logLevelOption());

/**
 * Runs the daemon in the foreground until it is told to stop.
 * @param readConfig reads the configuration again; null: there is nothing to read
 */
export async function runConfig(
  config: Config,
  readConfig: (() => Config) | null,
  { socket, logLevel }: DaemonOptions,
): Promise<void> {
  const { runToEnd } = await import("./daemon-end.ts");
  await runToEnd({
    config,
    readConfig,
    socket: socket ?? (process.env["EQL_SOCKET"] || null),
    logLevel: logLevel ?? null,
    debug: false,
    untilLastLine: false,
    version: packageVersion(),
  });
}
