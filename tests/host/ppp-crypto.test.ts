import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pppCrypto as crypto } from "../../src/host/ppp-crypto.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (from: Uint8Array): string => Buffer.from(from).toString("hex");
const text = (from: string): Uint8Array => Uint8Array.from(Buffer.from(from));

describe("the host's cryptography for PPP", () => {
  it("encrypts one block by DES", () => {
    // FIPS 81, table B1 (ECB), whose key has odd parity, and the same key with even parity.
    assert.equal(hex(crypto.des(octets("0123456789abcdef"), text("Now is t"))), "3fa40e8a984d4815");
    assert.equal(hex(crypto.des(octets("0022446688aaccee"), text("Now is t"))), "3fa40e8a984d4815");
  });

  it("digests by MD4, MD5 and SHA-1", () => {
    assert.equal(hex(crypto.md4(text("abc"))), "a448017aaf21d8525fc10ae87aa6729d");
    assert.equal(hex(crypto.md5(text("abc"))), "900150983cd24fb0d6963f7d28e17f72");
    assert.equal(hex(crypto.sha1(text("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
  });

  it("compares, also what differs in length", () => {
    assert.ok(crypto.equal(text("abc"), text("abc")));
    assert.ok(!crypto.equal(text("abc"), text("abd")));
    assert.ok(!crypto.equal(text("abc"), text("abcd")));
    assert.ok(crypto.equal(text(""), text("")));
  });

  it("gives as many random octets as wanted, in memory of their own", () => {
    const one = crypto.random(16);
    assert.equal(one.length, 16);
    assert.equal(one.buffer.byteLength, 16);
    assert.notEqual(hex(one), hex(crypto.random(16)));
  });
});
