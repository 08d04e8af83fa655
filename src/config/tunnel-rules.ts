import type { LineConfig } from "./config.ts";
import { addressFault, familyOf } from "./network.ts";
import { type KeyPath, type Problems, show } from "./problems.ts";
import { IPV6_MIN_MTU, type Say, sayAt } from "./rules.ts";
import type { LineTable, MasterTable } from "./schema.ts";
import type { Checked, CheckedServer } from "./tables.ts";
import type { PathConfig, TunnelConfig } from "./tunnel-config.ts";
import { callingKeys, pathKeys } from "./tunnel-keys.ts";
import { contains } from "./tunnel-words.ts";

/** The rules about UDP links that need more than one key. */

/** What a master has that spreads packets over serial lines. */
const SERIAL_MASTER_KEYS = [
  "scheduler",
  "max-slaves",
  "min-slaves",
  "queue-packets",
  "lines-wanted",
  "demand",
  "high-water",
  "high-water-time",
  "idle-time",
];
/** A datagram's header has so many links (docs/tunnel-format.md). */
const MOST_PATHS = 32;
/** What a UDP path has. */
const PATH_KEYS = ["device", "protocol", "master", ...Object.keys(pathKeys)];

/** Of a master without a server. */
export function checkSerialMaster({ name, raw, table }: Checked<MasterTable>, problems: Problems): void {
  const say = sayAt(["master", name], problems);
  for (const key of Object.keys(callingKeys).filter((each) => each in raw)) {
    say(key, "only a master that calls a server has such a setting; give server as well, or leave it out");
  }
  const [text = "", ...others] = [table.address ?? []].flat();
  if (table.address === undefined) return;
  const fault = others.length > 0 ? "there is no server" : addressFault(text);
  if (fault !== null) {
    say("address", `found ${show(table.address)} (${fault}); allowed: an IPv4 or IPv6 address`);
  }
}

/** @param tunnel made from `checked` */
export function checkCaller(
  { name, raw, table }: Checked<MasterTable>,
  tunnel: TunnelConfig,
  problems: Problems,
): void {
  const say = sayAt(["master", name], problems);
  for (const key of SERIAL_MASTER_KEYS.filter((each) => each in raw)) {
    say(key, "a master that calls a server has no such setting; leave it out, or server");
  }
  if (table["server-key"] === undefined) {
    say("server-key", "found nothing; allowed: the server's public key, as `eql pubkey` prints it there");
  }
  if (table["key-file"] === undefined) {
    say("key-file", "found nothing; allowed: a file with our private key, as `eql genkey` makes it");
  }
  checkPathCount(tunnel.peers.flatMap((peer) => peer.paths).length, say);
  checkPeer(table, tunnel, say);
  checkMtu(tunnel, say);
}

/** @param count of lines that lead to one server */
export function checkPathCount(count: number, say: Say): void {
  if (count > MOST_PATHS) say(null, `found ${count} lines; allowed: at most ${MOST_PATHS}`);
}

function checkPeer({ address, peer }: MasterTable, tunnel: TunnelConfig, say: Say): void {
  if (peer === undefined) return;
  const [own, ...others] = [address ?? []].flat();
  if (own === undefined) {
    say("peer", `found ${peer} without an address; give address as well, or neither`);
  } else if (others.length > 0 || own.includes("/")) {
    say("peer", `found ${peer}; allowed: nothing where address is a list or has a prefix length`);
  } else if (tunnel.addresses.includes(`${tunnel.peer}/${familyOf(own) === "IPv4" ? 32 : 128}`)) {
    say("peer", `found ${peer}, which is the address of this side; give that of the far side`);
  } else if (familyOf(own) !== familyOf(peer)) {
    say("peer", `found ${peer}; allowed: an ${familyOf(own)} address, as ${own} is one`);
  }
}

function checkMtu(
  { mtu, addresses, routes }: Pick<TunnelConfig, "mtu" | "addresses" | "routes">,
  say: Say,
): void {
  const sixth = [...addresses, ...routes].find((text) => familyOf(text) === "IPv6");
  if (mtu < IPV6_MIN_MTU && sixth !== undefined) {
    say("mtu", `found ${mtu}; allowed: at least ${IPV6_MIN_MTU}, because ${sixth} is IPv6`);
  }
}

/** What UDP lines have to agree with. */
export interface PathSurroundings {
  /** Masters that call a server. */
  readonly callers: readonly string[];
  /** All masters, also those with errors. */
  readonly masterNames: readonly string[];
  readonly serverNames: readonly string[];
  /** All other lines. */
  readonly lines: readonly LineConfig[];
  /** Of the same master, those that stand before it. */
  readonly earlier: readonly PathConfig[];
  /** Masters that are without errors and call nobody. */
  readonly serial: readonly string[];
}

/**
 * Of a line with `protocol = "udp"`.
 * @param path made from `checked`
 * @param at where the line's keys stand in their source
 */
