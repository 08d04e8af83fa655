import * as z from "zod";
import { address, allowing, faultless, flag, integer, networks, oneOf, path, text } from "./keys.ts";
import { addressFault } from "./network.ts";
import { chosenKind, domainFault, interfaceAddressFault, listenFault, serverFault } from "./tunnel-words.ts";

/** The keys of UDP links: `[server.NAME]` and its clients, and what masters and lines have for them. */

const TIERS = ["primary", "overflow", "backup"] as const;

/** Overhead of 58 octets: datagrams of 1500 carry it over IPv4, with room for what a provider adds. */
export const TUNNEL_MTU = 1440;

type RedundantSchema = z.ZodUnion<
  readonly [z.ZodBoolean, z.ZodArray<z.ZodUnion<readonly [z.ZodString, z.ZodInt]>>]
>;
type OneOrMore = z.ZodUnion<readonly [z.ZodString, z.ZodArray<z.ZodString>]>;

/** A text, or several in a list; each without fault, and at least one. */
const oneOrMore = (fault: (text: string) => string | null, allowed: string): OneOrMore =>
  allowing(
    z.union([z.string(), z.array(z.string()).min(1)]).superRefine((value, context) => {
      for (const [at, each] of [value].flat().entries()) {
        const message = fault(each);
        if (message === null) continue;
        context.addIssue({ code: "custom", message, path: typeof value === "string" ? [] : [at] });
      }
    }),
    allowed,
  );

const bitRate = (): z.ZodInt => integer(1000, 100_000_000_000, "bits per second");
const keyFile = (): z.ZodString => path("/etc/eql/private.key");
const presharedKeyFile = (): z.ZodString => path("/etc/eql/preshared.key");
const publicKey = (): z.ZodString =>
  text(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, "a public key: 44 characters, as `eql pubkey` prints it");

const servers = (): OneOrMore =>
  oneOrMore(
    serverFault,
    'HOST:PORT, such as "vpn.example.org:7411" or "[2001:db8::1]:7411", or several in a list',
  );

/** All, none, or kinds of them. */
const redundant = (): z.ZodDefault<RedundantSchema> =>
  allowing(
    z.union([
      z.boolean(),
      z
        .array(
          z.union([
            z.string().refine((word) => chosenKind(word) !== null, { error: "it is no kind of packets" }),
            z.int().min(0).max(63),
          ]),
        )
        .max(64),
    ]),
    'true, false, or kinds of packets in a list: "sparse", and code points such as "ef", "af41" or 46',
  ).default(false);

/** Of masters: with a prefix length, or more than one, only if they call a server. */
export const masterAddress = (): OneOrMore =>
  oneOrMore(
    interfaceAddressFault,
    'an IPv4 or IPv6 address; with server also with a prefix length, or several in a list, such as ["10.98.0.2/24", "fd00:98::2/64"]',
  );

const nameServers = (): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  allowing(z.array(address()).max(3), 'at most three addresses in a list, such as ["10.98.0.1"]').default([]);
const searched = (): z.ZodDefault<z.ZodArray<z.ZodString>> =>
  allowing(
    z.array(faultless(domainFault, {})).max(6),
    'at most six domains in a list, such as ["example.org"]',
  ).default([]);

/** What a master has that calls a server, besides the keys of every interface. */
export const callingKeys = {
  server: servers()
    .optional()
    .describe("The server that is called by the master's UDP lines; of several, the first that answers"),
  "server-key": publicKey().optional().describe("The server's public key"),
  "key-file": keyFile()
    .optional()
    .describe("A file with our private key; only its owner may have access to it"),
  "preshared-key-file": presharedKeyFile()
    .optional()
    .describe("A file with the key that only we and the server have, besides; without it there is none"),
  redundant: redundant().describe("Which packets go to the server by two paths"),
  dns: nameServers().describe("Name servers that this host asks while the server answers"),
  "dns-search": searched().describe("Domains in which names are looked for then"),
  scripts: path("/etc/ppp")
    .optional()
    .describe(
      "Directory of scripts ip-up and ip-down, to be run when the server answers and when it does not",
    ),
};

/** What a line has that is a UDP path. */
export const pathKeys = {
  server: servers()
    .optional()
    .describe("UDP: where the server is reached by this line, in place of the master's"),
  "local-address": address()
    .optional()
    .describe("UDP: its own address; without it, the one that the routes give"),
  tier: oneOf(TIERS)
    .default("primary")
    .describe("UDP: whether it carries packets always, when the primaries are full, or when they are down"),
  "send-limit": bitRate()
    .optional()
    .describe("UDP: most that is sent by it; without it, what it is found to carry"),
  "receive-limit": bitRate()
    .optional()
    .describe("UDP: most that the server is to send by it; without it, what it is found to carry"),
};

export const serverKeys = {
  listen: allowing(
    z.array(faultless(listenFault, {})).min(1).max(16),
    'ADDRESS:PORT in a list, such as ["0.0.0.0:7411", "[::]:7411"]',
  )
    .default(["0.0.0.0:7411", "[::]:7411"])
    .describe("Where clients reach it: addresses and UDP ports of this host"),
  "key-file": keyFile().describe(
    "A file with the server's private key; only its owner may have access to it",
  ),
  address: oneOrMore(
    interfaceAddressFault,
    'an address with its prefix length, such as "10.98.0.1/24", or several in a list',
  )
    .optional()
    .describe("The interface's addresses; without them it waits to be addressed from outside"),
  mtu: integer(576, 16_384, "octets").default(TUNNEL_MTU).describe("Largest IP packet"),
  masquerade: flag()
    .default(false)
    .describe(
      "Whether clients reach what is behind this host, under its address; of IPv6, those of fc00::/7 only",
    ),
  forward: flag().default(false).describe("With masquerade: whether the kernel is made to forward packets"),
};

const clientKeys = {
  key: publicKey().describe("The client's public key"),
  "preshared-key-file": presharedKeyFile()
    .optional()
    .describe("A file with the key that only the two of us have, besides; without it there is none"),
  address: oneOrMore(addressFault, 'an IPv4 or IPv6 address, or several in a list, such as "10.98.0.2"')
    .optional()
    .describe("The client's addresses; its packets come from these, or from its routes"),
  routes: networks().default([]).describe("Networks behind the client"),
  dns: nameServers().describe("Name servers that stand in the command for the client"),
  "dns-search": searched().describe("Domains that stand there"),
  "send-limit": bitRate().optional().describe("Most that is sent to the client"),
  "receive-limit": bitRate().optional().describe("Most that is taken from the client"),
  redundant: redundant().describe("Which packets go to the client by two paths"),
};

export const clientSchema = allowing(z.strictObject(clientKeys), "a table");
const CLIENTS = "tables [server.NAME.client.WHO]";

/** A server's own keys are read first, its clients one by one. */
export const serverSchema = allowing(
  z.strictObject({ ...serverKeys, client: allowing(z.record(z.string(), z.unknown()), CLIENTS).optional() }),
  "a table",
);

/** All of a server, for editors. @param name what clients may be called */
export const wholeServerSchema = (name: z.ZodString): z.ZodType =>
  allowing(
    z.strictObject({
      ...serverKeys,
      client: allowing(z.record(name, clientSchema), CLIENTS).optional().describe("Who may call, by name"),
    }),
    "a table",
  );

export type ServerTable = z.output<typeof serverSchema>;
export type ClientTable = z.output<typeof clientSchema>;
