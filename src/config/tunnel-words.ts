import { DSCP_NAMES } from "../wire/dscp.ts";
import { formatIpAddress, parseIpAddress, parsePrefix } from "../wire/ip-address.ts";
import { addressFault, canonicalNetwork } from "./network.ts";

/** What tables about UDP links say in one text: HOST:PORT, and an address of an interface with its prefix length. */

export interface HostPort {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
}

const HOST_NAME = /^(?=.{1,253}$)(?!-)[\w-]{1,63}(\.[\w-]{1,63})*$/;
const HIGHEST_PORT = 65_535;

/** Reads `192.0.2.1:7411`, `[2001:db8::1]:7411` or `vpn.example.org:7411`. @returns null: it is none of them */
export function parseHostPort(text: string): HostPort | null {
  const [, bracketed, plain, digits = ""] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = Number(digits);
  if (port < 1 || port > HIGHEST_PORT) return null;
  const octets = parseIpAddress(host);
  if (octets !== null) {
    return (octets.length === 16) === (bracketed !== undefined)
      ? { host: formatIpAddress(octets), port }
      : null;
  }
  // What has digits and dots only was to be an address.
  return bracketed === undefined && HOST_NAME.test(host) && /[^\d.]/.test(host) ? { host, port } : null;
}

export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

/** @returns what is wrong with a server's HOST:PORT, in words; null: nothing */
export const serverFault = (text: string): string | null =>
  parseHostPort(text) === null ? "it is no HOST:PORT" : null;

/** @returns what is wrong with a domain to look for names in, in words; null: nothing */
export const domainFault = (text: string): string | null => (HOST_NAME.test(text) ? null : "it is no domain");

/** @returns what is wrong with a place to listen at, in words; null: nothing */
export function listenFault(text: string): string | null {
  const place = parseHostPort(text);
  return place === null || parseIpAddress(place.host) === null ? "it is no ADDRESS:PORT" : null;
}

/** @returns why the text cannot be an interface's address, in words; null: it can, with or without a prefix length */
export function interfaceAddressFault(text: string): string | null {
  const [address = ""] = text.split("/", 1);
  const fault = addressFault(address);
  if (fault !== null) return fault;
  const prefix = parsePrefix(text);
  return prefix === null || prefix.length === 0 ? "its prefix length is wrong" : null;
}

/** `10.98.0.1/24`; what has no prefix length is a host of its own. */
export function canonicalInterfaceAddress(text: string): string {
  const prefix = parsePrefix(text);
  return prefix === null ? text : `${formatIpAddress(prefix.octets)}/${prefix.length}`;
}

/** The network of an interface's address with a prefix length. */
export const networkOf = (interfaceAddress: string): string => canonicalNetwork(interfaceAddress);

/** Whether a network has another in it, or is it. */
export function contains(network: string, inner: string): boolean {
  const outer = parsePrefix(network);
  const other = parsePrefix(inner);
  if (outer === null || other === null || outer.octets.length !== other.octets.length) return false;
  if (outer.length > other.length) return false;
  return outer.octets.every((octet, at) => {
    const kept = Math.min(8, Math.max(0, outer.length - 8 * at));
    const mask = (0xff00 >> kept) & 0xff;
    return (octet & mask) === ((other.octets[at] as number) & mask);
  });
}

/** A kind of packets that may be chosen to go by two paths: "sparse", or a code point by its name or number. @returns null: there is none such */
export function chosenKind(text: string): "sparse" | number | null {
  if (text === "sparse") return text;
  if (/^\d{1,2}$/.test(text)) return Number(text) < 64 ? Number(text) : null;
  return DSCP_NAMES.get(text.toLowerCase()) ?? null;
}
