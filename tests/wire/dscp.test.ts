import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DSCP_NAMES, dscpOf } from "../../src/wire/dscp.ts";

describe("a code point", () => {
  it("is read from IPv4 and IPv6", () => {
    for (let dscp = 0; dscp < 64; dscp++) {
      const ecn = dscp % 4;
      const octet = (dscp << 2) | ecn;
      assert.equal(dscpOf(Uint8Array.of(0, 0x45, octet, 0xff), 1), dscp);
      assert.equal(dscpOf(Uint8Array.of(0, 0x60 | (octet >>> 4), (octet << 4) | 0x0f, 0xff), 1), dscp);
    }
  });

  it("has its name of the registry", () => {
    const expected = {
      cs0: 0,
      cs1: 8,
      cs7: 56,
      af11: 10,
      af13: 14,
      af41: 34,
      af43: 38,
      ef: 46,
      "voice-admit": 44,
      le: 1,
    };
    for (const [name, dscp] of Object.entries(expected)) assert.equal(DSCP_NAMES.get(name), dscp, name);
    assert.equal(DSCP_NAMES.size, 8 + 12 + 3);
  });
});
