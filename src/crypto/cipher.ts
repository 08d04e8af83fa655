/** Ciphers for data. Their numbers are on the wire: 1 and 2. */
export const CIPHER_NAMES = ["aes-256-gcm", "chacha20-poly1305"] as const;
export type CipherName = (typeof CIPHER_NAMES)[number];

export const cipherNumber = (name: CipherName): number => CIPHER_NAMES.indexOf(name) + 1;
/** Undefined: no such cipher. */
export const cipherOfNumber = (number: number | undefined): CipherName | undefined =>
  number === undefined ? undefined : CIPHER_NAMES[number - 1];

/**
 * What both ends take when each says which it does faster. AES only if both say so: without instructions of the processor it is
 * several times slower, and ChaCha is at most a bit.
 */
export const agreedCipher = (a: CipherName, b: CipherName): CipherName => (a === b ? a : "chacha20-poly1305");

/**
 * One key of a session, for one direction. The nonce is the link (32 bits) and the counter (64 bits), both big-endian; nothing but
 * the text is authenticated. It works in the caller's memory, and keeps nothing of it; which memory is fast, the host says.
 */
export interface TransportCipher {
  /** Seals `buffer[from, from + length)` in place, and writes the 16 octets of the tag behind it. */
  seal(buffer: Uint8Array, from: number, length: number, link: number, counter: number): void;
  /**
   * Opens `buffer[from, from + length)`, the tag included, in place.
   * @returns false: not authentic, and what is in the buffer now means nothing
   */
  open(buffer: Uint8Array, from: number, length: number, link: number, counter: number): boolean;
  /** Forgets the key. It is not used after that. */
  release(): void;
}
