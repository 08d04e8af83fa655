import * as z from "zod";
import { SCHEDULER_NAMES } from "../control/messages.ts";
import { answerSchema } from "./answer-keys.ts";
import { dialSchema, phoneNumbers } from "./dial-keys.ts";
import { address, allowing, flag, integer, networks, number, oneOf, path, text } from "./keys.ts";
import { pppKeys } from "./ppp-keys.ts";
import { radiusSchema } from "./radius-keys.ts";
import { callingKeys, masterAddress, pathKeys, wholeServerSchema } from "./tunnel-keys.ts";

/**
 * The configuration file, key by key: what each is, what it may hold, and what it is when it is left out.
 *
 * The description is for people and editors; `allowedBy` of keys.ts is what error messages and docs/configuration.md say. A
 * key without a default is absent unless given, or takes its value from another key (see complete.ts). Rules that need
 * more than one key are in rules.ts.
 */

/** What the kernel takes as the name of an interface, less what it or a shell would read as something else. */
export const interfaceName: z.ZodString = text(
  /^(?!\.{1,2}$)[!-$&-.0-9;-~]{1,15}$/,
  "a name of 1 to 15 printable ASCII characters, without space, slash, colon or per cent sign",
);

/** What a table of the file is called that others refer to. */
export const tableName: z.ZodString = text(
  /^[\w.-]{1,64}$/,
  "a name of 1 to 64 letters, digits, -, _ and dots",
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
  address: masterAddress()
    .optional()
    .describe("Address of this side; without it, the interface waits to be addressed from outside"),
  peer: address().optional().describe("Address of the far side"),
  mtu: integer(68, 16384, "octets")
    .optional()
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
  "lines-wanted": integer(0, 255)
    .optional()
    .describe("How many of its lines are kept up; by default all, or with demand one"),
  demand: flag()
    .default(false)
    .describe("Whether its lines are dialed when there are packets for it, and not before"),
  "high-water": integer(1, 10_000_000, "octets")
    .optional()
    .describe("When more than this has waited for a while, one more line is dialed"),
  "high-water-time": number(1, 3600, "seconds").default(10).describe("That while"),
  "idle-time": number(1, 10_000_000, "seconds")
    .optional()
    .describe("After so long without need, lines beyond lines-wanted are hung up; with demand, all of them"),
  "default-route": flag().default(false).describe("Whether the default route leads through the master"),
  routes: networks().default([]).describe("Networks that are reached through the master"),
  ...callingKeys,
};

const BITS = "bits per second";
/** A path, or a name of an interface: which of them depends on the protocol. */
const DEVICE = /^(\/[ -~\u00a0-\uffff]{0,4094}|(?!\.{1,2}$)[!-$&-.0-9;-~]{1,15})$/;
const lineKeys = {
  device: text(
    DEVICE,
    'an absolute path of at most 4095 characters, such as "/dev/ttyS0"; with UDP the name of an interface, such as "wwan0"',
  )
    .optional()
    .describe(
      "The tty; a line has either this or an interface. UDP: the interface by which datagrams leave; without it, as the routes say",
    ),
  interface: interfaceName
    .optional()
    .describe('An existing kernel interface that carries IP without Ethernet headers, such as "ppp0"'),
  protocol: oneOf(["slip", "ppp", "udp"])
    .default("slip")
    .describe("What is spoken on the tty; udp: the line is a UDP path to the server that its master calls"),
  speed: integer(50, 100_000_000, BITS).default(38400).describe("Speed of the port"),
  rate: integer(1, 10_000_000_000, BITS)
    .optional()
    .describe("What the line is estimated to carry, at ten bits an octet"),
  rtscts: flag().default(false).describe("Whether RTS and CTS stop and start the flow"),
  carrier: flag()
    .optional()
    .describe("Whether loss of carrier hangs the line up; by default for a line that dials or answers"),
  lock: flag().default(true).describe("Whether a UUCP lock file is taken"),
  role: oneOf(["link", "answer"])
    .default("link")
    .describe("Whether the line leads to one peer, or callers are answered and log in on it"),
  dial: tableName.optional().describe("How the far side is called: the NAME of a [dial.NAME]"),
  numbers: phoneNumbers().optional().describe("Numbers to dial instead of those of [dial.NAME]"),
  answer: tableName.optional().describe("How callers are answered: the NAME of an [answer.NAME]"),
  "up-command": text(/^[^\0\n]{1,4095}$/, "a command for the shell, in one line")
    .optional()
    .describe("Run each time the line is up; $interface stands for the name of its interface"),
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
    .describe("Time between two echoes to the peer (SLIP: ping, PPP: LCP); without it there are none"),
  "echo-failures": integer(1, 100)
    .default(3)
    .describe("Echoes unanswered in a row after which the line counts as silent"),
  ...pathKeys,
  ...pppKeys,
};

export const daemonSchema = allowing(z.strictObject(daemonKeys), "a table");
export const masterSchema = allowing(z.strictObject(masterKeys), "a table");
export const lineSchema = allowing(z.strictObject(lineKeys), "a table");

export const fileSchema = z.strictObject({
  daemon: daemonSchema.optional().describe("The daemon itself"),
  master: allowing(z.record(interfaceName, masterSchema), "tables [master.NAME]")
    .optional()
    .describe("Masters, by name: interfaces such as eql, each of which spreads its packets over its slaves"),
  dial: allowing(z.record(tableName, dialSchema), "tables [dial.NAME]")
    .optional()
    .describe("How lines are dialed, by name"),
  answer: allowing(z.record(tableName, answerSchema), "tables [answer.NAME]")
    .optional()
    .describe("How callers are answered, by name"),
  radius: allowing(z.record(tableName, radiusSchema), "tables [radius.NAME]")
    .optional()
    .describe("RADIUS servers that know who may call, by name"),
  server: allowing(z.record(interfaceName, wholeServerSchema(tableName)), "tables [server.NAME]")
    .optional()
    .describe("Servers for UDP links, by name of their interface"),
  line: allowing(z.record(interfaceName, lineSchema), "tables [line.NAME]")
    .optional()
    .describe("Lines, by name of their interface"),
});

export type DaemonTable = z.output<typeof daemonSchema>;
export type MasterTable = z.output<typeof masterSchema>;
export type LineTable = z.output<typeof lineSchema>;
