import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import {
  auth,
  checked,
  command,
  flag,
  ignored,
  integer,
  lineFlag,
  lineInteger,
  lineText,
  milliseconds,
  type PppdRule,
  processFlag,
  refused,
  refuses,
  requires,
  settled,
  text,
} from "./pppd-rules.ts";
import { parseEndpoint, parseIdentifiers, parseMap } from "./pppd-values.ts";

/** Every option of pppd 2.4.9 and those of 1995, by name. */

const MOST = 65_535;
const LONGEST_S = 3600;
const UNCOMPRESSED = "packets are not compressed, as those of several lines do not arrive in order";
const NO_EAP = "EAP is not spoken here";
const NO_MPPE = "encryption by MPPE is not available: without it the line would carry plain text";
const NO_IPX = "IPX is not carried";
const ONE_FOR_ALL = "the lcp- options of the same name count for all protocols";
const ONE_TIMER = "authentication has one time limit: pap-timeout or chap-timeout";
const NO_PPPOE = "lines are serial: for PPP over Ethernet, use the system's pppd and enslave its interface";

const asyncMap: PppdRule = checked(
  (value) => parseMap(value) !== undefined,
  "a hexadecimal number of 32 bits, such as a0000",
  (draft, value) => {
    draft.asyncMap = ((draft.asyncMap ?? 0) | (parseMap(value) as number)) >>> 0;
  },
);
const defaultAsyncMap: PppdRule = flag((draft) => {
  draft.defaultAsyncMap = true;
});
const dns: PppdRule = checked(isIPv4, "an IPv4 address", (draft, value) => draft.dns.push(value));
const authTimeout: PppdRule = integer(0, LONGEST_S, ({ line }, value) => {
  line["auth-timeout"] = value || LONGEST_S; // 0: no limit
});
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

const device: Readonly<Record<string, PppdRule>> = {
  modem: processFlag({ modem: true }),
  local: processFlag({ modem: false }),
  crtscts: processFlag({ rtscts: true }),
  nocrtscts: processFlag({ rtscts: false }),
  "-crtscts": processFlag({ rtscts: false }),
  nocdtrcts: processFlag({ rtscts: false }),
  cdtrcts: ignored(0, "no driver of Linux has flow control by DTR and CTS"),
  xonxoff: refused(0, "flow control by XON and XOFF is not available: use crtscts"),
  lock: processFlag({ lock: true }),
  nolock: processFlag({ lock: false }),
  init: command("init"),
  connect: command("connect"),
  welcome: command("welcome"),
  disconnect: command("disconnect"),
  pty: command("pty"),
  notty: processFlag({ notty: true }),
  socket: refused(1, 'give pty "socat - TCP:HOST:PORT" instead'),
  "connect-delay": milliseconds((process, value) => {
    process.connectDelayMs = value;
  }, 1),
  sync: refused(0, "only asynchronous lines are known"),
  "stop-bits": checked(
    (value) => value === "1",
    "1",
    () => {},
  ),
  record: ignored(1, "`eql capture` records a line's packets"),
  datarate: ignored(1, "a line's rate is its speed"),
};

