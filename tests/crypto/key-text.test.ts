import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { keyText, parseKey } from "../../src/crypto/key-text.ts";

describe("a key's text", () => {
  it("is base64", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        const text = keyText(key);
        assert.equal(text, Buffer.from(key).toString("base64"));
        assert.deepEqual(parseKey(text), key);
      }),
    );
  });

  it("is nothing else", () => {
    const text = keyText(new Uint8Array(32).fill(0xff));
    const wrong = [
      "",
      text.slice(1),
      `${text}=`,
      `A${text}`,
      ` ${text}`,
      `${text}\n`,
      text.replace("/", "_"),
    ];
    // The last character has two bits that are not part of the key.
    for (const other of [...wrong, `${text.slice(0, 42)}9=`, `${text.slice(0, 43)}A`]) {
      assert.equal(parseKey(other), null, other);
    }
  });
});
