import { PPP_CCP, PPP_CHAP, PPP_IPCP, PPP_IPV6CP, PPP_LCP, PPP_PAP } from "../wire/ppp-packet.ts";
import { describeOptions } from "./describe-options.ts";
import {
  hexDigits,
  hexNumber,
  hexOctets,
  isPrintable,
  longAt,
  quotedOctets,
  wordAt,
} from "./describe-text.ts";

const HEADER = 4;
const HIDDEN = "<hidden>";

/** Text of what follows a packet's header, `octets[from, to)`, beginning with a space unless it is empty. */
type BodyText = (octets: Uint8Array, from: number, to: number) => string;

interface Describer {
  readonly name: string;
  /** By code octet. */
  readonly codes: Readonly<Record<number, string>>;
  /** By code octet. */
  readonly bodies: Readonly<Record<number, BodyText>>;
  /** Of everything else. */
  readonly rest: BodyText;
}

/**
 * One control packet as pppd's `debug` logs it: `sent [LCP ConfReq id=0x1 <mru 1500> <pcomp>]`. It is one line of printable ASCII,
 * whatever the octets are; the password of PAP is never in it, not even when a packet is malformed or sent back.
 *
 * @param octets the packet from its code on is `octets[from, to)`
 */
export function describeControlPacket(
  sent: boolean,
  protocol: number,
  octets: Uint8Array,
  from: number,
  to: number,
): string {
  const direction = sent ? "sent" : "rcvd";
  const describer = DESCRIBERS[protocol];
  if (describer === undefined)
    return `${direction} [proto=${hexNumber(protocol)}]${hexOctets(octets, from, to)}`;
  const { name, codes, bodies, rest } = describer;
  const length = to - from < HEADER ? 0 : wordAt(octets, from + 2);
  if (length < HEADER || from + length > to) return `${direction} [${name}]${rest(octets, from, to)}`;
  const code = octets[from] as number;
  const title = `${codes[code] ?? `code=${hexNumber(code)}`} id=${hexNumber(octets[from + 1] as number)}`;
  const end = from + length;
  const body = bodies[code] ?? rest;
  return `${direction} [${name} ${title}${body(octets, from + HEADER, end)}]${rest(octets, end, to)}`;
}

const hidden: BodyText = (_octets, from, to) => (from < to ? ` ${HIDDEN}` : "");

/** The reason of a termination; octets when it does not look like text. */
const reason: BodyText = (octets, from, to) =>
  from < to && isPrintable(octets[from] as number)
    ? ` ${quotedOctets(octets, from, to)}`
    : hexOctets(octets, from, to);

const message: BodyText = (octets, from, to) => ` ${quotedOctets(octets, from, to)}`;

const magic =
  (rest: BodyText): BodyText =>
  (octets, from, to) =>
    to - from < 4
      ? hexOctets(octets, from, to)
      : ` magic=${hexNumber(longAt(octets, from))}${rest(octets, from + 4, to)}`;

const optionalText: BodyText = (octets, from, to) => (from < to ? message(octets, from, to) : "");

const timeRemaining: BodyText = (octets, from, to) =>
  to - from < 4
    ? hexOctets(octets, from, to)
    : ` seconds=${longAt(octets, from)}${optionalText(octets, from + 4, to)}`;

/** The rejected protocol and what its packet began with, unless that is a password. */
const rejectedProtocol: BodyText = (octets, from, to) => {
  if (to - from < 2 || wordAt(octets, from) !== PPP_PAP) return hexOctets(octets, from, to);
  return hexOctets(octets, from, from + 2) + hidden(octets, from + 2, to);
};

const papRequest: BodyText = (octets, from, to) => {
  const nameEnd = from + 1 + (from < to ? (octets[from] as number) : 0);
  if (nameEnd >= to || nameEnd + 1 + (octets[nameEnd] as number) > to) return hidden(octets, from, to);
  return ` user=${quotedOctets(octets, from + 1, nameEnd)} password=${HIDDEN}`;
};

const papMessage: BodyText = (octets, from, to) => {
  const end = from + 1 + (from < to ? (octets[from] as number) : 0);
  if (end > to) return hexOctets(octets, from, to);
  return ` ${quotedOctets(octets, from + 1, end)}${hexOctets(octets, end, to)}`;
};

const chapValue: BodyText = (octets, from, to) => {
  const end = from + 1 + (from < to ? (octets[from] as number) : 0);
  if (end > to) return hexOctets(octets, from, to);
  return ` <${hexDigits(octets, from + 1, end)}>, name = ${quotedOctets(octets, end, to)}`;
};

const CONFIGURE_CODES = {
  1: "ConfReq",
  2: "ConfAck",
  3: "ConfNak",
  4: "ConfRej",
  5: "TermReq",
  6: "TermAck",
  7: "CodeRej",
};

function configureBodies(protocol: number): Readonly<Record<number, BodyText>> {
  const options: BodyText = (octets, from, to) => describeOptions(protocol, octets, from, to);
  return { 1: options, 2: options, 3: options, 4: options, 5: reason, 6: reason };
}

const configuring = (name: string, protocol: number): Describer => ({
  name,
  codes: CONFIGURE_CODES,
  bodies: configureBodies(protocol),
  rest: hexOctets,
});

/** By protocol number. */
const DESCRIBERS: Readonly<Record<number, Describer>> = {
  [PPP_LCP]: {
    name: "LCP",
    codes: {
      ...CONFIGURE_CODES,
      8: "ProtRej",
      9: "EchoReq",
      10: "EchoRep",
      11: "DiscReq",
      12: "Ident",
      13: "TimeRem",
    },
    bodies: {
      ...configureBodies(PPP_LCP),
      8: rejectedProtocol,
      9: magic(hexOctets),
      10: magic(hexOctets),
      11: magic(hexOctets),
      12: magic(optionalText),
      13: magic(timeRemaining),
    },
    rest: hexOctets,
  },
  [PPP_PAP]: {
    name: "PAP",
    codes: { 1: "AuthReq", 2: "AuthAck", 3: "AuthNak" },
    bodies: { 1: papRequest, 2: papMessage, 3: papMessage },
    rest: hidden,
  },
  [PPP_CHAP]: {
    name: "CHAP",
    codes: { 1: "Challenge", 2: "Response", 3: "Success", 4: "Failure" },
    bodies: { 1: chapValue, 2: chapValue, 3: message, 4: message },
    rest: hexOctets,
  },
  [PPP_IPCP]: configuring("IPCP", PPP_IPCP),
  [PPP_IPV6CP]: configuring("IPV6CP", PPP_IPV6CP),
  [PPP_CCP]: {
    ...configuring("CCP", PPP_CCP),
    codes: { ...CONFIGURE_CODES, 14: "ResetReq", 15: "ResetAck" },
  },
};
