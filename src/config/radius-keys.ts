import { isIPv4 } from "node:net";
import * as z from "zod";
import { allowing, flag, integer, number, path, text } from "./keys.ts";

/** The keys of `[radius.NAME]`: servers that know who may call. */

const server = (): z.ZodString =>
  text(/^[0-9A-Za-z_.:-]{1,253}$/, 'an address or a name, such as "192.0.2.1" or "radius.example.org"');

const radiusKeys = {
  servers: allowing(
    z.array(server()).min(1).max(16),
    'addresses in a list, such as ["192.0.2.1", "192.0.2.2"]',
  ).describe("RADIUS servers; each is asked when those before it do not answer"),
  "secret-file": path("/etc/eql/radius.secret").describe(
    "A file whose first line is the secret that the servers know this host by; only its owner may have access to it",
  ),
  "auth-port": integer(1, 65_535).default(1812).describe("Where they are asked who is let in"),
  "accounting-port": integer(1, 65_535).default(1813).describe("Where they are told of sessions"),
  accounting: flag().default(true).describe("Whether they are told of sessions"),
  interim: number(60, 86_400, "seconds")
    .optional()
    .describe("How often they hear of a session that goes on, unless they say it; without it, never"),
  timeout: number(0.1, 60, "seconds")
    .default(3)
    .describe("How long an answer is waited for before they are asked again"),
  tries: integer(1, 20).default(3).describe("How often each is asked"),
  "unsigned-replies": flag()
    .default(false)
    .describe(
      "Whether replies without Message-Authenticator are believed: who can forge packets on the way can then let himself in",
    ),
  "nas-identifier": text(/^[!-~]{1,64}$/, "a name of 1 to 64 printable ASCII characters, without spaces")
    .optional()
    .describe("What this host calls itself; by default its name"),
  "nas-address": allowing(z.string().refine(isIPv4).meta({ format: "ipv4" }), "an IPv4 address")
    .optional()
    .describe("This host's address, for servers that want to be told"),
} as const;

export const radiusSchema = allowing(z.strictObject(radiusKeys), "a table");
export type RadiusTable = z.output<typeof radiusSchema>;

/** Servers that know who may call. */
export interface RadiusConfig {
  /** In the order in which they are asked. */
  readonly servers: readonly string[];
  readonly secretFile: string;
  readonly authPort: number;
  /** Null: they are not told of sessions. */
  readonly accountingPort: number | null;
  readonly interimMs: number | null;
  readonly tryMs: number;
  readonly tries: number;
  /** Whether what they say has to be signed. */
  readonly mustSign: boolean;
  /** Null: the host's name. */
  readonly identifier: string | null;
  readonly address: string | null;
}

export function completeRadius(table: RadiusTable): RadiusConfig {
  return {
    servers: table.servers,
    secretFile: table["secret-file"],
    authPort: table["auth-port"],
    accountingPort: table.accounting ? table["accounting-port"] : null,
    interimMs: table.interim === undefined ? null : table.interim * 1000,
    tryMs: table.timeout * 1000,
    tries: table.tries,
    mustSign: !table["unsigned-replies"],
    identifier: table["nas-identifier"] ?? null,
    address: table["nas-address"] ?? null,
  };
}
