import * as z from "zod";
import { address, allowing, faultless, flag, integer, number, oneOf, path, text } from "./keys.ts";
import { endpointFault, interfaceIdentifierFault } from "./ppp-words.ts";

/** The keys of `[line.NAME]` that a line with `protocol = "ppp"` has beside the others. */

const AUTH = ["pap", "chap-md5", "mschapv2"] as const;
const authList = (): z.ZodArray<z.ZodEnum<{ [N in (typeof AUTH)[number]]: N }>> =>
  allowing(z.array(oneOf(AUTH)), 'a list of "pap", "chap-md5", "mschapv2"');
const name = (): z.ZodString => text(/^[ -~\u00a0-\uffff]{1,255}$/, "a text of 1 to 255 characters");
const identifier = (): z.ZodString =>
  allowing(
    faultless(interfaceIdentifierFault, { format: "ipv6" }),
    'an interface identifier, such as "::1" or "::200:5eff:fe00:5301"',
  );
const secret = z.strictObject({
  client: allowing(z.string(), "a name"),
  server: allowing(z.string(), "a name").default("*"),
  secret: allowing(z.string(), "a text"),
  addresses: allowing(z.array(z.string()), "a list of addresses").default([]),
});

export const pppKeys = {
  mru: integer(128, 16384, "octets")
    .optional()
    .describe("PPP: largest packet that the peer is asked to send; by default the MTU"),
  asyncmap: integer(0, 0xffffffff)
    .default(0)
    .describe("PPP: control characters that are escaped on the line, bit n for character n"),
  "protocol-compression": flag()
    .default(true)
    .describe("PPP: whether protocol fields of one octet are asked for and granted"),
  "address-compression": flag()
    .default(true)
    .describe("PPP: whether frames without address and control fields are asked for and granted"),
  "magic-number": flag()
    .default(true)
    .describe(
      "PPP: whether magic numbers are asked for and granted, by which a line that leads back is recognised",
    ),
  multilink: flag()
    .optional()
    .describe(
      "PPP: whether multilink (RFC 1990) is asked for and granted; by default for a line with a master",
    ),
  mrru: integer(128, 16384, "octets")
    .optional()
    .describe(
      "PPP: largest packet that the peer is asked to send in parts, equal for all links; by default the MTU, at least 1500",
    ),
  "short-sequence-numbers": flag()
    .default(false)
    .describe("PPP: whether multilink with numbers of 12 bits is asked for and granted"),
  endpoint: allowing(
    faultless(endpointFault, {}),
    'an endpoint discriminator, such as "local:01.23.ab", "IP:192.168.7.1", "MAC:00:00:5e:00:53:01" or "null"',
  )
    .optional()
    .describe(
      "PPP: endpoint discriminator, by which the peer knows that several lines lead to this host; by default a random one",
    ),
  "require-auth": authList()
    .default([])
    .describe("PPP: by what the peer has to prove itself, any one of them; empty: it need not"),
  "refuse-auth": authList().default([]).describe("PPP: by what we never prove ourselves"),
  name: name()
    .optional()
    .describe("PPP: our name, to the peer and in the secrets; by default that of the host"),
  user: name().optional().describe("PPP: the name by which we prove ourselves, when it is another one"),
  "remote-name": name().optional().describe("PPP: the peer's name in the secrets, whatever it says"),
  password: allowing(z.string(), "a text")
    .optional()
    .describe("PPP: the secret by which we prove ourselves; without it, the secrets are searched"),
  secrets: allowing(
    z.array(allowing(secret, "a table with client, secret and, if wanted, server and addresses")),
    'a list of tables, such as [{ client = "them", secret = "…" }]',
  )
    .default([])
    .describe("PPP: secrets for all protocols, searched before those of the files"),
  "pap-secrets": path("/etc/ppp/pap-secrets")
    .default("/etc/ppp/pap-secrets")
    .describe(
      "PPP: file of secrets for PAP, in pppd's form; only its owner may have access to it; it may be missing",
    ),
  "chap-secrets": path("/etc/ppp/chap-secrets")
    .default("/etc/ppp/chap-secrets")
    .describe("PPP: the same for CHAP-MD5 and MS-CHAPv2"),
  "auth-timeout": number(1, 3600, "seconds")
    .default(30)
    .describe("PPP: how long either side may take to prove itself"),
  "accept-local": flag()
    .optional()
    .describe(
      "PPP: whether the peer may give this side another address than `address`; by default if there is none",
    ),
  "accept-remote": flag()
    .optional()
    .describe("PPP: whether the peer may have another address than `peer`; by default if there is none"),
  "ask-dns": flag()
    .default(false)
    .describe("PPP: whether the peer is asked for name servers, for the status and for scripts"),
  dns: allowing(z.array(address()).max(2), "at most two IPv4 addresses in a list")
    .default([])
    .describe("PPP: name servers to tell a peer that asks"),
  ipv4: flag().default(true).describe("PPP: whether IPv4 is negotiated"),
  ipv6: flag().default(false).describe("PPP: whether IPv6 is negotiated"),
  "interface-identifier": identifier()
    .optional()
    .describe("PPP: our half of the link-local IPv6 address; by default a random one"),
  "peer-interface-identifier": identifier()
    .optional()
    .describe("PPP: the peer's, which may have no other; by default as it says, or a random one"),
  restart: number(0.1, 600, "seconds")
    .default(3)
    .describe("PPP: time after which an unanswered request is sent again"),
  "max-configure": integer(1, 1000)
    .default(10)
    .describe("PPP: Configure-Requests without an answer before giving up"),
  "max-terminate": integer(1, 100)
    .default(2)
    .describe("PPP: Terminate-Requests without an answer before hanging up"),
  "max-failure": integer(1, 100)
    .default(5)
    .describe("PPP: Configure-Naks without agreement before rejecting"),
  start: oneOf(["active", "passive", "silent"])
    .default("active")
    .describe("PPP: whether we begin; begin and wait on when nobody answers; or wait for the peer to begin"),
  identification: name()
    .optional()
    .describe("PPP: what the peer is told for its log when the link opens (RFC 1570)"),
  debug: flag()
    .default(false)
    .describe("PPP: whether each control packet is logged, decoded, at level debug"),
  scripts: path("/etc/ppp")
    .optional()
    .describe("PPP: directory of scripts such as ip-up, to be run as pppd runs them"),
  ipparam: name().optional().describe("PPP: sixth argument of those scripts"),
  "link-name": name().optional().describe("PPP: LINKNAME in the scripts' environment"),
  bundle: name().optional().describe("PPP: tells apart bundles to the same peer"),
};

export const PPP_KEYS: readonly string[] = Object.keys(pppKeys);
