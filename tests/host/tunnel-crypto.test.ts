import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CIPHER_NAMES } from "../../src/crypto/cipher.ts";
import { fasterCipher, newPrivateKey, tunnelCrypto } from "../../src/host/tunnel-crypto.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array | null): string => Buffer.from(value ?? []).toString("hex");

describe("what node:crypto does for tunnels", () => {
  it("is X25519 (RFC 7748 §6.1)", () => {
    const alice = tunnelCrypto.keyPair(
      octets("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"),
    );
    const bob = tunnelCrypto.keyPair(
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
    assert.equal(hex(tunnelCrypto.hash(Buffer.from("a"), Buffer.from("bc"))), digest);
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
    assert.ok(tunnelCrypto.equal(octets("0102"), octets("0102")));
    assert.ok(!tunnelCrypto.equal(octets("0102"), octets("0103")));
    assert.ok(!tunnelCrypto.equal(octets("0102"), octets("01")));
  });

  for (const name of CIPHER_NAMES) {
    const key = new Uint8Array(32).fill(3);
    const cipher = tunnelCrypto.transportCipher(name, key);

    it(`seals in place with ${name}, the nonce being link and counter`, () => {
      const text = octets("000102030405060708090a0b0c0d0e0f1011");
      const buffer = new Uint8Array(50).fill(0xaa);
      buffer.set(text, 7);
      cipher.seal(buffer, 7, text.length, 5, 0x0001_0203_0405_0607);
      const nonce = octets("000000050001020304050607");
      const expected = createCipheriv(name as "chacha20-poly1305", key, nonce, { authTagLength: 16 });
      assert.equal(hex(buffer.subarray(7, 25)), hex(expected.update(text)));
      expected.final();
      assert.equal(hex(buffer.subarray(25, 41)), hex(expected.getAuthTag()));
      assert.ok(buffer.subarray(0, 7).every((octet) => octet === 0xaa));
      assert.ok(buffer.subarray(41).every((octet) => octet === 0xaa));
    });

    it(`opens with ${name} what was sealed, and nothing else`, () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 100 }),
          fc.nat(31),
          fc.nat(),
          fc.nat(),
          (text, link, counter, where) => {
            const buffer = new Uint8Array(text.length + 16);
            buffer.set(text);
            cipher.seal(buffer, 0, text.length, link, counter);
            const forged = buffer.slice();
            forged[where % forged.length] = (forged[where % forged.length] ?? 0) ^ 1;
            assert.ok(!cipher.open(forged, 0, forged.length, link, counter));
            assert.ok(!cipher.open(buffer.slice(), 0, buffer.length, link + 1, counter));
            assert.ok(!cipher.open(buffer.slice(), 0, buffer.length, link, counter + 1));
            assert.ok(!cipher.open(buffer.slice(), 0, buffer.length - 1, link, counter));
            assert.ok(!cipher.open(buffer.slice(), 0, 15, link, counter));
            assert.ok(cipher.open(buffer, 0, buffer.length, link, counter));
            assert.deepEqual(buffer.subarray(0, text.length), text);
          },
        ),
      );
    });
  }
});
