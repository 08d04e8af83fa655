import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatIpv4, parseAddressRange } from "../../../src/config/address-range.ts";
import { Addresses } from "../../../src/daemon/answering/addresses.ts";

const range = (text: string) => parseAddressRange(text) ?? assert.fail(text);
const POOL = [range("10.0.0.1-10.0.0.2"), range("10.0.1.0/30")];

describe("a range of addresses", () => {
  it("is a pair, one address, or a network without its ends", () => {
    const ends = (text: string): string | null => {
      const found = parseAddressRange(text);
      return found && `${formatIpv4(found.first)} ${formatIpv4(found.last)}`;
    };
    const cases: readonly [text: string, ends: string | null][] = [
      ["10.0.0.9-10.0.1.1", "10.0.0.9 10.0.1.1"],
      ["192.0.2.1", "192.0.2.1 192.0.2.1"],
      ["10.0.0.0/24", "10.0.0.1 10.0.0.254"],
      ["10.0.0.4/31", "10.0.0.4 10.0.0.5"],
      ["10.0.0.4/32", "10.0.0.4 10.0.0.4"],
      ["10.0.0.1/24", null],
      ["10.0.0.2-10.0.0.1", null],
      ["10.0.0.0/8", null],
      ["10.0.0.1-10.0.0.2-10.0.0.3", null],
      ["10.0.0.1-", null],
      ["fe80::1", null],
      ["224.0.0.1", null],
      ["0.0.0.0", null],
      ["", null],
    ];
    for (const [text, expected] of cases) assert.equal(ends(text), expected, text);
  });
});

describe("the addresses of callers", () => {
  it("are each given once, until there are none", () => {
    const addresses = new Addresses();
    const given = ["a", "b", "c", "d", "e"].map((user) => addresses.take(user, POOL));
    assert.deepEqual(given, ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2", null]);
    addresses.release("10.0.1.1");
    assert.equal(addresses.take("e", POOL), "10.0.1.1");
  });

  it("are not given where somebody has them by right", () => {
    const addresses = new Addresses();
    assert.equal(addresses.claim("10.0.0.1"), true);
    assert.equal(addresses.claim("10.0.0.1"), false);
    assert.equal(addresses.take("a", POOL), "10.0.0.2");
  });

  it("are the same for the same user when that can be, and else those that nobody had for the longest time", () => {
    const addresses = new Addresses();
    const [a, b] = [addresses.take("a", POOL), addresses.take("b", POOL)];
    for (const address of [b, a]) addresses.release(address as string);
    assert.deepEqual([addresses.take("a", POOL), addresses.take("b", POOL)], [a, b]);
    for (const address of [b, a]) addresses.release(address as string);
    assert.deepEqual(
      ["c", "d", "e", "f"].map((user) => addresses.take(user, POOL)),
      ["10.0.1.1", "10.0.1.2", b, a],
    );
  });
});
