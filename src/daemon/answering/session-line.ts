import type { LineConfig, PppConfig } from "../../config/config.ts";
import type { AuthProtocol } from "../../ppp/settings.ts";
import { parseIpAddress } from "../../wire/ip-address.ts";
import type { Place } from "./callers.ts";

/** What a caller is asked to prove itself with: PAP first, as passwords may be kept as hashes, and CHAP for who refuses that. */
const PROOFS: readonly AuthProtocol[] = ["pap", "chap-md5", "mschapv2"];
/** We have nothing to prove to a caller. */
const NO_PROOFS: readonly AuthProtocol[] = ["pap", "chap-md5", "mschapv2"];

/**
 * The line of one call.
 * @param template the station's: a PPP line with our address
 * @param place of who has logged in; null: PPP has to prove who calls
 */
export function sessionLine(template: LineConfig, protocol: "slip" | "ppp", place: Place | null): LineConfig {
  const mtu = place?.grant.mtu ?? template.mtu;
  const peer = place?.caller.address ?? null;
  const line: LineConfig = {
    ...template,
    kind: protocol,
    mtu,
    peer,
    routes: [],
    defaultRoute: false,
    master: null,
    dial: null,
  };
  if (protocol === "slip") return { ...line, ppp: null };
  return { ...line, ppp: template.ppp && sessionPpp(template.ppp, template.address, mtu, place) };
}

function sessionPpp(ppp: PppConfig, local: string | null, mtu: number, place: Place | null): PppConfig {
  const { lcp, auth, network } = ppp;
  const require = auth.require.length > 0 ? auth.require : PROOFS;
  return {
    ...ppp,
    lcp: { ...lcp, mru: Math.min(lcp.mru, mtu) },
    auth: {
      ...auth,
      require: place === null ? require : [],
      deferred: place === null,
      refuse: NO_PROOFS,
      // No file of secrets is of any use.
      password: "",
    },
    network: {
      ...network,
      ipv4: network.ipv4 && {
        ...network.ipv4,
        local: parseIpAddress(local ?? ""),
        // That of who proves itself is known when it has.
        remote: parseIpAddress(place?.caller.address ?? ""),
        acceptLocal: false,
        acceptRemote: false,
      },
    },
  };
}
