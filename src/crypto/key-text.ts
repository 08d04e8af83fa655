import { KEY_LENGTH } from "./primitives.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SHAPE = /^[A-Za-z0-9+/]{43}=$/;

/** A key of 32 octets as text: 44 characters of base64 (RFC 4648 §4), as WireGuard writes keys. */
export function keyText(key: Uint8Array): string {
  let text = "";
  for (let at = 0; at < KEY_LENGTH; at += 3) {
    const bits = ((key[at] ?? 0) << 16) | ((key[at + 1] ?? 0) << 8) | (key[at + 2] ?? 0);
    for (const shift of [18, 12, 6, 0]) text += DIGITS[(bits >> shift) & 63];
  }
  return `${text.slice(0, 43)}=`;
}

/** Null: no such text. */
export function parseKey(text: string): Uint8Array | null {
  if (!SHAPE.test(text)) return null;
  const key = new Uint8Array(KEY_LENGTH);
  let bits = 0;
  for (let at = 0; at < 43; at++) {
    bits = ((bits << 6) | DIGITS.indexOf(text[at] ?? "")) & 0xffffff;
    const octet = Math.floor((6 * at - 2) / 8);
    if ((6 * at + 6) % 8 < 6 && octet >= 0) key[octet] = bits >> ((6 * at + 6) % 8);
  }
  return keyText(key) === text ? key : null;
}
