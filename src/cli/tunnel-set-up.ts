import { hostname } from "node:os";
import { stringify } from "smol-toml";
import type { Config } from "../config/config.ts";
import { parseConfig } from "../config/load.ts";
import type { TunnelConfig, TunnelPeerConfig } from "../config/tunnel-config.ts";
import { contains, formatHostPort, parseHostPort } from "../config/tunnel-words.ts";
import type { Redundant } from "../control/messages.ts";
import { EqlError } from "../errors.ts";
import { Netlink } from "../host/netlink.ts";
import type { InterfaceAddress } from "../host/netlink-objects.ts";
import { formatIpAddress, parsePrefix } from "../wire/ip-address.ts";
import type { KnownClient } from "./known-clients.ts";

/** What `eql server` and `eql client` make of their options: the configuration that a file would be, and what is printed. */

const DEFAULT_PORT = 7411;

export interface ServerOptions {
  readonly name: string;
  readonly listen?: readonly string[];
  readonly address: readonly string[];
  readonly keyFile: string;
  readonly mtu?: number;
  readonly masquerade?: true;
}

/** @throws EqlError CONFIG_INVALID, with the keys of `[server.NAME]` */
export function serverConfig(
  { name, listen, address, keyFile, mtu, masquerade }: ServerOptions,
  known: readonly KnownClient[],
): Config {
  const clients = known.map(({ number, key }) => [
    `client${number}`,
    { key, address: address.map((own) => handedOut(own, number)) },
  ]);
  const table = {
    "key-file": keyFile,
    address: [...address],
    ...(listen && { listen: [...listen] }),
    ...(mtu && { mtu }),
    ...(masquerade && { masquerade, forward: true }),
    client: Object.fromEntries(clients),
  };
  return parseConfig(stringify({ server: { [name]: table } }), "eql server");
}

export interface ClientOptions {
  readonly name: string;
  readonly server: readonly string[];
  readonly serverKey: string;
  readonly address?: readonly string[];
  readonly peer?: string;
  readonly keyFile: string;
  readonly presharedKeyFile?: string;
  readonly device?: readonly string[];
  readonly route?: readonly string[];
  readonly defaultRoute?: true;
  /** True: all. */
  readonly redundant?: Redundant;
  readonly mtu?: number;
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
}

/**
 * @param devices by which it is called; empty: as the routes say
 * @throws EqlError CONFIG_INVALID, with the keys of `[master.NAME]` and `[line.NAME]`
 */
export function clientConfig(options: ClientOptions, devices: readonly string[]): Config {
  const { name, server, serverKey, address, peer, keyFile, presharedKeyFile, route, mtu } = options;
  const [only, ...others] = address ?? [];
  const table = {
    server: [...server],
    "server-key": serverKey,
    "key-file": keyFile,
    ...(presharedKeyFile && { "preshared-key-file": presharedKeyFile }),
    ...(only && { address: others.length === 0 ? only : [only, ...others] }),
    ...(peer && { peer }),
    ...(route && { routes: [...route] }),
    ...(mtu && { mtu }),
    ...(options.dns && { dns: [...options.dns] }),
    ...(options.dnsSearch && { "dns-search": [...options.dnsSearch] }),
    "default-route": options.defaultRoute === true,
    redundant: options.redundant ?? false,
  };
  const lines = devices.map((device) => [device, { protocol: "udp", device, master: name }]);
  return parseConfig(stringify({ master: { [name]: table }, line: Object.fromEntries(lines) }), "eql client");
}

/** The n-th address after a server's own, as a client's. @throws EqlError REQUEST_INVALID: its network has no more */
export function handedOut(own: string, n: number): string {
  const prefix = parsePrefix(own);
  if (prefix === null) return own; // what is wrong with it is said where it is checked
  const octets = Uint8Array.from(prefix.octets);
  for (let at = octets.length - 1, rest = n; rest > 0 && at >= 0; at--) {
    const sum = (octets[at] as number) + rest;
    octets[at] = sum & 0xff;
    rest = sum >> 8;
  }
  const address = formatIpAddress(octets);
  if (contains(own, address) && octets.some((octet, at) => octet !== prefix.octets[at])) return address;
  throw new EqlError(
    "REQUEST_INVALID",
    `${own} has no address for client ${n}; give a greater network, such as 10.98.0.1/16`,
  );
}