const life: Readonly<Record<string, PppdRule>> = {
  nodetach: processFlag({ detach: "never" }),
  "-detach": processFlag({ detach: "never" }),
  updetach: processFlag({ detach: "when-up" }),
  up_sdnotify: refused(0, "use nodetach and a service of another type"),
  persist: processFlag({ persist: true }),
  nopersist: processFlag({ persist: false }),
  demand: refused(0, "a line is brought up at once; dialing on demand is not available"),
  maxfail: integer(0, Number.MAX_SAFE_INTEGER, ({ process }, value) => {
    process.maxFail = value;
  }),
  holdoff: milliseconds((process, value) => {
    process.holdoffMs = value;
  }, 1000),
  idle: milliseconds((process, value) => {
    process.idleMs = value === 0 ? null : value;
  }, 1000),
  maxconnect: milliseconds((process, value) => {
    process.maxConnectMs = value === 0 ? null : value;
  }, 1000),
  "child-timeout": ignored(1, ""),
  debug: processFlag({ debug: true }),
  "-d": processFlag({ debug: true }),
  kdebug: ignored(1, "no kernel driver is used"),
  logfile: text(({ process }, file) => {
    process.log = { file };
  }),
  logfd: integer(0, MOST, ({ process }, fd) => {
    process.log = { fd };
  }),
  nolog: processFlag({ log: { to: "nowhere" } }),
  nologfd: processFlag({ log: { to: "nowhere" } }),
  dump: processFlag({ dump: "dump" }),
  dryrun: processFlag({ dump: "dryrun" }),
  linkname: checked(
    (value) => /^[^/\s]{1,64}$/.test(value),
    "a name without slash",
    ({ line, process }, value) => {
      process.linkName = value;
      line["link-name"] = value;
    },
  ),
  unit: integer(0, MOST, ({ process }, value) => {
    process.unit = value;
  }),
  ifname: checked(
    (value) => /^ppp\d{1,5}$/.test(value),
    "pppN",
    ({ process }, value) => {
      process.unit = Number(value.slice(3));
    },
  ),
  "hide-password": settled,
  "show-password": ignored(0, "passwords are never logged"),
  master_detach: ignored(0, "the daemon keeps a bundle while it has a line"),
  privgroup: ignored(1, "options have no privileges here"),
  plugin: refused(1, "plugins are not loaded"),
  ktune: ignored(0, "settings of the kernel are not changed"),
  noktune: settled,
  "enable-session": ignored(0, "sessions are not entered into wtmp"),
  set: ignored(1, "scripts get only the variables that docs/pppd.md lists"),
  unset: ignored(1, "scripts get only the variables that docs/pppd.md lists"),
  maxoctets: refused(1, "traffic is not limited"),
  mo: refused(1, "traffic is not limited"),
  "mo-direction": refused(1, "traffic is not limited"),
  "mo-timeout": refused(1, "traffic is not limited"),
  "active-filter": ignored(1, "every packet counts as activity"),
  "pass-filter": refused(1, "packets are not filtered: use the kernel's packet filter"),
};

const lcp: Readonly<Record<string, PppdRule>> = {
  mru: lineInteger("mru", 128, 16384),
  mtu: lineInteger("mtu", 128, 16384),
  "default-mru": flag(({ line }) => {
    line["mru"] = 1500;
  }),
  "-mru": flag(({ line }) => {
    line["mru"] = 1500;
  }),
  asyncmap: asyncMap,
  "-as": asyncMap,
  "default-asyncmap": defaultAsyncMap,
  "-am": defaultAsyncMap,
  escape: refused(1, "what the peer does not ask for is not escaped: have it ask by its asyncmap"),
  "receive-all": ignored(0, "control characters that the asyncmap excludes are noise"),
  noaccomp: lineFlag("address-compression", false),
  "-ac": lineFlag("address-compression", false),
  nopcomp: lineFlag("protocol-compression", false),
  "-pc": lineFlag("protocol-compression", false),
  nomagic: lineFlag("magic-number", false),
  "-mn": lineFlag("magic-number", false),
  "-all": flag((draft) => {
    draft.defaultAsyncMap = true;
    for (const key of ["address-compression", "protocol-compression", "magic-number"])
      draft.line[key] = false;
  }),
  passive: lineFlag("start", "passive"),
  "-p": lineFlag("start", "passive"),
  silent: lineFlag("start", "silent"),
  "lcp-echo-interval": integer(0, 3600, (draft, value) => {
    draft.echoIntervalSeconds = value;
  }),
  "lcp-echo-failure": integer(0, 100, (draft, value) => {
    draft.echoFailures = value;
  }),
  "lcp-echo-adaptive": ignored(0, "echoes are sent at every interval"),
  "lcp-restart": lineInteger("restart", 1, 600),
  "lcp-max-configure": lineInteger("max-configure", 1, 1000),
  "lcp-max-terminate": lineInteger("max-terminate", 1, 100),
  "lcp-max-failure": lineInteger("max-failure", 1, 100),
  multilink: lineFlag("multilink", true),
  mp: lineFlag("multilink", true),
  nomultilink: lineFlag("multilink", false),
  nomp: lineFlag("multilink", false),
  mrru: lineInteger("mrru", 128, 16384),
  mpshortseq: lineFlag("short-sequence-numbers", true),
  nompshortseq: lineFlag("short-sequence-numbers", false),
  endpoint: checked(
    (value) => parseEndpoint(value) !== undefined,
    "null, or TYPE:VALUE such as local:01.02.03, IP:10.0.0.1, MAC:00:11:22:33:44:55, MAC:eth0",
    ({ line }, value) => {
      line["endpoint"] = parseEndpoint(value);
    },
  ),
  noendpoint: lineFlag("endpoint", "null"),
  bundle: lineText("bundle"),
};

