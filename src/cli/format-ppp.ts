import type {
  LineStatus,
  MultilinkStatus,
  NetworkAgreement,
  PppOptionValues,
  PppStatus,
} from "../control/messages.ts";

/** What there is to say about PPP, for people: notes below a line or a master. */

/** What it speaks and where it stands, for the note that every line has. */
export const pppMedium = ({ name, device, interface: own, state, ppp }: LineStatus): string =>
  `PPP on ${device}${own === name ? "" : ` as ${own}`}${state === "negotiating" && ppp !== null ? `, phase ${ppp.phase}` : ""}`;

export function pppNotes({ peerName, ipv4, ipv6, fragments, ours, theirs }: PppStatus): string[] {
  return [
    ...(peerName === null ? [] : [`peer: ${peerName}, authenticated`]),
    ...addressNotes(ipv4, ipv6),
    ...(fragments === null ? [] : [`fragments: ${fragments.sent} sent, ${fragments.received} received`]),
    ...optionNotes(ours, theirs),
  ];
}

export function multilinkNotes({ peerName, peerEndpoint, ipv4, ipv6, fragments }: MultilinkStatus): string[] {
  const peer = [
    ...(peerName === null ? [] : [`${peerName}, authenticated`]),
    ...(peerEndpoint === "" ? [] : [`endpoint ${peerEndpoint}`]),
  ];
  const { sent, received, lost } = fragments;
  return [
    `peer: ${peer.length === 0 ? "has neither name nor endpoint" : peer.join(", ")}`,
    ...addressNotes(ipv4, ipv6),
    `fragments: ${sent} sent, ${received} received, ${lost} lost`,
  ];
}

/** Ours first. */
const addressNotes = (...agreements: readonly (NetworkAgreement | null)[]): string[] =>
  agreements
    .filter((agreement) => agreement !== null)
    .map(({ local, remote, dns }) => {
      const servers = dns.length === 0 ? "" : `, name servers ${dns.join(" and ")}`;
      return `addresses: ${local} to ${remote}${servers}`;
    });

/** What both directions have alike, and, in a note of its own, what only one has. The defaults of PPP are in neither. */
function optionNotes(ours: PppOptionValues, theirs: PppOptionValues): string[] {
  const [mine, their] = [optionTexts(ours), optionTexts(theirs)];
  const both = mine.filter((text) => their.includes(text));
  const only = [
    ["ours", mine.filter((text) => !both.includes(text))],
    ["theirs", their.filter((text) => !both.includes(text))],
  ] as const;
  const parts = only
    .filter(([, texts]) => texts.length > 0)
    .map(([whose, texts]) => `${whose} ${texts.join(", ")}`);
  return [
    ...(both.length === 0 ? [] : [`options of both: ${both.join(", ")}`]),
    ...(parts.length === 0 ? [] : [`options: ${parts.join("; ")}`]),
  ];
}

/** By pppd's names. Of a magic number, that there is one. */
const optionTexts = (values: PppOptionValues): string[] =>
  Object.entries(values)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => (value === true || name === "magic" ? name : `${name} ${value}`));
