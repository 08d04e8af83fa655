import type * as z from "zod";
import { allowedBy } from "./keys.ts";
import { Problems, show } from "./problems.ts";
import { lineSchema } from "./schema.ts";

/**
 * DSLIP's runslip.conf (1994): what each line of a computer is, and how it is dialed.
 *
 * A key and its value stand on a line, with white space between them; `name` begins a stanza, which is one line. Empty lines
 * separate stanzas, and mean nothing more. A line that begins with `#` is a comment.
 */

/** A stanza as it stands in the file. */
export interface RunslipStanza {
  readonly name: string;
  /** Where it begins; lines are counted from 1. */
  readonly at: number;
  readonly enabled: boolean;
  /** Path of the tty. */
  readonly line: string;
  readonly baud: number | null;
  readonly mtu: number | null;
  readonly address: string | null;
  /** Null: it is not dialed. */
  readonly ducmd: DialOut | null;
  /** For the shell, once the line is up; `$interface` stands for its interface. */
  readonly command: string | null;
  /** What the command does, if that is `eql_enslave MASTER $interface BPS` and nothing else. */
  readonly enslave: { readonly master: string; readonly rateBps: number } | null;
}

/** Arguments of DSLIP's dial-out command. */
export interface DialOut {
  /** `-e`: the Expect script that dials and logs in. */
  readonly script: string;
  /** What follows the options, for the script. */
  readonly words: readonly string[];
  /** `-t`; 0: without end. */
  readonly tries: number | null;
}

interface Entry {
  readonly value: string;
  readonly at: number;
}

/** Tells what is wrong in a line. */
type Complain = (at: number, text: string) => void;

/** A stanza whose keys are known and not yet looked at. */
interface Draft {
  readonly at: number;
  readonly entries: ReadonlyMap<string, Entry>;
}

const KEYS = ["name", "enabled", "baud", "mtu", "ducmd", "command", "address", "line"] as const;

type Key = (typeof KEYS)[number];

const { speed, rate, mtu, address, device } = lineSchema.shape;
const ENSLAVE = /^(?:\/\S*\/)?eql_enslave\s+([^\s$]+)\s+"?\$(?:interface|\{interface\})"?\s+(\d+)$/;

/**
 * @param path what error messages call the file
 * @throws EqlError CONFIG_INVALID, listing everything that is wrong
 */
export function parseRunslip(text: string, path: string): RunslipStanza[] {
  const found: { at: number; text: string }[] = [];
  const complain: Complain = (at, what) => void found.push({ at, text: `line ${at}: ${what}` });
  const stanzas = draftsOf(text, complain).map((draft) => stanzaOf(draft, complain));
  checkNames(stanzas, complain);
  checkMtus(stanzas, complain);
  const problems = new Problems(path);
  for (const problem of found.sort((a, b) => a.at - b.at)) problems.add([], problem.text);
  problems.throwIfAny("CONFIG_INVALID");
  return stanzas;
}

function checkNames(stanzas: readonly RunslipStanza[], complain: Complain): void {
  const names = new Map<string, number>();
  for (const { name, at } of stanzas) {
    const first = names.get(name);
    if (first !== undefined) complain(at, `the name ${show(name)} is that of line ${first} already`);
    names.set(name, first ?? at);
  }
}

/** A master takes no slaves whose MTU is another one. */
function checkMtus(stanzas: readonly RunslipStanza[], complain: Complain): void {
  const firsts = new Map<string, RunslipStanza>();
  for (const stanza of stanzas) {
    if (!stanza.enabled || stanza.enslave === null) continue;
    const { master } = stanza.enslave;
    const first = firsts.get(master) ?? stanza;
    firsts.set(master, first);
    if (first.mtu === stanza.mtu) continue;
    const [found, wanted] = [stanza, first].map(({ mtu: octets }) => octets ?? "none");
    complain(stanza.at, `mtu: found ${found}; allowed: ${wanted}, as ${first.name} has it, of ${master} too`);
  }
}

