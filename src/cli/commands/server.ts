import { Command } from "commander";
import { type DaemonOptions, daemonOptions, runConfig } from "../daemon-options.ts";
import { whole } from "../options.ts";
import type { ServerOptions } from "../tunnel-set-up.ts";

interface Options extends ServerOptions, DaemonOptions {
  readonly host?: string;
  readonly config?: string;
}

export const serverCommand = (): Command =>
  daemonOptions(
    new Command("server")
      .summary("run a server for UDP links")
      .description(
        "Run a server for UDP links without a configuration, in the foreground. For each client it prints the command that is to be run there; it has no secret in it. Without clients, it prints that of the first to come.",
      )
      .option("--listen <A:P...>", "where clients reach it (default: 0.0.0.0:7411 and [::]:7411)")
      .option("--client <KEY...>", "public keys of the clients, which get the addresses after the server's")
      .option("--address <A/N...>", "addresses of the server's interface", ["10.98.0.1/24"])
      .option("--key-file <FILE>", "the server's private key; made if it is missing", "/etc/eql/server.key")
      .option("--name <NAME>", "name of the interface", "eql")
      .option("--mtu <N>", "largest IP packet in octets (default: 1440)", whole("--mtu", 576, 16384))
      .option("--masquerade", "clients reach what is behind this host, under its address")
      .option("--host <HOST>", "what clients are told to call (default: this host's address)")
      .option(
        "-c, --config <FILE>",
        "print the commands for the clients of a configuration, and run nothing",
      ),
  )
    .addHelpText(
      "after",
      `
Examples:
  eql server --masquerade
  eql server --client 5sLHoVtFvSzUT1SUg1L3wYAvqtTgkZvWxCX3TDYjLWo=
  eql server -c /etc/eql.toml --host vpn.example.org
`,
    )
    .action(async ({ host, config: file, ...options }: Options) => {
      const { clientLines, ownHost, serverConfig } = await import("../tunnel-set-up.ts");
      const { ownPublicKey } = await import("../own-key.ts");
      const { loadConfig } = await import("../../config/load.ts");
      const config = file === undefined ? serverConfig(options) : loadConfig(file);
      for (const tunnel of config.tunnels.filter(({ listen }) => listen.length > 0)) {
        const lines = clientLines(tunnel, ownPublicKey(tunnel.keyFile), host ?? ownHost());
        process.stdout.write(lines.map((line) => `${line}\n`).join(""));
      }
      if (file === undefined) await runConfig(config, options);
    });
