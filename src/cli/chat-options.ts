import { EqlError } from "../errors.ts";

/** The command line of chat(8). */
export interface ChatOptions {
  /** The script's words, latin1; null: they are in `file`. */
  readonly words: readonly string[] | null;
  readonly file: string | null;
  readonly timeout: string;
  readonly reportFile: string | null;
  readonly echo: boolean;
  /** Whether `$NAME` stands for a variable. */
  readonly variables: boolean;
  /** What it does is logged, not only why it failed. */
  readonly verbose: boolean;
  /** What is received is shown on standard error. */
  readonly shows: boolean;
  readonly toStderr: boolean;
  readonly toSyslog: boolean;
  readonly phone: string | null;
  readonly phone2: string | null;
}

const FLAGS = "esEvVS";
const VALUES = "ftrTU";

/**
 * Reads options up to the first word that is none: what follows is the script.
 * @throws EqlError REQUEST_INVALID
 */
export function parseChatOptions(args: readonly string[]): ChatOptions {
  const flags = new Set<string>();
  const values = new Map<string, string>();
  let next = 0;
  for (; next < args.length; next++) {
    const arg = args[next] as string;
    if (arg === "--") {
      next += 1;
      break;
    }
    if (!arg.startsWith("-") || arg === "-") break;
    for (let i = 1; i < arg.length; i++) {
      const letter = arg.charAt(i);
      if (FLAGS.includes(letter)) flags.add(letter);
      else if (VALUES.includes(letter)) {
        const rest = arg.slice(i + 1);
        if (rest === "") next += 1;
        const value = rest === "" ? args[next] : rest;
        if (value === undefined) throw wrong(`-${letter} needs a value`);
        values.set(letter, value);
        break;
      } else throw wrong(`there is no option -${letter}`);
    }
  }
  const words = args.slice(next);
  const file = values.get("f") ?? null;
  if (file !== null && words.length > 0) throw wrong("the script is either in a file (-f) or in arguments");
  return {
    words: file === null ? words.map(toLatin1) : null,
    file,
    timeout: values.get("t") ?? "",
    reportFile: values.get("r") ?? null,
    echo: flags.has("e"),
    variables: flags.has("E"),
    verbose: flags.has("v"),
    shows: flags.has("V"),
    toStderr: flags.has("s"),
    toSyslog: !flags.has("S"),
    phone: toLatin1OrNull(values.get("T")),
    phone2: toLatin1OrNull(values.get("U")),
  };
}

/** The octets of a text, one to a character. */
export const toLatin1 = (text: string): string => Buffer.from(text).toString("latin1");
const toLatin1OrNull = (text: string | undefined): string | null =>
  text === undefined ? null : toLatin1(text);

const wrong = (what: string): EqlError => new EqlError("REQUEST_INVALID", what);
