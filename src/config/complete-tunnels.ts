import type { Redundant } from "../control/messages.ts";
import { canonicalAddress, canonicalNetwork } from "./network.ts";
import type { LineTable, MasterTable } from "./schema.ts";
import type { Checked, CheckedServer } from "./tables.ts";
import { ANY_PATH, type PathConfig, type TunnelConfig, type TunnelPeerConfig } from "./tunnel-config.ts";
import { type ClientTable, TUNNEL_MTU } from "./tunnel-keys.ts";
import {
  canonicalInterfaceAddress,
  chosenKind,
  contains,
  formatHostPort,
  networkOf,
  parseHostPort,
} from "./tunnel-words.ts";

/** UDP links, from tables with the keys of the file to complete values. */

/** What a called peer is told of as. */
const SERVER = "server";
const EVERYTHING = ["0.0.0.0/0", "::/0"];

const listed = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : [value].flat();

const canonicalPlace = (text: string): string => {
  const place = parseHostPort(text);
  return place === null ? text : formatHostPort(place);
};

export function completeServer({ name, table, clients }: CheckedServer): TunnelConfig {
  const addresses = listed(table.address).map(canonicalInterfaceAddress);
  const peers = clients.map(completeClient);
  const networks = peers.flatMap((peer) => peer.networks);
  return {
    name,
    mtu: table.mtu,
    addresses,
    peer: null,
    defaultRoute: false,
    // What the kernel reaches by the interface's own addresses needs no route.
    routes: networks.filter((network) => !addresses.some((own) => contains(networkOf(own), network))),
    keyFile: table["key-file"],
    listen: table.listen.map(canonicalPlace),
    masquerade: table.masquerade,
    forward: table.forward,
    dns: [],
    search: [],
    scripts: null,
    peers,
  };
}

/** Names of kinds as what they stand for. */
const completeRedundant = (redundant: ClientTable["redundant"]): Redundant =>
  typeof redundant === "boolean"
    ? redundant
    : redundant.map((kind) => chosenKind(String(kind)) as "sparse" | number);

function completeClient({ name, table }: Checked<ClientTable>): TunnelPeerConfig {
  return {
    name,
    publicKey: table.key,
    presharedKeyFile: table["preshared-key-file"] ?? null,
    servers: [],
    networks: [...listed(table.address), ...table.routes].map(canonicalNetwork),
    dns: table.dns.map(canonicalAddress),
    search: table["dns-search"],
    sendBps: table["send-limit"] ?? null,
    receiveBps: table["receive-limit"] ?? null,
    redundant: completeRedundant(table.redundant),
    paths: [],
  };
}

/**
 * A master that calls a server.
 * @param lines those that lead there; without any, there is one path, by the routing table
 */
export function completeCaller(
  { name, table }: Checked<MasterTable>,
  lines: readonly Checked<LineTable>[],
): TunnelConfig {
  const addresses = listed(table.address).map(canonicalInterfaceAddress);
  const peer = table.peer === undefined ? null : canonicalAddress(table.peer);
  const routes = table.routes.map(canonicalNetwork);
  const networks = table["default-route"]
    ? EVERYTHING
    : [...addresses.map(networkOf), ...(peer === null ? [] : [canonicalNetwork(peer)]), ...routes];
  const servers = listed(table.server).map(canonicalPlace);
  const paths = lines.map((line) => completePath(line, servers));
  return {
    name,
    mtu: table.mtu ?? TUNNEL_MTU,
    addresses,
    peer,
    defaultRoute: table["default-route"],
    routes,
    keyFile: table["key-file"] ?? "",
    listen: [],
    masquerade: false,
    forward: false,
    dns: table.dns.map(canonicalAddress),
    search: table["dns-search"],
    scripts: table.scripts ?? null,
    peers: [
      {
        name: SERVER,
        publicKey: table["server-key"] ?? "",
        presharedKeyFile: table["preshared-key-file"] ?? null,
        servers,
        // Of an interface that is addressed and given routes from outside, nothing is known.
        networks: networks.length === 0 ? EVERYTHING : networks,
        dns: [],
        search: [],
        sendBps: null,
        receiveBps: null,
        redundant: completeRedundant(table.redundant),
        paths: paths.length === 0 ? [ANY_PATH] : paths,
      },
    ],
  };
}

/**
 * The path of a line with a master that calls a server: its own, or that over the interface that it becomes.
 * @param servers those of the master
 */
export function completePath({ name, table }: Checked<LineTable>, servers: readonly string[]): PathConfig {
  const isSerial = table.protocol !== "udp";
  const leadsFar = isSerial && table.server === undefined;
  return {
    name,
    device: isSerial ? name : (table.device ?? null),
    address: table["local-address"] === undefined ? null : canonicalAddress(table["local-address"]),
    servers: listed(table.server).map(canonicalPlace),
    farPort: leadsFar ? (parseHostPort(servers[0] ?? "")?.port ?? null) : null,
    dials: table.dial !== undefined,
    tier: table.tier,
    sendBps: table["send-limit"] ?? null,
    receiveBps: table["receive-limit"] ?? null,
  };
}
