import { ENDPOINT_CLASSES } from "../ppp/endpoint.ts";
import type { Endpoint } from "../ppp/settings.ts";
import { parseIpAddress } from "../wire/ip-address.ts";

/** Endpoint discriminators and interface identifiers, as they are written in configurations. */

/** RFC 1990, section 5.1.3: how long the address of each class may be. */
const LENGTHS: readonly (readonly [least: number, most: number])[] = [
  [0, 0],
  [0, 20],
  [4, 4],
  [6, 6],
  [4, 20],
  [0, 15],
];

/** `CLASS:address`, as pppd's `endpoint` takes it. @returns null: it is none */
export function parseEndpoint(written: string): Endpoint | null {
  const [word = "", ...rest] = written.split(":");
  const kind = ENDPOINT_CLASSES.findIndex((known) => known.toLowerCase() === word.toLowerCase());
  const address = kind < 0 ? null : endpointAddress(kind, rest.join(":"));
  const [least, most] = LENGTHS[kind] ?? [0, 0];
  if (address === null || address.length < least || address.length > most) return null;
  return { class: kind, address };
}

function endpointAddress(kind: number, written: string): Uint8Array | null {
  if (kind === ENDPOINT_CLASSES.indexOf("IP")) return parseIpAddress(written);
  if (kind === ENDPOINT_CLASSES.indexOf("phone")) {
    return /^[\d ]*$/.test(written) ? Uint8Array.from(written, (digit) => digit.charCodeAt(0)) : null;
  }
  const digits = written.replace(/[.:-]/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g) ?? [], (octet) => Number.parseInt(octet, 16));
}

export const endpointFault = (written: string): string | null =>
  parseEndpoint(written) === null ? "it is no endpoint discriminator" : null;

/** The lower half of an IPv6 address of which the upper half is zero. @returns null: it is none */
export function parseInterfaceIdentifier(written: string): Uint8Array | null {
  const octets = parseIpAddress(written);
  if (octets?.length !== 16 || octets.subarray(0, 8).some((octet) => octet !== 0)) return null;
  return octets.subarray(8).every((octet) => octet === 0) ? null : octets.slice(8);
}

export const interfaceIdentifierFault = (written: string): string | null =>
  parseInterfaceIdentifier(written) === null ? "it is no interface identifier" : null;
