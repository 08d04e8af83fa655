import { createCipheriv, createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { md4 } from "../ppp/md4.ts";
import type { PppCrypto } from "../ppp/settings.ts";

/** What PPP needs of cryptography, by node:crypto where that has it. */
export class NodePppCrypto implements PppCrypto {
  md4(octets: Uint8Array): Uint8Array {
    return md4(octets);
  }

  md5(octets: Uint8Array): Uint8Array {
    return plain(createHash("md5").update(octets).digest());
  }

  sha1(octets: Uint8Array): Uint8Array {
    return plain(createHash("sha1").update(octets).digest());
  }

  /** OpenSSL 3 has single DES in its legacy provider only; three times the same key is the same cipher. */
  des(key: Uint8Array, block: Uint8Array): Uint8Array {
    const cipher = createCipheriv("des-ede3-ecb", Buffer.concat([key, key, key]), null).setAutoPadding(false);
    return plain(Buffer.concat([cipher.update(block), cipher.final()]));
  }

  equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }

  random(count: number): Uint8Array {
    return plain(randomBytes(count));
  }
}

/** A Buffer may be a view into Node's shared pool. */
const plain = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);
