import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Fragmenter } from "../../src/bundle/fragmenter.ts";
import type { Member } from "../../src/bundle/member.ts";
import { instant } from "../../src/time.ts";
import { PART_OVERHEAD, partsMember } from "./parts-link.ts";

const MTU = 1500;
const NOW = instant(1000);

const line = fc.record({
  bps: fc.constantFrom(2400, 9600, 14_400, 28_800, 57_600, 115_200, 1_000_000),
  startMs: fc.double({ min: 0, max: 300, noNaN: true }),
  delayMs: fc.double({ min: 0, max: 100, noNaN: true }),
  blocked: fc.boolean(),
});
type Line = typeof line extends fc.Arbitrary<infer T> ? T : never;

function membersOf(lines: readonly Partial<Line>[]): Member[] {
  return lines.map(({ bps = 9600, startMs = 0, delayMs = 0, blocked = false }, id) => {
    const { member } = partsMember(bps, MTU, id, NOW);
    member.startAt = instant(NOW + startMs);
    member.delayMs = delayMs;
    member.blocked = blocked;
    return member;
  });
}

function sharesOf(length: number, members: readonly Member[], assign = false): number[] {
  const fragmenter = new Fragmenter();
  const divided = assign ? fragmenter.assign(length, members) : fragmenter.divide(length, members);
  const shares = [...fragmenter.shares.subarray(0, members.length)];
  assert.equal(
    divided,
    shares.reduce((sum, share) => sum + share, 0),
  );
  return shares;
}

const arrivalOf = (member: Member, share: number): number =>
  member.startAt + member.delayMs + (share + PART_OVERHEAD) / member.rate;

describe("a packet cut over the links", () => {
  it("is cut by their rates, headers included", () => {
    assert.deepEqual(sharesOf(1500, membersOf([{ bps: 28_800 }, { bps: 28_800 }])), [750, 750]);
    // 1518 octets on the lines in all: a fifth of them by the slow one.
    assert.deepEqual(sharesOf(1500, membersOf([{ bps: 57_600 }, { bps: 14_400 }])), [1206, 294]);
  });

  it("makes up for a line that is busy for longer, and for one with a delay", () => {
    const [late = 0, early = 0] = sharesOf(1500, membersOf([{ startMs: 100 }, {}]));
    assert.ok(early - late >= 94 && early - late < 98, `${early} - ${late}`);
    assert.deepEqual(sharesOf(1500, membersOf([{ delayMs: 100 }, {}])), [late, early]);
  });

  it("stays whole when it is small, and takes the way by which it arrives first", () => {
    assert.deepEqual(sharesOf(84, membersOf([{}, { bps: 28_800 }])), [0, 84]);
    assert.deepEqual(sharesOf(84, membersOf([{}, { bps: 28_800, startMs: 100 }])), [84, 0]);
    assert.deepEqual(sharesOf(84, membersOf([{}, {}, {}])), [84, 0, 0]);
  });

  it("leaves equal lines to the next packet rather than being cut to crumbs", () => {
    const shares = sharesOf(576, membersOf(Array.from({ length: 8 }, () => ({}))));
    assert.equal(shares.filter((share) => share > 0).length, 5);
    assert.ok(Math.min(...shares.filter((share) => share > 0)) >= 100, shares.join());
  });

  it("uses a slow line for as little as it can carry meanwhile, but not for a header's sake", () => {
    const [, small = 0] = sharesOf(576, membersOf([{ bps: 115_200 }, { bps: 9600 }]));
    assert.ok(small > 30 && small < 40, `${small}`);
    assert.deepEqual(sharesOf(576, membersOf([{ bps: 1_000_000 }, { bps: 9600 }])), [576, 0]);
  });

  it("goes only where there is a link that can take it", () => {
    assert.deepEqual(sharesOf(1000, membersOf([{ blocked: true }, {}])), [0, 1000]);
    assert.deepEqual(sharesOf(1000, membersOf([{ blocked: true }])), [0]);
    assert.deepEqual(sharesOf(1000, membersOf([])), []);
    const full = partsMember(9600, MTU, 0, NOW);
    full.link.outbox.to = MTU + PART_OVERHEAD + 1;
    assert.deepEqual(sharesOf(1000, [full.member]), [0]);
  });

  it("is divided as far as frames are long", () => {
    const { member, link } = partsMember(9600, MTU, 0, NOW);
    link.fragmentMax = 1494;
    assert.deepEqual(sharesOf(1500, [member]), [1494]);
    assert.deepEqual(sharesOf(1500, [member], true), [1494]);
  });

  it("is all there, and every part of it arrives at the same time", () => {
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: MTU }),
        (lines, length) => {
          const members = membersOf(lines);
          const shares = sharesOf(length, members);
          const used = members.filter((_, i) => (shares[i] as number) > 0);
          const usable = members.filter(({ blocked }) => !blocked);
          assert.equal(used.length > 0, usable.length > 0);
          if (used.length === 0) return;
          assert.equal(
            shares.reduce((sum, share) => sum + share, 0),
            length,
          );
          const arrivals = used.map((member) => arrivalOf(member, shares[member.id] as number));
          // Whole octets, and what rounding leaves over.
          const octetMs = Math.max(...used.map(({ rate }) => (1 + used.length) / rate));
          assert.ok(Math.max(...arrivals) - Math.min(...arrivals) <= octetMs + 1e-6, arrivals.join());
          const whole = Math.min(...usable.map((member) => arrivalOf(member, length)));
          assert.ok(Math.max(...arrivals) <= whole + octetMs, "cut, it arrives later than whole");
        },
      ),
    );
  });
});

describe("a packet that is to stay whole", () => {
  it("takes the way by which it arrives first", () => {
    assert.deepEqual(sharesOf(1000, membersOf([{}, { bps: 28_800 }, {}]), true), [0, 1000, 0]);
    assert.deepEqual(sharesOf(1000, membersOf([{}, { bps: 28_800, blocked: true }]), true), [1000, 0]);
    assert.deepEqual(sharesOf(1000, membersOf([{ blocked: true }]), true), [0]);
  });
});
