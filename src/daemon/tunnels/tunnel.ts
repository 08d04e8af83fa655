import { readFileSync } from "node:fs";
import { readKeyFile } from "../../config/key-file.ts";
import type { PathConfig, TunnelConfig } from "../../config/tunnel-config.ts";
import { networkOf } from "../../config/tunnel-words.ts";
import type { PathChange, Redundant, TunnelStatus } from "../../control/messages.ts";
import { keyText } from "../../crypto/key-text.ts";
import type {
  TunnelStatus as EngineTunnelStatus,
  TunnelPeerSettings,
} from "../../host/engine/tunnel-messages.ts";
import type { NetlinkEvent } from "../../host/netlink-monitor.ts";
import type { Instant } from "../../time.ts";
import { Announcement } from "./announcement.ts";
import { CalledPeer } from "./called-peer.ts";
import { ServerClients, settingsOf } from "./server-clients.ts";
import { ServerRoutes } from "./server-routes.ts";
import { type TunnelTools, tellRefusal } from "./tunnel-tools.ts";
import type { Uplinks } from "./uplinks.ts";

const LEAST_IPV6_MTU = 1280;
const STATIC = 4;
/**
 * The default route as two halves: they are preferred to whatever default routes there are, which stay as they are, so that
 * datagrams that are bound to an interface leave by that interface's own.
 */
const HALVES = { 4: ["0.0.0.0/1", "128.0.0.0/1"], 6: ["::/1", "8000::/1"] } as const;

/** One interface whose packets go by UDP: made, addressed, and given its peers. */
export class Tunnel {
  config: TunnelConfig;
  /** The peers that are called, by name. */
  readonly called: ReadonlyMap<string, CalledPeer>;
  readonly #tools: TunnelTools;
  readonly #privateKey: Uint8Array;
  readonly #clients: ServerClients;
  readonly #serverRoutes: ServerRoutes;
  /** Null: it is taken back, to be another one. */
  #announcement: Announcement | null;
  /** Networks. */
  #routes: readonly string[];
  readonly #strict = new Set<string>();
  #index = 0;
  #isUp = false;
  /** Since it was up last, so that it lacks what went with that. */
  #wasDown = false;
  #isRouted = false;
  #hasEnded = false;

  /** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: a file of a key */
  constructor(config: TunnelConfig, tools: TunnelTools) {
    this.config = config;
    this.#tools = tools;
    this.#privateKey = readKeyFile(config.keyFile);
    this.#clients = new ServerClients(clientsOf(config), tools.engine);
    this.#serverRoutes = new ServerRoutes(tools.netlink);
    this.#announcement = new Announcement(config, tools.socket, tools.log);
    this.#routes = routesOf(config);
    this.called = new Map(
      config.peers
        .filter(({ servers }) => servers.length > 0)
        .map((peer) => [peer.name, new CalledPeer(peer, settingsOf(config.name, peer), tools)]),
    );
  }

  /** Makes the interface, and lets clients in. @throws EqlError as the engine and the kernel refuse it */
  async begin(): Promise<void> {
    const { name, mtu, listen, addresses } = this.config;
    const { engine, netlink, log } = this.#tools;
    const privateKey = this.#privateKey;
    this.#index = (await engine.request("addTunnel", { name, mtu, privateKey, listen })).index;
    if (mtu >= LEAST_IPV6_MTU) netlink.disableGeneratedAddresses(this.#index);
    for (const address of addresses) this.#addAddress(address);
    await this.#clients.begin();
    this.#setUp();
    log.info({ tunnel: name, mtu, listen, peers: this.config.peers.length }, "tunnel added");
  }

  #addAddress(text: string): void {
    const [address = "", bits] = text.split("/");
    this.#tools.netlink.addAddress(this.#index, address, this.config.peer, Number(bits));
  }

