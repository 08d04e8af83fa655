import { EqlError } from "../errors.ts";
import { EADDRNOTAVAIL, EAFNOSUPPORT, EEXIST, EINVAL, ENODEV, ENXIO, EOPNOTSUPP, ESRCH } from "./libc.ts";
import { nestedAttribute, numberAttribute, octetAttribute, textAttribute } from "./netlink-message.ts";
import {
  AF_INET6,
  encodeAddress,
  encodeLink,
  IFLA_IFNAME,
  IFLA_MTU,
  type Interface,
  type InterfaceAddress,
  type InterfaceCounters,
  readAddress,
  readCounters,
  readInterface,
} from "./netlink-objects.ts";
import {
  encodeRoute,
  isDirect,
  MAIN_TABLE,
  type Route,
  type RouteRequest,
  readRoute,
} from "./netlink-route.ts";
import { NetlinkSocket } from "./netlink-socket.ts";

/*
 * rtnetlink(7), as much of it as a daemon needs that makes interfaces. From the kernel's answer up:
 *   1. netlink-message  octets <-> messages and attributes (pure)
 *   2. netlink-objects, netlink-route  message bodies <-> interfaces, addresses, routes (pure)
 *   3. netlink-socket   a request and its answer
 *   4. netlink          what can be asked; netlink-monitor: what is told unasked
 */

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const IFF_UP = 1;
const IFLA_AF_SPEC = 26;
const IFLA_GSO_MAX_SEGS = 40;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const IFLA_EXT_MASK = 29;
const SKIP_STATISTICS = 8;
const WITHOUT_STATISTICS = numberAttribute(IFLA_EXT_MASK, SKIP_STATISTICS);
/** IFNAMSIZ less the NUL. */
const NAME_OCTETS = 15;

/**
 * Reads and changes interfaces, addresses and routes of the network namespace in which it was made.
 * Synchronous: the kernel answers at once. An interface is named by its index, which outlives a renaming.
 * @throws EqlError NETLINK_FAILED with what was tried, from every method, when the kernel refuses; ADDRESS_INVALID for
 *   text that is no address
 */
export class Netlink {
  readonly #socket: NetlinkSocket = new NetlinkSocket();

