import { stringify } from "smol-toml";
import type { DialOut, RunslipStanza } from "./runslip-conf.ts";
import { interfaceName, tableName } from "./schema.ts";

/**
 * From stanzas of runslip.conf to our configuration.
 *
 * - `line`, `baud`, `mtu` become `device`, `speed`, `mtu`
 * - `ducmd -e SCRIPT` becomes a `[dial.NAME]` with `connect = "expect -f SCRIPT"`
 * - `command eql_enslave MASTER $interface BPS` becomes `master` and `rate`; any other one stays a command
 * - `address` is the master's, as it is that of every line of it; where they differ, each line has its own
 */

/** The master that there always was. */
const MASTER = "eql";

/**
 * @param source the file's name
 * @returns the text of a configuration
 */
export function runslipToToml(stanzas: readonly RunslipStanza[], source: string): string {
  const enabled = stanzas.filter((stanza) => stanza.enabled);
  const masters = new Set(enabled.flatMap(({ enslave }) => (enslave === null ? [] : [enslave.master])));
  const slavesOf = (master: string): RunslipStanza[] =>
    enabled.filter(({ enslave }) => enslave?.master === master);
  const nameOf = namesFor(stanzas);
  const blocks = [
    `# Made of ${printable(source)} by \`eql import runslip\`.\n`,
    // Commands that are not ours to read may enslave to it.
    ...(masters.size === 0 ? [block(["master", MASTER], { mtu: common(enabled, "mtu") })] : []),
    ...[...masters].map((master) =>
      block(["master", master], {
        address: common(slavesOf(master), "address"),
        mtu: common(slavesOf(master), "mtu"),
      }),
    ),
    ...stanzas.map((stanza) => {
      const { enslave } = stanza;
      const inherited = enslave === null ? null : common(slavesOf(enslave.master), "address");
      return lineBlock(stanza, nameOf(stanza), inherited);
    }),
  ];
  return blocks.join("\n");
}

/** What all of them have alike; null: nothing. */
function common<Key extends "address" | "mtu">(
  stanzas: readonly RunslipStanza[],
  key: Key,
): RunslipStanza[Key] | null {
  const [first = null, ...others] = new Set(stanzas.map((stanza) => stanza[key]));
  return others.length === 0 ? first : null;
}

/** A stanza's name is that of its interface, if it can be one. */
function namesFor(stanzas: readonly RunslipStanza[]): (stanza: RunslipStanza) => string {
  const taken = new Set(stanzas.map(({ name }) => name));
  let last = -1;
  return ({ name }) => {
    if (interfaceName.safeParse(name).success) return name;
    do last += 1;
    while (taken.has(`sl${last}`));
    return `sl${last}`;
  };
}

/** @param inherited the address that it has from its master */
function lineBlock(stanza: RunslipStanza, name: string, inherited: string | null): string {
  const { ducmd, enabled, enslave } = stanza;
  const dial = tableName.safeParse(name).success ? name : `line-${stanza.at}`;
  const dialer = ducmd === null ? "" : `${block(["dial", dial], { connect: connectOf(ducmd) })}\n`;
  const line = block(["line", name], {
    device: stanza.line,
    speed: stanza.baud,
    rate: enslave?.rateBps ?? null,
    rtscts: ducmd === null ? null : true, // a modem's carrier is slower than its port
    mtu: stanza.mtu,
    master: enslave?.master ?? null,
    address: stanza.address === inherited ? null : stanza.address,
    dial: ducmd === null ? null : dial,
    "up-command": enslave === null ? stanza.command : null,
  });
  const tables = dialer + line;
  const notes = notesOn(stanza, name).map((note) => `# ${printable(note)}\n`);
  return notes.join("") + (enabled ? tables : tables.replace(/^(?=.)/gm, "# "));
}

function notesOn({ enabled, name, line, ducmd }: RunslipStanza, named: string): string[] {
  const today = /^\/dev\/cua(\d+)$/.exec(line)?.[1];
  const tries = ducmd?.tries ?? null;
  const often = tries === 0 ? "without end" : `${tries} times`;
  return [
    ...(enabled ? [] : ["not enabled"]),
    ...(name === named ? [] : [`name ${name}`]),
    ...(today === undefined ? [] : [`Linux calls ${line} /dev/ttyS${today} today`]),
    ...(tries === null
      ? []
      : [`-t: DSLIP's dialer tried ${often}; eql does until the line is up, or \`attempts\` times`]),
  ];
}

function block(
  path: readonly string[],
  keys: Readonly<Record<string, string | number | boolean | null>>,
): string {
  const header = path.map((part) => (/^[\w-]+$/.test(part) ? part : JSON.stringify(part))).join(".");
  const given = Object.entries(keys).filter(([, value]) => value !== null);
  return `[${header}]\n${given.map(([key, value]) => stringify({ [key]: value }).trimEnd()).join("\n")}\n`;
}

const connectOf = ({ script, words }: DialOut): string =>
  ["expect", "-f", script, ...words].map(quoted).join(" ");

/** As one word for the shell. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

const printable = (text: string): string => text.replace(/\p{Cc}/gu, "?");
