import * as z from "zod";
import { EqlError } from "../errors.ts";
import { type AddressRange, addressRanges, parseAddressRange } from "./address-range.ts";
import { address, allowing, integer, networks, number, oneOf, text } from "./keys.ts";
import { canonicalAddress, canonicalNetwork, familyOf } from "./network.ts";
import { Problems } from "./problems.ts";
import { readPrivate } from "./secrets-file.ts";
import { parseDocument, readNamedTables, rejectUnknownTables } from "./toml-file.ts";

/** Keys of `[user.NAME]`. */
const userKeys = {
  password: text(
    /^\$scrypt\$ln=\d{1,2},r=\d{1,2},p=\d{1,2}\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$/,
    "what `eql user hash` makes of a password",
  )
    .optional()
    .describe("For the login prompt and PAP, hashed; without it, these take the secret"),
  secret: allowing(z.string().min(1).max(255), "a text of 1 to 255 characters")
    .optional()
    .describe("For CHAP and MS-CHAPv2, which need it as it is"),
  protocol: oneOf(["ppp", "slip", "any"])
    .default("any")
    .describe("What is spoken after a login; any: whatever the caller begins with, SLIP when it is silent"),
  address: address().optional().describe("The caller's IPv4 address, on all its lines"),
  pool: addressRanges()
    .optional()
    .describe("Addresses of which the caller is given one, instead of the line's pool"),
  routes: networks().default([]).describe("Networks behind the caller"),
  mtu: integer(68, 16384, "octets").optional().describe("Largest IP packet to the caller"),
  "max-lines": integer(1, 255)
    .optional()
    .describe("How many lines may be in use at a time; more than one are bundled"),
  "idle-limit": number(1, 10_000_000, "seconds")
    .optional()
    .describe("After so long without packets the caller is hung up"),
  "session-limit": number(1, 10_000_000, "seconds").optional().describe("How long a call may last"),
};

export const USER_SCHEMA: z.ZodObject<typeof userKeys> = z.object(userKeys);

const USER_NAME = text(/^[!-~]{1,64}$/, "a name of 1 to 64 printable ASCII characters, without spaces");

/** Who may call, and as what. Null: no limit of its own. */
export interface UserAccount {
  readonly name: string;
  /** A hash. */
  readonly password: string | null;
  readonly secret: string | null;
  readonly protocol: "ppp" | "slip" | "any";
  readonly address: string | null;
  readonly pool: readonly AddressRange[] | null;
  readonly routes: readonly string[];
  readonly mtu: number | null;
  readonly maxLines: number | null;
  readonly idleMs: number | null;
  readonly sessionMs: number | null;
}

export const isUserName = (name: string): boolean => USER_NAME.safeParse(name).success;

/**
 * Everybody in a users' file.
 * @throws EqlError CONFIG_UNREADABLE: also when there is no such file, or others than its owner may use it; CONFIG_INVALID
 */
export function readUsers(path: string): ReadonlyMap<string, UserAccount> {
  const source = readPrivate(path);
  if (source !== null) return parseUsers(source, path);
  throw new EqlError("CONFIG_UNREADABLE", `there is no users' file ${path}: make one by \`eql user add\``, {
    details: { file: path },
  });
}

/** @throws EqlError CONFIG_INVALID, listing everything that is wrong */
export function parseUsers(source: string, file: string): ReadonlyMap<string, UserAccount> {
  const problems = new Problems(file);
  const document = parseDocument(source, file);
  rejectUnknownTables(document, ["user"], problems);
  const users = readNamedTables(USER_SCHEMA, document, "user", USER_NAME, problems, ["password", "secret"]);
  for (const [name, table] of users) {
    if (table.password === undefined && table.secret === undefined) {
      problems.add(["user", name], "has neither password nor secret, so that nobody can log in; give one");
    }
    if (table.address !== undefined && table.pool !== undefined) {
      problems.add(["user", name, "pool"], "found address as well; give one of them");
    }
    if (table.address !== undefined && familyOf(table.address) !== "IPv4") {
      problems.addValue(["user", name, "address"], table.address, "an IPv4 address");
    }
  }
  problems.throwIfAny("CONFIG_INVALID");
  return new Map(users.map(([name, table]) => [name, accountOf(name, table)]));
}

function accountOf(name: string, table: z.output<typeof USER_SCHEMA>): UserAccount {
  const { "idle-limit": idle, "session-limit": session, pool } = table;
  return {
    name,
    password: table.password ?? null,
    secret: table.secret ?? null,
    protocol: table.protocol,
    address: table.address === undefined ? null : canonicalAddress(table.address),
    pool: pool?.flatMap((range) => parseAddressRange(range) ?? []) ?? null,
    routes: table.routes.map(canonicalNetwork),
    mtu: table.mtu ?? null,
    maxLines: table["max-lines"] ?? null,
    idleMs: idle === undefined ? null : idle * 1000,
    sessionMs: session === undefined ? null : session * 1000,
  };
}
