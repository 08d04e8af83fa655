import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  addressFault,
  canonicalAddress,
  canonicalNetwork,
  familyOf,
  networkFault,
} from "../../src/config/network.ts";

describe("networks", () => {
  it("are cleared behind the prefix", () => {
    for (const [given, canonical] of [
      ["10.1.2.3/8", "10.0.0.0/8"],
      ["10.255.255.255/9", "10.128.0.0/9"],
      ["192.0.2.7/31", "192.0.2.6/31"],
      ["192.0.2.7", "192.0.2.7/32"],
      ["FD00:0:0:7::1/64", "fd00:0:0:7::/64"],
      ["fd00::1", "fd00::1/128"],
    ] as const) {
      assert.equal(canonicalNetwork(given), canonical);
    }
  });

  it("are without fault and stay as they are once cleared, and then only", () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 128 }), (text, bits) => {
        const given = `${text}/${familyOf(text) === "IPv6" ? bits : Math.ceil(bits / 4)}`;
        const canonical = canonicalNetwork(given);
        assert.equal(networkFault(canonical), null);
        assert.equal(canonicalNetwork(canonical), canonical);
        const cleared = canonical === `${canonicalAddress(text)}/${given.split("/")[1]}`;
        assert.equal(networkFault(given) === null, cleared);
      }),
    );
  });

  it("are no more bits than there are", () => {
    for (const wrong of ["10.0.0.0/33", "fd00::/129", "10.0.0.0/", "10.0.0/8", "/8", ""]) {
      assert.equal(networkFault(wrong), "it is no network", wrong);
    }
  });
});

describe("addresses", () => {
  it("that an interface can have are without fault", () => {
    for (const right of ["10.0.0.1", "204.180.7.41", "127.0.0.1", "fd00::1", "fe80::1", "::1"]) {
      assert.equal(addressFault(right), null, right);
    }
  });

  it("have one text each", () => {
    assert.equal(canonicalAddress("FD00:0:0:0:0:0:0:1"), "fd00::1");
    assert.equal(canonicalAddress("10.0.0.1"), "10.0.0.1");
  });
});
