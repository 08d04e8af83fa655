import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { ChallengeMint } from "../../src/ppp/challenge-mint.ts";

describe("challenges", () => {
  const mint = new ChallengeMint(pppCrypto);

  it("are of 16 octets, no two alike, and known again by who made them", () => {
    const made = Array.from({ length: 200 }, () => mint.make());
    assert.ok(made.every((challenge) => challenge.length === 16 && mint.made(challenge)));
    assert.equal(new Set(made.map((challenge) => challenge.join())).size, 200);
    const other = new ChallengeMint(pppCrypto);
    assert.ok(made.every((challenge) => !other.made(challenge)));
  });

  it("are a nonce and the first octets of its HMAC-SHA1 (RFC 2104)", () => {
    let made = 0;
    const random = (count: number): Uint8Array => new Uint8Array(count).fill(++made);
    const challenge = new ChallengeMint({ ...pppCrypto, random }).make();
    const nonce = new Uint8Array(8).fill(2);
    const hmac = createHmac("sha1", new Uint8Array(16).fill(1)).update(nonce).digest();
    assert.deepEqual([...challenge], [...nonce, ...hmac.subarray(0, 8)]);
  });

  it("are others with one bit changed or of another length", () => {
    const challenge = mint.make();
    for (let bit = 0; bit < 128; bit++) {
      const changed = challenge.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      assert.ok(!mint.made(changed));
    }
    assert.ok(!mint.made(challenge.subarray(0, 15)));
    assert.ok(!mint.made(Uint8Array.of(...challenge, 0)));
    assert.ok(!mint.made(new Uint8Array(0)));
  });
});
