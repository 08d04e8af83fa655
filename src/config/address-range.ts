import * as z from "zod";
import { parseIpAddress, parsePrefix } from "../wire/ip-address.ts";
import { allowing, faultless } from "./keys.ts";
import { addressFault } from "./network.ts";

/** IPv4 addresses that callers are given, as numbers, both ends included. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

/** More callers than this have no lines. */
const MOST_ADDRESSES = 65_536;
/** In a network of fewer, all addresses are hosts'. */
const LEAST_NETWORK = 4;

/** Reads `FIRST-LAST`, an address, or a network, of which the first and the last address are left out. @returns null: it is none of them, or too many */
export function parseAddressRange(text: string): AddressRange | null {
  const ends = text.split("-");
  if (ends.length > 2) return null;
  if (ends.length === 1 && text.includes("/")) return hostsOf(text);
  const [first, last = first] = ends.map((end) => {
    const octets = addressFault(end) === null ? parseIpAddress(end) : null;
    return octets?.length === 4 ? numberOf(octets) : null;
  });
  return first == null || last == null ? null : checked({ first, last });
}

export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");

export const addressRanges = (): z.ZodArray<z.ZodString> =>
  allowing(
    z.array(faultless((text) => (parseAddressRange(text) === null ? "it is no range" : null), {})).min(1),
    'IPv4 addresses in a list, such as ["10.0.0.10-10.0.0.50", "10.0.1.0/26"]',
  );

function hostsOf(text: string): AddressRange | null {
  const network = parsePrefix(text);
  if (network === null || network.octets.length !== 4) return null;
  const count = 2 ** (32 - network.length);
  const first = numberOf(network.octets);
  if (first % count !== 0) return null;
  const edge = count < LEAST_NETWORK ? 0 : 1;
  return checked({ first: first + edge, last: first + count - 1 - edge });
}

const checked = (range: AddressRange): AddressRange | null =>
  range.last >= range.first && range.last - range.first < MOST_ADDRESSES ? range : null;

const numberOf = (octets: Uint8Array): number => octets.reduce((number, octet) => number * 256 + octet, 0);
