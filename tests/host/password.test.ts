import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashPassword, verifyPassword } from "../../src/host/password.ts";

const octets = (text: string): Uint8Array => Buffer.from(text);
/** RFC 7914, section 12, the second vector: its salt is "NaCl". */
const VECTOR =
  "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA";

describe("passwords", () => {
  it("are known by their hash, and no others are", async () => {
    const hash = await hashPassword(octets("sesame"));
    assert.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.equal(await verifyPassword(octets("sesame"), hash), true);
    assert.equal(await verifyPassword(octets("Sesame"), hash), false);
    assert.notEqual(await hashPassword(octets("sesame")), hash);
  });

  it("are hashed as RFC 7914 says", async () => {
    assert.equal(await verifyPassword(octets("password"), VECTOR), true);
    assert.equal(await verifyPassword(octets("passwort"), VECTOR), false);
  });

  it("of nobody are never right", async () => {
    assert.equal(await verifyPassword(octets(""), null), false);
  });

  it("are never right for a hash that cannot be read, or would take too much", async () => {
    for (const hash of [
      "",
      "sesame",
      VECTOR.replace("ln=10", "ln=40"),
      VECTOR.replace("ln=10", "ln=0"),
      VECTOR.replace("r=8", "r=99"),
      VECTOR.replace("p=16", "p=17"),
      VECTOR.replace("ln=10,r=8", "ln=16,r=1"),
      VECTOR.replace(/\$[^$]*$/, "$AAAA"),
      VECTOR.replace("$scrypt", "$argon2id"),
    ]) {
      assert.equal(await verifyPassword(octets("password"), hash), false, hash);
    }
  });
});
