import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { EqlError } from "../errors.ts";
import type { Secret } from "../ppp/settings.ts";
import { splitWords, type Word } from "./pppd-words.ts";

const GROUP_AND_OTHERS = 0o077;
const ROOT = 0;
/** Stands for the system's passwords, not for a file. */
const SYSTEM_LOGIN = "@login";

/**
 * The entries of a file such as /etc/ppp/pap-secrets (pppd(8), AUTHENTICATION): client, server, secret and the addresses
 * that the client may use, an entry a line. Addresses are left as they stand, without what follows `--`.
 * @returns none when there is no such file
 * @throws EqlError CONFIG_UNREADABLE: also when somebody else than the owner may read or write it, or the owner is neither
 * root nor this user; CONFIG_INVALID: an entry is incomplete
 */
export function readSecrets(path: string): Secret[] {
  const content = readPrivate(path);
  if (content === null) return [];
  const entries: Word[][] = [];
  for (const word of splitWords(content)) {
    if (word.first) entries.push([word]);
    else entries.at(-1)?.push(word);
  }
  return entries.map((words) => toSecret(words, path));
}

/**
 * The first line of a file that holds one secret and nothing else.
 * @throws EqlError CONFIG_UNREADABLE: as with {@link readSecrets}, and when there is no such file or nothing in it
 */
export function readSecretLine(path: string): string {
  const [line = ""] = (readPrivate(path) ?? "").split(/\r?\n/, 1);
  if (line !== "") return line;
  throw unreadable(path, "has no secret: it is to be the first line");
}

function toSecret(words: readonly Word[], path: string): Secret {
  const [client, server, secret, ...rest] = words.map(({ text }) => text);
  if (client === undefined || server === undefined || secret === undefined) {
    const line = words[0]?.line ?? 0;
    throw new EqlError("CONFIG_INVALID", `${path}:${line}: an entry is: client, server, secret, addresses`, {
      details: { source: path, line },
    });
  }
  const end = rest.indexOf("--");
  const addresses = end < 0 ? rest : rest.slice(0, end);
  return { client, server, secret: secretOf(secret, path), addresses: addresses[0] === "-" ? [] : addresses };
}

/** `@FILE` stands for the first word of that file. */
function secretOf(text: string, path: string): string {
  if (!text.startsWith("@") || text === SYSTEM_LOGIN) return text;
  const file = resolve(dirname(path), text.slice(1));
  const [word] = splitWords(readPrivate(file) ?? "");
  if (word !== undefined) return word.text;
  throw unreadable(file, `has no secret, which ${path} looks for there`);
}

/** @returns null: there is no such file */
export function readPrivate(path: string): string | null {
  let fd = -1;
  try {
    fd = openSync(path, "r");
    const { mode, uid } = fstatSync(fd);
    if ((mode & GROUP_AND_OTHERS) !== 0) {
      throw unreadable(
        path,
        `holds secrets, and others than its owner may use it: run \`chmod 600 ${path}\``,
      );
    }
    if (uid !== ROOT && uid !== process.geteuid?.()) {
      throw unreadable(path, `holds secrets and belongs to user ${uid}: run \`chown root ${path}\``);
    }
    return readFileSync(fd, "utf8");
  } catch (cause) {
    if (cause instanceof EqlError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw unreadable(path, `cannot be read: ${message}`, cause);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

const unreadable = (path: string, what: string, cause?: unknown): EqlError =>
  new EqlError("CONFIG_UNREADABLE", `${path} ${what}`, { details: { file: path }, cause });
