import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { readKeyFile, writeKeyFile } from "../config/key-file.ts";
import { keyText } from "../crypto/key-text.ts";
import { newPrivateKey, tunnelCrypto } from "../host/tunnel-crypto.ts";

/**
 * The public key that belongs to a file's private key, which is made first where there is no such file.
 * @throws EqlError REQUEST_INVALID: it cannot be made; CONFIG_UNREADABLE, CONFIG_INVALID: it cannot be used
 */
export function ownPublicKey(path: string): string {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    writeKeyFile(path, newPrivateKey());
  }
  return keyText(tunnelCrypto(null).keyPair(readKeyFile(path)).publicKey);
}
