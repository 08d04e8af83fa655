import { formatIpAddress, parseIpAddress, parsePrefix } from "../wire/ip-address.ts";

/** Addresses and networks as the configuration takes them: what is wrong with a text, and its canonical form. */

/** @returns why the text cannot be the address of an interface, in words; null: it can */
export function addressFault(text: string): string | null {
  const octets = parseIpAddress(text);
  if (octets === null) {
    return text.includes("/") ? "an address stands without a prefix length" : "it is no IP address";
  }
  if (octets.every((octet) => octet === 0)) return "it stands for no address at all";
  const first = octets[0] as number;
  const multicast = octets.length === 4 ? first >= 224 && first < 240 : first === 0xff;
  if (multicast) return "it is a multicast address";
  return text === "255.255.255.255" ? "it is the broadcast address" : null;
}

/** @returns why the text cannot be a route's destination, in words; null: it can */
export function networkFault(text: string): string | null {
  const network = parsePrefix(text);
  if (network === null) return "it is no network";
  if (network.length === 0) return "for the default route, write default-route = true";
  const canonical = canonicalNetwork(text);
  return parsePrefix(canonical)?.octets.join() === network.octets.join()
    ? null
    : `it has bits set behind the prefix: the network is ${canonical}`;
}

/** The one text of an address that {@link addressFault} accepts (RFC 5952), so that equal addresses are equal texts. */
export function canonicalAddress(text: string): string {
  const octets = parseIpAddress(text);
  return octets === null ? text : formatIpAddress(octets);
}

/** The network in CIDR notation, with the bits behind the prefix cleared. */
export function canonicalNetwork(text: string): string {
  const network = parsePrefix(text);
  if (network === null) return text;
  const octets = network.octets.map((octet, at) => {
    const kept = Math.min(8, Math.max(0, network.length - 8 * at));
    return octet & (0xff00 >> kept);
  });
  return `${formatIpAddress(octets)}/${network.length}`;
}

/** Of an address or of a network. */
export const familyOf = (text: string): "IPv4" | "IPv6" => (text.includes(":") ? "IPv6" : "IPv4");