  /** One of which nothing is said waits to be addressed from outside. */
  #setUp(): void {
    const isBare = this.config.addresses.length === 0 && this.#routes.length === 0;
    if (!isBare) this.#tools.netlink.setUp(this.#index, true);
  }

  /** What comes after it changes nothing. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#serverRoutes.clear();
    await this.#announcement?.takeBack();
  }

  /**
   * Reads what other settings need; nothing is changed by that.
   * @param config of the same interface, with the same keys
   * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: a file of a key; LINE_EXISTS: a path cannot be added
   */
  plan(config: TunnelConfig): TunnelPlan {
    const settings = clientsOf(config);
    const kind = config.listen.length > 0 ? "server" : "master";
    const hasKey = keyText(readKeyFile(config.keyFile)) === keyText(this.#privateKey);
    const called = config.peers.flatMap((peer) => {
      const there = this.called.get(peer.name);
      return there === undefined ? [] : [{ there, peer, paths: there.planPaths(peer) }];
    });
    const rekeyed = called.filter(({ there, peer }) => there.isRekeyed(settingsOf(config.name, peer)));
    return {
      applied: this.#clients
        .rekeyed(settings)
        .map((name) => `server.${config.name}.client.${name}: preshared-key-file`),
      restart: [
        ...(hasKey ? [] : [`${kind}.${config.name}: key-file`]),
        ...(rekeyed.length === 0 ? [] : [`${kind}.${config.name}: preshared-key-file`]),
      ],
      added: called.flatMap(({ paths }) => paths.added.map(({ name }) => name)),
      removed: called.flatMap(({ paths }) => paths.removed),
      apply: async () => {
        const was = this.config;
        this.config = config;
        await this.#clients.change(settings);
        for (const { there, peer, paths } of called) await there.change(peer, paths);
        this.#changeRoutes(routesOf(config));
        if (!isToldAlike(was, config)) await this.#announceAnew();
      },
    };
  }

  /** Other name servers, or other scripts: what was told is taken back, and they are told at the next review. */
  async #announceAnew(): Promise<void> {
    const was = this.#announcement;
    this.#announcement = null;
    await was?.takeBack();
    this.#announcement = new Announcement(this.config, this.#tools.socket, this.#tools.log);
  }

  #changeRoutes(routes: readonly string[]): void {
    const was = this.#routes;
    const wasBare = this.config.addresses.length === 0 && was.length === 0;
    this.#routes = routes;
    if (wasBare) this.#setUp();
    if (!this.#isRouted) return;
    for (const route of was) if (!routes.includes(route)) this.#removeRoute(route);
    this.#attempt(() => this.#followServers());
    for (const route of routes) if (!was.includes(route)) this.#addRoute(route);
  }

  /** Before the review that follows: it may have been down between two. */
  handleChange(event: NetlinkEvent): void {
    const isOwn = event.type === "link" && event.interface.index === this.#index;
    this.#wasDown ||= event.type === "overrun" || (isOwn && !event.interface.up);
  }

  /** Does what is to be done after something changed about interfaces, or a while has passed. */
  async review(uplinks: Uplinks, now: Instant): Promise<void> {
    if (this.#hasEnded) return;
    const { log } = this.#tools;
    const { name } = this.config;
    this.#isUp = uplinks.isUp(this.#index);
    this.#wasDown ||= !this.#isUp;
    for (const peer of this.called.values()) {
      const { devices } = peer;
      const isOne = devices.length === 1 && !this.config.defaultRoute;
      for (const device of isOne ? [] : devices) this.#lookAtFilter(device);
      try {
        await peer.review(uplinks, now);
      } catch (error) {
        tellRefusal(log, { tunnel: name }, error);
      }
    }
    if (this.#hasEnded) return;
    this.#attempt(() => this.#followServers());
    this.#follow();
    this.announce(now);
  }

  /**
   * Tells this host of the tunnel while its server answers. A short silence changes nothing; after a longer one, the servers' names may have to be
   * asked for elsewhere.
   */
  announce(now: Instant): void {
    if (this.#hasEnded) return;
    const peers = [...this.called.values()];
    if (this.#isUp && peers.some((peer) => peer.isAlive)) this.#announcement?.make();
    else if (!this.#isUp || peers.every((peer) => peer.isSilent(now))) void this.#announcement?.takeBack();
  }

  /** Routes wait until the servers' names are known: name servers may be reached by what the routes will lead elsewhere. */
  #follow(): void {
    const isReady = this.#isUp && [...this.called.values()].every((peer) => peer.isThere);
    if (this.#isUp && this.#wasDown) this.#restoreAddresses();
    // Going down took its routes away.
    if (isReady && (!this.#isRouted || this.#wasDown))
      for (const route of this.#routes) this.#addRoute(route);
    this.#isRouted = isReady;
    this.#wasDown = !this.#isUp;
  }

  status(status: EngineTunnelStatus): TunnelStatus {
    return { ...status, waiting: [...this.called.values()].flatMap((peer) => peer.waiting) };
  }

  /** Of all its peers. */
  async setRedundant(redundant: Redundant): Promise<void> {
    const tunnel = this.config.name;
    await this.#clients.setRedundant(redundant);
    for (const [peer, called] of this.called) {
      called.redundant = redundant;
      if (called.isThere) await this.#tools.engine.request("changeTunnelPeer", { tunnel, peer, redundant });
    }
  }

  /** By what its servers are called. */
  get paths(): readonly PathConfig[] {
    return [...this.called.values()].flatMap((peer) => peer.paths);
  }

  /** Of a tunnel that calls, not during a review. */
  async addPath(path: PathConfig): Promise<void> {
    const [peer] = this.called.values();
    await peer?.addPath(path);
  }

  /** Not during a review. @returns whether it had such a path */
  async removePath(path: string): Promise<boolean> {
    for (const peer of this.called.values()) if (await peer.removePath(path)) return true;
    return false;
  }

  /** Not during a review: what is being added would not have it. @returns whether it has such a path */
  async changePath(path: string, change: PathChange): Promise<boolean> {
    for (const peer of this.called.values()) if (await peer.changePath(path, change)) return true;
    return false;
  }

  /** Going down takes those of IPv6 away. */
  #restoreAddresses(): void {
    const sixth = this.config.addresses.filter((address) => address.includes(":"));
    for (const address of sixth) this.#attempt(() => this.#addAddress(address));
  }

  #addRoute(destination: string): void {
    this.#attempt(() => this.#tools.netlink.addRoute({ destination, index: this.#index, protocol: STATIC }));
  }

  #removeRoute(destination: string): void {
    this.#attempt(() =>
      this.#tools.netlink.removeRoute({ destination, index: this.#index, protocol: STATIC }),
    );
  }

  #followServers(): void {
    const servers = [...this.called.values()].flatMap((peer) => peer.unboundServers);
    const own = [...this.config.addresses.map(networkOf), ...this.#routes];
    this.#serverRoutes.follow(this.#index, this.#isUp ? own : [], servers);
  }

  /** With strict filtering, the kernel drops what comes by another interface than answers would leave by. */
  #lookAtFilter(device: string): void {
    if (this.#strict.has(device) || !isFilterStrict(device)) return;
    this.#strict.add(device);
    const hint = `sysctl net.ipv4.conf.${device}.rp_filter=2`;
    this.#tools.log.warn(
      { tunnel: this.config.name, device, hint },
      "the kernel may drop what comes by a device that is not the default route's: its filter is strict",
    );
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      tellRefusal(this.#tools.log, { tunnel: this.config.name }, error);
    }
  }
}

function routesOf({ addresses, defaultRoute, routes }: TunnelConfig): readonly string[] {
  const hasSixth = addresses.some((address) => address.includes(":"));
  const hasFourth = addresses.length === 0 || addresses.some((address) => !address.includes(":"));
  const halves = [...(hasFourth ? HALVES[4] : []), ...(hasSixth ? HALVES[6] : [])];
  return defaultRoute ? [...halves, ...routes] : routes;
}

/** What other settings of a tunnel are about. */
export interface TunnelPlan {
  /** What is applied besides what the tables say, because a file differs. */
  readonly applied: readonly string[];
  /** Likewise, what waits for a restart. */
  readonly restart: readonly string[];
  /** Paths that are added, and that are removed; what begins anew is both. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Not during a review. */
  readonly apply: () => Promise<void>;
}

/** Whether the host is told the same of both. */
const isToldAlike = (some: TunnelConfig, other: TunnelConfig): boolean =>
  [some, other]
    .map(({ dns, search, scripts, defaultRoute }) =>
      JSON.stringify([dns, search, scripts, dns.length > 0 && defaultRoute]),
    )
    .every((told, _, [first]) => told === first);

const clientsOf = ({ name, peers }: TunnelConfig): readonly TunnelPeerSettings[] =>
  peers.filter(({ servers }) => servers.length === 0).map((peer) => settingsOf(name, peer));

/** rp_filter 1, for all or for the device (ip-sysctl: the greater one counts). */
function isFilterStrict(device: string): boolean {
  const levels = ["all", device].map((name) => {
    try {
      return Number(readFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "latin1"));
    } catch {
      return 0; // no such device yet, or no IPv4
    }
  });
  return Math.max(...levels) === 1;
}
