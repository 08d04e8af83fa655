import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { CIPHER_NAMES } from "../../src/crypto/cipher.ts";
import { fasterCipher, newPrivateKey, tunnelCrypto } from "../../src/host/tunnel-crypto.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString("hex");

describe("what node:crypto does for tunnels", () => {
  it("is X25519 (RFC 7748 §6.1)", () => {
    const alice = tunnelCrypto(null).keyPair(
      octets("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
    );
    const bob = tunnelCrypto(null).keyPair(
      octets("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
    );
    assert.equal(hex(alice.publicKey), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert.equal(hex(bob.publicKey), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    const secret = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    assert.equal(hex(alice.agree(bob.publicKey)), secret);
    assert.equal(hex(bob.agree(alice.publicKey)), secret);
    assert.equal(alice.agree(new Uint8Array(32)), null);
  });

  it("is BLAKE2s (RFC 7693 appendix B)", () => {
    const digest = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
    assert.equal(hex(tunnelCrypto(null).hash(Buffer.from("a"), Buffer.from("bc"))), digest);
  });

  it("makes private keys as they are used", () => {
    const key = newPrivateKey();
    assert.equal((key[0] ?? 0) & 7, 0);
    assert.equal((key[31] ?? 0) & 0xc0, 0x40);
    assert.notDeepEqual(newPrivateKey(), key);
  });

  it("knows which cipher is the faster one here", () => {
    const hasAes = /^(flags|Features).*\baes\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
    assert.ok(CIPHER_NAMES.includes(fasterCipher()));
    if (!hasAes) assert.equal(fasterCipher(), "chacha20-poly1305");
  });

  it("compares all octets", () => {
    assert.ok(tunnelCrypto(null).equal(octets("0102"), octets("0102")));
    assert.ok(!tunnelCrypto(null).equal(octets("0102"), octets("0103")));
    assert.ok(!tunnelCrypto(null).equal(octets("0102"), octets("01")));
  });
});
