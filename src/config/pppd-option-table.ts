import { isIPv4 } from "node:net";
import { AUTHENTICATION_OPTIONS, LCP_OPTIONS } from "./pppd-link-options.ts";
import { DEVICE_OPTIONS, PROCESS_OPTIONS } from "./pppd-process-options.ts";
import {
  checked,
  ignored,
  lineFlag,
  lineText,
  type PppdRule,
  processFlag,
  refused,
  settled,
} from "./pppd-rules.ts";
import { parseIdentifiers } from "./pppd-values.ts";

/** Every option of pppd 2.4.9 and those of 1995, by name. */

const UNCOMPRESSED = "packets are not compressed, as those of several lines do not arrive in order";
const NO_EAP = "EAP is not spoken here";
const NO_IPX = "IPX is not carried";
const ONE_FOR_ALL = "the lcp- options of the same name count for all protocols";
const NO_PPPOE = "lines are serial: for PPP over Ethernet, use the system's pppd and enslave its interface";

const dns: PppdRule = checked(isIPv4, "an IPv4 address", (draft, value) => draft.dns.push(value));
/** What has the same value in both directions, 0 for none: `bsdcomp 12,12`. */
const compression = (): PppdRule => ({
  kind: "set",
  takes: 1,
  set: ({ warnings }, value) => {
    if (!/^\d+(,\d+)?$/.test(value)) return "two numbers, such as 15,15, or 0";
    if (!/^0(,0)?$/.test(value)) warnings.push(UNCOMPRESSED);
    return undefined;
  },
});

const network: Readonly<Record<string, PppdRule>> = {
  noipdefault: processFlag({ addressByHostName: false }),
  "ipcp-accept-local": lineFlag("accept-local", true),
  "ipcp-accept-remote": lineFlag("accept-remote", true),
  usepeerdns: lineFlag("ask-dns", true),
  "ms-dns": dns,
  "dns-addr": dns,
  "ms-wins": ignored(1, "name servers for NetBIOS are not told to peers"),
  noip: lineFlag("ipv4", false),
  "-ip": lineFlag("ipv4", false),
  "+ipv6": lineFlag("ipv6", true),
  noipv6: lineFlag("ipv6", false),
  "-ipv6": lineFlag("ipv6", false),
  ipv6: checked(
    (value) => parseIdentifiers(value) !== undefined,
    "LOCAL,REMOTE as the ends of IPv6 addresses, such as ::1,::2",
    ({ line }, value) => {
      const [local, remote] = parseIdentifiers(value) as readonly [string, string];
      line["ipv6"] = true;
      if (local !== "") line["interface-identifier"] = local;
      if (remote !== "") line["peer-interface-identifier"] = remote;
    },
  ),
  "ipv6cp-use-ipaddr": ignored(0, "give the interface identifier by ipv6 LOCAL,REMOTE"),
  "ipv6cp-use-persistent": ignored(0, "give the interface identifier by ipv6 LOCAL,REMOTE"),
  "ipv6cp-accept-local": settled,
  "ipv6cp-accept-remote": settled,
  defaultroute: lineFlag("default-route", true),
  nodefaultroute: lineFlag("default-route", false),
  "-defaultroute": lineFlag("default-route", false),
  "defaultroute-metric": ignored(1, "the default route has the kernel's own metric"),
  replacedefaultroute: ignored(0, "a default route that is there stays"),
  noreplacedefaultroute: settled,
  defaultroute6: ignored(0, "a default route for IPv6 is for ipv6-up to make"),
  nodefaultroute6: settled,
  "-defaultroute6": settled,
  proxyarp: ignored(0, "entries of ARP are for ip-up to make"),
  noproxyarp: settled,
  "-proxyarp": settled,
  netmask: ignored(1, "an interface between two hosts has no netmask"),
  noremoteip: ignored(0, "a peer that tells no address has none"),
  nosendip: ignored(0, "addresses are always negotiated"),
  "ipcp-no-address": ignored(0, "addresses are always negotiated"),
  "ipcp-no-addresses": settled,
  ipparam: lineText("ipparam"),
  "ip-up-script": refused(1, "scripts are those in /etc/ppp"),
  "ip-down-script": refused(1, "scripts are those in /etc/ppp"),
  vj: ignored(0, UNCOMPRESSED),
  novj: settled,
  "-vj": settled,
  novjccomp: settled,
  "-vjccomp": settled,
  "vj-max-slots": ignored(1, ""),
  bsdcomp: compression(),
  deflate: compression(),
  predictor1: ignored(0, UNCOMPRESSED),
  ipx: ignored(0, NO_IPX),
  "+ipx": ignored(0, NO_IPX),
};

/** Families that have one answer. */
const families: readonly (readonly [rule: PppdRule, names: string])[] = [
  [
    settled,
    "noccp -ccp nobsdcomp -bsdcomp nodeflate -deflate nodeflatedraft nopredictor1 -predictor1 noecp -ecp",
  ],
  [settled, "nomppe nomppe-40 nomppe-128 nomppe-stateful -mppe -mppe-40 -mppe-128 noipx -ipx"],
  [
    ignored(1, ONE_FOR_ALL),
    "ipcp-restart ipcp-max-configure ipcp-max-terminate ipcp-max-failure ipv6cp-restart ipv6cp-max-configure ipv6cp-max-terminate ipv6cp-max-failure",
  ],
  [
    ignored(1, NO_IPX),
    "ipx-network ipx-node ipx-router-name ipx-routing ipxcp-restart ipxcp-max-configure ipxcp-max-terminate ipxcp-max-failure",
  ],
  [ignored(0, NO_IPX), "ipxcp-accept-local ipxcp-accept-network ipxcp-accept-remote"],
  [
    ignored(1, NO_EAP),
    "ca capath cert crl crl-dir key max-tls-version eap-interval eap-max-rreq eap-max-sreq eap-restart eap-timeout srp-interval srp-pn-secret",
  ],
  [ignored(0, NO_EAP), "srp-use-pseudonym"],
  [
    refused(1, NO_PPPOE),
    "pppoe-service rp_pppoe_service pppoe-ac rp_pppoe_ac pppoe-sess rp_pppoe_sess pppoe-verbose pppoe-mac pppoe-host-uniq host-uniq pppoe-padi-timeout pppoe-padi-attempts",
  ],
];

export const PPPD_RULES: ReadonlyMap<string, PppdRule> = new Map([
  ...Object.entries({
    ...DEVICE_OPTIONS,
    ...PROCESS_OPTIONS,
    ...LCP_OPTIONS,
    ...AUTHENTICATION_OPTIONS,
    ...network,
  }),
  ...families.flatMap(([rule, names]) => names.split(" ").map((name) => [name, rule] as const)),
]);
