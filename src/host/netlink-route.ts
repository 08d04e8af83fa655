import { type IpPrefix, parsePrefix } from "../wire/ip-address.ts";
import {
  type Attribute,
  attributeMap,
  attributeType,
  encodeBody,
  numberAttribute,
  numberOf,
  readAttributes,
  viewOf,
} from "./netlink-message.ts";
import { AF_INET, AF_INET6, addressOctets, familyOf, invalid, textAddress } from "./netlink-objects.ts";

/** What rtnetlink(7) says about routes, and the bodies of messages that change them. Pure. */

export interface Route {
  readonly family: 4 | 6;
  /** `default`, or address and bits: `10.1.0.0/16`. */
  readonly destination: string;
  /** Of the outgoing interface; 0: none, or several. */
  readonly index: number;
  readonly gateway: string | null;
  /** The address preferred for packets that this host sends. */
  readonly source: string | null;
  readonly metric: number;
  /** RTPROT_*: 2 kernel, 3 boot, 4 static. */
  readonly protocol: number;
  /** RT_SCOPE_*: 0 everywhere, 253 on the link. */
  readonly scope: number;
  readonly table: number;
  /** Whatever else the kernel said about it, to give back unread: a rtmsg and further attributes. */
  readonly rest: Uint8Array;
}

/**
 * A route to add or remove: one that was read, or as much of one as matters. Left out when adding: family as the
 * addresses have it (else IPv4), no gateway, no source, the family's metric, protocol static, scope by the gateway,
 * the main table. Left out when removing: any will do, but for family and table.
 */
export type RouteRequest = Pick<Route, "destination"> & {
  readonly [Key in keyof Route]?: Route[Key] | undefined;
};

export const MAIN_TABLE = 254;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
const RTA_CACHEINFO = 12;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;
const ROUTE_HEADER = 12;
const RTM_F_CLONED = 0x200;
const RTNH_F_ONLINK = 4;
const RTN_UNICAST = 1;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
/** Said by fields of their own, or by the kernel only (how long a cached route lives). */
const NAMED_ROUTE_ATTRIBUTES: readonly number[] = [
  RTA_DST,
  RTA_OIF,
  RTA_GATEWAY,
  RTA_PRIORITY,
  RTA_PREFSRC,
  RTA_CACHEINFO,
  RTA_TABLE,
];

/** @throws EqlError ADDRESS_INVALID when an address in it cannot be read, or they are of different families */
export function encodeRoute(route: RouteRequest, removing: boolean): Uint8Array {
  const to = destinationOf(route);
  const size = to.octets.length;
  const rest = route.rest ?? new Uint8Array(0);
  const header = new Uint8Array(ROUTE_HEADER);
  if (rest.length >= ROUTE_HEADER) header.set(rest.subarray(0, ROUTE_HEADER));
  else header[7] = removing ? 0 : RTN_UNICAST;
  const byGateway = (route.gateway ?? null) !== null || size === 16 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  const table = route.table ?? MAIN_TABLE;
  header[0] = size === 4 ? AF_INET : AF_INET6;
  header[1] = to.length;
  header[4] = table < 256 ? table : 0;
  header[5] = route.protocol ?? (removing ? 0 : RTPROT_STATIC);
  header[6] = route.scope ?? (removing ? RT_SCOPE_NOWHERE : byGateway);
  const view = viewOf(header);
  view.setUint32(8, view.getUint32(8, true) & RTNH_F_ONLINK, true); // the others are the kernel's to say
  const further = readAttributes(rest, ROUTE_HEADER);
  const attributes: Attribute[] = [numberAttribute(RTA_TABLE, table)];
  if (to.length > 0) attributes.push({ type: RTA_DST, data: to.octets });
  if (route.metric) attributes.push(numberAttribute(RTA_PRIORITY, route.metric));
  if (route.source) attributes.push({ type: RTA_PREFSRC, data: addressOctets(route.source, size) });
  // A route by a nexthop object is said with what the object says, but is not taken that way.
  if (further.some((attribute) => attributeType(attribute) === RTA_NH_ID)) {
    const byObject = [RTA_MULTIPATH, RTA_VIA];
    attributes.push(...further.filter((attribute) => !byObject.includes(attributeType(attribute))));
  } else {
    if (route.index) attributes.push(numberAttribute(RTA_OIF, route.index));
    if (route.gateway) attributes.push({ type: RTA_GATEWAY, data: addressOctets(route.gateway, size) });
    attributes.push(...further);
  }
  return encodeBody(header, attributes);
}

/** @returns null: malformed, of another family, or a cached copy of another route */
export function readRoute(body: Uint8Array): Route | null {
  const family = familyOf(body, ROUTE_HEADER);
  if (family === null) return null;
  const view = viewOf(body);
  if ((view.getUint32(8, true) & RTM_F_CLONED) !== 0) return null;
  const all = readAttributes(body, ROUTE_HEADER);
  const attributes = attributeMap(all);
  const bits = body[1] as number;
  const to = textAddress(attributes.get(RTA_DST), family);
  if (to === null && bits > 0) return null;
  const further = all.filter((attribute) => !NAMED_ROUTE_ATTRIBUTES.includes(attributeType(attribute)));
  return {
    family,
    destination: bits === 0 ? "default" : `${to}/${bits}`,
    index: numberOf(attributes.get(RTA_OIF)) ?? 0,
    gateway: textAddress(attributes.get(RTA_GATEWAY), family),
    source: textAddress(attributes.get(RTA_PREFSRC), family),
    metric: numberOf(attributes.get(RTA_PRIORITY)) ?? 0,
    protocol: body[5] as number,
    scope: body[6] as number,
    table: numberOf(attributes.get(RTA_TABLE)) ?? (body[4] as number),
    rest: encodeBody(body.subarray(0, ROUTE_HEADER), further),
  };
}

/** Whether packets leave on the link itself, with no gateway to which there must be a way already. */
export const isDirect = ({ gateway, rest }: RouteRequest): boolean =>
  !gateway &&
  !readAttributes(rest ?? new Uint8Array(0), ROUTE_HEADER).some((attribute) =>
    [RTA_MULTIPATH, RTA_VIA, RTA_NH_ID].includes(attributeType(attribute)),
  );

function destinationOf({ destination, family, gateway, source }: RouteRequest): IpPrefix {
  if (destination !== "default") {
    const prefix = parsePrefix(destination);
    if (prefix !== null && (family === undefined || prefix.octets.length === (family === 4 ? 4 : 16)))
      return prefix;
    throw invalid(
      destination,
      `a destination is "default" or an IPv${family ?? "4 or IPv6"} prefix like 10.0.0.0/8`,
    );
  }
  const hint = gateway ?? source ?? null;
  const size =
    family === undefined ? (hint === null ? 4 : addressOctets(hint).length) : family === 4 ? 4 : 16;
  return { octets: new Uint8Array(size), length: 0 };
}
