import { EqlError } from "../errors.ts";
import { formatIpAddress, parseIpAddress } from "../wire/ip-address.ts";
import type { NativeBuffer } from "./libc.ts";

/** struct sockaddr_in and sockaddr_in6: the family in the machine's order, the port and the address in network order. */

export const AF_INET = 2;
export const AF_INET6 = 10;
/** Room for either. */
export const SOCKET_ADDRESS_ROOM = 28;
const PORT = 2;

export const socketAddressLength = (family: 4 | 6): number => (family === 6 ? SOCKET_ADDRESS_ROOM : 16);

/** Where in a socket address the IP address is. */
const addressAt = (family: 4 | 6): number => (family === 6 ? 8 : 4);

/**
 * Writes a socket address.
 * @param address null: any of the machine's
 * @returns its length
 * @throws EqlError ADDRESS_INVALID
 */
export function writeSocketAddress(
  into: NativeBuffer,
  at: number,
  family: 4 | 6,
  address: string | null,
  port: number,
): number {
  const length = socketAddressLength(family);
  into.octets.fill(0, at, at + length);
  into.view.setUint16(at, family === 6 ? AF_INET6 : AF_INET, true);
  into.view.setUint16(at + PORT, port);
  if (address === null) return length;
  into.octets.set(requireAddress(family, address), at + addressAt(family));
  return length;
}

/** @throws EqlError ADDRESS_INVALID */
export function requireAddress(family: 4 | 6, address: string): Uint8Array {
  const octets = parseIpAddress(address);
  if (octets?.length === (family === 6 ? 16 : 4)) return octets;
  throw new EqlError("ADDRESS_INVALID", `${address} is no IPv${family} address`, { details: { address } });
}

/** Reads `192.0.2.1:5` or `[2001:db8::1]:5`. @throws EqlError ADDRESS_INVALID */
export function parseEndpoint(text: string): { address: string; port: number } {
  const [, bracketed, dotted, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? dotted ?? "";
  const port = Number(digits);
  const octets = parseIpAddress(address);
  if (octets !== null && (octets.length === 16) === (bracketed !== undefined) && port <= 65_535) {
    return { address, port };
  }
  throw new EqlError(
    "ADDRESS_INVALID",
    `${text} is no address with a port, such as 192.0.2.1:51900 or [2001:db8::1]:51900`,
    { details: { address: text } },
  );
}

export const formatEndpoint = (address: Uint8Array, port: number): string =>
  address.length === 16 ? `[${formatIpAddress(address)}]:${port}` : `${formatIpAddress(address)}:${port}`;

/** The text that {@link parseEndpoint} reads, of a socket address; with another port, if that is given. */
export function formatSocketAddress(from: NativeBuffer, at: number, port: number = portOf(from, at)): string {
  const family = familyOf(from, at);
  const start = at + addressAt(family);
  return formatEndpoint(from.octets.subarray(start, start + (family === 6 ? 16 : 4)), port);
}

const familyOf = (from: NativeBuffer, at: number): 4 | 6 =>
  from.view.getUint16(at, true) === AF_INET6 ? 6 : 4;
export const portOf = (from: NativeBuffer, at: number): number => from.view.getUint16(at + PORT);
