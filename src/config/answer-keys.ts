import * as z from "zod";
import { type AddressRange, addressRanges, parseAddressRange } from "./address-range.ts";
import { address, allowing, flag, integer, number, path, text } from "./keys.ts";
import { canonicalAddress } from "./network.ts";

/** The keys of `[answer.NAME]`: how callers are answered, and who may call. */

const line = (): z.ZodString => text(/^[ -~]{1,255}$/, "a text of 1 to 255 ASCII characters");
const prose = (): z.ZodString => text(/^[\n -~]{0,2000}$/, "a text of at most 2000 ASCII characters");

const answerKeys = {
  direct: flag().default(false).describe("Whether the line is no modem: callers are there without a call"),
  "wait-for-caller": flag()
    .default(false)
    .describe("Of a direct line: whether nothing is said before the caller has said something"),
  "modem-init": allowing(z.array(line()).max(16), 'commands in a list, such as ["AT&F", "ATS0=0"]')
    .default(["ATZ", "AT&C1&D2S0=0"])
    .describe("What the modem is told before it waits for calls, each command answered by OK"),
  "answer-command": line().default("ATA").describe("What makes the modem take a call"),
  "auto-answer": flag()
    .default(false)
    .describe("Whether the modem takes calls by itself, as after ATS0=1, and is told nothing"),
  rings: integer(1, 50).default(1).describe("At which ring a call is taken"),
  "carrier-wait": number(1, 600, "seconds")
    .default(60)
    .describe("How long the modem may take from the answer to CONNECT"),
  "modem-check": number(10, 86_400, "seconds")
    .default(600)
    .describe("While nobody calls: how often it is looked whether the modem is still there"),
  login: flag().default(true).describe("Whether callers are asked for a name and a password"),
  ppp: flag().default(true).describe("Whether PPP may begin without a login; it proves itself then"),
  banner: prose().default("").describe("Said before the first prompt"),
  "login-prompt": line().default("login: ").describe("Asks for the name; scripts of callers wait for ogin:"),
  "password-prompt": line()
    .default("Password: ")
    .describe("Asks for the password; scripts of callers wait for ssword:"),
  refusal: line().default("Login incorrect").describe("Said when name or password are wrong"),
  message: prose()
    .default("$protocol session from ($local) to $remote beginning....\n")
    .describe("Said after a login; $protocol, $local, $remote, $mtu and $user are filled in"),
  "login-wait": number(5, 3600, "seconds").default(60).describe("How long the login may take"),
  tries: integer(1, 100).default(3).describe("Wrong passwords after which the caller is hung up"),
  users: path("/etc/eql/users.toml")
    .default("/etc/eql/users.toml")
    .describe("Who may call: the file that `eql user` keeps"),
  radius: text(/^[\w.-]{1,64}$/, "the NAME of a [radius.NAME]")
    .optional()
    .describe("RADIUS servers that know who may call, instead of the users' file"),
  masquerade: flag()
    .default(false)
    .describe("Whether callers of the pool reach what is behind this host, under its address"),
  forward: flag().default(false).describe("With masquerade: whether the kernel is made to forward packets"),
  address: address()
    .optional()
    .describe("Our IPv4 address towards callers, where the line has none of its own"),
  pool: addressRanges()
    .optional()
    .describe("Addresses for callers who have none of their own, on lines that have no peer"),
  dns: allowing(z.array(address()).max(2), 'at most two addresses in a list, such as ["10.0.0.53"]')
    .default([])
    .describe("Name servers for PPP callers who ask, where the line has none of its own"),
  "max-lines": integer(1, 255)
    .optional()
    .describe("How many lines a user may have, where the account says nothing; without it, all"),
  "idle-limit": number(1, 10_000_000, "seconds")
    .optional()
    .describe("After so long without packets from a caller it is hung up, where the account says nothing"),
  "session-limit": number(1, 10_000_000, "seconds")
    .optional()
    .describe("How long a call may last, where the account says nothing"),
  accounting: path("/var/log/eql/sessions.jsonl")
    .optional()
    .describe("A file to which a line is added when a session begins and when it ends"),
  "accounting-interval": number(10, 86_400, "seconds")
    .optional()
    .describe("How often a line is added for a session that goes on; without it, never"),
} as const;

export const answerSchema = allowing(z.strictObject(answerKeys), "a table");
export type AnswerTable = z.output<typeof answerSchema>;

/** How callers are answered. Null: none, or no limit. */
export interface AnswerConfig {
  /** That of the table. */
  readonly name: string;
  /** Null: a direct line. */
  readonly modem: {
    readonly init: readonly string[];
    /** Null: it answers by itself. */
    readonly answer: string | null;
    readonly rings: number;
    readonly carrierWaitMs: number;
    readonly checkMs: number;
  } | null;
  readonly waitsForCaller: boolean;
  /** Null: nobody is asked. */
  readonly login: {
    readonly banner: string;
    readonly loginPrompt: string;
    readonly passwordPrompt: string;
    readonly refusal: string;
    readonly tries: number;
  } | null;
  readonly ppp: boolean;
  /** With `$` and words to be filled in. */
  readonly message: string;
  readonly loginWaitMs: number;
  readonly usersFile: string;
  /** Null: the users' file says who may call. */
  readonly radius: string | null;
  readonly masquerade: boolean;
  readonly forward: boolean;
  readonly address: string | null;
  readonly pool: readonly AddressRange[];
  readonly dns: readonly string[];
  readonly maxLines: number | null;
  readonly idleMs: number | null;
  readonly sessionMs: number | null;
  readonly accountingFile: string | null;
  readonly accountingIntervalMs: number | null;
}

export function completeAnswer(name: string, table: AnswerTable): AnswerConfig {
  return {
    name,
    modem: table.direct
      ? null
      : {
          init: table["modem-init"],
          answer: table["auto-answer"] ? null : table["answer-command"],
          rings: table.rings,
          carrierWaitMs: table["carrier-wait"] * 1000,
          checkMs: table["modem-check"] * 1000,
        },
    waitsForCaller: table["wait-for-caller"],
    login: table.login
      ? {
          banner: table.banner,
          loginPrompt: table["login-prompt"],
          passwordPrompt: table["password-prompt"],
          refusal: table.refusal,
          tries: table.tries,
        }
      : null,
    ppp: table.ppp,
    message: table.message,
    loginWaitMs: table["login-wait"] * 1000,
    usersFile: table.users,
    radius: table.radius ?? null,
    masquerade: table.masquerade,
    forward: table.forward,
    address: table.address === undefined ? null : canonicalAddress(table.address),
    pool: (table.pool ?? []).flatMap((range) => parseAddressRange(range) ?? []),
    dns: table.dns.map(canonicalAddress),
    maxLines: table["max-lines"] ?? null,
    idleMs: milliseconds(table["idle-limit"]),
    sessionMs: milliseconds(table["session-limit"]),
    accountingFile: table.accounting ?? null,
    accountingIntervalMs: milliseconds(table["accounting-interval"]),
  };
}

const milliseconds = (value: number | undefined): number | null =>
  value === undefined ? null : value * 1000;
