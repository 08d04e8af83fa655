import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KEY_LIMITS, type KeyLimits, SessionKeys } from "../../src/crypto/session-keys.ts";
import { nativeBuffer } from "../../src/host/libc.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { instant } from "../../src/time.ts";
import { KEY_LINK, TRANSPORT } from "../../src/wire/tunnel-datagram.ts";

const memory = nativeBuffer(8192);
const primitives = tunnelCrypto(memory);

function ends(limits: KeyLimits = KEY_LIMITS): [SessionKeys, SessionKeys] {
  const keys = { fromInitiator: new Uint8Array(32).fill(1), fromResponder: new Uint8Array(32).fill(2) };
  const end = (initiator: boolean): SessionKeys => {
    const own = { localIndex: initiator ? 7 : -8, bornAt: instant(0), initiator, limits };
    return new SessionKeys(primitives, { keys, cipher: "aes-256-gcm", remoteIndex: initiator ? -8 : 7 }, own);
  };
  return [end(true), end(false)];
}

describe("a datagram made of two parts", () => {
  const { octets } = memory;
  const [near, far] = ends();
  const part = fc.uint8Array({ maxLength: 700, size: "max" });

  it("has both, one after the other, and leaves them as they were", () => {
    fc.assert(
      fc.property(part, part, fc.constantFrom(0, 5, 31, KEY_LINK), (head, body, link) => {
        octets.set(head, 3000);
        octets.set(body, 4000);
        const length = near.sealParts(link, octets, 100, 3000, head.length, 4000, body.length);
        assert.equal(length, head.length + body.length + TRANSPORT.overhead);
        assert.equal(Buffer.compare(octets.subarray(3000, 3000 + head.length), head), 0);
        assert.equal(Buffer.compare(octets.subarray(4000, 4000 + body.length), body), 0);
        assert.equal(far.open(octets, 100, length), "opened");
        const content = octets.subarray(100 + TRANSPORT.sealed, 100 + length - 16);
        assert.equal(Buffer.compare(content, Buffer.concat([head, body])), 0);
      }),
    );
  });

  it("may have either in its place already", () => {
    for (const [headAt, bodyAt] of [
      [110, 3000],
      [3000, 114],
      [110, 114],
    ] as const) {
      octets.set([1, 2, 3, 4], headAt);
      octets.set([5, 6, 7], bodyAt);
      const length = near.sealParts(2, octets, 100, headAt, 4, bodyAt, 3);
      assert.equal(far.open(octets, 100, length), "opened");
      assert.deepEqual([...octets.subarray(110, 117)], [1, 2, 3, 4, 5, 6, 7]);
    }
  });
});

describe("the keys of a session", () => {
  const { octets } = memory;

  it("count each link by itself", () => {
    const [near] = ends();
    assert.equal(near.nextCounter(3), 0);
    near.seal(3, octets, 0, 10);
    near.seal(3, octets, 0, 10);
    near.sealParts(4, octets, 0, 2000, 10, 3000, 10);
    assert.deepEqual(
      [2, 3, 4, KEY_LINK, 32].map((link) => near.nextCounter(link)),
      [0, 2, 1, 0, -1],
    );
    assert.equal(near.sealParts(32, octets, 0, 2000, 10, 3000, 10), 0);
  });

  it("seal so much and no more", () => {
    const [near] = ends({ ...KEY_LIMITS, rekeyDatagrams: 5, mostDatagrams: 10 });
    for (let count = 0; count < 10; count++) {
      assert.equal(near.isWorn, count >= 5);
      assert.ok(near.sealParts(1, octets, 0, 2000, 10, 3000, 10) > 0);
    }
    assert.equal(near.sealParts(1, octets, 0, 2000, 10, 3000, 10), 0);
    assert.equal(near.nextCounter(1), 10);
  });

  it("are of no use when they have been released", () => {
    const [near, far] = ends();
    const length = near.seal(1, octets, 0, 10);
    near.release();
    far.release();
    assert.equal(near.seal(1, octets, 0, 10), 0);
    assert.equal(far.open(octets, 0, length), "forged");
  });
});
