import assert from "node:assert/strict";
import { isIP } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatIpAddress, parseIpAddress, parsePrefix } from "../../src/wire/ip-address.ts";

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** Many zeros, so that runs of them are common. */
const sparse = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));

describe("IP addresses", () => {
  it("reads and writes the examples of RFC 4291 and RFC 5952", () => {
    for (const [text, canonical] of [
      ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
      ["FF01:0:0:0:0:0:0:101", "ff01::101"],
      ["0:0:0:0:0:0:0:1", "::1"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["::FFFF:129.144.52.38", "::ffff:129.144.52.38"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
      ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
      ["fe80::", "fe80::"],
      ["204.180.7.41", "204.180.7.41"],
      ["0.0.0.0", "0.0.0.0"],
      ["255.255.255.255", "255.255.255.255"],
    ] as const) {
      const parsed = parseIpAddress(text);
      assert.ok(parsed, text);
      assert.equal(formatIpAddress(parsed), canonical);
    }
  });

  it("knows what is no address", () => {
    for (const text of [
      "",
      " ",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4 ",
      "1..3.4",
      "+1.2.3.4",
      "0x1.2.3.4",
      "default",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      ":1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:",
      "12345::",
      "g::",
      "::1.2.3",
      "1.2.3.4::",
      "::1.2.3.4:5",
      "fe80::1%eth0",
      "1:2:3:4:5:6:7:1.2.3.4",
      "1.2.3.4:",
      "::-1",
    ]) {
      assert.equal(parseIpAddress(text), null, JSON.stringify(text));
    }
  });

  it("gives every address back after writing and reading it", () => {
    fc.assert(
      fc.property(fc.oneof(octets(4), octets(16), sparse), (address) => {
        assert.deepEqual(parseIpAddress(formatIpAddress(address)), address);
      }),
    );
  });

  it("writes IPv6 as browsers do (WHATWG URL), but for mapped IPv4", () => {
    fc.assert(
      fc.property(fc.oneof(octets(16), sparse), (address) => {
        const text = formatIpAddress(address);
        fc.pre(!text.includes("."));
        assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
      }),
    );
  });

  it("agrees with Node about what an address is", () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc
        .array(fc.constantFrom("1", "0", "ab", "ffff", ":", "::", ".", "1.2.3.4", "00"), { maxLength: 17 })
        .map((a) => a.join("")),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        assert.equal((parseIpAddress(candidate)?.length ?? 0) > 0, isIP(candidate) !== 0, candidate);
      }),
      { numRuns: 2000 },
    );
  });

  it("never throws on text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseIpAddress(text);
        parsePrefix(text);
      }),
    );
  });

  it("refuses to write an address of another size", () => {
    assert.throws(() => formatIpAddress(new Uint8Array(5)), RangeError);
  });
});

describe("prefixes", () => {
  it("reads address and length", () => {
    assert.deepEqual(parsePrefix("10.1.0.0/16"), { octets: Uint8Array.of(10, 1, 0, 0), length: 16 });
    assert.deepEqual(parsePrefix("0.0.0.0/0"), { octets: new Uint8Array(4), length: 0 });
    assert.deepEqual(parsePrefix("::/128"), { octets: new Uint8Array(16), length: 128 });
  });

  it("keeps the bits behind the length", () => {
    assert.deepEqual(parsePrefix("204.180.7.41/29"), { octets: Uint8Array.of(204, 180, 7, 41), length: 29 });
  });

  it("takes an address without a length as one host", () => {
    assert.equal(parsePrefix("10.0.0.1")?.length, 32);
    assert.equal(parsePrefix("::1")?.length, 128);
  });

  it("refuses lengths that the address does not have", () => {
    for (const text of [
      "10.0.0.0/33",
      "::/129",
      "10.0.0.0/",
      "10.0.0.0/-1",
      "10.0.0.0/08",
      "10.0.0.0/8/8",
      "/8",
      "10.0.0.0/ 8",
    ]) {
      assert.equal(parsePrefix(text), null, text);
    }
  });
});
