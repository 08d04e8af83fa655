import { parsePrefix } from "../wire/ip-address.ts";
import type { AuthSettings, Secret } from "./settings.ts";

const ANYBODY = "*";

/** The name by which we prove ourselves. */
export const ownName = (settings: AuthSettings): string => settings.user || settings.name;

/**
 * The entry that fits best, as pppd chooses: one that names the client before one that names the server before `*`, and the first of equals.
 * @param server null: any
 */
export function findSecret(secrets: readonly Secret[], client: string, server: string | null): Secret | null {
  let best: Secret | null = null;
  let bestRank = -1;
  for (const entry of secrets) {
    if (entry.client !== client && entry.client !== ANYBODY) continue;
    if (server !== null && entry.server !== server && entry.server !== ANYBODY) continue;
    const rank = (entry.client === ANYBODY ? 0 : 2) + (entry.server === ANYBODY ? 0 : 1);
    if (rank > bestRank) {
      best = entry;
      bestRank = rank;
    }
  }
  return best;
}

/**
 * Whether an entry's addresses allow the peer to use an IPv4 address. The first word that fits decides: an address, a net as
 * `10.0.0.0/8`, each with `!` in front to forbid it, `*` for all, `-` for none of what has not been allowed so far.
 * A word that is none of these (a host's name; a net with `+`) allows nothing: nobody is asked what it means.
 */
export function isAddressAllowed(addresses: readonly string[], address: Uint8Array): boolean {
  for (const word of addresses) {
    if (word === "*") return true;
    if (word === "-") return false;
    const forbids = word.startsWith("!");
    const net = parsePrefix(forbids ? word.slice(1) : word);
    if (net?.octets.length === 4 && isWithin(address, net.octets, net.length)) return !forbids;
  }
  return false;
}

/** The first single address that an entry allows: the peer's, when nothing else says which it is to have. Null: none. */
export function suggestedAddress(addresses: readonly string[]): Uint8Array | null {
  for (const word of addresses) {
    if (word === "*" || word === "-") return null;
    const net = parsePrefix(word);
    if (net?.octets.length === 4 && net.length === 32 && isAddressAllowed(addresses, net.octets))
      return net.octets;
  }
  return null;
}

function isWithin(address: Uint8Array, net: Uint8Array, bits: number): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = 0xff00 >> Math.min(8, bits - bit);
    const at = bit >> 3;
    if ((((address[at] as number) ^ (net[at] as number)) & mask & 0xff) !== 0) return false;
  }
  return true;
}
