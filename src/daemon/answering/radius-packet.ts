import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Codes of packets (RFC 2865, section 3; RFC 2866, section 3). */
const ACCESS_REQUEST = 1;
export const ACCESS_ACCEPT = 2;
const ACCESS_REJECT = 3;
const ACCOUNTING_REQUEST = 4;
const ACCOUNTING_RESPONSE = 5;
export const ACCESS_CHALLENGE = 11;

/** What may be said to what. */
const REPLIES: Readonly<Record<number, readonly number[]>> = {
  [ACCESS_REQUEST]: [ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE],
  [ACCOUNTING_REQUEST]: [ACCOUNTING_RESPONSE],
};

const HEADER = 20;
const AUTHENTICATOR_AT = 4;
const AUTHENTICATOR_LENGTH = 16;
const LONGEST_PACKET = 4096;
const LONGEST_VALUE = 253;
const LONGEST_PASSWORD = 128;
const VENDOR_SPECIFIC = 26;
const MESSAGE_AUTHENTICATOR = 80;

export interface RadiusAttribute {
  readonly type: number;
  /** At most 253 octets. */
  readonly value: Uint8Array;
}

/** A request as it was sent, and what its reply has to show. */
export interface RadiusRequest {
  readonly code: number;
  readonly octets: Buffer;
}

/** A reply that comes from one who knows the secret. */
export interface RadiusReply {
  readonly code: number;
  readonly attributes: readonly RadiusAttribute[];
}

const md5 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const authenticatorOf = (octets: Uint8Array): Uint8Array =>
  octets.subarray(AUTHENTICATOR_AT, AUTHENTICATOR_AT + AUTHENTICATOR_LENGTH);

/**
 * An Access-Request. It is signed by a Message-Authenticator (RFC 2869, section 5.14), which stands first: what a forger can prefix to
 * his own attributes is known otherwise.
 * @param authenticator of 16 random octets, under which passwords in the attributes are hidden
 */
export function writeAccessRequest(
  id: number,
  authenticator: Uint8Array,
  attributes: readonly RadiusAttribute[],
  secret: Uint8Array,
): RadiusRequest {
  const signature = { type: MESSAGE_AUTHENTICATOR, value: new Uint8Array(AUTHENTICATOR_LENGTH) };
  const octets = writePacket(ACCESS_REQUEST, id, authenticator, [signature, ...attributes]);
  octets.set(createHmac("md5", secret).update(octets).digest(), HEADER + 2);
  return { code: ACCESS_REQUEST, octets };
}

/** An Accounting-Request, whose authenticator signs it (RFC 2866, section 3). */
export function writeAccountingRequest(
  id: number,
  attributes: readonly RadiusAttribute[],
  secret: Uint8Array,
): RadiusRequest {
  const unsigned = new Uint8Array(AUTHENTICATOR_LENGTH);
  const octets = writePacket(ACCOUNTING_REQUEST, id, unsigned, attributes);
  octets.set(md5(octets, secret), AUTHENTICATOR_AT);
  return { code: ACCOUNTING_REQUEST, octets };
}

function writePacket(
  code: number,
  id: number,
  authenticator: Uint8Array,
  attributes: readonly RadiusAttribute[],
): Buffer {
  const parts = attributes.flatMap(({ type, value }) => [Uint8Array.of(type, 2 + value.length), value]);
  const octets = Buffer.concat([Uint8Array.of(code, id, 0, 0), authenticator, ...parts]);
  octets.writeUInt16BE(octets.length, 2);
  return octets;
}

/** Whether attributes of these lengths make a packet that servers take. */
export const fitsPacket = (attributes: readonly RadiusAttribute[]): boolean =>
  attributes.every(({ value }) => value.length <= LONGEST_VALUE) &&
  attributes.reduce((sum, { value }) => sum + 2 + value.length, HEADER + 2 + AUTHENTICATOR_LENGTH) <=
    LONGEST_PACKET;

/**
 * Reads what came in answer to a request. Hostile: whoever can send to us can send this.
 * @param mustSign whether a reply to an Access-Request needs a Message-Authenticator: without one, who sits between us and the server can
 * turn a reject into an accept (CVE-2024-3596)
 * @returns text: why it is to be ignored
 */
