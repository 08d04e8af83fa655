import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomFillSync,
  timingSafeEqual,
} from "node:crypto";
import { CIPHER_NAMES, type CipherName, type TransportCipher } from "../crypto/cipher.ts";
import { KEY_LENGTH, type KeyPair, type Primitives } from "../crypto/primitives.ts";
import { evpCiphers } from "./evp-cipher.ts";
import { type NativeBuffer, nativeBuffer } from "./libc.ts";

const TAG_LENGTH = 16;
const TAG = { authTagLength: TAG_LENGTH };
/** What stands before the 32 octets of a private key in DER (RFC 8410). */
const DER_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");

/** A Buffer may be a view into Node's shared pool. */
const plain = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);

/** OpenSSL's names. Node's types know authenticated ciphers only by the one name or the other. */
const GCM = "aes-256-gcm" satisfies CipherGCMTypes;
const CHACHA = "chacha20-poly1305" satisfies CipherName;

const sealer = (name: CipherName, key: Uint8Array, nonce: Uint8Array) =>
  name === GCM ? createCipheriv(GCM, key, nonce, TAG) : createCipheriv(CHACHA, key, nonce, TAG);
const opener = (name: CipherName, key: Uint8Array, nonce: Uint8Array) =>
  name === GCM ? createDecipheriv(GCM, key, nonce, TAG) : createDecipheriv(CHACHA, key, nonce, TAG);

class NodeKeyPair implements KeyPair {
  readonly #privateKey: KeyObject;
  readonly publicKey: Uint8Array;

  constructor(privateKey: KeyObject, publicKey: KeyObject) {
    this.#privateKey = privateKey;
    const { x } = publicKey.export({ format: "jwk" });
    this.publicKey = plain(Buffer.from(x ?? "", "base64url"));
  }

  agree(publicKey: Uint8Array): Uint8Array | null {
    // In DER the same takes ten times as long, and longer than all else of a handshake.
    const x = Buffer.from(publicKey).toString("base64url");
    const theirs = createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
    try {
      return plain(diffieHellman({ privateKey: this.#privateKey, publicKey: theirs }));
    } catch {
      return null; // A point of small order: OpenSSL refuses a secret of zeros.
    }
  }
}

/** By node:crypto, which allocates for each datagram. */
class NodeTransportCipher implements TransportCipher {
  readonly #name: CipherName;
  readonly #key: Buffer;
  readonly #nonce: Buffer = Buffer.alloc(12);

  constructor(name: CipherName, key: Uint8Array) {
    this.#name = name;
    this.#key = Buffer.from(key);
  }

  seal(buffer: Uint8Array, from: number, length: number, link: number, counter: number): void {
    const cipher = sealer(this.#name, this.#key, this.#nonceOf(link, counter));
    const end = from + length;
    buffer.set(cipher.update(buffer.subarray(from, end)), from);
    cipher.final();
    buffer.set(cipher.getAuthTag(), end);
  }

  open(buffer: Uint8Array, from: number, length: number, link: number, counter: number): boolean {
    const end = from + length - TAG_LENGTH;
    if (end < from) return false;
    const cipher = opener(this.#name, this.#key, this.#nonceOf(link, counter));
    cipher.setAuthTag(buffer.subarray(end, end + TAG_LENGTH));
    const text = cipher.update(buffer.subarray(from, end));
    try {
      cipher.final();
    } catch {
      return false;
    }
    buffer.set(text, from);
    return true;
  }

  release(): void {
    this.#key.fill(0);
  }

  #nonceOf(link: number, counter: number): Buffer {
    this.#nonce.writeUInt32BE(link, 0);
    this.#nonce.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), 4);
    this.#nonce.writeUInt32BE(counter % 0x1_0000_0000, 8);
    return this.#nonce;
  }
}

const nodeCipher: Primitives["transportCipher"] = (name, key) => new NodeTransportCipher(name, key);

const nodePrimitives: Primitives = {
  fillRandom: (into) => void randomFillSync(into),
  random: Math.random,
  keyPair: (privateKey) => {
    const key = createPrivateKey({
      key: Buffer.concat([DER_HEAD, privateKey]),
      format: "der",
      type: "pkcs8",
    });
    return new NodeKeyPair(key, createPublicKey(key));
  },
  newKeyPair: () => {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    return new NodeKeyPair(privateKey, publicKey);
  },
  hash: (...parts) => {
    const hash = createHash("blake2s256");
    for (const octets of parts) hash.update(octets);
    return plain(hash.digest());
  },
  hmac: (key, ...parts) => {
    const hmac = createHmac("blake2s256", key);
    for (const octets of parts) hmac.update(octets);
    return plain(hmac.digest());
  },
  sealOnce: (key, nonce, data, text) => {
    const cipher = createCipheriv(CHACHA, key, nonce, TAG);
    cipher.setAAD(data, { plaintextLength: text.length });
    return plain(Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]));
  },
  openOnce: (key, nonce, data, sealed) => {
    const end = sealed.length - TAG_LENGTH;
    if (end < 0) return null;
    const cipher = createDecipheriv(CHACHA, key, nonce, TAG);
    cipher.setAAD(data, { plaintextLength: end });
    cipher.setAuthTag(sealed.subarray(end));
    const text = cipher.update(sealed.subarray(0, end));
    try {
      cipher.final();
    } catch {
      return null;
    }
    return plain(text);
  },
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  transportCipher: nodeCipher,
};

/**
 * What tunnels need of cryptography and randomness, by node:crypto.
 * @param memory in which datagrams are sealed and opened fast, if its very `octets` are given as their buffer, and if this node allows it; null: nowhere
 */
export function tunnelCrypto(memory: NativeBuffer | null): Primitives {
  const fast = memory === null ? null : evpCiphers(memory, nodeCipher);
  return fast === null ? nodePrimitives : { ...nodePrimitives, transportCipher: fast };
}

/** For X25519, with the bits set that it sets itself (RFC 7748 §5). */
export function newPrivateKey(): Uint8Array {
  const key = randomFillSync(new Uint8Array(KEY_LENGTH));
  key[0] = (key[0] ?? 0) & 0xf8;
  key[31] = ((key[31] ?? 0) & 0x7f) | 0x40;
  return key;
}

/** The cipher with which this machine seals datagrams faster, by a trial of some milliseconds. */
export function fasterCipher(): CipherName {
  const length = 1400;
  const trial = nativeBuffer(length + TAG_LENGTH);
  const primitives = tunnelCrypto(trial);
  const key = new Uint8Array(KEY_LENGTH);
  const ciphers = CIPHER_NAMES.map((name) => {
    return { name, cipher: primitives.transportCipher(name, key), leastMs: Number.POSITIVE_INFINITY };
  });
  // The least of many, by turns: what else the machine does counts for neither.
  for (let round = 0; round < 100; round++) {
    for (const tried of ciphers) {
      const begin = performance.now();
      for (let count = 0; count < 4; count++) tried.cipher.seal(trial.octets, 0, length, 0, count);
      tried.leastMs = Math.min(tried.leastMs, performance.now() - begin);
    }
  }
  for (const { cipher } of ciphers) cipher.release();
  return ciphers.reduce((best, tried) => (tried.leastMs < best.leastMs ? tried : best)).name;
}
