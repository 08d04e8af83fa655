import type { PathConfig } from "../../config/tunnel-config.ts";
import type { Interface, InterfaceAddress } from "../../host/netlink-objects.ts";

/** Where a path can leave: an interface as it is now. */
export interface Uplink {
  readonly index: number;
  /** Those by which something far away is reached. */
  readonly addresses: readonly string[];
  /** Of a path that leads there: the other ends of those. */
  readonly farEnds: readonly string[];
}

/** IFF_POINTOPOINT, IFF_NOARP (netdevice(7)). */
const POINT_TO_POINT = 0x10 | 0x80;
const LINK_LOCAL = /^fe[89ab]/;
const familyOf = (address: string): 4 | 6 => (address.includes(":") ? 6 : 4);

/** The interfaces of this host and their addresses, at one time. */
export class Uplinks {
  readonly #interfaces: readonly Interface[];
  readonly #addresses: readonly InterfaceAddress[];

  constructor(interfaces: readonly Interface[], addresses: readonly InterfaceAddress[]) {
    this.#interfaces = interfaces;
    this.#addresses = addresses;
  }

  isUp(index: number): boolean {
    return this.#interfaces.some((found) => found.index === index && found.up);
  }

  /** Whether an interface has hosts that are told apart by addresses of their own, so that something far away needs a route. */
  isShared(index: number): boolean {
    return this.#interfaces.some((found) => found.index === index && (found.flags & POINT_TO_POINT) === 0);
  }

  /**
   * Where a path to servers of these families leaves now.
   * @returns why it cannot, in words
   */
  find({ device, address, farPort }: PathConfig, families: ReadonlySet<4 | 6>): Uplink | string {
    if (device === null) {
      const isThere = address === null || this.#addresses.some(({ local }) => local === address);
      return isThere ? ANYWHERE : `no interface has the address ${address}`;
    }
    const found = this.#interfaces.find(({ name }) => name === device);
    if (found === undefined) return `there is no interface ${device}`;
    if (!found.up) return `${device} is down`;
    if (!found.running) return `${device} has no carrier`;
    const { index } = found;
    const usable = this.#addresses.filter((each) => each.index === index && !LINK_LOCAL.test(each.local));
    if (farPort !== null) {
      const pairs = usable.filter(({ peer }) => peer !== null);
      const farEnds = pairs.flatMap(({ peer }) => peer ?? []);
      if (pairs.length > 0) return { index, addresses: pairs.map(({ local }) => local), farEnds };
      return `the far end of ${device} has no known address`;
    }
    const addresses = usable
      .map(({ local }) => local)
      .filter((local) => (address === null ? families.has(familyOf(local)) : local === address));
    if (addresses.length > 0) return { index, addresses, farEnds: [] };
    return address === null
      ? `${device} has no ${[...families].map((family) => `IPv${family}`).join(" or ")} address`
      : `${device} has not the address ${address}`;
  }
}

/** By the routes: the kernel follows what changes. */
const ANYWHERE: Uplink = { index: 0, addresses: [], farEnds: [] };

/** Whether a path that left by one has to begin anew: what it may use is gone, or it can use a family that it could not. */
export const hasMoved = (was: Uplink, is: Uplink): boolean =>
  was.index !== is.index ||
  was.farEnds.join() !== is.farEnds.join() ||
  was.addresses.some((address) => !is.addresses.includes(address)) ||
  is.addresses.some((address) => !was.addresses.some((old) => familyOf(old) === familyOf(address)));
