import { stringify } from "smol-toml";
import { EqlError } from "../errors.ts";
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

/** A stanza with the names that it gets here. */
interface Line {
  readonly stanza: RunslipStanza;
  /** Its interface's. */
  readonly name: string;
  readonly dial: string | null;
  readonly enslave: { readonly master: string; readonly rate: number } | null;
}

const ENSLAVE = /^(?:\/\S*\/)?eql_enslave\s+([^\s$]+)\s+"?\$(?:interface|\{interface\})"?\s+(\d{1,10})$/;
/** The master that there always was. */
const MASTER = "eql";

/**
 * @param source the file's name
 * @returns the text of a configuration
 * @throws EqlError CONFIG_INVALID: lines of a master differ in their MTU
 */
export function runslipToToml(stanzas: readonly RunslipStanza[], source: string): string {
  const lines = named(stanzas);
  const enabled = lines.filter(({ stanza }) => stanza.enabled);
  const masters = new Set(enabled.flatMap(({ enslave }) => (enslave === null ? [] : [enslave.master])));
  if (masters.size === 0) masters.add(MASTER);
  const blocks = [
    `# Made of ${printable(source)} by \`eql import runslip\`.\n`,
    ...[...masters].map((master) =>
      masterBlock(
        master,
        enabled.filter(({ enslave }) => enslave?.master === master),
        source,
      ),
    ),
    ...lines.map((line) => lineBlock(line, addressOf(enabled, line.enslave?.master ?? null))),
  ];
  return blocks.join("\n");
}

/** A stanza's name is that of its interface, if it can be one. */
function named(stanzas: readonly RunslipStanza[]): Line[] {
  const taken = new Set(stanzas.map(({ name }) => name));
  let last = -1;
  const free = (): string => {
    do last += 1;
    while (taken.has(`sl${last}`));
    return `sl${last}`;
  };
  return stanzas.map((stanza) => {
    const [, master, rate] = ENSLAVE.exec(stanza.command ?? "") ?? [];
    const name = interfaceName.safeParse(stanza.name).success ? stanza.name : free();
    const dial = tableName.safeParse(name).success ? name : `line-${stanza.at}`;
    return {
      stanza,
      name,
      dial: stanza.ducmd === null ? null : dial,
      enslave: master === undefined ? null : { master, rate: Number(rate) },
    };
  });
}

/** The one address of a master's lines; null: they have several, or none. */
function addressOf(lines: readonly Line[], master: string | null): string | null {
  const addresses = lines.filter(({ enslave }) => enslave?.master === master && master !== null);
  const [first, ...others] = new Set(addresses.map(({ stanza }) => stanza.address));
  return others.length === 0 ? (first ?? null) : null;
}

function masterBlock(name: string, lines: readonly Line[], source: string): string {
  const [first] = lines;
  for (const { stanza } of lines) {
    if (first === undefined || stanza.mtu === first.stanza.mtu) continue;
    const [one, other] = [first.stanza, stanza].map(({ name: of, mtu }) => `${of}: ${mtu ?? "none"}`);
    const message = `${source}: line ${stanza.at}: lines of ${name} have to have one mtu; found ${one}, ${other}`;
    throw new EqlError("CONFIG_INVALID", message, { details: { source, line: stanza.at } });
  }
  return block(["master", name], {
    address: addressOf(lines, name),
    mtu: first?.stanza.mtu ?? null,
  });
}

function lineBlock({ stanza, name, dial, enslave }: Line, shared: string | null): string {
  const { ducmd, enabled, line, baud, mtu, address, command } = stanza;
  const notes = [
    ...(enabled ? [] : ["not enabled"]),
    ...(name === stanza.name ? [] : [`name ${stanza.name}`]),
  ];
  const today = /^\/dev\/cua(\d+)$/.exec(line)?.[1];
  if (today !== undefined) notes.push(`Linux calls ${line} /dev/ttyS${today} today`);
  if (ducmd !== null && ducmd.tries !== null) {
    const tries = ducmd.tries === 0 ? "without end" : `${ducmd.tries} times`;
    notes.push(
      `-t: DSLIP's dialer tried ${tries}; eql tries until the line is up, or with \`attempts\` so often`,
    );
  }
  const dialer =
    ducmd === null || dial === null ? "" : `${block(["dial", dial], { connect: connectOf(ducmd) })}\n`;
  const keys = block(["line", name], {
    device: line,
    speed: baud,
    rate: enslave?.rate ?? null,
    rtscts: ducmd === null ? null : true, // a modem's carrier is slower than its port
    mtu,
    master: enslave?.master ?? null,
    address: address === shared ? null : address,
    dial,
    "up-command": enslave === null ? command : null,
  });
  const tables = `${dialer}${keys}`;
  const shown = enabled ? tables : tables.replace(/^(?=.)/gm, "# ");
  return notes.map((note) => `# ${printable(note)}\n`).join("") + shown;
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
