import { Command, Option } from "commander";
import { socketOption } from "../options.ts";

interface UpOptions {
  readonly config?: string;
  readonly socket?: string;
  readonly logLevel?: string;
}

/** What the daemon's entry gives; it resolves with the exit code when everything is down again. */
interface DaemonModule {
  runDaemon(options: {
    configPath: string | null;
    socket: string | null;
    logLevel: string | null;
  }): Promise<number>;
}

export const upCommand = (): Command =>
  new Command("up")
    .summary("run the daemon")
    .description("Run the daemon in the foreground, until `eql down`, SIGINT or SIGTERM.")
    .option("-c, --config <FILE>", "configuration; without one there is a master eql that waits for slaves")
    .addOption(socketOption())
    .addOption(
      new Option("--log-level <LEVEL>", "the least important messages to log").choices([
        "trace",
        "debug",
        "info",
        "warn",
        "error",
      ]),
    )
    .addHelpText(
      "after",
      `
Examples:
  eql up -c /etc/eql.toml
  eql up --socket ./eql.sock --log-level debug
`,
    )
    .action(async ({ config, socket, logLevel }: UpOptions) => {
      const daemon = (await import("../../daemon/daemon.js" as string)) as DaemonModule;
      process.exitCode = await daemon.runDaemon({
        configPath: config ?? null,
        socket: socket ?? (process.env["EQL_SOCKET"] || null),
        logLevel: logLevel ?? null,
      });
    });
