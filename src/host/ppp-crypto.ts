import { createCipheriv, createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { md4 } from "../ppp/md4.ts";
import type { PppCrypto } from "../ppp/settings.ts";

/** A Buffer may be a view into Node's shared pool. */
const plain = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);

/** What PPP needs of cryptography and randomness, by node:crypto where that has it. */
export const pppCrypto: PppCrypto = {
  md4,
  md5: (octets) => plain(createHash("md5").update(octets).digest()),
  sha1: (octets) => plain(createHash("sha1").update(octets).digest()),
  /** OpenSSL 3 has single DES in its legacy provider only; three times the same key is the same cipher. */
  des: (key, block) => {
    const cipher = createCipheriv("des-ede3-ecb", Buffer.concat([key, key, key]), null).setAutoPadding(false);
    return plain(Buffer.concat([cipher.update(block), cipher.final()]));
  },
  equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  random: (count) => plain(randomBytes(count)),
};
