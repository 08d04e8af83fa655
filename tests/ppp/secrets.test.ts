import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { findSecret, isAddressAllowed, suggestedAddress } from "../../src/ppp/secrets.ts";
import { formatIpAddress, parseIpAddress } from "../../src/wire/ip-address.ts";
import { secret } from "./auth-pair.ts";

describe("a secret", () => {
  const secrets = [
    secret("*", "*", "any"),
    secret("*", "srv", "any client"),
    secret("c1", "*", "any server"),
    secret("c1", "srv", "first"),
    secret("c1", "srv", "second"),
    secret("c2", "other", "c2 elsewhere"),
  ];
  const cases: readonly [client: string, server: string | null, expected: string][] = [
    ["c1", "srv", "first"],
    ["c1", "other", "any server"],
    ["c1", null, "first"],
    ["c2", "srv", "any client"],
    ["c2", null, "c2 elsewhere"],
    ["c3", "other", "any"],
    ["*", "srv", "any client"],
  ];
  for (const [client, server, expected] of cases) {
    it(`of ${client} with ${server ?? "anybody"} is the one for "${expected}"`, () => {
      assert.equal(findSecret(secrets, client, server)?.secret, expected);
    });
  }

  it("is none where no entry fits", () => {
    assert.equal(findSecret(secrets.slice(2), "c2", "srv"), null);
    assert.equal(findSecret(secrets.slice(2), "C1", "srv"), null);
    assert.equal(findSecret([], "c1", null), null);
  });
});

describe("the addresses of a secret", () => {
  const cases: readonly [words: string, address: string, expected: boolean][] = [
    ["", "10.0.0.1", false],
    ["*", "10.0.0.1", true],
    ["-", "10.0.0.1", false],
    ["- *", "10.0.0.1", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.1", "10.0.0.2", false],
    ["10.0.0.0/8", "10.255.1.2", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["192.168.0.0/17", "192.168.127.255", true],
    ["192.168.0.0/17", "192.168.128.0", false],
    ["10.0.0.4/30", "10.0.0.7", true],
    ["10.0.0.4/30", "10.0.0.8", false],
    ["!10.0.0.1 10.0.0.0/24", "10.0.0.1", false],
    ["!10.0.0.1 10.0.0.0/24", "10.0.0.2", true],
    ["10.0.0.0/24 !10.0.0.1", "10.0.0.1", true],
    ["!10.0.0.0/24 *", "10.0.0.9", false],
    ["!10.0.0.0/24 *", "10.0.1.9", true],
    ["host.example 10.0.0.0/33 10.0.0.0/24+ ::1", "10.0.0.1", false],
  ];
  for (const [words, address, expected] of cases) {
    it(`"${words}" ${expected ? "allow" : "forbid"} ${address}`, () => {
      const octets = parseIpAddress(address) as Uint8Array;
      assert.equal(isAddressAllowed(words.split(" ").filter(Boolean), octets), expected);
    });
  }

  const suggestions: readonly [words: string, expected: string | null][] = [
    ["", null],
    ["*", null],
    ["* 10.0.0.1", null],
    ["10.0.0.0/24", null],
    ["10.0.0.0/24 10.0.0.7", "10.0.0.7"],
    ["!10.0.0.6 10.0.0.7 10.0.0.8", "10.0.0.7"],
    ["!10.0.0.0/8 10.0.0.7 10.0.0.8", null],
    ["- 10.0.0.7", null],
    ["10.0.0.7/32", "10.0.0.7"],
  ];
  for (const [words, expected] of suggestions) {
    it(`"${words}" suggest ${expected ?? "none"}`, () => {
      const found = suggestedAddress(words.split(" ").filter(Boolean));
      assert.equal(found === null ? null : formatIpAddress(found), expected);
    });
  }
});
