import type { AddressRange } from "../../config/address-range.ts";
import type { PathConfig, TunnelConfig } from "../../config/tunnel-config.ts";
import { contains, networkOf } from "../../config/tunnel-words.ts";
import type { PathChange, TunnelChange, TunnelStatus } from "../../control/messages.ts";
import { EqlError } from "../../errors.ts";
import type { TunnelEvent } from "../../host/engine/tunnel-messages.ts";
import type { NetlinkMonitor } from "../../host/netlink-monitor.ts";
import type { Instant } from "../../time.ts";
import { parsePrefix } from "../../wire/ip-address.ts";
import { Masquerade } from "../answering/masquerade.ts";
import { Strangers } from "./strangers.ts";
import { Tunnel, type TunnelPlan } from "./tunnel.ts";
import { type TunnelTools, tellRefusal } from "./tunnel-tools.ts";
import { Uplinks } from "./uplinks.ts";

/** How often it is looked whether the kernel has told something about interfaces. */
const LOOK_MS = 250;
/** How often everything is reviewed all the same: routes change, pauses end. More seldom where nothing of that is at stake. */
const REVIEW_MS = 2000;
const SETTLED_REVIEW_MS = 15_000;
/** RFC 4193: addresses that nobody far away answers. */
const UNIQUE_LOCAL = "fc00::/7";

export interface TunnelsTools extends Omit<TunnelTools, "changed"> {
  readonly monitor: () => Pick<NetlinkMonitor, "close" | "read">;
}

/**
 * All tunnels: servers, and masters that call one. The engine carries packets, keeps sessions and proves paths; here is which
 * peers and paths it has, with what goes with them in the kernel.
 */
export class Tunnels {
  readonly #tools: TunnelsTools;
  #configs: readonly TunnelConfig[];
  readonly #tunnels = new Map<string, Tunnel>();
  readonly #strangers = new Strangers();
  /** By tunnel and peer, and by path, what was told of it last. */
  readonly #told = new Map<string, string>();
  readonly #masquerade: Masquerade;
  /** Those whose interfaces are gone have ended. */
  #goneEnded: Promise<unknown> = Promise.resolve();
  #monitor: Pick<NetlinkMonitor, "close" | "read"> | null = null;
  #looker: NodeJS.Timeout | undefined;
  #reviewing: Promise<void> | null = null;
  #hasChanged = true;
  #reviewedAt = Number.NEGATIVE_INFINITY;
  #changedAt = Number.NEGATIVE_INFINITY;

  constructor(configs: readonly TunnelConfig[], tools: TunnelsTools) {
    this.#configs = configs;
    this.#tools = tools;
    // Answering has tables of its own.
    this.#masquerade = new Masquerade(`${tools.socket} tunnels`, tools.log);
  }