export function checkPath(
  { name, raw, table }: Checked<LineTable>,
  { device, address }: Pick<PathConfig, "device" | "address">,
  at: KeyPath,
  around: PathSurroundings,
  problems: Problems,
): void {
  const say = sayAt(at, problems);
  for (const key of Object.keys(raw).filter((each) => !PATH_KEYS.includes(each))) {
    say(key, 'a line with protocol = "udp" has no such setting; leave it out');
  }
  if (around.masterNames.includes(name)) say(null, `the name is taken by master.${name}; choose another`);
  if (around.serverNames.includes(name)) say(null, `the name is taken by server.${name}; choose another`);
  const { master = null } = table;
  if (device?.startsWith("/")) {
    say("device", `found ${show(device)}; allowed: the name of an interface, such as "wwan0"`);
  }
  const made = [...around.callers, ...around.serverNames].find((each) => each === device);
  if (made !== undefined) {
    say("device", `found ${show(device)}, which leads to peers itself; allowed: an interface below it`);
  }
  const line = around.lines.find(({ name: each }) => each === device);
  const joined = line?.master ?? line?.tunnel ?? null;
  if (joined !== null) {
    const bundle = line?.master == null ? "" : `${line.master}, or `;
    say("device", `found ${show(device)}, which joins ${joined}; allowed: ${bundle}a line that stays alone`);
  }
  const known = around.callers.join(", ");
  if (master !== null && around.serial.includes(master)) {
    say(
      "master",
      `found ${show(master)}, which calls no server; give server in master.${master}, or name another`,
    );
  } else if (master === null || !around.masterNames.includes(master)) {
    const allowed = known === "" ? "a master that has a server, and there is none" : known;
    say("master", `found ${show(master ?? undefined)}; allowed: ${allowed}`);
  }
  const twin = around.earlier.find((other) => other.device === device && other.address === address);
  if (twin !== undefined && joined === null) {
    say(
      device === null ? null : "device",
      `line.${twin.name} is the same path; give another device or local-address`,
    );
  }
}

/** What only links of a numbered bundle have. */
const BUNDLE_KEYS = ["multilink", "mrru", "short-sequence-numbers", "endpoint", "bundle"];

/**
 * Of any other line.
 * @param line made from `checked`
 * @param at where the line's keys stand in their source
 */
export function checkSerialLine(
  { raw, table }: Checked<LineTable>,
  line: LineConfig,
  at: KeyPath,
  problems: Problems,
): void {
  const say = sayAt(at, problems);
  const { tunnel, kind, dial } = line;
  const own = tunnel === null ? Object.keys(pathKeys) : ["local-address"];
  for (const key of own.filter((each) => each in raw)) {
    const who =
      tunnel === null
        ? ", or with a master that calls a server, has such a setting; leave it out"
        : " has such a setting; give address";
    say(key, `only a line with protocol = "udp"${who}`);
  }
  if (tunnel === null) return;
  for (const key of BUNDLE_KEYS.filter((each) => each in raw && raw[each] !== false)) {
    say(
      key,
      `found a link of a bundle, but master.${tunnel} calls a server; leave it out, or give the bundle a master of its own, and that a UDP line`,
    );
  }
  if (kind === "device") {
    say(
      "master",
      `found ${show(tunnel)}, which calls a server; give protocol = "udp", and device instead of interface`,
    );
  }
  if (kind === "ppp" && !table.ipv4) {
    say("ipv4", `found false; allowed: true, as the path of master.${tunnel} needs an address`);
  }
  if (kind === "slip" && line.peer === null && table.server === undefined) {
    say(
      "peer",
      `found nothing; allowed: the address of the far end, to which the path of master.${tunnel} leads, or server besides`,
    );
  }
  if (dial?.demand === true) {
    say(
      "dial",
      `dial.${dial.name} has demand, and a path has always something to send; leave that out, or give tier = "backup"`,
    );
  }
}

/**
 * @param taken names of interfaces that are made here already, with what they are
 * @param earlier servers that stand before it
 */
export function checkServer(
  { name, table, clients }: CheckedServer,
  tunnel: TunnelConfig,
  taken: ReadonlyMap<string, string>,
  earlier: readonly TunnelConfig[],
  problems: Problems,
): void {
  const say = sayAt(["server", name], problems);
  const twin = taken.get(name);
  if (twin !== undefined) say(null, `the name is taken by ${twin}; choose another`);
  checkMtu(tunnel, say);
  for (const place of tunnel.listen) {
    const other = earlier.find(({ listen }) => listen.includes(place));
    if (other !== undefined)
      say("listen", `found ${show(place)}, where server.${other.name} listens already`);
  }
  const isMasked = (each: string): boolean => familyOf(each) === "IPv4" || contains("fc00::/7", each);
  if (table.masquerade && !tunnel.addresses.some(isMasked)) {
    say("masquerade", "found neither an IPv4 address nor one of fc00::/7; give address as well");
  }
  if (table.forward && !table.masquerade) say("forward", "found no masquerade; give masquerade as well");
  const seen = new Map<string, string>();
  for (const { name: who, table: client } of clients) {
    const sayOf = sayAt(["server", name, "client", who], problems);
    const { networks = [] } = tunnel.peers.find((peer) => peer.name === who) ?? {};
    const keyTwin = clients.find((other) => other.table.key === client.key);
    if (keyTwin !== undefined && keyTwin.name !== who) {
      sayOf("key", `client.${keyTwin.name} has the same one; each client has a key of its own`);
    }
    if (networks.length === 0) {
      sayOf("address", "found neither address nor routes, so that nothing leads to the client; give one");
    }
    for (const network of networks) {
      const owner = seen.get(network);
      if (owner !== undefined)
        sayOf(null, `${network} is client.${owner}'s already; it leads to one of them`);
      else seen.set(network, who);
      if (tunnel.addresses.some((own) => contains(network, `${own.split("/")[0]}`))) {
        sayOf(null, `${network} has the server's own address in it; give the client another one`);
      }
    }
  }
}
