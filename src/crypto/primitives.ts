import type { CipherName, TransportCipher } from "./cipher.ts";

/** Of keys, hashes and shared secrets. */
export const KEY_LENGTH = 32;

/** A pair of X25519 keys, whose private one stays where it is. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  /** The shared secret; null: that public key gives none (RFC 7748 §6.1). */
  agree(publicKey: Uint8Array): Uint8Array | null;
}

/** What is not done here. All results are the caller's own. */
export interface Primitives {
  fillRandom(into: Uint8Array): void;
  /** From 0 up to, but not, 1; need not be secret. */
  random(): number;
  keyPair(privateKey: Uint8Array): KeyPair;
  newKeyPair(): KeyPair;
  /** BLAKE2s-256 (RFC 7693) of all parts, one after the other. */
  hash(...parts: readonly Uint8Array[]): Uint8Array;
  /** HMAC (RFC 2104) of that hash. */
  hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array;
  /** ChaCha20-Poly1305 (RFC 8439), with the tag at the end. */
  sealOnce(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, plain: Uint8Array): Uint8Array;
  /** Null: not authentic. */
  openOnce(key: Uint8Array, nonce: Uint8Array, data: Uint8Array, sealed: Uint8Array): Uint8Array | null;
  /** In a time that does not depend on where they differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  transportCipher(name: CipherName, key: Uint8Array): TransportCipher;
}
