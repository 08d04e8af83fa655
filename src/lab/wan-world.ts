import type { WanSettings } from "../sim/wan-path.ts";
import { Host } from "./namespace.ts";
import { withOwned } from "./owned.ts";
import { findTool } from "./tool.ts";
import { WanEmulator } from "./wan-emulator.ts";

/**
 * A client and a server on the Internet, as far as it matters here: two hosts with several ways between them.
 *
 *   client: wan0 10.77.0.2 ═ emulated link ═ 10.77.0.1 wan0 :server
 *           wan1 10.77.1.2 ═ emulated link ═ 10.77.1.1 wan1
 *
 * Each of the server's addresses can be reached by each uplink of the client, if a socket is bound to its device.
 */

export interface WanWorldOptions {
  /** What each uplink does, in both directions alike; null: a cable of the kernel's own, without limit. */
  readonly links: readonly (Partial<WanSettings> | null)[];
  /** Of the uplinks, in octets; 1500 without it. */
  readonly mtu?: number;
  /** Of what is lost. */
  readonly seed?: number;
}

const MTU = 1500;
const SEED = 1995;
/** A TUN device keeps so many packets for the emulator, whose own queue is the one that counts. */
const DEVICE_QUEUE = 5000;

export const uplink = (link: number): string => `wan${link}`;
export const clientAddress = (link: number): string => `10.77.${link}.2`;
export const serverAddress = (link: number): string => `10.77.${link}.1`;

/** Timestamps as everywhere on the Internet; packets may come by another way than answers go. */
const SETTINGS = [
  ["tcp_timestamps", 1],
  ["conf/all/rp_filter", 0],
  ["conf/default/rp_filter", 0],
].map(([name, value]) => `echo ${value} >/proc/sys/net/ipv4/${name}`);

export class WanWorld {
  readonly client: Host;
  readonly server: Host;
  /** null: all links are cables. */
  readonly emulator: WanEmulator | null;
  #closing: Promise<void> | null = null;

  private constructor(client: Host, server: Host, emulator: WanEmulator | null) {
    this.client = client;
    this.server = server;
    this.emulator = emulator;
  }

  /**
   * Resolves when each end of each link reaches the other; it is all gone with this process, however that ends.
   * @throws EqlError CAPABILITY_MISSING, TOOL_MISSING, TUN_MISSING, SYSTEM_CALL_FAILED; then nothing is left
   */
  static async start({ links, mtu = MTU, seed = SEED }: WanWorldOptions): Promise<WanWorld> {
    const ip = findTool("ip");
    const making = [Host.create("client"), Host.create("server")] as const;
    const made = await Promise.allSettled(making);
    let emulator: WanEmulator | null = null;
    try {
      const [client, server] = await Promise.all(making);
      await Promise.all([client, server].map((host) => host.must(["sh", "-ec", SETTINGS.join("\n")])));
      emulator = await startEmulator(client, server, links, seed);
      for (const [link, settings] of links.entries())
        if (settings === null) await layCable(ip, client, server, uplink(link));
      const each = (commands: (link: number) => string[]): string =>
        links.flatMap((_, n) => commands(n)).join("\n");
      const up = (n: number): string =>
        `${ip} link set ${uplink(n)} mtu ${mtu} txqueuelen ${DEVICE_QUEUE} up`;
      const addresses = (own: string, peer: string, n: number): string =>
        `${ip} address add ${own} peer ${peer} dev ${uplink(n)}`;
      await Promise.all([
        client.must([
          "sh",
          "-ec",
          each((n) => [
            addresses(clientAddress(n), serverAddress(n), n),
            up(n),
            `${ip} route add default dev ${uplink(n)} src ${clientAddress(n)} metric ${n + 1}`,
          ]),
        ]),
        server.must(["sh", "-ec", each((n) => [addresses(serverAddress(n), clientAddress(n), n), up(n)])]),
      ]);
      return new WanWorld(client, server, emulator);
    } catch (error) {
      await emulator?.close();
      for (const host of made) if (host.status === "fulfilled") await host.value.close();
      throw error;
    }
  }

  /** May be called again. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([this.emulator?.close(), this.client.close(), this.server.close()]).then(
      () => {},
    );
    return this.#closing;
  }
}

async function startEmulator(
  { pid: client }: Host,
  { pid: server }: Host,
  links: WanWorldOptions["links"],
  seed: number,
): Promise<WanEmulator | null> {
  const emulated = links.filter((settings) => settings !== null);
  if (emulated.length === 0) return null;
  if (emulated.length < links.length) throw new RangeError("links are all emulated, or all cables");
  return WanEmulator.start(
    emulated.map((settings, link) => ({
      client: { pid: client, device: uplink(link) },
      server: { pid: server, device: uplink(link) },
      up: settings,
      down: settings,
      seed: seed + link,
    })),
  );
}

/** As a real wire has it: no run of segments passes whole, each is a packet of its own. */
async function layCable(ip: string, client: Host, server: Host, device: string): Promise<void> {
  const near = [ip, "link", "add", device, "type", "veth"];
  await client.must([...near, "peer", "name", device, "netns", String(server.pid)]);
  for (const host of [client, server]) await host.must([ip, "link", "set", device, "gso_max_segs", "1"]);
}

/** Runs work in a world of its own and takes it down, whatever happens. */
export const withWorld = <T>(
  options: WanWorldOptions,
  work: (world: WanWorld) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> => withOwned(() => WanWorld.start(options), work, signal);