function draftsOf(text: string, complain: Complain): Draft[] {
  const drafts: { at: number; entries: Map<string, Entry> }[] = [];
  let lost = false;
  for (const [index, whole] of text.split("\n").entries()) {
    const at = index + 1;
    const [, key, value = ""] = /^(\S+)\s*(.*)$/.exec(whole.trim()) ?? [];
    if (key === undefined || key.startsWith("#")) continue;
    if (!KEYS.includes(key as Key)) {
      complain(at, `unknown key ${show(key)}; allowed: ${KEYS.join(", ")}`);
      continue;
    }
    if (key === "name") drafts.push({ at, entries: new Map() });
    const draft = drafts.at(-1);
    if (draft === undefined) {
      if (!lost) complain(at, `found ${key} before name, with which a stanza begins`);
      lost = true;
      continue;
    }
    const before = draft.entries.get(key);
    if (before !== undefined) {
      const why = `${key} is given in line ${before.at} already; a stanza begins with name`;
      complain(at, why);
    }
    draft.entries.set(key, { value, at });
  }
  return drafts;
}

function stanzaOf({ at, entries }: Draft, complain: Complain): RunslipStanza {
  const text = (key: Key): string | null => {
    const entry = entries.get(key);
    if (entry === undefined) return null;
    if (entry.value === "") complain(entry.at, `${key} has no value`);
    return entry.value === "" ? null : entry.value;
  };
  const checked = (key: Key, value: string | number | null, schema: z.ZodType): void => {
    const result = schema.safeParse(value);
    if (value === null || result.success) return;
    const found = entries.get(key) as Entry;
    complain(found.at, `${key}: found ${show(found.value)}; allowed: ${allowedBy(schema)}`);
  };
  const number = (key: Key, schema: z.ZodType): number | null => {
    const given = text(key);
    if (given === null) return null;
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    checked(key, value, schema);
    return value;
  };
  const flag = entries.get("enabled");
  if (flag !== undefined && flag.value !== "") {
    complain(flag.at, `enabled: found ${show(flag.value)}; allowed: nothing, as it is a flag`);
  }
  const given = text("line");
  if (!entries.has("line")) complain(at, "the stanza has no line, which names its tty");
  const tty = given === null || given.startsWith("/") ? given : `/dev/${given}`;
  checked("line", tty, device);
  const local = text("address");
  checked("address", local, address);
  const dialOut = text("ducmd");
  const command = text("command");
  const [, master, bps] = ENSLAVE.exec(command ?? "") ?? [];
  if (bps !== undefined) checked("command", Number(bps), rate);
  return {
    name: text("name") ?? "",
    at,
    enabled: flag !== undefined,
    line: tty ?? "",
    baud: number("baud", speed),
    mtu: number("mtu", mtu),
    address: local,
    ducmd: dialOut === null ? null : dialOutOf(dialOut, (entries.get("ducmd") as Entry).at, complain),
    command,
    enslave: master === undefined ? null : { master, rateBps: Number(bps) },
  };
}

/**
 * What is known of the dial-out command is how it was called: `-e SCRIPT -t N`. The script is one of Expect, with the line as
 * its standard input and output. N is taken for the number of tries, 0 for no end of them.
 */
function dialOutOf(value: string, at: number, complain: Complain): DialOut | null {
  let script: string | null = null;
  let tries: number | null = null;
  const words = value.split(/\s+/);
  const rest: string[] = [];
  for (let next = words.shift(); next !== undefined; next = words.shift()) {
    const [, option, joined] = /^-([et])(.*)$/.exec(next) ?? [];
    if (option === undefined) {
      if (next.startsWith("-")) {
        complain(at, `ducmd: unknown option ${show(next)}; allowed: -e SCRIPT, -t TRIES`);
      }
      rest.push(next);
      continue;
    }
    const argument = joined === "" ? words.shift() : joined;
    if (option === "e") script = argument ?? null;
    else if (/^\d{1,9}$/.test(argument ?? "")) tries = Number(argument);
    else complain(at, `ducmd: found ${show(argument)} after -t; allowed: a number`);
  }
  if (script !== null) return { script, words: rest, tries };
  complain(at, "ducmd: found no -e SCRIPT, which names the Expect script that dials");
  return null;
}
