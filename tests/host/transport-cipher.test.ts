import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import koffi, { type LibraryHandle } from "koffi";
import { CIPHER_NAMES, type CipherName, type TransportCipher } from "../../src/crypto/cipher.ts";
import { evpCiphers } from "../../src/host/evp-cipher.ts";
import { nativeBuffer } from "../../src/host/libc.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { exercise } from "./cipher-worker.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

type Context = (context: number) => number;

const NAME = "aes-256-gcm";
const KEY = new Uint8Array(32).fill(3);
const memory = nativeBuffer(4096);
const slow = (name: CipherName, key: Uint8Array): TransportCipher =>
  tunnelCrypto(null).transportCipher(name, key);
/** Memory for each trial, and what works in it. */
const KINDS: Readonly<Record<string, [make: (name: CipherName) => TransportCipher, buffer: Uint8Array]>> = {
  "node:crypto": [(name) => slow(name, KEY), new Uint8Array(4096)],
  "EVP, in its memory": [(name) => tunnelCrypto(memory).transportCipher(name, KEY), memory.octets],
  "EVP, elsewhere": [(name) => tunnelCrypto(memory).transportCipher(name, KEY), new Uint8Array(4096)],
};

describe("ciphers for datagrams", () => {
  for (const [kind, [make, buffer]] of Object.entries(KINDS)) {
    for (const name of CIPHER_NAMES) {
      it(`${kind}: ${name} seals in place, the nonce being link and counter`, () => {
        const cipher = make(name);
        const text = octets("000102030405060708090a0b0c0d0e0f1011");
        buffer.fill(0xaa);
        buffer.set(text, 7);
        cipher.seal(buffer, 7, text.length, 5, 0x0001_0203_0405_0607);
        const nonce = octets("000000050001020304050607");
        const expected = createCipheriv(name as "chacha20-poly1305", KEY, nonce, { authTagLength: 16 });
        assert.equal(hex(buffer.subarray(7, 25)), hex(expected.update(text)));
        expected.final();
        assert.equal(hex(buffer.subarray(25, 41)), hex(expected.getAuthTag()));
        assert.ok(buffer.subarray(0, 7).every((octet) => octet === 0xaa));
        assert.ok(buffer.subarray(41).every((octet) => octet === 0xaa));
        cipher.release();
      });

      it(`${kind}: ${name} opens what was sealed, and nothing else`, () => {
        const cipher = make(name);
        const text = fc.uint8Array({ maxLength: 1500, size: "max" });
        fc.assert(
          fc.property(text, fc.nat(31), fc.nat(), fc.nat(), (plain, link, counter, where) => {
            const length = plain.length + 16;
            buffer.set(plain, 9);
            cipher.seal(buffer, 9, plain.length, link, counter);
            const sealed = buffer.slice(9, 9 + length);
            const opens = (datagram: Uint8Array, ofLink: number, counted: number): boolean => {
              buffer.set(datagram, 9);
              return cipher.open(buffer, 9, datagram.length, ofLink, counted);
            };
            const forged = sealed.slice();
            forged[where % length] = (forged[where % length] ?? 0) ^ (1 << (where % 8));
            assert.ok(!opens(forged, link, counter));
            assert.ok(!opens(sealed, link + 1, counter));
            assert.ok(!opens(sealed, link, counter + 1));
            assert.ok(!opens(sealed.subarray(0, length - 1), link, counter));
            assert.ok(!opens(sealed.subarray(0, 15), link, counter));
            assert.ok(opens(sealed, link, counter));
            assert.equal(Buffer.compare(buffer.subarray(9, 9 + plain.length), plain), 0);
          }),
        );
        cipher.release();
      });
    }
  }
});

