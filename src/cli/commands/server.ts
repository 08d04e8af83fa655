import { Command } from "commander";
import type { ReloadReply, Status, TunnelStatus } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import { ControlClient, socketPath } from "../control-client.ts";
import { type DaemonOptions, daemonOptions, runConfig } from "../daemon-options.ts";
import type { KnownClient } from "../known-clients.ts";
import { whole } from "../options.ts";
import type { ServerOptions } from "../tunnel-set-up.ts";

interface Options extends ServerOptions, DaemonOptions {
  readonly client?: readonly string[];
  readonly drop?: readonly string[];
  readonly host?: string;
  readonly config?: string;
}

export const serverCommand = (): Command =>
  daemonOptions(
    new Command("server")
      .summary("run a server for UDP links")
      .description(
        "Run a server for UDP links without a configuration, in the foreground. For each client it prints the command that is to be run there, and one for the next to come; there is no secret in it. Where the server runs already, --client and --drop change its clients, and that is all. Clients are kept in a file beside the key, /etc/eql/server.clients.",
      )
      .option("--listen <A:P...>", "where clients reach it (default: 0.0.0.0:7411 and [::]:7411)")
      .option("--client <KEY...>", "public keys of more clients; they get the addresses after the server's")
      .option("--drop <KEY...>", "public keys of clients that are none any more")
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
    .action(({ config, ...options }: Options) =>
      config === undefined ? serve(options) : printLines(config, options),
    );

/** The commands for the clients of a file; of a server that has none yet, for the first that comes. */
async function printLines(file: string, { host }: Options): Promise<void> {
  const { clientLines, nextClientLine, ownHost } = await import("../tunnel-set-up.ts");
  const { ownPublicKey } = await import("../own-key.ts");
  const { loadConfig } = await import("../../config/load.ts");
  for (const tunnel of loadConfig(file).tunnels.filter(({ listen }) => listen.length > 0)) {
    const place = [ownPublicKey(tunnel.keyFile), host ?? ownHost()] as const;
    const lines = clientLines(tunnel, ...place);
    say(lines.length === 0 ? [nextClientLine(tunnel, 1, ...place)] : lines);
  }
}

async function serve(options: Options): Promise<void> {
  const { clientLines, isPrivate, nextClientLine, ownHost, serverConfig } = await import(
    "../tunnel-set-up.ts"
  );
  const { changeClients, clientsFileOf, freeNumber, readClients, updateClients } = await import(
    "../known-clients.ts"
  );
  const { ownPublicKey } = await import("../own-key.ts");
  const { client: added = [], drop: dropped = [], keyFile } = options;
  const file = clientsFileOf(keyFile);
  const isChanged = added.length + dropped.length > 0;
  const change = (clients: readonly KnownClient[]): readonly KnownClient[] => {
    const changed = changeClients(clients, added, dropped);
    serverConfig(options, changed); // which checks them
    return changed;
  };
  let known = change(readClients(file));
  const place = [ownPublicKey(keyFile), options.host ?? ownHost()] as const;
  if (isChanged) known = updateClients(file, change);
  const config = serverConfig(options, known);
  const [tunnel] = config.tunnels;
  if (tunnel === undefined) return;
  if (isChanged) {
    if (await hasTaken(options, place[0], added, dropped)) {
      const peers = tunnel.peers.filter(({ publicKey }) => added.includes(publicKey));
      say(clientLines({ ...tunnel, peers }, ...place));
      return;
    }
  }
  say(clientLines(tunnel, ...place));
  const [, host] = place;
  const doubt =
    options.host === undefined && isPrivate(host)
      ? `; from elsewhere ${host} is not reached: see --host`
      : "";
  say([`${nextClientLine(tunnel, freeNumber(known), ...place)} # for the next client${doubt}`]);
  await runConfig(config, () => serverConfig(options, readClients(file)), options);
}

/**
 * Has a server that runs already take its clients from the file.
 * @returns false: none runs
 * @throws EqlError CONTROL_REFUSED: it has them from elsewhere
 */
async function hasTaken(
  { name, socket }: Options,
  publicKey: string,
  added: readonly string[],
  dropped: readonly string[],
): Promise<boolean> {
  const control = new ControlClient(socketPath(socket));
  const find = async (): Promise<TunnelStatus | undefined> =>
    (await control.request<Status>("GET", "/status")).tunnels.find(
      (tunnel) => tunnel.name === name && tunnel.publicKey === publicKey,
    );
  try {
    if ((await find()) === undefined) return false;
  } catch (error) {
    if (error instanceof EqlError && error.code === "DAEMON_NOT_RUNNING") return false;
    throw error;
  }
  await control.request<ReloadReply>("POST", "/reload");
  const keys = (await find())?.peers.map((peer) => peer.publicKey) ?? [];
  if (added.every((key) => keys.includes(key)) && !dropped.some((key) => keys.includes(key))) return true;
  const cure = `change the tables [server.${name}.client.WHO] of its file, and run \`eql reload\``;
  throw new EqlError("CONTROL_REFUSED", `the server that runs has its clients from a configuration: ${cure}`);
}

const say = (lines: readonly string[]): void => {
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
};
