import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { LogLevel } from "../../config/config.ts";
import { socketOption, whole } from "../options.ts";
import { packageVersion } from "../version.ts";

interface AnswerOptions {
  readonly address: string;
  readonly pool?: string[];
  readonly users?: string;
  readonly speed: number;
  /** False with --no-rtscts, else true; so with those below. */
  readonly rtscts: boolean;
  readonly login: boolean;
  readonly ppp: boolean;
  readonly direct?: true;
  readonly waitForCaller?: true;
  readonly autoAnswer?: true;
  readonly banner?: string;
  readonly dns?: string[];
  readonly accounting?: string;
  readonly masquerade?: true;
  readonly socket?: string;
  readonly logLevel?: LogLevel;
  readonly debug?: true;
}

/** The configuration that the options stand for; values as TOML has them. */
function tomlOf(devices: readonly string[], options: AnswerOptions): string {
  const { speed, rtscts, direct, users, accounting, ...others } = options;
  const { socket: _socket, logLevel: _level, debug: _debug, ...answer } = others;
  const pathOf = (path: string | undefined): string | undefined => path && resolve(path);
  const keys = { ...answer, direct, users: pathOf(users), accounting: pathOf(accounting) };
  const lines = devices.map((device, index) => ({
    table: `line.line${index}`,
    keys: {
      device: resolve(device),
      speed,
      rtscts: rtscts && direct !== true,
      role: "answer",
      answer: "call",
    },
  }));
  return [{ table: "answer.call", keys }, ...lines]
    .map(({ table, keys: each }) => {
      const rows = Object.entries(each).flatMap(([key, value]) =>
        value === undefined ? [] : [`${keyOf(key)} = ${JSON.stringify(value)}`],
      );
      return `[${table}]\n${rows.join("\n")}\n`;
    })
    .join("\n");
}

const keyOf = (option: string): string => option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export const answerCommand = (): Command =>
  new Command("answer")
    .summary("answer callers on modems or direct lines")
    .description(
      "Answer callers on these devices, as a terminal server does, in the foreground until it is interrupted: by a " +
        "daemon of its own, which needs no configuration. `eql user` says who may call.",
    )
    .argument("<DEVICE...>", "ttys with modems, such as /dev/ttyS0")
    .requiredOption("--address <A>", "our address")
    .option("--pool <RANGE...>", "addresses for callers, such as 10.0.0.10-10.0.0.50")
    .option("--users <FILE>", "who may call (default: /etc/eql/users.toml)")
    .option(
      "--speed <N>",
      "speed of the ports in bits per second",
      whole("--speed", 50, 100_000_000),
      115_200,
    )
    .option("--no-rtscts", "no flow control by RTS and CTS between computer and modem")
    .option("--direct", "the lines are cables, without modems")
    .option("--wait-for-caller", "with --direct: say nothing before the caller does")
    .option("--auto-answer", "the modems take calls by themselves")
    .option("--no-login", "show no prompt: PPP only, which proves itself")
    .option("--no-ppp", "no PPP without a login")
    .option("--banner <TEXT>", "said before the prompt")
    .option("--dns <A...>", "name servers for PPP callers who ask, at most two")
    .option("--accounting <FILE>", "where sessions are written down")
    .option("--masquerade", "callers of the pool reach what is behind this host, under its address")
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
    .option("--debug", "log each PPP control packet, decoded, and all that is of level debug")
    .addHelpText(
      "after",
      `
Examples:
  eql answer /dev/ttyS0 /dev/ttyS1 --address 10.0.0.1 --pool 10.0.0.10-10.0.0.50
  eql answer /dev/ttyUSB0 --direct --speed 38400 --address 10.0.0.1 --users ./users.toml
`,
    )
    .action(async (devices: string[], options: AnswerOptions) => {
      const { parseConfig } = await import("../../config/load.ts");
      const { runToEnd } = await import("../daemon-end.ts");
      const { socket, logLevel, debug } = options;
      await runToEnd({
        config: parseConfig(tomlOf(devices, options), "the command line"),
        readConfig: null,
        socket: socket ?? (process.env["EQL_SOCKET"] || null),
        logLevel: logLevel ?? null,
        debug: debug === true,
        untilLastLine: false,
        version: packageVersion(),
      });
    });
