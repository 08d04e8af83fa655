import { isDeepStrictEqual } from "node:util";
import { ANY_PATH, type PathConfig, type TunnelPeerConfig } from "../../config/tunnel-config.ts";
import { parseHostPort } from "../../config/tunnel-words.ts";
import type { PathChange, Redundant, TunnelStatus } from "../../control/messages.ts";
import { keyText } from "../../crypto/key-text.ts";
import { EqlError } from "../../errors.ts";
import type {
  PathSettings,
  TunnelPeerChange,
  TunnelPeerSettings,
} from "../../host/engine/tunnel-messages.ts";
import { type Instant, NEVER } from "../../time.ts";
import { CalledPath } from "./called-path.ts";
import { type PathPlan, planPaths } from "./path-plan.ts";
import { findServers, isNamed, type ServerAddresses } from "./server-names.ts";
import { leadsTo } from "./server-routes.ts";
import { type TunnelTools, tellRefusal } from "./tunnel-tools.ts";
import type { Uplink, Uplinks } from "./uplinks.ts";

/** A peer that does not answer for so long may have another address: its names are asked for again, as often. */
const SILENCE_MS = 30_000;
const UNKNOWN_RETRY_MS = 5000;
/** A silence that is told of. */
const NO_ANSWER_MS = 10_000;
/** Without other paths for so long, those are dialed that are for that. */
const RESERVE_MS = 3000;

/**
 * A peer that is called, and the paths to it.
 *
 * 1. the names of its servers become addresses, again when none of them answers
 * 2. the engine is given the peer with all of them
 * 3. each path is added when its device can carry it, taken away when it cannot, and begins anew when its addresses change
 */
export class CalledPeer {
  #config: TunnelPeerConfig;
  readonly #settings: Omit<TunnelPeerSettings, "networks" | "servers" | "redundant">;
  readonly #tools: TunnelTools;
  /** In the order of the configuration, later ones last. */
  #paths: CalledPath[];
  readonly #alive = new Set<string>();
  redundant: Redundant;
  /** What the engine has; null: it does not know the peer. */
  #servers: readonly string[] | null = null;
  #found: readonly string[] = [];
  /** It has other servers than those that were found. */
  #isElsewhere = false;
  #trouble = "";
  readonly #known = new Map<string, readonly string[]>();
  #isAsking = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #silentSince: number;
  /** Since when there is no path but those that are dialed for that; NEVER: there is one. */
  #bareSince: Instant;
  #isSilenceTold = false;

  constructor(config: TunnelPeerConfig, settings: TunnelPeerSettings, tools: TunnelTools) {
    this.#config = config;
    this.#settings = settings;
    this.#tools = tools;
    this.#paths = config.paths.map(pathOf);
    this.redundant = config.redundant;
    this.#silentSince = tools.now();
    this.#bareSince = tools.now();
    if (!config.servers.some(isNamed)) this.#found = config.servers;
  }

  /** Whether another preshared key is in its file by now. */
  isRekeyed({ presharedKey }: TunnelPeerSettings): boolean {
    const own = this.#settings.presharedKey;
    return own !== null && presharedKey !== null && keyText(own) !== keyText(presharedKey);
  }