const authentication: Readonly<Record<string, PppdRule>> = {
  auth: auth(true),
  noauth: auth(false),
  "require-pap": requires("pap"),
  "+pap": requires("pap"),
  "require-chap": requires("chap-md5"),
  "+chap": requires("chap-md5"),
  "require-mschap-v2": requires("mschapv2"),
  "+mschap-v2": requires("mschapv2"),
  "require-mschap": refused(0, "MS-CHAP version 1 is broken: require-mschap-v2 or require-chap"),
  "+mschap": refused(0, "MS-CHAP version 1 is broken: require-mschap-v2 or require-chap"),
  "require-eap": refused(0, NO_EAP),
  "need-peer-eap": refused(0, NO_EAP),
  "refuse-pap": refuses("pap"),
  "-pap": refuses("pap"),
  "refuse-chap": refuses("chap-md5"),
  "-chap": refuses("chap-md5"),
  "refuse-mschap-v2": refuses("mschapv2"),
  "-mschap-v2": refuses("mschapv2"),
  "refuse-mschap": settled,
  "-mschap": settled,
  "refuse-eap": settled,
  user: lineText("user"),
  password: lineText("password"),
  "+ua": checked(
    isReadable,
    "a readable file: a line with the user's name, a line with the password",
    ({ line }, file) => {
      [line["user"], line["password"]] = readFileSync(file, "utf8").split(/\r?\n/);
    },
  ),
  name: text((draft, value) => {
    draft.name = value;
  }),
  remotename: lineText("remote-name"),
  usehostname: flag((draft) => {
    draft.useHostName = true;
  }),
  domain: text((draft, value) => {
    draft.domain = value;
  }),
  "pap-timeout": authTimeout,
  "chap-timeout": authTimeout,
  "pap-restart": ignored(1, ONE_TIMER),
  "pap-max-authreq": ignored(1, ONE_TIMER),
  "chap-restart": ignored(1, ONE_TIMER),
  "chap-max-challenge": ignored(1, ONE_TIMER),
  "chap-interval": refused(1, "a peer is challenged once, when the line comes up"),
  "chapms-strip-domain": refused(
    0,
    "a domain before a client's name is not taken away: write it into chap-secrets",
  ),
  papcrypt: refused(0, "secrets in pap-secrets are plain text"),
  login: refused(0, "the system's passwords are not used"),
  "allow-ip": ignored(1, "addresses are allowed by the secrets files alone"),
  "allow-number": refused(1, "telephone numbers are not checked"),
  remotenumber: ignored(1, "telephone numbers are not used"),
  "require-mppe": refused(0, NO_MPPE),
  "require-mppe-40": refused(0, NO_MPPE),
  "require-mppe-128": refused(0, NO_MPPE),
  "+mppe": refused(0, NO_MPPE),
  "+mppe-40": refused(0, NO_MPPE),
  "+mppe-128": refused(0, NO_MPPE),
  "mppe-stateful": settled,
};

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
  ...Object.entries({ ...device, ...life, ...lcp, ...authentication, ...network }),
  ...families.flatMap(([rule, names]) => names.split(" ").map((name) => [name, rule] as const)),
]);

function isReadable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
