import type { InterfaceConfig } from "../config/config.ts";
import type { NetworkAgreement } from "../control/messages.ts";
import type { Netlink } from "../host/netlink.ts";
import type { Route, RouteRequest } from "../host/netlink-route.ts";

const LEAST_IPV6_MTU = 1280;
const STATIC = 4;

function routesOf(index: number, { address, defaultRoute, routes }: InterfaceConfig): RouteRequest[] {
  const destinations = defaultRoute ? ["default", ...routes] : routes;
  return destinations.map((destination) => {
    const isV6 = destination.includes(":") || (destination === "default" && (address ?? "").includes(":"));
    return { destination, index, protocol: STATIC, ...(isV6 ? { family: 6 } : {}) };
  });
}

const prefixOf = (address: string): number => (address.includes(":") ? 128 : 32);

/** Addresses and routes of our interfaces, by rtnetlink. */
export class Interfaces {
  readonly #netlink: Netlink;
  /** What was taken away from slaves, by index, to be put back. */
  readonly #taken = new Map<number, Route[]>();

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  /** Gives a new interface its address, and brings it up if `up`. Its routes follow when it is up. */
  configure(index: number, config: InterfaceConfig, up: boolean): void {
    const { address, peer, mtu } = config;
    if (mtu >= LEAST_IPV6_MTU) this.#netlink.disableGeneratedAddresses(index);
    if (address !== null) {
      this.#netlink.addAddress(index, address, peer, address.includes(":") ? 128 : 32);
    }
    if (up) this.#netlink.setUp(index, true);
  }

  /**
   * Gives an interface what PPP agreed on.
   * @param isAddressed its owner has addressed it: only the MTU is followed
   */
  assign(index: number, { local, remote }: NetworkAgreement, mtu: number, isAddressed: boolean): void {
    this.#netlink.setMtu(index, mtu);
    if (mtu >= LEAST_IPV6_MTU) this.#netlink.disableGeneratedAddresses(index);
    // An address that is given before makes no route to an IPv6 peer.
    if (local.includes(":")) this.#netlink.setUp(index, true);
    if (!isAddressed) this.#netlink.addAddress(index, local, remote, prefixOf(local));
  }

  unassign(index: number, { local, remote }: NetworkAgreement, isAddressed: boolean): void {
    if (!isAddressed) this.#netlink.removeAddress(index, local, remote, prefixOf(local));
  }

  rename(index: number, name: string): void {
    this.#netlink.rename(index, name);
  }

  setUp(index: number): void {
    this.#netlink.setUp(index, true);
  }

  setDown(index: number): void {
    this.#netlink.setUp(index, false);
  }

  /** The kernel begins anew with IPv6 on an interface whose MTU becomes large enough for it, and makes an address. */
  followMtu(index: number, was: number, mtu: number): void {
    if (was >= LEAST_IPV6_MTU || mtu < LEAST_IPV6_MTU) return;
    this.#netlink.disableGeneratedAddresses(index);
    for (const { local, prefix } of this.#netlink.addresses(index)) {
      if (local.startsWith("fe80:")) this.#netlink.removeAddress(index, local, null, prefix);
    }
  }

  /** Routes go when an interface goes down: this is called each time it came up. */
  addRoutes(index: number, config: InterfaceConfig): void {
    for (const route of routesOf(index, config)) this.#netlink.addRoute(route);
  }

  /** Of an interface that stays when it is a line no more; the others take theirs with them. */
  removeRoutes(index: number, config: InterfaceConfig): void {
    for (const route of routesOf(index, config)) this.#netlink.removeRoute(route);
  }

  /**
   * Takes a slave's routes to its peer and its default routes away: with the same peer on master and slave, the kernel would
   * choose the slave and pass the master by.
   */
  takeRoutes(index: number): void {
    const peers = new Set<string>();
    for (const { peer, local } of this.#netlink.addresses(index)) {
      if (peer === null) continue;
      if (peer !== local) peers.add(`${peer}/${peer.includes(":") ? 128 : 32}`);
    }
    const taken = this.#netlink
      .routes(index)
      .filter(({ destination }) => destination === "default" || peers.has(destination));
    for (const route of taken) this.#netlink.removeRoute(route);
    if (taken.length > 0) this.#taken.set(index, [...(this.#taken.get(index) ?? []), ...taken]);
  }

  /** By its index, which outlives a renaming. */
  isUp(index: number): boolean {
    return index > 0 && this.#netlink.interfaceAt(index)?.up === true;
  }

  /** Puts back what was taken, if the interface is up; otherwise it can be called again. */
  restoreRoutes(index: number): void {
    const taken = this.#taken.get(index);
    if (taken === undefined || !this.isUp(index)) return;
    this.#taken.delete(index);
    this.#netlink.addRoutes(taken);
  }

  /** The interface is no more. */
  forget(index: number): void {
    this.#taken.delete(index);
  }
}
