import { EqlError } from "../errors.ts";
import { parseUsers } from "./users-file.ts";

/** Changes of a users' file as text, so that comments and the order of others stay. */

/** Keys of a user that are set; undefined: left as they are. */
export interface UserKeys {
  /** A hash. */
  readonly password: string;
  readonly secret?: string | undefined;
  readonly protocol?: string | undefined;
  readonly address?: string | undefined;
}

/**
 * The file with these keys of a user: a new one at its end, or one that was there.
 * @throws EqlError CONFIG_INVALID
 */
export function withUser(source: string, name: string, keys: UserKeys, file: string): string {
  const lines = Object.entries(keys).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, line: `${key} = ${JSON.stringify(value)}` }],
  );
  const found = sectionOf(source, name);
  if (found === null) {
    const before = source === "" || source.endsWith("\n\n") ? source : `${source.replace(/\n?$/, "\n")}\n`;
    const table = [headerOf(name), ...lines.map(({ line }) => line), ""].join("\n");
    return settled(before + table, name, keys, file);
  }
  let section = source.slice(found.from, found.to);
  for (const { key, line } of lines.toReversed()) {
    const old = new RegExp(`^[ \\t]*${key}[ \\t]*=.*$`, "m");
    section = old.test(section)
      ? section.replace(old, () => line)
      : section.replace(/\n|$/, () => `\n${line}\n`);
  }
  return settled(source.slice(0, found.from) + section + source.slice(found.to), name, keys, file);
}

/** @returns the file without a user; null: it has none of that name @throws EqlError CONFIG_INVALID */
export function withoutUser(source: string, name: string, file: string): string | null {
  if (!parseUsers(source, file).has(name)) return null;
  const found = sectionOf(source, name);
  return settled(
    found === null ? source : source.slice(0, found.from) + source.slice(found.to),
    name,
    null,
    file,
  );
}

/** @throws EqlError CONFIG_INVALID: the text is not what was meant, as its TOML is written in another way than this knows */
function settled(source: string, name: string, keys: UserKeys | null, file: string): string {
  const user = parseUsers(source, file).get(name);
  const isMeant =
    keys === null
      ? user === undefined
      : Object.entries(keys).every(
          ([key, value]) => value === undefined || user?.[key as keyof UserKeys] === value,
        );
  if (isMeant) return source;
  const message = `${file} is written in a way that only its author can change: edit user ${name} by hand`;
  throw new EqlError("CONFIG_INVALID", message, { details: { file, user: name } });
}

/** Where a user's table stands: from its header to the next one. */
function sectionOf(source: string, name: string): { readonly from: number; readonly to: number } | null {
  const headers = [...source.matchAll(/^[ \t]*\[[^\n]*$/gm)];
  const at = headers.findIndex(([text]) => nameIn(text) === name);
  const header = headers[at];
  return header === undefined ? null : { from: header.index, to: headers[at + 1]?.index ?? source.length };
}

const headerOf = (name: string): string => `[user.${/^[\w-]+$/.test(name) ? name : JSON.stringify(name)}]`;

/** Of `[user.joe]`, `[user."joe"]`, `[user.'joe']`. */
function nameIn(header: string): string | null {
  const found = /^[ \t]*\[[ \t]*user[ \t]*\.[ \t]*(?:([\w-]+)|'([^']*)'|("(?:[^"\\]|\\.)*"))[ \t]*\]/.exec(
    header,
  );
  if (found === null) return null;
  try {
    return found[1] ?? found[2] ?? String(JSON.parse(found[3] as string));
  } catch {
    return null; // an escape of TOML's that JSON does not have
  }
}
