import { contains } from "../../config/tunnel-words.ts";
import { EqlError } from "../../errors.ts";
import { MAIN_TABLE, type Route } from "../../host/netlink-route.ts";
import type { TunnelNetlink } from "./tunnel-tools.ts";

const STATIC = 4;
/** Type in a rtmsg (rtnetlink(7)). */
const RTN_UNREACHABLE = 7;
const EVERYTHING = { 4: "0.0.0.0/0", 6: "::/0" } as const;

const bitsOf = ({ destination }: Route): number =>
  destination === "default" ? 0 : Number(destination.split("/")[1]);
const networkOf = ({ destination, family }: Route): string =>
  destination === "default" ? EVERYTHING[family] : destination;
/** Whether a host, by its address, is reached by a route. */
export const leadsTo = (route: Route, host: string): boolean =>
  contains(networkOf(route), `${host}/${host.includes(":") ? 128 : 32}`);
const lengthOf = (network: string): number => Number(network.split("/")[1]);

/**
 * Routes to servers that a tunnel's own routes would lead into the tunnel: datagrams that are bound to no interface would go
 * round in circles. Each is the way that led there without the tunnel, and follows it when it changes.
 */
export class ServerRoutes {
  readonly #netlink: TunnelNetlink;
  /** By destination, those that are ours. */
  readonly #added = new Map<string, Route>();

  constructor(netlink: TunnelNetlink) {
    this.#netlink = netlink;
  }

  /**
   * @param index of the tunnel's interface
   * @param networks to which the tunnel has routes
   * @param servers their addresses
   * @throws EqlError NETLINK_FAILED
   */
  follow(index: number, networks: readonly string[], servers: readonly string[]): void {
    const covered = new Map<string, number>();
    for (const server of servers) {
      const host = `${server}/${server.includes(":") ? 128 : 32}`;
      const lengths = networks.filter((each) => contains(each, host)).map(lengthOf);
      if (lengths.length > 0) covered.set(host, Math.max(...lengths));
    }
    // A table of routes may be long.
    if (covered.size === 0 && this.#added.size === 0) return;
    const routes = this.#netlink.routes().filter((route) => route.index !== index);
    const wanted = new Map<string, Route>();
    for (const [host, length] of covered) {
      const way = this.#wayTo(host, routes) ?? nowhere(host.includes(":") ? 6 : 4);
      if (bitsOf(way) < length) wanted.set(host, way);
    }
    for (const [host, way] of this.#added) {
      // It goes with its interface, which may be up again by now.
      const isThere = (route: Route): boolean =>
        route.index === way.index && bitsOf(route) === lengthOf(host) && contains(networkOf(route), host);
      const isGone = way.index !== 0 && !routes.some(isThere);
      if (isGone || !isSame(way, wanted.get(host))) this.#remove(host);
    }
    for (const [host, way] of wanted) if (!this.#added.has(host)) this.#add(host, way);
  }

  /** Takes all of them away. */
  clear(): void {
    for (const host of this.#added.keys()) this.#remove(host);
  }

  /** By which of the routes that are not ours a host is reached. */
  #wayTo(host: string, routes: readonly Route[]): Route | null {
    let best: Route | null = null;
    for (const route of routes) {
      if (this.#added.has(route.destination) && route.protocol === STATIC) continue;
      if (!contains(networkOf(route), host)) continue;
      const longer = best === null ? 1 : bitsOf(route) - bitsOf(best) || best.metric - route.metric;
      if (longer > 0) best = route;
    }
    return best;
  }

  #add(host: string, way: Route): void {
    this.#netlink.addRoute({ ...way, destination: host, protocol: STATIC, metric: undefined });
    this.#added.set(host, way);
  }

  #remove(host: string): void {
    const way = this.#added.get(host);
    this.#added.delete(host);
    try {
      this.#netlink.removeRoute({ destination: host, protocol: STATIC, index: way?.index });
    } catch (error) {
      // It went with its interface, or somebody else took it away.
      if (!(error instanceof EqlError)) throw error;
    }
  }
}

/** Where no way leads: rather that than into the tunnel. */
const nowhere = (family: 4 | 6): Route => ({
  family,
  destination: "default",
  index: 0,
  gateway: null,
  source: null,
  metric: 0,
  protocol: STATIC,
  scope: 0,
  table: MAIN_TABLE,
  rest: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, RTN_UNREACHABLE, 0, 0, 0, 0),
});

const isSame = (way: Route, other: Route | undefined): boolean =>
  way.index === other?.index && way.gateway === other.gateway && way.source === other.source;
