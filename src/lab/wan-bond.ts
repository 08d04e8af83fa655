import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Status } from "../control/messages.ts";
import { newPrivateKey, tunnelCrypto } from "../host/tunnel-crypto.ts";
import { DaemonProcess } from "./daemon-process.ts";
import type { Host } from "./namespace.ts";
import { type ProcessUsage, processUsage } from "./process-usage.ts";
import { Scratch } from "./scratch.ts";
import type { WanTunnel } from "./wan-tunnel.ts";
import { serverAddress, uplink, type WanWorld } from "./wan-world.ts";

/** Uplinks of a {@link WanWorld} bonded by a daemon on each of its hosts. */

const BOND_CLIENT = "10.98.0.2";
const BOND_SERVER = "10.98.0.1";
const PORT = 7411;
const MASTER = "eql";
const SERVER = "eqls";
const READY_MS = 60_000;

export interface WanBondOptions {
  /** How many uplinks the world has; all are bonded. */
  readonly links: number;
  readonly redundant?: boolean;
}

/** One end's keys. */
export interface WanKeys {
  /** Path of the private key's file. */
  readonly file: string;
  readonly publicKey: string;
}

export class WanBond implements WanTunnel {
  readonly address = BOND_SERVER;
  readonly client: DaemonProcess;
  readonly server: DaemonProcess;
  readonly #scratch: Scratch;
  #closing: Promise<void> | null = null;

  private constructor(client: DaemonProcess, server: DaemonProcess, scratch: Scratch) {
    this.client = client;
    this.server = server;
    this.#scratch = scratch;
  }

  /**
   * Resolves when all paths are alive on both sides.
   * @throws EqlError DAEMON_FAILED
   */
  static async start(world: WanWorld, options: WanBondOptions): Promise<WanBond> {
    const scratch = new Scratch("eql-wan");
    const [clientKeys, serverKeys] = [newKeys(scratch, "client"), newKeys(scratch, "server")];
    const start = (host: Host, config: readonly string[]): DaemonProcess => {
      const socket = join(scratch.path, `${host.name}.sock`);
      const file = join(scratch.path, `${host.name}.toml`);
      writeFileSync(file, [`[daemon]\nsocket = ${JSON.stringify(socket)}`, ...config, ""].join("\n\n"));
      return new DaemonProcess(host, file, socket);
    };
    const server = start(world.server, serverConfig(serverKeys, clientKeys));
    const client = start(world.client, clientConfig(options, clientKeys, serverKeys));
    const bond = new WanBond(client, server, scratch);
    try {
      const isReady = pathsAlive(options.links);
      await Promise.all([client, server].map((daemon) => daemon.until(isReady, "all paths alive", READY_MS)));
      return bond;
    } catch (error) {
      await bond.close();
      throw error;
    }
  }

  usage(): readonly (ProcessUsage | null)[] {
    return [this.client, this.server].map(({ pid }) => processUsage(pid));
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all([this.client.stop(), this.server.stop()]).then(() => this.#scratch.close());
    return this.#closing;
  }
}

function newKeys(scratch: Scratch, name: string): WanKeys {
  const key = newPrivateKey();
  const file = join(scratch.path, `${name}.key`);
  writeFileSync(file, `${Buffer.from(key).toString("base64")}\n`, { mode: 0o600 });
  const { publicKey } = tunnelCrypto(null).keyPair(key);
  return { file, publicKey: Buffer.from(publicKey).toString("base64") };
}

/** The tables of the server's configuration. */
export const serverConfig = (own: WanKeys, client: WanKeys): readonly string[] => [
  [
    `[server.${SERVER}]`,
    `listen = ["0.0.0.0:${PORT}"]`,
    `key-file = ${JSON.stringify(own.file)}`,
    `address = "${BOND_SERVER}/24"`,
  ].join("\n"),
  [`[server.${SERVER}.client.c]`, `key = "${client.publicKey}"`, `address = "${BOND_CLIENT}"`].join("\n"),
];

const uplinks = (count: number): readonly number[] => Array.from({ length: count }, (_, link) => link);

export const clientConfig = (
  { links, redundant = false }: WanBondOptions,
  own: WanKeys,
  server: WanKeys,
): readonly string[] => [
  [
    `[master.${MASTER}]`,
    `address = "${BOND_CLIENT}"`,
    `peer = "${BOND_SERVER}"`,
    `server = ${JSON.stringify(uplinks(links).map((link) => `${serverAddress(link)}:${PORT}`))}`,
    `server-key = "${server.publicKey}"`,
    `key-file = ${JSON.stringify(own.file)}`,
    ...(redundant ? ["redundant = true"] : []),
  ].join("\n"),
  ...uplinks(links).map((link) =>
    [`[line.${uplink(link)}]`, 'protocol = "udp"', `device = "${uplink(link)}"`, `master = "${MASTER}"`].join(
      "\n",
    ),
  ),
];

/** Whether the only tunnel has a session with its only peer, over so many paths that answer. */
const pathsAlive =
  (count: number) =>
  ({ tunnels }: Status): boolean => {
    const paths = tunnels[0]?.peers[0]?.paths ?? [];
    return paths.length === count && paths.every(({ state }) => state === "alive");
  };