  /** @throws EqlError LINE_EXISTS: one of the paths cannot be added */
  planPaths({ paths }: TunnelPeerConfig): PathPlan {
    return planPaths(this.#config.paths, paths, this.paths);
  }

  /**
   * Its session and its other paths go on, unless it is called elsewhere. Not during a review.
   * @param plan of the paths of `config`
   */
  async change(config: TunnelPeerConfig, plan: PathPlan): Promise<void> {
    const was = this.#config;
    this.#config = config;
    const change: TunnelPeerChange = {
      ...(was.networks.join() !== config.networks.join() && { networks: config.networks }),
      ...(!isDeepStrictEqual(was.redundant, config.redundant) && { redundant: config.redundant }),
    };
    this.redundant = change.redundant ?? this.redundant;
    const { tunnel, peer } = this.#settings;
    if (this.isThere && Object.keys(change).length > 0)
      await this.#attempt(() => this.#tools.engine.request("changeTunnelPeer", { tunnel, peer, ...change }));
    if (was.servers.join() !== config.servers.join()) {
      this.#isElsewhere = config.servers.some(isNamed);
      if (!this.#isElsewhere) this.#found = config.servers;
      this.#askedAt = Number.NEGATIVE_INFINITY;
    }
    for (const name of plan.removed) await this.removePath(name);
    for (const path of plan.changed) await this.#attempt(() => this.changePath(path.name, path));
    for (const path of plan.added) {
      await this.removePath(path.name); // somebody added it while this waited
      await this.addPath(path);
    }
  }

  get paths(): readonly PathConfig[] {
    return this.#paths.map(({ config }) => config);
  }

  /** Whether the engine knows it. */
  get isThere(): boolean {
    return this.#servers !== null;
  }

  get isAlive(): boolean {
    return this.#alive.size > 0;
  }

  /** Whether it has not answered for so long that it may have another address. */
  isSilent(now: Instant): boolean {
    return !this.isAlive && now - this.#silentSince >= SILENCE_MS;
  }

  /** Whether nothing is to be done until something is told. */
  get isSettled(): boolean {
    const isBound = this.#paths.every(({ config }) => config.device !== null);
    return this.isThere && isBound && this.#alive.size > 0 && !this.#paths.some((path) => path.isRefused);
  }

  /** Addresses to which datagrams go by the routes; empty: all paths are bound to interfaces. */
  get unboundServers(): readonly string[] {
    const unbound = this.#paths.filter(({ config }) => config.device === null);
    const places = unbound.flatMap((path) => this.#placesOf(path));
    return [...new Set(places)].map((place) => parseHostPort(place)?.host ?? "");
  }

  /** Interfaces by which paths leave. */
  get devices(): readonly string[] {
    return this.#paths.flatMap(({ config }) => config.device ?? []);
  }

  /** Configured paths that are not there, and why. */
  get waiting(): TunnelStatus["waiting"] {
    return this.#paths
      .filter(({ isThere }) => !isThere)
      .map(({ config, reason }) => ({
        path: config.name,
        reason: this.#servers === null ? this.#trouble || reason : reason,
      }));
  }

  /** Does what is to be done now. One call at a time. */
  async review(uplinks: Uplinks, now: Instant): Promise<void> {
    if (this.#isAskingDue(now)) void this.#ask(now);
    // One whose name nobody knows now may be reached all the same where a path leads by itself.
    const places = this.#found.length > 0 ? this.#found : (this.#servers ?? this.#ownPlaces(uplinks));
    if (places.length > 0 && !isEqual(places, this.#servers)) await this.#addPeer(places);
    if (this.#servers === null) return;
    for (const path of this.#paths) {
      if (path.isLost) continue;
      const families = new Set(this.#placesOf(path).map((place) => (place.startsWith("[") ? 6 : 4)));
      const before = path.reason;
      const { remove, add } = path.next(uplinks, families, now);
      if (!remove && path.reason !== before) this.#tellWaiting(path);
      if (remove) await this.#removePath(path, add === null);
      if (add !== null) await this.#addPath(path, add, now);
    }
    this.#tellSilence(uplinks, now);
  }

  #tellWaiting({ config, reason }: CalledPath): void {
    this.#tools.log.info({ tunnel: this.#settings.tunnel, path: config.name, reason }, "path waits");
  }

  /** Where paths lead that do not lead to the servers of all. */
  #ownPlaces(uplinks: Uplinks): readonly string[] {
    return this.#paths.flatMap((path) => {
      const uplink = uplinks.find(path.config, new Set([4, 6]));
      return typeof uplink === "string" ? [] : path.places(uplink);
    });
  }

  /** Why a path is needed now, in words; null: other paths are there, or there is no such path. */
  needOf(name: string, now: Instant): string | null {
    const path = this.#pathOf(name);
    if (path === undefined) return null;
    if (!path.isReserve) return "to be kept up";
    return now - this.#bareSince >= RESERVE_MS ? "no other path is there" : null;
  }

  #noteOthers(): void {
    const has = this.#paths.some(({ isReserve, config }) => !isReserve && this.#alive.has(config.name));
    if (has) this.#bareSince = NEVER;
    else if (this.#bareSince === NEVER) this.#bareSince = this.#tools.now();
  }

  /** Once in each silence: strangers get no answer, whatever is wrong. */
  #tellSilence(uplinks: Uplinks, now: Instant): void {
    if (this.#alive.size > 0) this.#isSilenceTold = false;
    const isSilent = this.#alive.size === 0 && this.#paths.some(({ isThere }) => isThere);
    if (!isSilent || this.#isSilenceTold || now - this.#silentSince < NO_ANSWER_MS) return;
    this.#isSilenceTold = true;
    const { tunnel } = this.#settings;
    const device = this.#deviceWithoutRoute(uplinks);
    const [reason, hint] =
      device === null
        ? [
            "it is not reached, or server-key or its key of ours is wrong",
            "there, `ss -lun` lists its UDP port, `eql status` its key, and its log tells of a stranger if ours is not known; in between the port may be filtered",
          ]
        : [
            `no route leads there${device === "" ? "" : ` by ${device}`}`,
            `each uplink needs a default route: ip route add default via GATEWAY dev ${device || "DEVICE"} metric 100`,
          ];
    this.#tools.log.warn({ tunnel, servers: this.#servers, reason, hint }, "no answer from the server");
  }

  /** One by which no route leads where its path does; empty: none at all does; null: there is no such path. */
  #deviceWithoutRoute(uplinks: Uplinks): string | null {
    const routes = this.#tools.netlink.routes();
    const isLost = (path: CalledPath): boolean => {
      const { index } = path;
      if (index === null || (index !== 0 && !uplinks.isShared(index))) return false;
      const hosts = this.#placesOf(path).map((place) => parseHostPort(place)?.host ?? "");
      // One with several ways has no interface of its own.
      const usable = routes.filter((route) => index === 0 || route.index === 0 || route.index === index);
      return !usable.some((route) => hosts.some((host) => leadsTo(route, host)));
    };
    const lost = this.#paths.find(isLost);
    return lost === undefined ? null : (lost.config.device ?? "");
  }

  /** It answers, and why it does not let us in was told. */
  handleRefusal(): void {
    this.#isSilenceTold = true;
  }

  handlePath(name: string, isAlive: boolean): void {
    const path = this.#pathOf(name);
    if (!isAlive) this.#forget(name);
    else if (path?.isThere === true) {
      this.#alive.add(name);
      path.proven();
      this.#noteOthers();
    }
  }

  handlePathGone(name: string, reason: string): void {
    this.#forget(name);
    this.#pathOf(name)?.failed(reason, this.#tools.now());
  }

  /** Not during a review. @throws EqlError LINE_EXISTS: two asked for it at once */
  async addPath(config: PathConfig): Promise<void> {
    const { name } = config;
    if (this.#pathOf(name) !== undefined)
      throw new EqlError("LINE_EXISTS", `There is a UDP line ${name} already: choose another name`, {
        details: { line: name },
      });
    this.#paths.push(pathOf(config));
    if (config.servers.some(isNamed)) this.#askedAt = Number.NEGATIVE_INFINITY;
    const [first] = this.#paths;
    if (first?.isStandIn === true) await this.#discard(first);
  }

  /** Not during a review. @returns whether there was such a path */
  async removePath(name: string): Promise<boolean> {
    const path = this.#pathOf(name);
    if (path === undefined || path.isStandIn) return false;
    if (this.#paths.length === 1) this.#paths.push(pathOf(ANY_PATH));
    await this.#discard(path);
    return true;
  }

  async #discard(path: CalledPath): Promise<void> {
    this.#paths = this.#paths.filter((each) => each !== path);
    path.reason = "it was removed";
    if (path.isThere) await this.#removePath(path, true);
  }

  /** @returns whether there is such a path */
  async changePath(name: string, change: PathChange): Promise<boolean> {
    const path = this.#pathOf(name);
    if (path === undefined) return false;
    const {
      tier = path.config.tier,
      sendBps = path.config.sendBps,
      receiveBps = path.config.receiveBps,
    } = change;
    const config = { ...path.config, tier, sendBps, receiveBps };
    path.config = config;
    this.#noteOthers();
    if (path.isThere) await this.#tools.engine.request("changePath", this.#settingsOf(config, path.places()));
    return true;
  }

  #isAskingDue(now: Instant): boolean {
    if (this.#isAsking) return false;
    if (this.#found.length === 0 || this.#isElsewhere || this.#paths.some(({ isLost }) => isLost))
      return now - this.#askedAt >= UNKNOWN_RETRY_MS;
    return this.isSilent(now) && now - this.#askedAt >= SILENCE_MS && this.#isNamed;
  }

  get #isNamed(): boolean {
    return [this.#config, ...this.paths].some(({ servers }) => servers.some(isNamed));
  }

  /** Finds the servers' addresses; what is found is used at the next review. */
  async #ask(now: Instant): Promise<void> {
    this.#isAsking = true;
    this.#askedAt = now;
    const { servers } = this.#config;
    const find = (servers: readonly string[]): Promise<ServerAddresses> =>
      findServers(servers, this.#known, this.#tools.resolve);
    const [{ places, trouble: first }, ...others] = await Promise.all([
      find(servers),
      ...this.#paths.map(async (path) => {
        const own = await find(path.config.servers);
        path.servers = own.places;
        return own.trouble;
      }),
    ]);
    const trouble = [...new Set([first, ...others])].filter(Boolean).join("; ");
    this.#isAsking = false;
    if (trouble !== "" && trouble !== this.#trouble)
      this.#tools.log.warn({ tunnel: this.#settings.tunnel, reason: trouble }, "a server is not found");
    this.#trouble = trouble;
    // There may be others by now.
    const isNow = servers.join() === this.#config.servers.join();
    if (isNow && (places.length > 0 || !this.#isElsewhere)) {
      this.#found = places;
      this.#isElsewhere = false;
    }
    this.#tools.changed();
  }

  async #addPeer(servers: readonly string[]): Promise<void> {
    const { engine, log, now } = this.#tools;
    const { tunnel, peer } = this.#settings;
    if (this.#servers !== null) {
      log.info({ tunnel, servers }, "the server's addresses changed");
      this.#servers = null;
      for (const path of this.#paths) path.removed();
      this.#alive.clear();
      this.#noteOthers();
      await this.#attempt(() => engine.request("removeTunnelPeer", { tunnel, peer }));
    }
    this.#silentSince = now();
    const { networks } = this.#config;
    const { redundant } = this;
    await engine.request("addTunnelPeer", { ...this.#settings, networks, servers, redundant });
    this.#servers = servers;
  }

  async #addPath(path: CalledPath, uplink: Uplink, now: Instant): Promise<void> {
    const { tunnel } = this.#settings;
    const { name, device } = path.config;
    const before = path.reason;
    try {
      await this.#tools.engine.request("addPath", this.#settingsOf(path.config, path.places(uplink)));
      path.added(uplink);
      this.#tools.log.info({ tunnel, path: name, device: device ?? undefined }, "path added");
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      path.failed(error.message, now);
      if (error.message !== before) tellRefusal(this.#tools.log, { tunnel, path: name }, error);
    }
  }

  /** @param forLong not only to be added again at once */
  async #removePath(path: CalledPath, forLong: boolean): Promise<void> {
    const { tunnel, peer } = this.#settings;
    const { name } = path.config;
    this.#forget(name);
    path.removed();
    await this.#attempt(() => this.#tools.engine.request("removePath", { tunnel, peer, path: name }));
    const reason = forLong ? path.reason : "its addresses changed";
    this.#tools.log.info({ tunnel, path: name, reason }, "path removed");
  }

  /** The engine may have removed it already. */
  async #attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof EqlError)) throw error;
      this.#tools.log.debug(
        { tunnel: this.#settings.tunnel, code: error.code, error: error.message },
        "not there",
      );
    }
  }

  #forget(name: string): void {
    const wasAlive = this.#alive.delete(name);
    if (wasAlive && this.#alive.size === 0) this.#silentSince = this.#tools.now();
    this.#noteOthers();
  }

  #pathOf(name: string): CalledPath | undefined {
    return this.#paths.find(({ config }) => config.name === name);
  }

  /** Where it leads. */
  #placesOf({ config, servers }: CalledPath): readonly string[] {
    return config.servers.length > 0 ? servers : this.#found;
  }

  #settingsOf(config: PathConfig, servers: readonly string[]): PathSettings {
    const { tunnel, peer } = this.#settings;
    const { name: path, device, address, tier, sendBps, receiveBps } = config;
    return { tunnel, peer, path, device, address, servers, tier, sendBps, receiveBps };
  }
}

function pathOf(config: PathConfig): CalledPath {
  const path = new CalledPath(config);
  if (!config.servers.some(isNamed)) path.servers = config.servers;
  return path;
}

const isEqual = (some: readonly string[], others: readonly string[] | null): boolean =>
  some.length === others?.length && some.every((each) => others.includes(each));