/**
 * The command by which a client comes to a server; no secret is in it.
 * @param host by which clients reach the server
 */
function clientLine(
  tunnel: TunnelConfig,
  { networks, dns, search }: Pick<TunnelPeerConfig, "dns" | "networks" | "search">,
  serverKey: string,
  host: string,
): string {
  const port = parseHostPort(tunnel.listen[0] ?? "")?.port ?? DEFAULT_PORT;
  // Addresses come before networks behind the client, and are hosts.
  const hosts = networks
    .filter((network) => /\/(32|128)$/.test(network))
    .map((network) => network.split("/")[0] ?? "");
  const pairs = hosts.flatMap((address) => {
    const own = tunnel.addresses.find((each) => contains(each, address));
    return own === undefined ? [] : [{ address, own }];
  });
  const [first, ...others] = pairs;
  const addresses =
    first !== undefined && others.length === 0
      ? ["--address", first.address, "--peer", first.own.split("/")[0]]
      : pairs.flatMap(({ address, own }) => ["--address", `${address}/${own.split("/")[1]}`]);
  const mtu = tunnel.mtu === 1440 ? [] : ["--mtu", tunnel.mtu];
  const words = [
    "eql",
    "client",
    "--server",
    formatHostPort({ host, port }),
    "--server-key",
    serverKey,
    ...addresses,
    ...mtu,
    ...(dns.length === 0 ? [] : ["--dns", ...dns]),
    ...(search.length === 0 ? [] : ["--dns-search", ...search]),
  ];
  return words.join(" ");
}

/** Lines for all clients of a server. */
export const clientLines = (tunnel: TunnelConfig, serverKey: string, host: string): readonly string[] =>
  tunnel.peers.map((peer) => clientLine(tunnel, peer, serverKey, host));

/** For a client that is still to come, and gets a server's n-th addresses. */
export function nextClientLine(tunnel: TunnelConfig, n: number, serverKey: string, host: string): string {
  const networks = tunnel.addresses.map((own) => hostNetwork(handedOut(own, n)));
  return clientLine(tunnel, { networks, dns: [], search: [] }, serverKey, host);
}

const hostNetwork = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;

/** Addresses that nobody else reaches, and those that nobody far away does. */
const OWN = ["127.0.0.0/8", "::1/128", "fe80::/10"];
const PRIVATE = [
  "10.0.0.0/8",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/7",
];

/** Whether a host's address is reached from networks around it only; of a name that is not known. */
export const isPrivate = (host: string): boolean => PRIVATE.some((network) => contains(network, host));

/**
 * Of a host's addresses the one that others most likely reach it by; null: none.
 * @param first index of the interface with the default route
 */
export function bestAddress(
  addresses: readonly InterfaceAddress[],
  first: number | undefined,
): string | null {
  const usable = addresses.filter(({ local }) => !OWN.some((network) => contains(network, local)));
  const best =
    usable.find(({ index }) => index === first) ?? usable.find(({ local }) => !isPrivate(local)) ?? usable[0];
  return best?.local ?? null;
}

/** Interfaces that lead everywhere, those first that the kernel prefers, and this host's best address. */
export function findUplinks(): { readonly devices: readonly string[]; readonly address: string | null } {
  const netlink = new Netlink();
  try {
    const names = new Map(netlink.interfaces().map(({ index, name }) => [index, name]));
    const routes = netlink.routes().filter(({ destination }) => destination === "default");
    const indices = [
      ...new Set(
        routes.toSorted((a, b) => a.family - b.family || a.metric - b.metric).map(({ index }) => index),
      ),
    ];
    return {
      devices: indices.flatMap((index) => names.get(index) ?? []),
      address: bestAddress(netlink.addresses(), indices[0]),
    };
  } finally {
    netlink.close();
  }
}

/** By what clients reach this host, where nobody says it. */
export const ownHost = (): string => findUplinks().address ?? hostname();
