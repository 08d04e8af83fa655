import { parentPort } from "node:worker_threads";
import { CIPHER_NAMES } from "../../src/crypto/cipher.ts";
import { evpCiphers } from "../../src/host/evp-cipher.ts";
import { nativeBuffer } from "../../src/host/libc.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";

/** Seals with EVP and opens with node:crypto, and the other way round. @returns how often that went well */
export function exercise(rounds: number): number {
  const memory = nativeBuffer(2048);
  const { octets } = memory;
  const slow = tunnelCrypto(null);
  const fast = evpCiphers(memory, (name, key) => slow.transportCipher(name, key));
  let good = 0;
  for (let round = 0; round < rounds && fast !== null; round++) {
    for (const name of CIPHER_NAMES) {
      const key = new Uint8Array(32).fill(round);
      const ends = [fast(name, key), slow.transportCipher(name, key)] as const;
      for (const [sealer, opener] of [ends, ends.toReversed()]) {
        octets.fill(round, 0, 1000);
        sealer?.seal(octets, 0, 1000, 1, round);
        if (opener?.open(octets, 0, 1016, 1, round) && octets[999] === round % 256) good++;
      }
      for (const end of ends) end.release();
    }
  }
  return good;
}

parentPort?.postMessage(exercise(300));
