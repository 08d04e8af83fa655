import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { EqlError } from "../errors.ts";
import { check, flock, LOCK_EX } from "../host/libc.ts";

/** A client of `eql server`: it has the n-th address after the server's. */
export interface KnownClient {
  /** From 1 on. */
  readonly number: number;
  readonly key: string;
}

const HEADER =
  "# Clients of `eql server`: number and public key. The n-th has the n-th address after the server's.\n";

/** The file of a server's clients, beside that of its key. */
export const clientsFileOf = (keyFile: string): string => `${keyFile.replace(/\.key$/, "")}.clients`;

/** @throws EqlError CONFIG_UNREADABLE; CONFIG_INVALID: a line is something else */
export function readClients(path: string): readonly KnownClient[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new EqlError("CONFIG_UNREADABLE", `cannot read the clients in ${path}: ${message}`, {
      cause: error,
    });
  }
  return text.split("\n").flatMap((line, at) => {
    const words = line.replace(/#.*/, "").trim();
    if (words === "") return [];
    const [, number, key = ""] = /^([1-9]\d{0,8})\s+(\S+)$/.exec(words) ?? [];
    if (number !== undefined) return [{ number: Number(number), key }];
    throw new EqlError(
      "CONFIG_INVALID",
      `${path}:${at + 1}: found ${words}; allowed: a number and a public key`,
    );
  });
}

/** Clients with some more, who get the least numbers that are free, and without some. */
export function changeClients(
  clients: readonly KnownClient[],
  added: readonly string[],
  dropped: readonly string[],
): readonly KnownClient[] {
  const left = clients.filter(({ key }) => !dropped.includes(key));
  for (const key of added) {
    if (!left.some((each) => each.key === key)) left.push({ number: freeNumber(left), key });
  }
  return left.toSorted((a, b) => a.number - b.number);
}

export function freeNumber(clients: readonly KnownClient[]): number {
  let number = 1;
  while (clients.some((each) => each.number === number)) number++;
  return number;
}

/**
 * Has a file hold others; nobody else changes it meanwhile.
 * @returns what it holds now
 * @throws EqlError CONFIG_UNREADABLE, CONFIG_INVALID: as they are; REQUEST_INVALID: it cannot be written
 */
export function updateClients(
  path: string,
  change: (clients: readonly KnownClient[]) => readonly KnownClient[],
): readonly KnownClient[] {
  const cannot = (cause: unknown): EqlError =>
    new EqlError("REQUEST_INVALID", `cannot write the clients to ${path}: ${(cause as Error).message}`, {
      cause,
    });
  let lock: number;
  try {
    mkdirSync(dirname(path), { recursive: true });
    lock = openSync(dirname(path), "r");
  } catch (error) {
    throw cannot(error);
  }
  try {
    check(flock(lock, LOCK_EX), `Locking ${dirname(path)}`);
    const clients = change(readClients(path));
    try {
      // Never half of it.
      writeFileSync(`${path}.new`, textOf(clients), { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      rmSync(`${path}.new`, { force: true });
      throw cannot(error);
    }
    return clients;
  } finally {
    closeSync(lock);
  }
}

const textOf = (clients: readonly KnownClient[]): string =>
  HEADER + clients.map(({ number, key }) => `${number} ${key}\n`).join("");