export function readReply(
  octets: Uint8Array,
  request: RadiusRequest,
  secret: Uint8Array,
  mustSign: boolean,
): RadiusReply | string {
  const length = octets.length < HEADER ? 0 : ((octets[2] as number) << 8) | (octets[3] as number);
  if (length < HEADER || length > octets.length) return "its length is wrong";
  const code = octets[0] as number;
  if (octets[1] !== request.octets[1] || !REPLIES[request.code]?.includes(code))
    return "it is not about what was asked";
  // What is behind it is padding.
  const reply = Uint8Array.from(octets.subarray(0, length));
  const said = authenticatorOf(reply).slice();
  reply.set(authenticatorOf(request.octets), AUTHENTICATOR_AT);
  if (!timingSafeEqual(md5(reply, secret), said))
    return "its authenticator is wrong: the secret may be another";
  const attributes = readAttributes(reply.subarray(HEADER));
  if (attributes === null) return "its attributes are malformed";
  const signatures = attributes.filter(({ type }) => type === MESSAGE_AUTHENTICATOR);
  if (request.code === ACCESS_REQUEST && mustSign && signatures.length === 0)
    return "it has no Message-Authenticator";
  if (!signatures.every(({ value }) => isSignedBy(reply, value, secret)))
    return "its Message-Authenticator is wrong";
  return { code, attributes };
}

/** @param value its Message-Authenticator, a view of the packet, which is zeroed */
function isSignedBy(packet: Uint8Array, value: Uint8Array, secret: Uint8Array): boolean {
  if (value.length !== AUTHENTICATOR_LENGTH) return false;
  const said = value.slice();
  value.fill(0);
  const right = createHmac("md5", secret).update(packet).digest();
  value.set(said);
  return timingSafeEqual(right, said);
}

/** @returns views; null: malformed */
function readAttributes(octets: Uint8Array): RadiusAttribute[] | null {
  const attributes: RadiusAttribute[] = [];
  for (let at = 0; at < octets.length; ) {
    const [type = 0, length = 0] = octets.subarray(at, at + 2);
    if (length < 2 || at + length > octets.length) return null;
    attributes.push({ type, value: octets.subarray(at + 2, at + length) });
    at += length;
  }
  return attributes;
}

export const randomAuthenticator = (): Uint8Array => new Uint8Array(randomBytes(AUTHENTICATOR_LENGTH));

/** User-Password (RFC 2865, section 5.2): hidden from who does not know the secret. @returns null: it is too long */
export function hidePassword(
  password: Uint8Array,
  authenticator: Uint8Array,
  secret: Uint8Array,
): Uint8Array | null {
  if (password.length > LONGEST_PASSWORD) return null;
  const hidden = new Uint8Array(Math.max(1, Math.ceil(password.length / 16)) * 16);
  hidden.set(password);
  let before = authenticator;
  for (let at = 0; at < hidden.length; at += 16) {
    const block = hidden.subarray(at, at + 16);
    const mask = md5(secret, before);
    for (let n = 0; n < 16; n++) block[n] = (block[n] as number) ^ (mask[n] as number);
    before = block;
  }
  return hidden;
}

/** An attribute of a vendor's own (RFC 2865, section 5.26). */
export function vendorAttribute(vendor: number, type: number, value: Uint8Array): RadiusAttribute {
  const octets = Buffer.alloc(6 + value.length);
  octets.writeUInt32BE(vendor);
  octets.set([type, 2 + value.length], 4);
  octets.set(value, 6);
  return { type: VENDOR_SPECIFIC, value: octets };
}

/** The values of a vendor's attribute in the order in which they stand; malformed ones are left out. */
export function vendorValues(
  attributes: readonly RadiusAttribute[],
  vendor: number,
  type: number,
): Uint8Array[] {
  return attributes.flatMap(({ type: outer, value }) => {
    if (outer !== VENDOR_SPECIFIC || value.length < 6) return [];
    if (Buffer.from(value.subarray(0, 4)).readUInt32BE() !== vendor) return [];
    const inner = readAttributes(value.subarray(4)) ?? [];
    return inner.filter((attribute) => attribute.type === type).map((attribute) => attribute.value);
  });
}
