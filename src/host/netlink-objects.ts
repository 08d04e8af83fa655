import { EqlError } from "../errors.ts";
import { formatIpAddress, parseIpAddress } from "../wire/ip-address.ts";
import {
  type Attribute,
  attributeMap,
  encodeBody,
  numberOf,
  readAttributes,
  textOf,
  viewOf,
} from "./netlink-message.ts";

/** What rtnetlink(7) says about interfaces and addresses, and the bodies of messages that change them. Pure. */

export interface Interface {
  readonly index: number;
  readonly name: string;
  /** Hardware type, ARPHRD_*: 1 Ethernet, 512 PPP, 65534 none, as TUN devices have. */
  readonly type: number;
  /** Administratively up. */
  readonly up: boolean;
  /** Up, and with a carrier (of a TUN device: some process has it open). */
  readonly running: boolean;
  /** Octets. */
  readonly mtu: number;
  /** IFF_*. */
  readonly flags: number;
  /** Packets. */
  readonly txQueueLength: number;
}

/** What an interface has counted since it was made. */
export interface InterfaceCounters {
  readonly receivedPackets: number;
  readonly receivedOctets: number;
  /** Packets that were to be sent and were dropped. */
  readonly sendingDropped: number;
}

export interface InterfaceAddress {
  readonly index: number;
  readonly family: 4 | 6;
  readonly local: string;
  /** The other end of a point-to-point interface; null: none was given. */
  readonly peer: string | null;
  /** Bits, of `peer` where there is one. */
  readonly prefix: number;
}

export const AF_INET = 2;
export const AF_INET6 = 10;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFLA_WIRELESS = 11;
const IFLA_STATS64 = 23;
/** Offsets in struct rtnl_link_stats64. */
const RX_PACKETS = 0;
const RX_BYTES = 16;
const TX_DROPPED = 56;
const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const LINK_HEADER = 16;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const ADDRESS_HEADER = 8;

/** An ifinfomsg about one interface; `flags` are set as far as `change` has them. */
export function encodeLink(
  index: number,
  attributes: readonly Attribute[],
  { flags = 0, change = 0 }: { flags?: number; change?: number } = {},
): Uint8Array {
  const header = new Uint8Array(LINK_HEADER);
  const view = viewOf(header);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return encodeBody(header, attributes);
}

/** @returns null: the message does not say */
export function readCounters(body: Uint8Array): InterfaceCounters | null {
  if (body.length < LINK_HEADER) return null;
  const octets = attributeMap(readAttributes(body, LINK_HEADER)).get(IFLA_STATS64);
  if (octets === undefined || octets.length < TX_DROPPED + 8) return null;
  const counter = (offset: number): number => Number(viewOf(octets).getBigUint64(offset, true));
  return {
    receivedPackets: counter(RX_PACKETS),
    receivedOctets: counter(RX_BYTES),
    sendingDropped: counter(TX_DROPPED),
  };
}

/** @returns null: malformed, or not about an interface itself (a bridge's port and a radio's events look alike) */
export function readInterface(body: Uint8Array): Interface | null {
  if (body.length < LINK_HEADER || body[0] !== 0) return null;
  const attributes = attributeMap(readAttributes(body, LINK_HEADER));
  const name = attributes.get(IFLA_IFNAME);
  const mtu = numberOf(attributes.get(IFLA_MTU));
  if (name === undefined || mtu === undefined || attributes.has(IFLA_WIRELESS)) return null;
  const view = viewOf(body);
  const flags = view.getUint32(8, true);
  return {
    index: view.getInt32(4, true),
    name: textOf(name),
    type: view.getUint16(2, true),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    mtu,
    flags,
    txQueueLength: numberOf(attributes.get(IFLA_TXQLEN)) ?? 0,
  };
}

/** @throws EqlError ADDRESS_INVALID when an address cannot be read, the two are of different families, or too many bits */
export function encodeAddress(index: number, local: string, peer: string | null, prefix: number): Uint8Array {
  const own = addressOctets(local);
  const other = peer === null ? own : addressOctets(peer, own.length);
  const bits = own.length * 8;
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits)
    throw invalid(`${local}/${prefix}`, `the prefix length is a whole number from 0 to ${bits}`);
  const header = new Uint8Array(ADDRESS_HEADER);
  header[0] = own.length === 4 ? AF_INET : AF_INET6;
  header[1] = prefix;
  viewOf(header).setUint32(4, index, true);
  return encodeBody(header, [
    { type: IFA_LOCAL, data: own },
    { type: IFA_ADDRESS, data: other },
  ]);
}

/** @returns null: malformed, or of another family */
export function readAddress(body: Uint8Array): InterfaceAddress | null {
  const family = familyOf(body, ADDRESS_HEADER);
  if (family === null) return null;
  const attributes = attributeMap(readAttributes(body, ADDRESS_HEADER));
  const address = textAddress(attributes.get(IFA_ADDRESS), family);
  const local = textAddress(attributes.get(IFA_LOCAL), family) ?? address; // IPv6 without a peer says only ADDRESS
  if (local === null) return null;
  const peer = address === local ? null : address;
  return { index: viewOf(body).getUint32(4, true), family, local, peer, prefix: body[1] as number };
}

/** 4 or 6 by the first octet; null: another family, or shorter than its header. */
export function familyOf(body: Uint8Array, header: number): 4 | 6 | null {
  if (body.length < header) return null;
  if (body[0] === AF_INET) return 4;
  return body[0] === AF_INET6 ? 6 : null;
}

export const textAddress = (data: Uint8Array | undefined, family: 4 | 6): string | null =>
  data?.length === (family === 4 ? 4 : 16) ? formatIpAddress(data) : null;

/** @throws EqlError ADDRESS_INVALID */
export function addressOctets(text: string, size?: number): Uint8Array {
  const octets = parseIpAddress(text);
  if (octets !== null && (size === undefined || octets.length === size)) return octets;
  const wanted = size === undefined ? "IPv4 or IPv6" : size === 4 ? "IPv4" : "IPv6";
  throw invalid(text, `an ${wanted} address is needed here`);
}

export const invalid = (text: string, need: string): EqlError =>
  new EqlError("ADDRESS_INVALID", `"${text}" cannot be used: ${need}`, { details: { address: text } });
