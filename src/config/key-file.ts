import { closeSync, fchmodSync, lstatSync, openSync, statSync, writeSync } from "node:fs";
import { keyText, parseKey } from "../crypto/key-text.ts";
import { EqlError } from "../errors.ts";
import { readPrivate } from "./secrets-file.ts";

const ROOT = 0;
/** A key has 44 characters, and white space may stand around it. */
const MOST_OCTETS = 256;

/**
 * The private or preshared key in a file, 32 octets, as `eql genkey` writes it. Nothing of the content is ever told.
 * @throws EqlError CONFIG_UNREADABLE: there is no such file, it is no regular one, somebody else than its owner may use it, or the owner (also that of a
 * symbolic link to it) is neither root nor this user; CONFIG_INVALID: it holds something else than a key
 */
export function readKeyFile(path: string): Uint8Array {
  checkKind(path);
  const content = readPrivate(path);
  if (content === null) throw missing(path);
  const key = content.length <= MOST_OCTETS ? parseKey(content.trim()) : null;
  if (key !== null) return key;
  throw new EqlError(
    "CONFIG_INVALID",
    `${path} has no key: it is to hold 44 characters and nothing else, as \`eql genkey\` prints them`,
    { details: { source: path, line: 1 } },
  );
}

/**
 * Writes a key into a file that only its owner may read. What is there already stays as it is.
 * @throws EqlError REQUEST_INVALID: there is something of that name, or it cannot be made
 */
export function writeKeyFile(path: string, key: Uint8Array): void {
  let fd = -1;
  try {
    fd = openSync(path, "wx", 0o600);
    fchmodSync(fd, 0o600); // The umask may have taken even the owner's right.
    writeSync(fd, `${keyText(key)}\n`);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what =
      code === "EEXIST"
        ? "exists already and is left as it is: name another file, or move it away"
        : `cannot be written: ${message}`;
    throw new EqlError("REQUEST_INVALID", `${path} ${what}`, { details: { file: path }, cause });
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Before it is opened: a pipe would be waited for. Who may use it is asked of what was opened. */
function checkKind(path: string): void {
  try {
    const { uid } = lstatSync(path);
    if (uid !== ROOT && uid !== process.geteuid?.())
      throw unusable(path, `is to hold a key and belongs to user ${uid}: run \`chown -h root ${path}\``);
    const status = statSync(path);
    if (!status.isFile()) throw unusable(path, "is no regular file: name the file that holds the key");
    if (status.size === 0) throw unusable(path, `is empty: put a key there with \`eql genkey > ${path}\``);
  } catch (cause) {
    if (cause instanceof EqlError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw missing(path);
    throw unusable(path, `cannot be read: ${message}`, cause);
  }
}

const missing = (path: string): EqlError =>
  unusable(path, `does not exist: make a key with \`eql genkey --out ${path}\``);

const unusable = (path: string, what: string, cause?: unknown): EqlError =>
  new EqlError("CONFIG_UNREADABLE", `${path} ${what}`, { details: { file: path }, cause });
