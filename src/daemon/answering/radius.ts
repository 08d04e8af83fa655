import { addressFault, canonicalNetwork, familyOf, networkFault } from "../../config/network.ts";
import type { Proof } from "../../ppp/proof.ts";
import { isPlainText, printable, utf8Octets, utf8Text } from "../../ppp/text.ts";
import type { Authority, CallInfo, Grant, Refusal } from "./authority.ts";
import {
  ACCT_INTERIM_INTERVAL,
  ASYNC_PORT,
  addressAttribute,
  addressOf,
  CALLING_STATION_ID,
  CHAP_CHALLENGE,
  CHAP_PASSWORD,
  CLASS,
  CONNECT_INFO,
  FILTER_ID,
  FRAMED_IP_ADDRESS,
  FRAMED_MTU,
  FRAMED_PPP,
  FRAMED_PROTOCOL,
  FRAMED_ROUTE,
  FRAMED_SLIP,
  FRAMED_USER,
  firstOf,
  IDLE_TIMEOUT,
  integerAttribute,
  integerOf,
  MICROSOFT,
  MS_CHAP_CHALLENGE,
  MS_CHAP_ERROR,
  MS_CHAP2_RESPONSE,
  MS_CHAP2_SUCCESS,
  NAS_IDENTIFIER,
  NAS_IP_ADDRESS,
  NAS_PORT_ID,
  NAS_PORT_TYPE,
  octetsAttribute,
  PORT_LIMIT,
  REPLY_MESSAGE,
  SERVICE_TYPE,
  SESSION_TIMEOUT,
  textAttribute,
  USER_NAME,
  USER_PASSWORD,
} from "./radius-attributes.ts";
import type { RadiusClient } from "./radius-client.ts";
import {
  ACCESS_ACCEPT,
  ACCESS_CHALLENGE,
  fitsPacket,
  hidePassword,
  type RadiusAttribute,
  type RadiusReply,
  randomAuthenticator,
  vendorAttribute,
  vendorValues,
  writeAccessRequest,
} from "./radius-packet.ts";

const SHORTEST_INTERIM_MS = 60_000;
const LONGEST_INTERIM_MS = 86_400_000;

/** How this daemon calls itself to RADIUS servers. */
export interface RadiusNas {
  readonly identifier: string;
  /** IPv4; null: not told. */
  readonly address: string | null;
}

/** What a server said that goes into its accounting. */
export class RadiusMark {
  /** Its Class attributes, which nobody but it understands. */
  readonly classes: readonly Uint8Array[];
  /** How often it wants to hear of a session; null: it did not say. */
  readonly interimMs: number | null;

  constructor(classes: readonly Uint8Array[], interimMs: number | null) {
    this.classes = classes;
    this.interimMs = interimMs;
  }
}

export interface RadiusLog {
  warn(fields: object, message: string): void;
}

/** What proves a user, given the authenticator that hides it and the secret. Null: it cannot be sent. */
type Credentials = (authenticator: Uint8Array, secret: Uint8Array) => readonly RadiusAttribute[] | null;

/** RADIUS servers know who is let in (RFC 2865). */
export class RadiusAuthority implements Authority {
  readonly #client: RadiusClient;
  readonly #nas: RadiusNas;
  readonly #log: RadiusLog;

  constructor(client: RadiusClient, nas: RadiusNas, log: RadiusLog) {
    this.#client = client;
    this.#nas = nas;
    this.#log = log;
  }

