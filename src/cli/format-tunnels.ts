import type { PathStatus, TunnelPeerStatus, TunnelStatus } from "../control/messages.ts";
import { type Column, formatTable } from "./format-table.ts";

type Peer = TunnelPeerStatus & { readonly tunnel: string };
type Path = Partial<PathStatus> & {
  readonly name: string;
  readonly peer: string;
  readonly waitsFor?: string;
};

const TUNNEL_COLUMNS: readonly Column<TunnelStatus>[] = [
  { title: "TUNNEL", cell: ({ name }) => name },
  { title: "STATE", cell: ({ up }) => (up ? "up" : "down") },
  { title: "MTU", cell: ({ mtu }) => mtu },
  {
    title: "PEERS",
    cell: ({ peers }) =>
      `${peers.filter(({ session }) => session === "established").length} of ${peers.length}`,
  },
];

const PEER_COLUMNS: readonly Column<Peer>[] = [
  { title: "PEER", cell: ({ name }) => name },
  { title: "TUNNEL", cell: ({ tunnel }) => tunnel },
  { title: "SESSION", cell: ({ session }) => session },
  { title: "QUEUE", cell: ({ queue }) => queue.packets },
  { title: "OCTETS", cell: ({ queue }) => queue.octets },
  { title: "SENT", cell: ({ sent }) => sent.packets },
  { title: "OCTETS", cell: ({ sent }) => sent.octets },
  { title: "REPEATED", cell: ({ sent }) => sent.repeated },
  { title: "RECEIVED", cell: ({ received }) => received.packets },
  { title: "OCTETS", cell: ({ received }) => received.octets },
];

const PATH_COLUMNS: readonly Column<Path>[] = [
  { title: "PATH", cell: ({ name }) => name },
  { title: "PEER", cell: ({ peer }) => peer },
  { title: "STATE", cell: ({ state = "waiting" }) => state },
  { title: "TIER", cell: ({ tier = "-" }) => tier },
  {
    title: "RATE",
    cell: ({ rateBps, state }) => (rateBps === undefined || state === "proving" ? "-" : Math.round(rateBps)),
  },
  { title: "TRIP", cell: ({ roundTripMs }) => formatMs(roundTripMs) },
  { title: "QUEUE", cell: ({ queueMs }) => formatMs(queueMs) },
  { title: "LOSS", cell: ({ loss }) => (loss === undefined ? "-" : `${(100 * loss).toFixed(1)} %`) },
  { title: "SENT", cell: ({ sent }) => sent?.datagrams ?? "-" },
  { title: "LOST", cell: ({ sent }) => sent?.lost ?? "-" },
  { title: "RECEIVED", cell: ({ received }) => received?.datagrams ?? "-" },
];

const formatMs = (ms: number | null | undefined): string => (ms == null ? "-" : `${ms.toFixed(1)} ms`);

function drops(counts: Readonly<Record<string, number>>): string[] {
  const text = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([why, count]) => `${count} ${why}`);
  return text.length === 0 ? [] : [`dropped: ${text.join(", ")}`];
}

const tunnelNotes = ({ publicKey, listen, drops: counts }: TunnelStatus): string[] => [
  `public key ${publicKey}`,
  ...(listen.length === 0 ? [] : [`listens at ${listen.join(", ")}`]),
  ...drops(counts),
];

/** Which packets go by two paths. */
function twice(redundant: Peer["redundant"]): string[] {
  if (redundant === false) return [];
  if (redundant === true) return ["all packets by two paths"];
  const kinds = redundant.map((kind) => (kind === "sparse" ? "those of sparse flows" : `DSCP ${kind}`));
  return kinds.length === 0 ? [] : [`by two paths: ${kinds.join(", ")}`];
}

const peerNotes = ({ publicKey, cipher, redundant, drops: counts }: Peer): string[] => [
  [`public key ${publicKey}`, ...(cipher === null ? [] : [cipher]), ...twice(redundant)].join("; "),
  ...drops(counts),
];

function pathNotes({ device, local, remote, mtu, waitsFor }: Path): string[] {
  if (waitsFor !== undefined) return [`why: ${waitsFor}`];
  const by = device == null ? "" : `${device}: `;
  return [`${by}${local ?? "?"} -> ${remote ?? "?"}, MTU ${mtu ?? "?"}`];
}

const pathsOf = ({ name: tunnel, peers, waiting }: TunnelStatus): readonly Path[] => [
  ...peers.flatMap(({ name: peer, paths }) => paths.map((path) => ({ ...path, peer }))),
  ...waiting.map(({ path, reason }) => ({ name: path, peer: tunnel, waitsFor: reason })),
];

/** Tunnels, their peers and the paths to these, as up to three tables; nothing where there is nothing. */
export function formatTunnels(tunnels: readonly TunnelStatus[]): string {
  const peers = tunnels.flatMap(({ name: tunnel, peers: all }) => all.map((peer) => ({ ...peer, tunnel })));
  const paths = tunnels.flatMap(pathsOf);
  const tables = [
    formatTable(TUNNEL_COLUMNS, tunnels, tunnelNotes),
    ...(peers.length === 0 ? [] : [formatTable(PEER_COLUMNS, peers, peerNotes)]),
    ...(paths.length === 0 ? [] : [formatTable(PATH_COLUMNS, paths, pathNotes)]),
  ];
  return tables.join("\n");
}
