import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type IpPrefix, parseIpAddress, parsePrefix } from "../../src/wire/ip-address.ts";
import { PrefixTable } from "../../src/wire/prefix-table.ts";

const prefix = (text: string): IpPrefix => parsePrefix(text) as IpPrefix;

const find = (table: PrefixTable, text: string): number => {
  const octets = parseIpAddress(text) as Uint8Array;
  return table.lookup(octets, 0, octets.length);
};

describe("PrefixTable", () => {
  it("finds the longest prefix, of the right family", () => {
    const table = new PrefixTable();
    table.set(prefix("0.0.0.0/0"), 1);
    table.set(prefix("10.98.0.0/16"), 2);
    table.set(prefix("10.98.0.7"), 3);
    table.set(prefix("fd00:98::/32"), 4);
    assert.equal(find(table, "192.0.2.1"), 1);
    assert.equal(find(table, "10.98.1.1"), 2);
    assert.equal(find(table, "10.98.0.7"), 3);
    assert.equal(find(table, "fd00:98::1"), 4);
    assert.equal(find(table, "fd00:99::1"), -1);
    table.remove(2);
    assert.equal(find(table, "10.98.1.1"), 1);
  });

  it("agrees with a list of all prefixes", () => {
    const arbitrary = fc.tuple(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.integer({ min: 0, max: 32 }),
    );
    fc.assert(
      fc.property(
        fc.array(arbitrary, { maxLength: 60 }),
        fc.array(arbitrary, { maxLength: 20 }),
        (known, asked) => {
          const table = new PrefixTable();
          known.forEach(([octets, bits], i) => table.set({ octets, length: bits }, i));
          for (const [octets] of [...known, ...asked]) {
            let expected = -1;
            let longest = -1;
            known.forEach(([other, bits], i) => {
              const word = (of: Uint8Array): number => new DataView(of.buffer, of.byteOffset).getUint32(0);
              const mask = bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0;
              if ((word(octets) & mask) !== (word(other) & mask) || bits < longest) return;
              longest = bits;
              expected = i;
            });
            assert.equal(table.lookup(octets, 0, 4), expected);
          }
        },
      ),
    );
  });
});