  async login(user: string, password: string, about: CallInfo): Promise<Grant | Refusal> {
    return this.#ask(user, hidden(utf8Octets(password)), [], about, (reply) =>
      this.#grant(reply, user, about),
    );
  }

  async prove(proof: Proof, about: CallInfo): Promise<Grant | Refusal> {
    const hints = [
      integerAttribute(SERVICE_TYPE, FRAMED_USER),
      integerAttribute(FRAMED_PROTOCOL, FRAMED_PPP),
    ];
    return this.#ask(proof.name, credentialsOf(proof), hints, about, (reply) => {
      const grant = this.#grant(reply, proof.name, about);
      if (!grant.ok) return grant;
      if (grant.protocol === "slip") return refused("the account is for SLIP");
      if (proof.method !== "mschapv2") return grant;
      const success = successOf(reply, proof.identifier);
      return success === null
        ? refused("the server did not prove that it knows the password")
        : { ...grant, success };
    });
  }

  async #ask(
    user: string,
    credentials: Credentials,
    hints: readonly RadiusAttribute[],
    about: CallInfo,
    accept: (reply: RadiusReply) => Grant | Refusal,
  ): Promise<Grant | Refusal> {
    const name = utf8Octets(user);
    const attributes = [octetsAttribute(USER_NAME, name), ...hints, ...nasAttributes(this.#nas, about)];
    const authenticator = randomAuthenticator();
    const probe = credentials(authenticator, new Uint8Array());
    if (probe === null || name.length === 0 || !fitsPacket([...attributes, ...probe])) {
      return refused("name or password is of a length that RADIUS does not have");
    }
    const reply = await this.#client.ask((id, secret) =>
      writeAccessRequest(
        id,
        authenticator,
        [...attributes, ...(credentials(authenticator, secret) ?? [])],
        secret,
      ),
    );
    if ("silence" in reply) {
      this.#log.warn({ line: about.line, reason: reply.silence }, "no RADIUS server answers");
      return refused(`no RADIUS server answers (${reply.silence})`);
    }
    if (reply.code === ACCESS_ACCEPT) return accept(reply);
    if (reply.code === ACCESS_CHALLENGE) return refused("the server asks for more, which is not known here");
    return refused(reasonOf(reply));
  }

  #grant({ attributes }: RadiusReply, said: string, about: CallInfo): Grant | Refusal {
    const service = integerOf(attributes, SERVICE_TYPE);
    if (service !== null && service !== FRAMED_USER)
      return refused(`the account is for Service-Type ${service}`);
    const framed = integerOf(attributes, FRAMED_PROTOCOL);
    if (framed !== null && framed !== FRAMED_PPP && framed !== FRAMED_SLIP) {
      return refused(`the account is for Framed-Protocol ${framed}`);
    }
    const filter = firstOf(attributes, FILTER_ID);
    if (filter !== undefined) {
      this.#log.warn(
        { line: about.line, reason: printable(utf8Text(filter)) },
        "RADIUS names a filter, and there are none here",
      );
    }
    const user = utf8Text(firstOf(attributes, USER_NAME) ?? new Uint8Array()) || said;
    if (!isPlainText(user)) return refused(`"${printable(user)}" is no name that an account can have`);
    return {
      ok: true,
      user,
      protocol: framed === null ? "any" : framed === FRAMED_PPP ? "ppp" : "slip",
      address: addressFor(attributes),
      routes: routesOf(attributes),
      maxLines: integerOf(attributes, PORT_LIMIT),
      idleMs: millisOf(attributes, IDLE_TIMEOUT),
      sessionMs: millisOf(attributes, SESSION_TIMEOUT),
      mtu: mtuFor(attributes),
      accounting: new RadiusMark(
        attributes.filter(({ type }) => type === CLASS).map(({ value }) => value.slice()),
        interimOf(attributes),
      ),
    };
  }
}

/** Who asks, and of which call. */
export function nasAttributes({ identifier, address }: RadiusNas, about: CallInfo): RadiusAttribute[] {
  const { line, callerId, carrierBps } = about;
  return [
    textAttribute(NAS_IDENTIFIER, identifier),
    ...(address === null ? [] : [addressAttribute(NAS_IP_ADDRESS, address)]),
    integerAttribute(NAS_PORT_TYPE, ASYNC_PORT),
    textAttribute(NAS_PORT_ID, line),
    ...(callerId === null || callerId === ""
      ? []
      : [textAttribute(CALLING_STATION_ID, callerId.slice(0, 60))]),
    ...(carrierBps === null ? [] : [textAttribute(CONNECT_INFO, `${carrierBps}`)]),
  ];
}

