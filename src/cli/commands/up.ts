import { Command, Option } from "commander";
import type { Config, LogLevel } from "../../config/config.ts";
import { logLevelOption } from "../daemon-options.ts";
import { socketOption } from "../options.ts";
import { packageVersion } from "../version.ts";

interface UpOptions {
  readonly config?: string;
  readonly runslip?: string;
  readonly socket?: string;
  readonly logLevel?: LogLevel;
  readonly debug?: true;
  readonly untilLastLine?: true;
}

export const upCommand = (): Command =>
  new Command("up")
    .summary("run the daemon")
    .description(
      "Run the daemon in the foreground, until `eql down`, SIGINT or SIGTERM, or until its terminal is closed. With a file, any other SIGHUP does what `eql reload` does; without one, it ends the daemon.",
    )
    .option("-c, --config <FILE>", "configuration; without one there is a master eql that waits for slaves")
    .addOption(
      new Option("--runslip <FILE>", "configuration in the form of DSLIP's runslip.conf").conflicts("config"),
    )
    .addOption(socketOption())
    .addOption(logLevelOption())
    .option("--debug", "log each PPP control packet, decoded, and all that is of level debug")
    .option("--until-last-line", "end when the last line has gone; so `eql pppd` starts it")
    .addHelpText(
      "after",
      `
Examples:
  eql up -c /etc/eql.toml
  eql up --runslip /etc/slip/runslip.conf
  eql up --socket ./eql.sock --log-level debug
`,
    )
    .action(async ({ config, runslip, socket, logLevel, debug, untilLastLine }: UpOptions) => {
      const { runToEnd } = await import("../daemon-end.ts");
      const read = await readerOf(config, runslip);
      const { defaultConfig } = await import("../../config/load.ts");
      await runToEnd({
        config: read === null ? defaultConfig() : read(),
        readConfig: read,
        socket: socket ?? (process.env["EQL_SOCKET"] || null),
        logLevel: logLevel ?? null,
        debug: debug === true,
        untilLastLine: untilLastLine === true,
        version: packageVersion(),
      });
    });

/** @returns what reads the file; null: there is none, and a master waits for slaves */
async function readerOf(
  path: string | undefined,
  runslip: string | undefined,
): Promise<(() => Config) | null> {
  const { loadConfig, loadRunslip } = await import("../../config/load.ts");
  if (runslip !== undefined) return () => loadRunslip(runslip).config;
  return path === undefined ? null : () => loadConfig(path);
}
