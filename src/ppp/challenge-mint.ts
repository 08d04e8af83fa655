import type { PppCrypto } from "./settings.ts";

const NONCE = 8;
const BLOCK = 64;

/**
 * Makes CHAP challenges of 16 octets, no two alike, and knows its own again, without a list of them: half is a nonce, half its HMAC
 * under a key of the moment. Where both ends authenticate each other, a peer could otherwise have us answer our own challenge for it.
 * One for all lines of a program protects lines from each other, too.
 */
export class ChallengeMint {
  readonly #primitives: PppCrypto;
  readonly #key: Uint8Array;

  constructor(primitives: PppCrypto) {
    this.#primitives = primitives;
    this.#key = primitives.random(16);
  }

  make(): Uint8Array {
    const challenge = new Uint8Array(16);
    challenge.set(this.#primitives.random(NONCE));
    challenge.set(this.#mark(challenge), NONCE);
    return challenge;
  }

  made(challenge: Uint8Array): boolean {
    return (
      challenge.length === 16 && this.#primitives.equal(challenge.subarray(NONCE), this.#mark(challenge))
    );
  }

  /** HMAC-SHA1 (RFC 2104) of the nonce, cut to 8 octets. */
  #mark(challenge: Uint8Array): Uint8Array {
    const inner = new Uint8Array(BLOCK + NONCE).fill(0x36, 0, BLOCK);
    const outer = new Uint8Array(BLOCK + 20).fill(0x5c, 0, BLOCK);
    for (const [at, octet] of this.#key.entries()) {
      inner[at] = 0x36 ^ octet;
      outer[at] = 0x5c ^ octet;
    }
    inner.set(challenge.subarray(0, NONCE), BLOCK);
    outer.set(this.#primitives.sha1(inner), BLOCK);
    return this.#primitives.sha1(outer).slice(0, NONCE);
  }
}
