import * as z from "zod";
import { SCHEDULER_NAMES } from "../control/messages.ts";
import { addressFault, networkFault } from "./network.ts";

/**
 * The configuration file, key by key: what each is, what it may hold, and what it is when it is left out.
 *
 * The description is for people and editors; {@link allowedBy} is what error messages and docs/configuration.md say. A
 * key without a default is absent unless given, or takes its value from another key (see complete.ts). Rules that need
 * more than one key are in rules.ts.
 */
const allowing = <Schema extends z.ZodType>(schema: Schema, allowed: string): Schema =>
  schema.meta({ allowed });

/** What a key may hold, in words. */
export function allowedBy(schema: z.core.$ZodType | undefined): string {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return allowedBy(schema.unwrap());
  return schema instanceof z.ZodType ? String(schema.meta()?.["allowed"]) : "nothing";
}

const integer = (from: number, to: number, unit?: string): z.ZodInt =>
  allowing(
    z.int().min(from).max(to),
    `an integer from ${from} to ${to}${unit === undefined ? "" : ` (${unit})`}`,
  );
const number = (from: number, to: number, unit: string): z.ZodNumber =>
  allowing(z.number().min(from).max(to), `a number from ${from} to ${to} (${unit})`);
const oneOf = <const Name extends string>(names: readonly Name[]): z.ZodEnum<{ [N in Name]: N }> =>
  allowing(z.enum(names), names.map((name) => `"${name}"`).join(", ")) as z.ZodEnum<{ [N in Name]: N }>;
const flag = (): z.ZodBoolean => allowing(z.boolean(), "true or false");
const text = (pattern: RegExp, allowed: string): z.ZodString => allowing(z.string().regex(pattern), allowed);
const path = (example: string, most = 4095): z.ZodString =>
  allowing(
    z
      .string()
      .regex(/^\/[ -~\u00a0-\uffff]*$/)
      .max(most),
    `an absolute path of at most ${most} characters, such as "${example}"`,
  );

/** A text without fault. The fault becomes part of the message; `editor` says about the same to JSON Schema. */
const faultless = (fault: (text: string) => string | null, editor: Record<string, unknown>): z.ZodString =>
  z
    .string()
    .refine((value) => fault(value) === null, { error: (issue) => fault(String(issue.input)) ?? "" })
    .meta(editor);
const address = (): z.ZodString =>
  allowing(
    faultless(addressFault, { anyOf: [{ format: "ipv4" }, { format: "ipv6" }] }),
    "an IPv4 or IPv6 address",
  );
const networks = (): z.ZodArray<z.ZodString> =>
  allowing(
    z.array(faultless(networkFault, { pattern: "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" })),
    'networks in a list, such as ["192.168.7.0/24", "fd00:7::/64"]',
  );

/** What the kernel takes as the name of an interface, less what it or a shell would read as something else. */
export const interfaceName: z.ZodString = text(
  /^(?!\.{1,2}$)[!-$&-.0-9;-~]{1,15}$/,
  "a name of 1 to 15 printable ASCII characters, without space, slash, colon or per cent sign",
);

const daemonKeys = {
  socket: path("/run/eql/eql.sock", 107)
    .default("/run/eql/eql.sock")
    .describe("Control socket of the daemon"),
  "socket-mode": text(/^0?[0-7]{3}$/, 'octal digits as text, such as "0660"')
    .default("0600")
    .describe("Permissions of the control socket"),
  "socket-group": text(/^[^\s:]+$/, "the name of a group")
    .optional()
    .describe("Group of the control socket; without it, that of the daemon"),
  "lock-directory": path("/var/lock").default("/var/lock").describe("Where UUCP lock files are kept"),
  "log-level": oneOf(["trace", "debug", "info", "warn", "error"])
    .default("info")
    .describe("The least important messages that are logged"),
};

const masterKeys = {
  address: address()
    .optional()
    .describe("Address of this side; without it, the interface waits to be addressed from outside"),
  peer: address().optional().describe("Address of the far side"),
  mtu: integer(68, 16384, "octets")
    .default(1500)
    .describe("Largest IP packet; equal on all slaves; at least 1280 with IPv6"),
  scheduler: oneOf(SCHEDULER_NAMES)
    .default("earliest-arrival")
    .describe("How the line for a packet is chosen"),
  "max-slaves": integer(1, 255)
    .default(4)
    .describe("Most slaves at a time; more slaves in the file raise it by themselves"),
  "min-slaves": integer(1, 255)
    .default(1)
    .describe(
      "Fewest slaves that are wanted; kept and shown as by the driver of 1995, nothing depends on it",
    ),
  "queue-packets": integer(8, 1024, "packets").default(64).describe("How many packets may wait for a line"),
  "default-route": flag().default(false).describe("Whether the default route leads through the master"),
  routes: networks().default([]).describe("Networks that are reached through the master"),
};

const BITS = "bits per second";
const lineKeys = {
  device: path("/dev/ttyS0").optional().describe("The tty; a line has either this or an interface"),
  interface: interfaceName
    .optional()
    .describe('An existing kernel interface that carries IP without Ethernet headers, such as "ppp0"'),
  protocol: oneOf(["slip"]).default("slip").describe("What is spoken on the tty"),
  speed: integer(50, 100_000_000, BITS).default(38400).describe("Speed of the port"),
  rate: integer(1, 10_000_000_000, BITS)
    .optional()
    .describe("What the line is estimated to carry, at ten bits an octet"),
  rtscts: flag().default(false).describe("Whether RTS and CTS stop and start the flow"),
  lock: flag().default(true).describe("Whether a UUCP lock file is taken"),
  mtu: integer(68, 16384, "octets")
    .optional()
    .describe("Largest IP packet; equal to that of the master; at least 1280 with IPv6"),
  master: interfaceName
    .optional()
    .describe("Name of the master that the line joins; without it, it stays alone"),
  address: address().optional().describe("Address of this side while the line is alone"),
  peer: address().optional().describe("Address of the far side while the line is alone, and of the echo"),
  routes: networks().default([]).describe("Networks that are reached through the line while it is alone"),
  "default-route": flag()
    .default(false)
    .describe("Whether the default route leads through the line while it is alone"),
  "echo-interval": number(0.1, 3600, "seconds")
    .optional()
    .describe("Time between two echoes (ping) to the peer; without it there are none"),
  "echo-failures": integer(1, 100)
    .default(3)
    .describe("Echoes unanswered in a row after which the line counts as silent"),
};

export const daemonSchema = allowing(z.strictObject(daemonKeys), "a table");
export const masterSchema = allowing(z.strictObject(masterKeys), "a table");
export const lineSchema = allowing(z.strictObject(lineKeys), "a table");

export const fileSchema = z.strictObject({
  daemon: daemonSchema.optional().describe("The daemon itself"),
  master: allowing(z.record(interfaceName, masterSchema), "tables [master.NAME]")
    .optional()
    .describe("Masters, by name: interfaces such as eql, each of which spreads its packets over its slaves"),
  line: allowing(z.record(interfaceName, lineSchema), "tables [line.NAME]")
    .optional()
    .describe("Lines, by name of their interface"),
});

export type DaemonTable = z.output<typeof daemonSchema>;
export type MasterTable = z.output<typeof masterSchema>;
export type LineTable = z.output<typeof lineSchema>;
