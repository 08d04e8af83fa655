import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nativeBuffer } from "../../src/host/libc.ts";
import { formatSocketAddress, parseEndpoint, writeSocketAddress } from "../../src/host/socket-address.ts";

describe("a socket address", () => {
  it("is what the kernel's headers say", () => {
    const buffer = nativeBuffer(32);
    buffer.octets.fill(0xff);
    assert.equal(writeSocketAddress(buffer, 4, 4, "192.0.2.1", 0x1234), 16);
    assert.deepEqual(
      [...buffer.octets.subarray(0, 24)],
      [255, 255, 255, 255, 2, 0, 0x12, 0x34, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255],
    );
    assert.equal(formatSocketAddress(buffer, 4), "192.0.2.1:4660");
    assert.equal(writeSocketAddress(buffer, 0, 6, "2001:db8::1", 9), 28);
    assert.equal(
      Buffer.from(buffer.octets.subarray(0, 28)).toString("hex"),
      `0a000009${"00000000"}20010db8000000000000000000000001${"00000000"}`,
    );
    assert.equal(formatSocketAddress(buffer, 0), "[2001:db8::1]:9");
    writeSocketAddress(buffer, 0, 6, null, 0);
    assert.equal(formatSocketAddress(buffer, 0), "[::]:0");
  });

  it("is read from text, or refused", () => {
    assert.deepEqual(parseEndpoint("192.0.2.1:51900"), { address: "192.0.2.1", port: 51_900 });
    assert.deepEqual(parseEndpoint("[::1]:0"), { address: "::1", port: 0 });
    const wrong = [
      "",
      "192.0.2.1",
      "192.0.2.1:",
      "192.0.2.1:65536",
      "::1:5",
      "[192.0.2.1]:5",
      "[::1]",
      "a:5",
    ];
    for (const text of wrong) {
      assert.throws(() => parseEndpoint(text), { code: "ADDRESS_INVALID" }, text);
    }
    const buffer = nativeBuffer(32);
    assert.throws(() => writeSocketAddress(buffer, 0, 4, "::1", 5), { code: "ADDRESS_INVALID" });
  });
});
