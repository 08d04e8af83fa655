import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { EqlError } from "../errors.ts";

/**
 * The settings of a line with addresses in place of names of hosts. Without an address of ours, that of this host's name is
 * suggested to the peer, which may give another one (pppd(8), noipdefault).
 * @param hostName null: nothing is suggested
 * @throws EqlError CONFIG_INVALID: a host is unknown
 */
export async function resolveAddresses(
  line: Readonly<Record<string, unknown>>,
  hostName: string | null,
): Promise<Record<string, unknown>> {
  const settings = { ...line };
  for (const key of ["address", "peer"]) {
    const name = settings[key];
    if (typeof name !== "string" || isIPv4(name)) continue;
    const found = await addressOf(name);
    if (found === null)
      throw new EqlError("CONFIG_INVALID", `unknown host "${name}": write its IPv4 address`);
    settings[key] = found;
  }
  if (settings["address"] === undefined && settings["ipv4"] !== false && hostName !== null) {
    const own = await addressOf(hostName);
    if (own !== null && !own.startsWith("127."))
      Object.assign(settings, { address: own, "accept-local": true });
  }
  return settings;
}

async function addressOf(name: string): Promise<string | null> {
  try {
    return (await lookup(name, { family: 4 })).address;
  } catch {
    return null;
  }
}
