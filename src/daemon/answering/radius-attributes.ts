import { formatIpAddress, parseIpAddress } from "../../wire/ip-address.ts";
import type { RadiusAttribute } from "./radius-packet.ts";

/** Types (RFC 2865, section 5; RFC 2866, section 5; RFC 2869, section 5). */
export const USER_NAME = 1;
export const USER_PASSWORD = 2;
export const CHAP_PASSWORD = 3;
export const NAS_IP_ADDRESS = 4;
export const NAS_PORT_TYPE = 61;
export const SERVICE_TYPE = 6;
export const FRAMED_PROTOCOL = 7;
export const FRAMED_IP_ADDRESS = 8;
export const FILTER_ID = 11;
export const FRAMED_MTU = 12;
export const REPLY_MESSAGE = 18;
export const FRAMED_ROUTE = 22;
export const CLASS = 25;
export const SESSION_TIMEOUT = 27;
export const IDLE_TIMEOUT = 28;
export const CALLING_STATION_ID = 31;
export const NAS_IDENTIFIER = 32;
export const ACCT_STATUS_TYPE = 40;
export const ACCT_DELAY_TIME = 41;
export const ACCT_INPUT_OCTETS = 42;
export const ACCT_OUTPUT_OCTETS = 43;
export const ACCT_SESSION_ID = 44;
export const ACCT_AUTHENTIC = 45;
export const ACCT_SESSION_TIME = 46;
export const ACCT_TERMINATE_CAUSE = 49;
export const ACCT_MULTI_SESSION_ID = 50;
export const ACCT_INPUT_GIGAWORDS = 52;
export const ACCT_OUTPUT_GIGAWORDS = 53;
export const EVENT_TIMESTAMP = 55;
export const CHAP_CHALLENGE = 60;
export const PORT_LIMIT = 62;
export const CONNECT_INFO = 77;
export const ACCT_INTERIM_INTERVAL = 85;
export const NAS_PORT_ID = 87;

/** Values of Service-Type, Framed-Protocol and NAS-Port-Type. */
export const FRAMED_USER = 2;
export const FRAMED_PPP = 1;
export const FRAMED_SLIP = 2;
export const ASYNC_PORT = 0;

/** Microsoft's, and its attributes (RFC 2548, section 2). */
export const MICROSOFT = 311;
export const MS_CHAP_ERROR = 2;
export const MS_CHAP_CHALLENGE = 11;
export const MS_CHAP2_RESPONSE = 25;
export const MS_CHAP2_SUCCESS = 26;

export const octetsAttribute = (type: number, value: Uint8Array): RadiusAttribute => ({ type, value });

export const textAttribute = (type: number, text: string): RadiusAttribute => ({
  type,
  value: Buffer.from(text),
});

/** @param value below 2³² */
export function integerAttribute(type: number, value: number): RadiusAttribute {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return { type, value: octets };
}

/** @param address IPv4, checked */
export const addressAttribute = (type: number, address: string): RadiusAttribute => ({
  type,
  value: parseIpAddress(address) as Uint8Array,
});

/** The first value of a type; undefined: there is none. */
export const firstOf = (attributes: readonly RadiusAttribute[], type: number): Uint8Array | undefined =>
  attributes.find((attribute) => attribute.type === type)?.value;

/** Null: there is none, or it is none. */
export function integerOf(attributes: readonly RadiusAttribute[], type: number): number | null {
  const value = firstOf(attributes, type);
  return value?.length === 4 ? Buffer.from(value).readUInt32BE() : null;
}

/** An IPv4 address; null as with {@link integerOf}. */
export function addressOf(attributes: readonly RadiusAttribute[], type: number): string | null {
  const value = firstOf(attributes, type);
  return value?.length === 4 ? formatIpAddress(value) : null;
}
