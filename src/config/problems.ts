import { EqlError, type EqlErrorCode } from "../errors.ts";

export type KeyPath = readonly (string | number)[];

interface Problem {
  readonly path: KeyPath;
  readonly text: string;
}

/** Everything that is wrong with one source (a file, a request), gathered so that it is said in one go. */
export class Problems {
  readonly #source: string;
  readonly #found: Problem[] = [];

  /** @param source how messages call it: the file, or `line sl0` */
  constructor(source: string) {
    this.#source = source;
  }

  /** @param path keys from the top of the source; empty: the source as a whole */
  add(path: KeyPath, text: string): void {
    this.#found.push({ path, text });
  }

  /** Adds `found 3; allowed: …`, with the reason where there is one. */
  addValue(path: KeyPath, value: unknown, allowed: string, reason = ""): void {
    this.add(path, `found ${show(value)}${reason === "" ? "" : ` (${reason})`}; allowed: ${allowed}`);
  }

  /** @throws EqlError `code`, which lists all problems, when there are any */
  throwIfAny(code: EqlErrorCode): void {
    const [first, ...others] = this.#found;
    if (first === undefined) return;
    const lines = this.#found.map(({ path, text }) =>
      path.length === 0 ? text : `${showKey(path)}: ${text}`,
    );
    const message =
      others.length === 0
        ? `${this.#source}: ${lines[0]}`
        : `${this.#source}: ${lines.length} errors\n${lines.map((line) => `  ${line}`).join("\n")}`;
    throw new EqlError(code, message, {
      details: { source: this.#source, key: showKey(first.path), errors: lines.length },
    });
  }
}

/** `line.sl0.routes[1]`, quoted as TOML wants it where a key is not bare. */
function showKey(path: KeyPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${/^[\w-]+$/.test(part) ? part : shorten(JSON.stringify(part))}`;
  }
  return text;
}

/** A value as it would stand in the file; only its kind where that would be long. */
export function show(value: unknown): string {
  if (typeof value === "string") return shorten(JSON.stringify(value));
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value);
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (value instanceof Date) return "a date or time";
  return Array.isArray(value) ? "a list" : "a table";
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 76)}…"` : text);
