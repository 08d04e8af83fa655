import { chownSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readPrivate } from "../config/secrets-file.ts";
import { withoutUser, withUser } from "../config/users-edit.ts";
import { isUserName, parseUsers, readUsers, type UserAccount } from "../config/users-file.ts";
import { EqlError } from "../errors.ts";
import { hashPassword } from "../host/password.ts";
import { type Column, formatTable } from "./format-table.ts";

export interface NewUser {
  readonly name: string;
  readonly password: string;
  /** Whether the password is kept as it is, too. */
  readonly chap: boolean;
  /** Undefined: as it is, or by default. */
  readonly protocol: string | undefined;
  readonly address: string | undefined;
}

/**
 * Adds a user, or gives one another password.
 * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID, REQUEST_INVALID
 */
export async function addUser(file: string, user: NewUser): Promise<void> {
  const { name, password, chap, protocol, address } = user;
  if (!isUserName(name)) {
    throw new EqlError(
      "REQUEST_INVALID",
      `a user's name has 1 to 64 printable ASCII characters and no space, not ${JSON.stringify(name)}`,
    );
  }
  const hash = await hashPassword(Buffer.from(password));
  const source = readPrivate(file) ?? "";
  // A secret that stayed would let in who knows the old password.
  const hasSecret = chap || (parseUsers(source, file).get(name)?.secret ?? null) !== null;
  const keys = { password: hash, secret: hasSecret ? password : undefined, protocol, address };
  write(file, withUser(source, name, keys, file));
}

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID, REQUEST_INVALID: there is no such user */
export function removeUser(file: string, name: string): void {
  const left = withoutUser(readPrivate(file) ?? "", name, file);
  if (left === null) throw new EqlError("REQUEST_INVALID", `there is no user ${name} in ${file}`);
  write(file, left);
}

/** @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID */
export function listUsers(file: string): string {
  const none = (): string[] => [];
  return formatTable(COLUMNS, [...readUsers(file).values()], none);
}

const COLUMNS: readonly Column<UserAccount>[] = [
  { title: "user", cell: ({ name }) => name },
  { title: "protocol", cell: ({ protocol }) => protocol },
  { title: "password", cell: ({ password }) => (password === null ? "no" : "yes") },
  { title: "chap", cell: ({ secret }) => (secret === null ? "no" : "yes") },
  {
    title: "address",
    cell: ({ address, pool }) => address ?? (pool === null ? "the line's pool" : "a pool of its own"),
  },
  { title: "lines", cell: ({ maxLines }) => maxLines ?? "" },
];

/** Writes the whole file anew, and no half of it. */
function write(file: string, content: string): void {
  parseUsers(content, file);
  const draft = `${file}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const old = statSync(file, { throwIfNoEntry: false });
    rmSync(draft, { force: true });
    writeFileSync(draft, content, { mode: 0o600, flag: "wx" });
    if (old !== undefined) chownSync(draft, old.uid, old.gid);
    renameSync(draft, file);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw new EqlError("CONFIG_UNREADABLE", `cannot write ${file}: ${(cause as Error).message}`, {
      details: { file },
      cause,
    });
  }
}
