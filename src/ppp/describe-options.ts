import { PPP_CCP, PPP_CHAP, PPP_IPCP, PPP_IPV6CP, PPP_LCP, PPP_PAP } from "../wire/ppp-packet.ts";
import { hexDigits, hexNumber, hexOctets, longAt, wordAt } from "./describe-text.ts";

/** Text of one option's data, `octets[from, to)`; null: it is not of the form that its type has. */
type OptionText = (octets: Uint8Array, from: number, to: number) => string | null;

const OPTION_HEADER = 2;

/**
 * ` <mru 1500> <pcomp>`, each option after a space; one that is unknown or malformed as its octets, type and length included:
 * ` < 0d 03 06>`. What cannot be an option ends the list and follows as octets.
 */
export function describeOptions(protocol: number, octets: Uint8Array, from: number, to: number): string {
  const table = OPTIONS[protocol];
  let text = "";
  let at = from;
  while (at + OPTION_HEADER <= to) {
    const end = at + (octets[at + 1] as number);
    if (end < at + OPTION_HEADER || end > to) break;
    const known = table?.[octets[at] as number]?.(octets, at + OPTION_HEADER, end);
    text += ` <${known ?? hexOctets(octets, at, end)}>`;
    at = end;
  }
  return text + hexOctets(octets, at, to);
}

const word =
  (name: string): OptionText =>
  (octets, from, to) =>
    to - from === 2 ? `${name} ${wordAt(octets, from)}` : null;

const long =
  (name: string): OptionText =>
  (octets, from, to) =>
    to - from === 4 ? `${name} ${hexNumber(longAt(octets, from))}` : null;

const flag =
  (name: string): OptionText =>
  (_octets, from, to) =>
    to === from ? name : null;

const address =
  (name: string): OptionText =>
  (octets, from, to) =>
    to - from === 4 ? `${name} ${dotted(octets, from)}` : null;

/** A word that names something, and what it says of it. */
const named =
  (name: string, names: Readonly<Record<number, string>>): OptionText =>
  (octets, from, to) => {
    if (to - from < 2) return null;
    const value = wordAt(octets, from);
    return `${name} ${names[value] ?? hexNumber(value)}${hexOctets(octets, from + 2, to)}`;
  };

const dotted = (octets: Uint8Array, at: number): string => octets.subarray(at, at + 4).join(".");

const CHAP_ALGORITHMS: Readonly<Record<number, string>> = { 5: "MD5", 128: "MS", 129: "MS-v2" };

function authentication(octets: Uint8Array, from: number, to: number): string | null {
  if (to - from < 2) return null;
  const protocol = wordAt(octets, from);
  const rest = hexOctets(octets, from + 2, to);
  if (protocol === PPP_PAP) return `auth pap${rest}`;
  if (protocol !== PPP_CHAP) return `auth ${hexNumber(protocol)}${rest}`;
  if (to - from === 2) return "auth chap";
  const algorithm = octets[from + 2] as number;
  return `auth chap ${CHAP_ALGORITHMS[algorithm] ?? hexNumber(algorithm)}${hexOctets(octets, from + 3, to)}`;
}

const ENDPOINT_CLASSES = ["null", "local", "IP", "MAC", "magic", "phone"];
const ENDPOINT_IP = 2;
const ENDPOINT_MAC = 3;
const ENDPOINT_MAGIC = 4;

function endpoint(octets: Uint8Array, from: number, to: number): string | null {
  if (to === from) return null;
  const kind = octets[from] as number;
  const length = to - from - 1;
  const name = ENDPOINT_CLASSES[kind] ?? String(kind);
  if (length === 0) return `endpoint [${name}]`;
  if (kind === ENDPOINT_IP && length === 4) return `endpoint [${name}:${dotted(octets, from + 1)}]`;
  const step = kind === ENDPOINT_MAGIC && length % 4 === 0 ? 4 : 1;
  const parts: string[] = [];
  for (let at = from + 1; at < to; at += step) parts.push(hexDigits(octets, at, at + step));
  return `endpoint [${name}:${parts.join(kind === ENDPOINT_MAC && length === 6 ? ":" : ".")}]`;
}

/** RFC 1570, section 2.3; operation 6 is Microsoft's. */
function callback(octets: Uint8Array, from: number, to: number): string | null {
  if (to === from) return null;
  const operation = octets[from] as number;
  return `callback ${operation === 6 ? "CBCP" : hexNumber(operation)}${hexOctets(octets, from + 1, to)}`;
}

function addresses(octets: Uint8Array, from: number, to: number): string | null {
  return to - from === 8 ? `addrs ${dotted(octets, from)} ${dotted(octets, from + 4)}` : null;
}

function interfaceIdentifier(octets: Uint8Array, from: number, to: number): string | null {
  if (to - from !== 8) return null;
  const groups = [0, 2, 4, 6].map((offset) => hexDigits(octets, from + offset, from + offset + 2));
  return `addr fe80::${groups.join(":")}`;
}

const deflate =
  (name: string): OptionText =>
  (octets, from, to) => {
    if (to - from < 2) return null;
    const window = octets[from] as number;
    const check = octets[from + 1] as number;
    const method = (window & 15) === 8 ? "" : ` method ${window & 15}`;
    const checked = check === 0 ? "" : ` check ${check}`;
    return `${name} ${(window >> 4) + 8}${method}${checked}${hexOctets(octets, from + 2, to)}`;
  };

function bsdCompress(octets: Uint8Array, from: number, to: number): string | null {
  if (to === from) return null;
  const octet = octets[from] as number;
  return `bsd v${octet >> 5} ${octet & 31}${hexOctets(octets, from + 1, to)}`;
}

/** The bits of the last octet of MPPE's option (RFC 3078, section 2.1), as they are shown; the first octet has `H`. */
const MPPE_BITS = { M: 0x80, S: 0x40, L: 0x20, D: 0x10, C: 0x01 };

function mppe(octets: Uint8Array, from: number, to: number): string | null {
  if (to - from < 4) return null;
  const last = octets[from + 3] as number;
  const bits = Object.entries(MPPE_BITS).map(([name, bit]) => ((last & bit) === 0 ? `-${name}` : `+${name}`));
  return `mppe ${((octets[from] as number) & 1) === 0 ? "-H" : "+H"} ${bits.join(" ")}${hexOctets(octets, from + 4, to)}`;
}

/** What pppd calls them, by protocol and type (RFC 1661, 1990, 1570, 1332, 1877, 5072, 1962). */
const OPTIONS: Readonly<Record<number, Readonly<Record<number, OptionText>>>> = {
  [PPP_LCP]: {
    1: word("mru"),
    2: long("asyncmap"),
    3: authentication,
    4: named("quality", { 0xc025: "lqr" }),
    5: long("magic"),
    7: flag("pcomp"),
    8: flag("accomp"),
    13: callback,
    17: word("mrru"),
    18: flag("ssnhf"),
    19: endpoint,
  },
  [PPP_IPCP]: {
    1: addresses,
    2: named("compress", { 0x002d: "VJ", 0x0037: "old-VJ" }),
    3: address("addr"),
    129: address("ms-dns1"),
    130: address("ms-wins"),
    131: address("ms-dns2"),
    132: address("ms-wins"),
  },
  [PPP_IPV6CP]: { 1: interfaceIdentifier, 2: named("compress", {}) },
  [PPP_CCP]: {
    1: flag("predictor 1"),
    2: flag("predictor 2"),
    18: mppe,
    21: bsdCompress,
    24: deflate("deflate(old#)"),
    26: deflate("deflate"),
  },
};