describe("EVP of the node binary", () => {
  it("is there", () => {
    assert.notEqual(evpCiphers(memory, slow), null);
  });

  it("is used with several keys by turns", () => {
    const primitives = tunnelCrypto(memory);
    const ciphers = CIPHER_NAMES.flatMap((name) =>
      [1, 2].map((fill) => ({
        name,
        fill,
        cipher: primitives.transportCipher(name, new Uint8Array(32).fill(fill)),
      })),
    );
    for (let counter = 0; counter < 3; counter++) {
      for (const [at, { cipher }] of ciphers.entries()) {
        memory.octets.fill(at, at * 100, at * 100 + 50);
        cipher.seal(memory.octets, at * 100, 50, at, counter);
      }
      for (const [at, { name, fill }] of ciphers.entries()) {
        const sealed = memory.octets.slice(at * 100, at * 100 + 66);
        assert.ok(slow(name, new Uint8Array(32).fill(fill)).open(sealed, 0, 66, at, counter));
        assert.ok(sealed.subarray(0, 50).every((octet) => octet === at));
      }
    }
    for (const { cipher } of ciphers) cipher.release();
  });

  it("touches nothing outside its memory, nor anything when it has been released", () => {
    const cipher = tunnelCrypto(memory).transportCipher("aes-256-gcm", KEY);
    assert.throws(() => cipher.seal(memory.octets, 4081, 0, 0, 0), RangeError);
    assert.throws(() => cipher.seal(memory.octets, -1, 10, 0, 0), RangeError);
    assert.throws(() => cipher.open(memory.octets, 4000, 97, 0, 0), RangeError);
    cipher.seal(memory.octets, 4080, 0, 0, 0);
    cipher.release();
    assert.ok(!cipher.open(memory.octets, 4080, 16, 0, 0));
    assert.throws(() => cipher.seal(memory.octets, 0, 10, 0, 0), /not sealed/);
  });

  it("makes a context for what a key is used for, and frees it", () => {
    const library = koffi.load(null);
    let made = 0;
    const freed: number[] = [];
    const counted: Record<string, (f: Context) => Context> = {
      EVP_CIPHER_CTX_new: (f) => () => {
        made++;
        return f(0);
      },
      EVP_CIPHER_CTX_free: (f) => (context) => {
        if (context !== 0) freed.push(context);
        return f(context);
      },
    };
    const func = (name: string, result: string, types: string[]): Context => {
      const found = library.func(name, result, types) as unknown as Context;
      return counted[name]?.(found) ?? found;
    };
    const make = evpCiphers(memory, slow, () => ({ func }) as unknown as LibraryHandle);
    assert.ok(make);
    assert.equal(freed.length, made);
    const before = made;
    const [sealer, opener, unused] = [make(NAME, KEY), make(NAME, KEY), make(NAME, KEY)];
    assert.equal(made, before);
    for (let i = 0; i < 3; i++) {
      sealer.seal(memory.octets, 0, 10, 0, i);
      assert.ok(opener.open(memory.octets, 0, 26, 0, i));
    }
    assert.equal(made, before + 2);
    for (const cipher of [sealer, opener, unused]) {
      cipher.release();
      cipher.release();
    }
    assert.equal(freed.length, made);
    assert.equal(new Set(freed.slice(before)).size, 2);
    assert.ok(!opener.open(memory.octets, 0, 26, 0, 4));
    assert.throws(() => unused.seal(memory.octets, 0, 10, 0, 0), /not sealed/);
    assert.equal(made, before + 2);
  });

  it("is used by several threads at a time", async () => {
    const workers = [1, 2].map(() => new Worker(new URL("./cipher-worker.js", import.meta.url)));
    try {
      const answers = Promise.all(workers.map(async (worker) => (await once(worker, "message")) as [number]));
      assert.equal(exercise(300), 1200);
      assert.deepEqual(await answers, [[1200], [1200]]);
    } finally {
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  });

  it("is done without where its functions are missing", () => {
    assert.equal(
      evpCiphers(memory, slow, () => koffi.load("libc.so.6")),
      null,
    );
  });

  it("is done without where it does not agree with node:crypto", () => {
    const other = new Uint8Array(32).fill(77);
    assert.equal(
      evpCiphers(memory, (name) => slow(name, other)),
      null,
    );
  });
});