const refused = (message: string): Refusal => ({ ok: false, message });

const hidden =
  (password: Uint8Array): Credentials =>
  (authenticator, secret) => {
    const value = hidePassword(password, authenticator, secret);
    return value && [octetsAttribute(USER_PASSWORD, value)];
  };

function credentialsOf(proof: Proof): Credentials {
  switch (proof.method) {
    case "pap":
      return hidden(proof.password);
    case "chap-md5":
      return () => [
        octetsAttribute(CHAP_PASSWORD, Uint8Array.of(proof.identifier, ...proof.response)),
        octetsAttribute(CHAP_CHALLENGE, proof.challenge),
      ];
    case "mschapv2":
      return () => [
        vendorAttribute(MICROSOFT, MS_CHAP_CHALLENGE, proof.challenge),
        vendorAttribute(MICROSOFT, MS_CHAP2_RESPONSE, microsoftResponse(proof.identifier, proof.response)),
      ];
  }
}

/** RFC 2548, section 2.3.2: Identifier and flags, then what the Response packet has, but for its own flags. */
const microsoftResponse = (identifier: number, response: Uint8Array): Uint8Array =>
  Uint8Array.of(identifier, 0, ...response.subarray(0, 48));

/** RFC 2548, section 2.3.3: the Identifier, and what the Success packet is to say. Null: it is not there, or another's. */
function successOf({ attributes }: RadiusReply, identifier: number): string | null {
  const [value] = vendorValues(attributes, MICROSOFT, MS_CHAP2_SUCCESS);
  if (value === undefined || value[0] !== identifier) return null;
  return /^S=[0-9A-F]{40}/i.exec(utf8Text(value.subarray(1)))?.[0].toUpperCase() ?? null;
}

/** What a reject says, for our log. */
function reasonOf({ attributes }: RadiusReply): string {
  const message = firstOf(attributes, REPLY_MESSAGE);
  if (message !== undefined) return printable(utf8Text(message));
  const [error] = vendorValues(attributes, MICROSOFT, MS_CHAP_ERROR);
  return error === undefined ? "the server rejects it" : printable(utf8Text(error.subarray(1)));
}

/** Null: the caller has none of its own. By 255.255.255.254 the server says so; by 255.255.255.255 it lets the caller choose, but who checks what? */
function addressFor(attributes: readonly RadiusAttribute[]): string | null {
  const address = addressOf(attributes, FRAMED_IP_ADDRESS);
  return address === null || addressFault(address) !== null || address.startsWith("255.") ? null : address;
}

/** Networks behind the caller (RFC 2865, section 5.22). The way there is the caller's link, whatever gateway stands there. */
const routesOf = (attributes: readonly RadiusAttribute[]): string[] =>
  attributes.flatMap(({ type, value }) => {
    const [network = ""] = type === FRAMED_ROUTE ? utf8Text(value).trim().split(/\s/) : [];
    const isRoute = network.includes("/") && networkFault(network) === null && familyOf(network) === "IPv4";
    return isRoute ? [canonicalNetwork(network)] : [];
  });

/** Null: it is not there, or no length that a link can have. */
function mtuFor(attributes: readonly RadiusAttribute[]): number | null {
  const mtu = integerOf(attributes, FRAMED_MTU);
  return mtu !== null && mtu >= 128 && mtu <= 1500 ? mtu : null;
}

/** Seconds as milliseconds. Null: there is no limit; servers say 0 for that, too. */
const millisOf = (attributes: readonly RadiusAttribute[], type: number): number | null => {
  const seconds = integerOf(attributes, type);
  return seconds === null || seconds === 0 ? null : seconds * 1000;
};

/** No more often than RFC 2869, section 5.16 allows, and than what timers take. */
const interimOf = (attributes: readonly RadiusAttribute[]): number | null => {
  const said = millisOf(attributes, ACCT_INTERIM_INTERVAL);
  return said && Math.min(Math.max(said, SHORTEST_INTERIM_MS), LONGEST_INTERIM_MS);
};
