/**
 * Netlink messages as octets (netlink(7), RFC 3549 §2): pure, nothing here makes a system call.
 *
 * A message is a header of 16 octets and a body; a rtnetlink body is a fixed header (its length depends on the kind of
 * message) and attributes; both are padded to 4 octets. Numbers are in the machine's order, which is little-endian on
 * all that Node's Linux builds for and libc.ts knows. Reading stops at the first length that cannot be right, so a
 * malformed one yields less, never octets from behind the end.
 */

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** A view of what was read, or for a message to send the caller's octets. */
  readonly body: Uint8Array;
}

export interface Attribute {
  /** With the flag bits that netlink puts above the 14 bits of the type. */
  readonly type: number;
  readonly data: Uint8Array;
}

const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
const TYPE_MASK = 0x3fff;
const NESTED = 0x8000;

const aligned = (length: number): number => (length + 3) & ~3;
export const viewOf = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export function encodeMessage({ type, flags, sequence, body }: NetlinkMessage): Uint8Array {
  const octets = new Uint8Array(HEADER + body.length);
  const view = viewOf(octets);
  view.setUint32(0, octets.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  octets.set(body, HEADER); // the port id at 12 stays 0: the kernel knows whose socket it came from
  return octets;
}

/** The messages of one datagram, in order. Their bodies are views of `octets`. */
export function readMessages(octets: Uint8Array): NetlinkMessage[] {
  const view = viewOf(octets);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER <= octets.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || length > octets.length - at) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: octets.subarray(at + HEADER, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** A fixed header followed by attributes: the body of a rtnetlink message, or the inside of a nested attribute. */
export function encodeBody(header: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  let length = aligned(header.length);
  for (const { data } of attributes) length += ATTRIBUTE_HEADER + aligned(data.length);
  const octets = new Uint8Array(length);
  const view = viewOf(octets);
  octets.set(header);
  let at = aligned(header.length);
  for (const { type, data } of attributes) {
    view.setUint16(at, ATTRIBUTE_HEADER + data.length, true);
    view.setUint16(at + 2, type, true);
    octets.set(data, at + ATTRIBUTE_HEADER);
    at += ATTRIBUTE_HEADER + aligned(data.length);
  }
  return octets;
}

/** The attributes behind a fixed header of `from` octets. Their data are views of `body`. */
export function readAttributes(body: Uint8Array, from: number): Attribute[] {
  const view = viewOf(body);
  const attributes: Attribute[] = [];
  if (from > body.length) return attributes;
  for (let at = aligned(from); at + ATTRIBUTE_HEADER <= body.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || length > body.length - at) break;
    const data = body.subarray(at + ATTRIBUTE_HEADER, at + length);
    attributes.push({ type: view.getUint16(at + 2, true), data });
    at += aligned(length);
  }
  return attributes;
}

/** The type without its flag bits. */
export const attributeType = (attribute: Attribute): number => attribute.type & TYPE_MASK;

/** By type without flag bits; of several the last, as in the kernel. */
export const attributeMap = (attributes: readonly Attribute[]): Map<number, Uint8Array> =>
  new Map(attributes.map((attribute) => [attributeType(attribute), attribute.data]));

export const octetAttribute = (type: number, value: number): Attribute => ({
  type,
  data: Uint8Array.of(value),
});

export function numberAttribute(type: number, value: number): Attribute {
  const data = new Uint8Array(4);
  viewOf(data).setUint32(0, value, true);
  return { type, data };
}

/** Text with the NUL that the kernel expects behind it. */
export const textAttribute = (type: number, text: string): Attribute => ({
  type,
  data: new TextEncoder().encode(`${text}\0`),
});

export const nestedAttribute = (type: number, inside: readonly Attribute[]): Attribute => ({
  type: type | NESTED,
  data: encodeBody(new Uint8Array(0), inside),
});

/** A 32-bit number; undefined where there is none, or a shorter one. */
export const numberOf = (data: Uint8Array | undefined): number | undefined =>
  data === undefined || data.length < 4 ? undefined : viewOf(data).getUint32(0, true);

/** Text up to its NUL. */
export function textOf(data: Uint8Array): string {
  const end = data.indexOf(0);
  return new TextDecoder().decode(end < 0 ? data : data.subarray(0, end));
}

export interface Acknowledgement {
  /** 0: done. Otherwise negative, as libc.ts has it. */
  readonly result: number;
  /** The kernel's own words about a refusal; empty where it has none. */
  readonly words: string;
}

const CAPPED = 0x100;
const HAS_ATTRIBUTES = 0x200;
const WORDS = 1;

/** Reads the body of NLMSG_ERROR, or of NLMSG_DONE, which has no more than the number; null: malformed. */
export function readAcknowledgement({ flags, body }: NetlinkMessage): Acknowledgement | null {
  if (body.length < 4) return null;
  const view = viewOf(body);
  const result = view.getInt32(0, true);
  if ((flags & HAS_ATTRIBUTES) === 0 || body.length < 4 + HEADER) return { result, words: "" };
  const echoed = (flags & CAPPED) !== 0 ? HEADER : view.getUint32(4, true); // the request, or only its header
  const words = attributeMap(readAttributes(body, 4 + echoed)).get(WORDS);
  return { result, words: words === undefined ? "" : textOf(words) };
}
