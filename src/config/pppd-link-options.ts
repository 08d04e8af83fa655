import { readFileSync } from "node:fs";
import {
  auth,
  checked,
  flag,
  ignored,
  integer,
  lineFlag,
  lineInteger,
  lineText,
  type PppdRule,
  refused,
  refuses,
  requires,
  settled,
  text,
} from "./pppd-rules.ts";
import { parseEndpoint, parseMap } from "./pppd-values.ts";

/** Options about the link: LCP and authentication. */

const LONGEST_S = 3600;
const NO_EAP = "EAP is not spoken here";
const NO_MPPE = "encryption by MPPE is not available: without it the line would carry plain text";
const ONE_TIMER = "authentication has one time limit: pap-timeout or chap-timeout";

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
const authTimeout: PppdRule = integer(0, LONGEST_S, ({ line }, value) => {
  line["auth-timeout"] = value || LONGEST_S; // 0: no limit
});

export const LCP_OPTIONS: Readonly<Record<string, PppdRule>> = {
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

export const AUTHENTICATION_OPTIONS: Readonly<Record<string, PppdRule>> = {
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

function isReadable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
