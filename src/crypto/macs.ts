import { after, type Instant } from "../time.ts";
import {
  COOKIE,
  COOKIE_TYPE,
  INITIATION,
  MAC_LENGTH,
  readIndex,
  writeWord,
} from "../wire/tunnel-datagram.ts";
import type { Primitives } from "./primitives.ts";

const MARK_LENGTH = 3;
const SECRET_MS = 120_000;
/** Of a cookie, at the end that got it; the other end knows it for at least as long. */
export const COOKIE_MS = 120_000;

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const MAC_LABEL = ascii("EQL tunnel 1 MAC");
const MARK_LABEL = ascii("EQL tunnel 1 mark");
const COOKIE_LABEL = ascii("EQL tunnel 1 cookie");
/** Every cookie is sealed under a key of its own. */
const ZERO_NONCE = new Uint8Array(12);

/** The key of MAC 1 of what is sent to the end with that public key. */
export const macKeyOf = (primitives: Primitives, publicKey: Uint8Array): Uint8Array =>
  primitives.hash(MAC_LABEL, publicKey);

/** What stands in every initiation for the end with that public key: who does not know it is found out without a MAC. */
export const markOf = (primitives: Primitives, publicKey: Uint8Array): Uint8Array =>
  primitives.hash(MARK_LABEL, publicKey).subarray(0, MARK_LENGTH);

export const hasMark = (initiation: Uint8Array, mark: Uint8Array): boolean =>
  initiation[INITIATION.mark] === mark[0] &&
  initiation[INITIATION.mark + 1] === mark[1] &&
  initiation[INITIATION.mark + 2] === mark[2];

/** The MAC of all that stands before it. */
const macBefore = (primitives: Primitives, key: Uint8Array, octets: Uint8Array, at: number): Uint8Array =>
  primitives.hmac(key, octets.subarray(0, at)).subarray(0, MAC_LENGTH);

export function writeMac(primitives: Primitives, key: Uint8Array, octets: Uint8Array, at: number): void {
  octets.set(macBefore(primitives, key, octets, at), at);
}

export const isMacRight = (
  primitives: Primitives,
  key: Uint8Array,
  octets: Uint8Array,
  at: number,
): boolean => primitives.equal(macBefore(primitives, key, octets, at), octets.subarray(at, at + MAC_LENGTH));

const cookieKey = (primitives: Primitives, responder: Uint8Array, salt: Uint8Array): Uint8Array =>
  primitives.hmac(primitives.hash(COOKIE_LABEL, responder), salt);

/**
 * The responder's side of cookies: who can read what is sent to its address gets one, and shows it in MAC 2. Nothing is kept of anybody; a
 * cookie follows from the address and a secret that is changed every two minutes.
 */
export class CookieMaker {
  readonly #primitives: Primitives;
  readonly #publicKey: Uint8Array;
  #secrets: readonly Uint8Array[] = [];
  #changeAt: Instant | null = null;

  constructor(primitives: Primitives, publicKey: Uint8Array) {
    this.#primitives = primitives;
    this.#publicKey = publicKey;
  }

  /** Whether MAC 2 of an initiation shows that `source` (address and port, as octets) is where it came from. */
  isShown(initiation: Uint8Array, source: Uint8Array, now: Instant): boolean {
    const shown = initiation.subarray(INITIATION.mac2, INITIATION.length);
    if (shown.every((octet) => octet === 0)) return false;
    this.#changeSecret(now);
    return this.#secrets.some((secret) =>
      isMacRight(this.#primitives, this.#cookie(secret, source), initiation, INITIATION.mac2),
    );
  }

  /** What is answered to an initiation instead of a response. */
  reply(initiation: Uint8Array, source: Uint8Array, now: Instant): Uint8Array {
    this.#changeSecret(now);
    const datagram = new Uint8Array(COOKIE.length);
    datagram[0] = COOKIE_TYPE;
    writeWord(datagram, COOKIE.receiver, readIndex(initiation, INITIATION.sender));
    const salt = datagram.subarray(COOKIE.salt, COOKIE.sealed);
    this.#primitives.fillRandom(salt);
    const cookie = this.#cookie(this.#secrets[0] ?? salt, source);
    const key = cookieKey(this.#primitives, this.#publicKey, salt);
    const mac1 = initiation.subarray(INITIATION.mac1, INITIATION.mac2);
    datagram.set(this.#primitives.sealOnce(key, ZERO_NONCE, mac1, cookie), COOKIE.sealed);
    return datagram;
  }

  #cookie(secret: Uint8Array, source: Uint8Array): Uint8Array {
    return this.#primitives.hmac(secret, source).subarray(0, MAC_LENGTH);
  }

  #changeSecret(now: Instant): void {
    if (this.#changeAt !== null && now < this.#changeAt) return;
    const secret = new Uint8Array(32);
    this.#primitives.fillRandom(secret);
    this.#secrets = [secret, ...this.#secrets.slice(0, 1)];
    this.#changeAt = after(now, SECRET_MS);
  }
}

/** The cookie in a reply to the initiation with that MAC 1; null: forged. */
export function readCookie(
  primitives: Primitives,
  responder: Uint8Array,
  mac1: Uint8Array,
  datagram: Uint8Array,
): Uint8Array | null {
  const key = cookieKey(primitives, responder, datagram.subarray(COOKIE.salt, COOKIE.sealed));
  return primitives.openOnce(key, ZERO_NONCE, mac1, datagram.subarray(COOKIE.sealed, COOKIE.length));
}
