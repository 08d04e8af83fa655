import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReloadReply, TunnelPeerStatus } from "../../../src/control/messages.ts";
import { newPrivateKey, tunnelCrypto } from "../../../src/host/tunnel-crypto.ts";
import { Host } from "../../../src/lab/namespace.ts";
import { findTool } from "../../../src/lab/tool.ts";
import { DaemonOnHost } from "../../interop/daemon-on-host.ts";

/*
 * A server with cables to several hosts, two of which are its clients:
 *
 *   host N, N = 0, 1, …: cable 10.77.N.2 ═ 10.77.N.1 portN :server; in the tunnel client N is 10.98.0.N+2 and fd00:98::N+2
 */

export const PORT = 7411;
export const SERVER = "10.98.0.1";
export const SERVER_SIX = "fd00:98::1";
export const client = (n: number): string => `10.98.0.${n + 2}`;
export const clientSix = (n: number): string => `fd00:98::${n + 2}`;

interface Keys {
  readonly file: string;
  readonly publicKey: string;
}

export class Star {
  readonly server: Host;
  /** Those that are clients first. */
  readonly hosts: readonly Host[];
  readonly daemon: DaemonOnHost;
  readonly publicKey: string;
  readonly #keys: readonly Keys[];
  readonly #directory: string;
  readonly #daemons: DaemonOnHost[];

  private constructor(
    server: Host,
    hosts: readonly Host[],
    daemon: DaemonOnHost,
    keys: readonly Keys[],
    publicKey: string,
    directory: string,
  ) {
    this.server = server;
    this.hosts = hosts;
    this.daemon = daemon;
    this.publicKey = publicKey;
    this.#keys = keys;
    this.#directory = directory;
    this.#daemons = [daemon];
  }

  /** A server for so many clients, and hosts for them and for others; clients are started by `join`. */
  static async start(clients: number, others: number): Promise<Star> {
    const directory = mkdtempSync(join(tmpdir(), "eql-star-"));
    const names = Array.from({ length: clients + others }, (_, n) => `host${n}`);
    const [server, ...hosts] = (await Promise.all(["server", ...names].map((name) => Host.create(name)))) as [
      Host,
      ...Host[],
    ];
    try {
      const six = "for i in all default; do echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done";
      await Promise.all([server, ...hosts].map((host) => host.must(["sh", "-ec", six])));
      for (const [n, host] of hosts.entries()) await layCable(server, host, n);
      const keys = names.slice(0, clients).map((name) => newKeys(directory, name));
      const own = newKeys(directory, "server");
      const config = serverConfig(own.file, keys);
      const daemon = await DaemonOnHost.start(server, config, ({ tunnels }) => tunnels[0]?.up === true);
      return new Star(server, hosts, daemon, keys, own.publicKey, directory);
    } catch (error) {
      await Promise.all([server, ...hosts].map((host) => host.close()));
      rmSync(directory, { recursive: true, maxRetries: 5 });
      throw error;
    }
  }

  /** Has the server read a configuration with only the first so many clients. */
  reload(clients: number): Promise<ReloadReply> {
    const file = join(this.#directory, "server.key");
    return this.daemon.reload(serverConfig(file, this.#keys.slice(0, clients)));
  }

  /** Starts a client, and waits until its path is alive at both ends. */
  async join(n: number): Promise<void> {
    const config = [
      `[master.eql]\naddress = ["${client(n)}/24", "${clientSix(n)}/64"]\nserver = "10.77.${n}.1:${PORT}"`,
      `server-key = "${this.publicKey}"\nkey-file = "${this.#keys[n]?.file}"`,
      `[line.cable]\nprotocol = "udp"\ndevice = "cable"\nmaster = "eql"`,
    ];
    const isAlive = (peer: TunnelPeerStatus | undefined): boolean => peer?.paths[0]?.state === "alive";
    this.#daemons.push(
      await DaemonOnHost.start(this.hosts[n] as Host, config.join("\n"), ({ tunnels }) =>
        isAlive(tunnels[0]?.peers[0]),
      ),
    );
    await this.daemon.until(({ tunnels }) => isAlive(tunnels[0]?.peers[n]), `client ${n}`);
  }

  /** What the server says of a client. */
  async peer(n: number): Promise<TunnelPeerStatus> {
    return (await this.daemon.status()).tunnels[0]?.peers[n] as TunnelPeerStatus;
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.close()));
    await Promise.all([this.server, ...this.hosts].map((host) => host.close()));
    rmSync(this.#directory, { recursive: true, maxRetries: 5 });
  }
}

const serverConfig = (keyFile: string, keys: readonly Keys[]): string =>
  [
    `[server.eqls]\nkey-file = "${keyFile}"\naddress = ["${SERVER}/24", "${SERVER_SIX}/64"]`,
    ...keys.map(
      ({ publicKey }, n) =>
        `[server.eqls.client.c${n}]\nkey = "${publicKey}"\naddress = ["${client(n)}", "${clientSix(n)}"]`,
    ),
  ].join("\n");

function newKeys(directory: string, name: string): Keys {
  const key = newPrivateKey();
  const file = join(directory, `${name}.key`);
  writeFileSync(file, `${Buffer.from(key).toString("base64")}\n`, { mode: 0o600 });
  const { publicKey } = tunnelCrypto(null).keyPair(key);
  return { file, publicKey: Buffer.from(publicKey).toString("base64") };
}

async function layCable(server: Host, host: Host, n: number): Promise<void> {
  const ip = findTool("ip");
  const device = `port${n}`;
  await server.must([
    ip,
    "link",
    "add",
    device,
    "type",
    "veth",
    "peer",
    "name",
    "cable",
    "netns",
    `${host.pid}`,
  ]);
  const end = (own: string, name: string): string[] => [
    `${ip} address add ${own}/24 dev ${name}`,
    `${ip} link set ${name} up`,
  ];
  await server.must(["sh", "-ec", end(`10.77.${n}.1`, device).join("\n")]);
  await host.must(["sh", "-ec", end(`10.77.${n}.2`, "cable").join("\n")]);
}