  /** @throws EqlError NETLINK_FAILED, also where interfaces come and go all the while: each list is then out of date before it is read */
  interfaces(): Interface[] {
    const body = encodeLink(0, [WITHOUT_STATISTICS]);
    return this.#socket.dump({ type: RTM_GETLINK, body, doing: "Listing network interfaces" }, (message) =>
      message.type === RTM_NEWLINK ? readInterface(message.body) : null,
    );
  }

  /** @returns null: there is none of this name */
  interface(name: string): Interface | null {
    const octets = new TextEncoder().encode(name).length;
    if (octets === 0 || octets > NAME_OCTETS || name.includes("\0")) return null;
    const which = textAttribute(IFLA_IFNAME, name);
    return this.#findLink(encodeLink(0, [which, WITHOUT_STATISTICS]), `Looking for interface ${name}`);
  }

  /** @returns null: there is none of this index */
  interfaceAt(index: number): Interface | null {
    return this.#findLink(encodeLink(index, [WITHOUT_STATISTICS]), `Looking for interface ${index}`);
  }

  #findLink(body: Uint8Array, doing: string): Interface | null {
    let found: Interface | null = null;
    this.#socket.request({ type: RTM_GETLINK, body, doing }, [-ENODEV], (message) => {
      if (message.type === RTM_NEWLINK) found = readInterface(message.body);
    });
    return found;
  }

  /** @returns null: there is no such interface */
  counters(index: number): InterfaceCounters | null {
    let found: InterfaceCounters | null = null;
    const doing = `Reading the counters of interface ${index}`;
    this.#socket.request({ type: RTM_GETLINK, body: encodeLink(index, []), doing }, [-ENODEV], (message) => {
      if (message.type === RTM_NEWLINK) found = readCounters(message.body);
    });
    return found;
  }

  /**
   * Going down takes the interface's routes and IPv6 addresses away; up again, only the routes that IPv4 addresses
   * make come back by themselves.
   */
  setUp(index: number, up: boolean): void {
    const body = encodeLink(index, [], { flags: up ? IFF_UP : 0, change: IFF_UP });
    this.#changeLink(body, `Taking interface ${index} ${up ? "up" : "down"}`);
  }

  /** The interface must be down; kernels from 6.2 on rename one that is up, too. */
  rename(index: number, name: string): void {
    const body = encodeLink(index, [textAttribute(IFLA_IFNAME, name)]);
    this.#changeLink(body, `Calling interface ${index} ${name}`);
  }

  /** @param mtu octets */
  setMtu(index: number, mtu: number): void {
    const body = encodeLink(index, [numberAttribute(IFLA_MTU, mtu)]);
    this.#changeLink(body, `Setting the MTU of interface ${index} to ${mtu}`);
  }

  /** Of a run that the kernel hands over; kernels before 4.16 do not let it be set. */
  setSegmentLimit(index: number, segments: number): void {
    const body = encodeLink(index, [numberAttribute(IFLA_GSO_MAX_SEGS, segments)]);
    this.#changeLink(body, `Limiting the runs of interface ${index}`, [-EINVAL, -EOPNOTSUPP]);
  }

  /**
   * No IPv6 address of the kernel's own making, and so no router solicitations. The kernel forgets this with all else
   * of IPv6 when the MTU goes below 1280: say it again when it is back above. Without IPv6 there is nothing to do.
   */
  disableGeneratedAddresses(index: number): void {
    const mode = octetAttribute(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE);
    const body = encodeLink(index, [nestedAttribute(IFLA_AF_SPEC, [nestedAttribute(AF_INET6, [mode])])]);
    this.#changeLink(body, `Turning off generated IPv6 addresses of interface ${index}`, [-EAFNOSUPPORT]);
  }

  /** @param index of one interface; without it, of all */
  addresses(index?: number): InterfaceAddress[] {
    const body = new Uint8Array(8);
    return this.#socket.dump({ type: RTM_GETADDR, body, doing: "Listing addresses" }, (message) => {
      const address = message.type === RTM_NEWADDR ? readAddress(message.body) : null;
      return index === undefined || address?.index === index ? address : null;
    });
  }

  /**
   * Gives an interface an address; one that it has already, with the same peer and prefix, is no error.
   * @param peer the other end of a point-to-point interface
   * @param prefix bits, of the peer where there is one
   */
  addAddress(index: number, local: string, peer: string | null, prefix: number): void {
    const body = encodeAddress(index, local, peer, prefix);
    const doing = `Giving ${describeAddress(local, peer, prefix)} to interface ${index}`;
    const flags = NLM_F_CREATE | NLM_F_EXCL;
    const result = this.#socket.request({ type: RTM_NEWADDR, flags, body, doing }, [-EEXIST]);
    if (result === 0) return;
    // The kernel says EEXIST also for the same address with another peer (IPv6) or in the same network (IPv4).
    const wanted = readAddress(body);
    const same = this.addresses(index).some(
      (has) => has.local === wanted?.local && has.peer === wanted.peer && has.prefix === wanted.prefix,
    );
    if (same) return;
    throw new EqlError(
      "NETLINK_FAILED",
      `${doing}: it has this address with another peer or prefix; remove that one first`,
      { details: { index, address: local, errno: EEXIST } },
    );
  }

  /** Takes an address away; one that is not there is no error. */
  removeAddress(index: number, local: string, peer: string | null, prefix: number): void {
    const body = encodeAddress(index, local, peer, prefix);
    const doing = `Taking ${describeAddress(local, peer, prefix)} from interface ${index}`;
    this.#socket.request({ type: RTM_DELADDR, body, doing }, [-EADDRNOTAVAIL, -ENODEV, -ENXIO]);
  }

  /**
   * The main table's routes, both families.
   * @param index only those that leave by this interface
   */
  routes(index?: number): Route[] {
    const body = new Uint8Array(12);
    return this.#socket.dump({ type: RTM_GETROUTE, body, doing: "Listing routes" }, (message) => {
      const route = message.type === RTM_NEWROUTE ? readRoute(message.body) : null;
      if (route?.table !== MAIN_TABLE) return null;
      return index === undefined || route.index === index ? route : null;
    });
  }

  /**
   * Adds a route, or puts back one that was read; the very same one being there already is no error.
   * @param alone refuse when there is a route with this destination and metric (by another interface, say); without
   *   it, the new one is put behind that one, which stays in use
   */
  addRoute(route: RouteRequest, { alone = false }: { alone?: boolean } = {}): void {
    this.#socket.request(
      {
        type: RTM_NEWROUTE,
        flags: NLM_F_CREATE | (alone ? NLM_F_EXCL : NLM_F_APPEND),
        body: encodeRoute(route, false),
        doing: `Adding the route ${describeRoute(route)}`,
      },
      alone ? [] : [-EEXIST],
    );
  }

  /**
   * Adds each route, first those that are the way to the gateways of others: puts back what {@link routes} gave.
   * One that is refused does not keep the others out.
   * @throws EqlError of the first that was refused, when all were tried
   */
  addRoutes(routes: readonly RouteRequest[]): void {
    const refused: unknown[] = [];
    const gated = routes.filter((route) => !isDirect(route));
    for (const route of [...routes.filter(isDirect), ...gated]) {
      try {
        this.addRoute(route);
      } catch (error) {
        refused.push(error);
      }
    }
    if (refused.length > 0) throw refused[0];
  }

  /** Removes a route; one that is not there is no error. */
  removeRoute(route: RouteRequest): void {
    const body = encodeRoute(route, true);
    const doing = `Removing the route ${describeRoute(route)}`;
    this.#socket.request({ type: RTM_DELROUTE, body, doing }, [-ESRCH, -ENODEV]);
  }

  /** May be called twice. */
  close(): void {
    this.#socket.close();
  }

  #changeLink(body: Uint8Array, doing: string, tolerated: readonly number[] = []): void {
    this.#socket.request({ type: RTM_NEWLINK, body, doing }, tolerated);
  }
}

const describeAddress = (local: string, peer: string | null, prefix: number): string =>
  peer === null ? `address ${local}/${prefix}` : `address ${local} with peer ${peer}/${prefix}`;

function describeRoute({ destination, gateway, index }: RouteRequest): string {
  const by = gateway ? ` by ${gateway}` : "";
  return `to ${destination}${by}${index ? ` on interface ${index}` : ""}`;
}