  /** @throws EqlError: an interface cannot be made, a key file not be read, masquerading not be set up */
  async start(): Promise<void> {
    if (this.#configs.length === 0) return;
    this.#monitor = this.#tools.monitor();
    const tools = { ...this.#tools, changed: () => this.#handleChange() };
    const tunnels = this.#configs.map((config) => new Tunnel(config, tools));
    for (const tunnel of tunnels) {
      await tunnel.begin();
      this.#tunnels.set(tunnel.config.name, tunnel);
    }
    await this.#followMasquerade(this.#configs);
    await this.look();
    this.#looker = setInterval(() => void this.look(), LOOK_MS);
  }

  /** The engine removes the interfaces when it stops. */
  async stop(): Promise<void> {
    clearInterval(this.#looker);
    while (this.#reviewing !== null) await this.#reviewing;
    await Promise.all([this.#goneEnded, ...[...this.#tunnels.values()].map((tunnel) => tunnel.end())]);
    await this.#masquerade.end();
    this.#monitor?.close();
    this.#monitor = null;
  }

  /**
   * Reads what other settings need; nothing is changed by that.
   * @param configs of the same tunnels, with the same keys and addresses
   * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: a file of a key; LINE_EXISTS: a path cannot be added
   */
  plan(configs: readonly TunnelConfig[]): TunnelPlan {
    const plans = configs.flatMap((config) => this.#tunnels.get(config.name)?.plan(config) ?? []);
    return {
      applied: plans.flatMap(({ applied }) => applied),
      restart: plans.flatMap(({ restart }) => restart),
      added: plans.flatMap(({ added }) => added),
      removed: plans.flatMap(({ removed }) => removed),
      apply: async () => {
        await this.#alone(async () => {
          await this.#followMasquerade(configs);
          this.#configs = configs;
          for (const { apply } of plans) await apply();
        });
        await this.look();
      },
    };
  }

  /** Reviews all tunnels if something changed or it is time. */
  async look(): Promise<void> {
    if (this.#reviewing !== null || this.#monitor === null) return;
    this.#monitor.read((event) => {
      this.#hasChanged = true;
      for (const tunnel of this.#tunnels.values()) tunnel.handleChange(event);
    });
    const now = this.#tools.now();
    if (this.#hasChanged) this.#changedAt = now;
    else if (now - this.#reviewedAt < this.#pauseMs(now)) return;
    this.#hasChanged = false;
    this.#reviewedAt = now;
    this.#reviewing = this.#review().finally(() => {
      this.#reviewing = null;
    });
    await this.#reviewing;
  }

  /** A change is seldom the last one: a lease brings an address, and then a route. */
  #pauseMs(now: Instant): number {
    if (now - this.#changedAt < SETTLED_REVIEW_MS) return REVIEW_MS;
    const peers = [...this.#tunnels.values()].flatMap(({ called }) => [...called.values()]);
    return peers.every((peer) => peer.isSettled) ? SETTLED_REVIEW_MS : REVIEW_MS;
  }

  #handleChange(): void {
    this.#hasChanged = true;
    void this.look();
  }

  async #review(): Promise<void> {
    const { netlink, log, now } = this.#tools;
    try {
      const uplinks = new Uplinks(netlink.interfaces(), netlink.addresses());
      for (const tunnel of this.#tunnels.values()) await tunnel.review(uplinks, now());
    } catch (error) {
      tellRefusal(log, {}, error);
    }
  }

  async status(): Promise<TunnelStatus[]> {
    if (this.#tunnels.size === 0) return [];
    const all = await this.#tools.engine.request("tunnels", {});
    return all.flatMap((status) => this.#tunnels.get(status.name)?.status(status) ?? []);
  }

  has(name: string): boolean {
    return this.#tunnels.has(name);
  }

  /** As they are now, with the paths that were added and without those that were removed. */
  get configs(): readonly TunnelConfig[] {
    return this.#configs.map((config) => {
      const { called } = this.#tunnels.get(config.name) ?? {};
      const peers = config.peers.map((peer) => ({
        ...peer,
        paths: called?.get(peer.name)?.paths ?? peer.paths,
      }));
      return { ...config, peers };
    });
  }

  /** @throws EqlError TUNNEL_UNKNOWN */
  async change(name: string, { redundant }: TunnelChange): Promise<TunnelStatus> {
    const tunnel = this.#of(name);
    await this.#alone(() => tunnel.setRedundant(redundant));
    return this.#statusOf(name);
  }

  /** @throws EqlError TUNNEL_UNKNOWN, LINE_UNKNOWN */
  async changePath(name: string, path: string, change: PathChange): Promise<TunnelStatus> {
    const tunnel = this.#of(name);
    if (await this.#alone(() => tunnel.changePath(path, change))) return this.#statusOf(name);
    throw new EqlError(
      "LINE_UNKNOWN",
      `${name} has no path ${path}: \`eql status\` lists those of the configuration`,
      {
        details: { line: path },
      },
    );
  }

  /** Gives a tunnel that calls one more path; it comes up when its device can carry it. @throws EqlError TUNNEL_UNKNOWN, LINE_EXISTS */
  async addPath(name: string, path: PathConfig): Promise<TunnelStatus> {
    const tunnel = this.#of(name);
    await this.#alone(() => tunnel.addPath(path));
    await this.look();
    return this.#statusOf(name);
  }

  /** @returns whether there was such a path */
  async removePath(path: string): Promise<boolean> {
    const tunnel = [...this.#tunnels.values()].find(({ paths }) => paths.some(({ name }) => name === path));
    return tunnel !== undefined && (await this.#alone(() => tunnel.removePath(path)));
  }

  /** Why a path is needed now, in words; null: other paths are there, or there is no such path. */
  needOf(path: string): string | null {
    const called = [...this.#tunnels.values()].flatMap((tunnel) => [...tunnel.called.values()]);
    const now = this.#tools.now();
    return called.map((peer) => peer.needOf(path, now)).find((need) => need !== null) ?? null;
  }

  /** Changes what a review looks at: neither during one, nor during another change. */
  async #alone<T>(change: () => Promise<T>): Promise<T> {
    while (this.#reviewing !== null) await this.#reviewing;
    const changing = change();
    this.#reviewing = changing.then(
      () => {},
      () => {}, // told to whom it was asked by
    );
    try {
      return await changing;
    } finally {
      this.#reviewing = null;
      this.#hasChanged = true;
    }
  }

  handleEvent(event: TunnelEvent): void {
    if (event.type === "stranger") this.#handleStranger(event);
    else if (event.type === "tunnelPeer") this.#handlePeer(event);
    else if (event.type === "path") this.#handlePath(event);
    else if (event.type === "pathGone") this.#handlePathGone(event);
    else this.#handleGone(event.tunnel);
  }

  #handleStranger({ tunnel, publicKey }: Extract<TunnelEvent, { type: "stranger" }>): void {
    if (!this.#strangers.isNews(publicKey, this.#tools.now())) return;
    const hint = `if it is to be one: \`eql server --client ${publicKey}\`, or a table [server.${tunnel}.client.WHO] with this key`;
    this.#tools.log.warn({ tunnel, publicKey, hint }, "somebody calls who is no client");
  }

  /** The same is not told twice in a row: a peer with another key goes on trying. */
  #handlePeer({ tunnel, peer, change }: Extract<TunnelEvent, { type: "tunnelPeer" }>): void {
    const key = `${tunnel} ${peer}`;
    const isRepeated = change === this.#told.get(key);
    this.#told.set(key, change);
    if (isRepeated) return;
    if (change === "established") this.#tools.log.info({ tunnel, peer }, "peer established");
    else if (change === "expired")
      this.#tools.log.warn({ tunnel, peer, reason: "nothing has come from it" }, "peer expired");
    else {
      this.#tunnels.get(tunnel)?.called.get(peer)?.handleRefusal();
      const reason = "its preshared key differs from ours";
      const hint = "preshared-key-file has to name the same key on both sides, or be left out on both";
      this.#tools.log.warn({ tunnel, peer, reason, hint }, "peer refused");
    }
  }

  #handlePath({ tunnel, peer, path, state, remote }: Extract<TunnelEvent, { type: "path" }>): void {
    const from = this.#tunnels.get(tunnel);
    from?.called.get(peer)?.handlePath(path, state === "alive");
    from?.announce(this.#tools.now());
    const key = `${tunnel} ${peer} ${path}`;
    const now = `${state} ${remote}`;
    if (now === this.#told.get(key)) return;
    this.#told.set(key, now);
    const fields = { tunnel, peer, path, remote: remote ?? undefined };
    if (state === "dead") this.#tools.log.warn({ ...fields, reason: "no answer" }, "path dead");
    else if (state === "alive") this.#tools.log.info(fields, "path alive");
    else this.#tools.log.debug(fields, "path proving");
  }

  #handlePathGone({ tunnel, peer, path, reason }: Extract<TunnelEvent, { type: "pathGone" }>): void {
    this.#tunnels.get(tunnel)?.called.get(peer)?.handlePathGone(path, reason);
    this.#hasChanged = true;
    this.#tools.log.warn({ tunnel, peer, path, reason }, "path gone");
  }

  /** The engine has no such tunnel any more. */
  #handleGone(name: string): void {
    this.#goneEnded = Promise.all([this.#goneEnded, this.#tunnels.get(name)?.end()]);
    this.#tunnels.delete(name);
    this.#tools.log.warn({ tunnel: name }, "its interface is gone");
  }

  async #followMasquerade(configs: readonly TunnelConfig[]): Promise<void> {
    const masked = configs.filter(({ masquerade }) => masquerade);
    const networks = masked.flatMap(networksOf);
    await this.#masquerade.set({
      pool: networks.filter((each) => !each.includes(":")).map(rangeOf),
      // A global network of IPv6 is routed as it is.
      networks: networks.filter((each) => contains(UNIQUE_LOCAL, each)),
      forward: masked.some((config) => config.forward),
    });
  }

  #of(name: string): Tunnel {
    return this.#tunnels.get(name) ?? this.#unknown(name);
  }

  #unknown(name: string): never {
    throw new EqlError(
      "TUNNEL_UNKNOWN",
      `There is no server ${name}, and no master of that name that calls one`,
      {
        details: { tunnel: name },
      },
    );
  }

  /** @throws EqlError TUNNEL_UNKNOWN: its interface was deleted meanwhile */
  async #statusOf(name: string): Promise<TunnelStatus> {
    const status = (await this.status()).find((each) => each.name === name);
    return status ?? this.#unknown(name);
  }
}

/** A server's own networks, and its clients' beyond those. */
function networksOf({ addresses, peers }: TunnelConfig): readonly string[] {
  const own = addresses.map(networkOf);
  const clients = peers
    .flatMap(({ networks }) => networks)
    .filter((each) => !own.some((network) => contains(network, each)));
  return [...own, ...clients];
}

function rangeOf(network: string): AddressRange {
  const { octets, length } = parsePrefix(network) as NonNullable<ReturnType<typeof parsePrefix>>;
  const first = octets.reduce((number, octet) => number * 256 + octet, 0);
  return { first, last: first + 2 ** (32 - length) - 1 };
}
