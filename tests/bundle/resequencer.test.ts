import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { ReceiveDrops } from "../../src/bundle/reassembler.ts";
import { FragmentSource, Resequencer, resequencerMemory } from "../../src/bundle/resequencer.ts";
import { instant, NEVER } from "../../src/time.ts";

const MRRU = 100;
const WINDOW = 1024;

/** Both ends in one: packets are texts, each part a piece of one. */
class Fixture {
  readonly drops: ReceiveDrops = {
    fragmentLost: 0,
    resequencerFull: 0,
    reassembledTooLong: 0,
    fragmentLate: 0,
    badSequence: 0,
  };
  readonly resequencer: Resequencer;
  readonly sources: FragmentSource[];
  readonly mask: number;
  now = 0;

  constructor(links = 2, short = false) {
    this.resequencer = new Resequencer(new Uint8Array(resequencerMemory(MRRU)), MRRU, this.drops);
    this.mask = short ? 0xfff : 0xffffff;
    this.resequencer.start(MRRU, short);
    this.resequencer.slowestRate = 10;
    this.sources = Array.from({ length: links }, () => new FragmentSource());
    for (const source of this.sources) this.resequencer.join(source);
  }

  /** A part comes by a link; "(" and ")" say where packets begin and end. @returns the packets that it makes */
  take(link: number, number: number, text: string): string[] {
    const first = text.startsWith("(");
    const last = text.endsWith(")");
    const octets = Uint8Array.from(text.replace(/[()]/g, ""), (char) => char.charCodeAt(0));
    const padded = new Uint8Array(octets.length + 7);
    padded.set(octets, 3);
    const { resequencer, mask } = this;
    const source = this.sources[link] as FragmentSource;
    const to = 3 + octets.length;
    resequencer.handleFragment(source, padded, 3, to, number & mask, first, last, instant(this.now));
    padded.fill(0xee);
    return this.poll();
  }

  poll(): string[] {
    const packets: string[] = [];
    const { resequencer } = this;
    while (resequencer.pollPacket()) {
      packets.push(String.fromCharCode(...resequencer.received.subarray(0, resequencer.receivedLength)));
    }
    return packets;
  }

  /** Until `ms` later. @returns what the timer sets free */
  wait(ms: number): string[] {
    this.now += ms;
    this.resequencer.handleTimeout(instant(this.now));
    return this.poll();
  }

  dropped(): Partial<ReceiveDrops> {
    return Object.fromEntries(Object.entries(this.drops).filter(([, count]) => count > 0));
  }
}

describe("parts in order", () => {
  it("make packets, whole ones at once", () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.take(0, 0, "(one)"), ["one"]);
    assert.deepEqual(fixture.take(1, 1, "(tw"), []);
    assert.deepEqual(fixture.take(0, 2, "o"), []);
    assert.deepEqual(fixture.take(1, 3, "!)"), ["two!"]);
    assert.equal(fixture.resequencer.pollTimeout(), NEVER);
    assert.deepEqual(fixture.dropped(), {});
  });

  it("may be empty: a number that is no packet", () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.take(0, 0, "()"), []);
    assert.deepEqual(fixture.take(0, 2, "()"), []);
    assert.deepEqual(fixture.take(1, 1, "(one)"), ["one"]);
    assert.deepEqual(fixture.take(1, 3, "(two)"), ["two"]);
    assert.deepEqual(fixture.dropped(), {});
  });
});

describe("parts out of order", () => {
  it("wait for those before them", () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.take(0, 1, "o)"), []);
    assert.deepEqual(fixture.take(0, 2, "(three)"), []);
    assert.deepEqual(fixture.take(0, 3, "(fo"), []);
    assert.deepEqual(fixture.take(1, 0, "(tw"), ["two", "three"]);
    assert.deepEqual(fixture.take(1, 4, "ur)"), ["four"]);
  });

  for (const short of [false, true]) {
    it(`in every order, over the end of ${short ? "12" : "24"}-bit numbers`, () => {
      const start = (short ? 0x1000 : 0x1000000) - 6;
      const parts = Array.from({ length: 12 }, (_, i) => i);
      fc.assert(
        fc.property(fc.shuffledSubarray(parts, { minLength: 12 }), (order) => {
          // One link for each, so that nothing is lost by rule.
          const fixture = new Fixture(13, short);
          assert.deepEqual(fixture.take(12, start - 1, "(begin)"), ["begin"]);
          const texts: string[] = [];
          for (const i of order) {
            const text = `${i % 3 === 0 ? "(" : ""}${String.fromCharCode(97 + i)}${i % 3 === 2 ? ")" : ""}`;
            texts.push(...fixture.take(i, start + i, text));
          }
          assert.deepEqual(texts, ["abc", "def", "ghi", "jkl"]);
          assert.deepEqual(fixture.dropped(), {});
        }),
        { numRuns: 50 },
      );
    });
  }
});

describe("a part that does not come", () => {
  it("is lost when all links have brought later ones", () => {
    const fixture = new Fixture(3);
    fixture.take(0, 0, "(zero)");
    fixture.take(1, 1, "(one)");
    assert.deepEqual(fixture.take(0, 3, "(three)"), []);
    assert.deepEqual(fixture.take(1, 4, "(fo"), []);
    assert.deepEqual(fixture.take(2, 5, "ur)"), ["three", "four"]);
    assert.deepEqual(fixture.dropped(), { fragmentLost: 1 });
  });

  it("takes its packet with it, and no other", () => {
    const fixture = new Fixture(1);
    assert.deepEqual(fixture.take(0, 0, "(a"), []);
    assert.deepEqual(fixture.take(0, 1, "b)"), ["ab"]);
    assert.deepEqual(fixture.take(0, 2, "(c"), []);
    // 3 is lost: what it was the end of, and what comes before the next beginning.
    assert.deepEqual(fixture.take(0, 4, "e"), []);
    assert.deepEqual(fixture.take(0, 5, "f)"), []);
    assert.deepEqual(fixture.take(0, 6, "(g)"), ["g"]);
    assert.deepEqual(fixture.dropped(), { fragmentLost: 1 });
  });

  it("is waited for while a link may still bring it, and given up in time when none does", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    assert.deepEqual(fixture.take(0, 2, "(two)"), []);
    fixture.now = 50;
    assert.deepEqual(fixture.take(0, 3, "(three)"), []);
    // 102 octets at 10 a millisecond, and 200 ms.
    const { resequencer } = fixture;
    assert.equal(resequencer.waitMs, 210.2);
    assert.equal(resequencer.pollTimeout(), 210.2);
    assert.deepEqual(fixture.wait(160), []);
    assert.deepEqual(fixture.wait(0.3), ["two", "three"]);
    assert.equal(resequencer.pollTimeout(), NEVER);
    assert.deepEqual(fixture.dropped(), { fragmentLost: 1 });
  });

  it("is waited for since the one behind it came, each hole for itself", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    fixture.take(0, 2, "(two)");
    fixture.now = 100;
    fixture.take(0, 4, "(four)");
    assert.deepEqual(fixture.wait(111), ["two"]);
    assert.equal(fixture.resequencer.pollTimeout(), 310.2);
    assert.deepEqual(fixture.wait(100), ["four"]);
    assert.deepEqual(fixture.dropped(), { fragmentLost: 2 });
  });

  it("is lost at once when the link leaves that could have brought it", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    fixture.take(0, 2, "(two)");
    fixture.resequencer.leave(fixture.sources[1] as FragmentSource);
    assert.deepEqual(fixture.poll(), ["two"]);
    assert.deepEqual(fixture.dropped(), { fragmentLost: 1 });
  });

  it("when all links are gone waits for the timer: they may come back with it", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    fixture.take(0, 2, "(two)");
    fixture.resequencer.leave(fixture.sources[1] as FragmentSource);
    fixture.poll();
    fixture.take(0, 4, "(four)");
    fixture.resequencer.leave(fixture.sources[0] as FragmentSource);
    assert.deepEqual(fixture.poll(), []);
    assert.deepEqual(fixture.wait(3000), []);
  });

  it("is not lost by a link that has joined and sent nothing", () => {
    const fixture = new Fixture(1);
    fixture.take(0, 0, "(zero)");
    const joined = new FragmentSource();
    fixture.sources.push(joined);
    fixture.resequencer.join(joined);
    assert.deepEqual(fixture.take(0, 2, "(two)"), []);
    assert.deepEqual(fixture.take(1, 1, "(one)"), ["one", "two"]);
  });
});

describe("the time for which a missing part is waited for", () => {
  /** Part 1 of each pair comes after `ms`. */
  function lateBy(fixture: Fixture, ms: number, pairs: number, from = 0): string[] {
    const packets: string[] = [];
    for (let i = from; i < from + pairs; i++) {
      packets.push(...fixture.take(0, 2 * i + 1, "(b)"));
      packets.push(...fixture.wait(ms));
      packets.push(...fixture.take(1, 2 * i, "(a)"));
    }
    return packets;
  }

  it("follows the lateness that was seen, within its bounds", () => {
    for (const [ms, least, most] of [
      [2, 110.2, 110.2], // the longest packet takes 10.2 ms on the slowest line
      [150, 225, 400],
      [205, 300, 500],
    ] as const) {
      const fixture = new Fixture();
      assert.equal(lateBy(fixture, ms, 20).length, 40);
      const { waitMs } = fixture.resequencer;
      assert.ok(waitMs >= least && waitMs <= most, `${waitMs} for ${ms}`);
    }
  });

  it("grows when parts come that had been given up", () => {
    const fixture = new Fixture();
    // The first few are too late.
    assert.ok(lateBy(fixture, 600, 12).length < 24);
    const { waitMs } = fixture.resequencer;
    assert.ok(waitMs > 600 && waitMs < 1500, `${waitMs}`);
    // The very first is not counted as lost: it may have been before our time.
    assert.equal(fixture.drops.fragmentLate, fixture.drops.fragmentLost + 1);
    assert.equal(lateBy(fixture, 600, 12, 12).join(""), "ab".repeat(12));
  });

  it("has an end", () => {
    const fixture = new Fixture();
    lateBy(fixture, 60_000, 20);
    assert.equal(fixture.resequencer.waitMs, 5000);
  });

  it("is that of the slowest line until some has been seen, within bounds", () => {
    const { resequencer } = new Fixture();
    resequencer.slowestRate = 0.5;
    assert.equal(resequencer.waitMs, 404);
    resequencer.slowestRate = 1e-9;
    assert.equal(resequencer.waitMs, 3000);
  });
});

describe("numbers that are not next", () => {
  it("are dropped when they have been", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    fixture.take(0, 1, "(one)");
    assert.deepEqual(fixture.take(1, 0, "(zero)"), []);
    assert.deepEqual(fixture.take(1, 1, "(one)"), []);
    fixture.take(0, 3, "(three)");
    assert.deepEqual(fixture.take(0, 3, "(evil)"), []);
    assert.deepEqual(fixture.take(1, 2, "(two)"), ["two", "three"]);
    assert.deepEqual(fixture.dropped(), { fragmentLate: 3 });
  });

  it("begin wherever the peer is", () => {
    for (const [short, start] of [
      [false, 0x123456],
      [false, 0xffffff],
      [true, 2047],
      [true, 3000],
      [true, 4095],
    ] as const) {
      const fixture = new Fixture(2, short);
      assert.deepEqual(fixture.take(0, start, "(one)"), ["one"]);
      assert.deepEqual(fixture.take(1, start + 1, "(two)"), ["two"]);
      assert.deepEqual(fixture.dropped(), {});
    }
  });

  it("begin near 0 when the peer was there a little earlier, after one wait", () => {
    const fixture = new Fixture();
    assert.deepEqual(fixture.take(0, 500, "(one)"), []);
    assert.deepEqual(fixture.take(0, 501, "(two)"), []);
    assert.deepEqual(fixture.wait(220), ["one", "two"]);
    assert.deepEqual(fixture.dropped(), {}, "nothing was sent to us before");
  });

  it("far away do not stall what goes on here", () => {
    const fixture = new Fixture();
    for (let i = 0; i < 50; i++) {
      assert.deepEqual(fixture.take(0, i, `(${i})`), [`${i}`]);
      for (const far of [WINDOW + 50, 70_000 * i, -5000 - i]) {
        assert.deepEqual(fixture.take(1, i + far, "(evil)"), []);
      }
    }
    assert.equal(fixture.drops.fragmentLost, 0);
  });

  it("far away that go on are where the peer is now", () => {
    for (const to of [700_000, -700_000]) {
      const fixture = new Fixture();
      fixture.take(0, 0, "(zero)");
      fixture.take(0, 2, "(two)");
      const got: string[] = [];
      for (let i = 0; i < 12; i++) got.push(...fixture.take(i & 1, to + i, `(${i})`));
      assert.deepEqual(got, ["8", "9", "10", "11"]);
      assert.deepEqual(fixture.dropped(), { badSequence: 8 });
    }
  });

  it("of a link that rested for a whole round are not taken for new ones", () => {
    const fixture = new Fixture(2, true);
    fixture.take(1, 0, "(zero)");
    for (let i = 1; i < 3000; i++) assert.deepEqual(fixture.take(0, i, `(${i})`), [`${i}`]);
    assert.deepEqual(fixture.take(0, 3001, "(b)"), [], "the other link may bring 3000");
    assert.deepEqual(fixture.take(1, 3000, "(a)"), ["a", "b"]);
    assert.deepEqual(fixture.dropped(), {});
  });
});

describe("what the peer does wrong", () => {
  it("a packet without an end, and one without a beginning, are dropped", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(no end");
    assert.deepEqual(fixture.take(0, 1, "(good)"), ["good"]);
    assert.deepEqual(fixture.take(0, 2, "no beginning)"), []);
    assert.deepEqual(fixture.take(0, 3, "(good)"), ["good"]);
    assert.deepEqual(fixture.dropped(), { badSequence: 2 });
  });

  it("a packet longer than the MRRU is dropped, whole or in parts", () => {
    const fixture = new Fixture();
    // "!" is odd, so the protocol field has one octet, "`" even: two.
    assert.deepEqual(fixture.take(0, 0, `(!${"x".repeat(MRRU)})`), [`!${"x".repeat(MRRU)}`]);
    assert.deepEqual(fixture.take(0, 1, `(!${"x".repeat(MRRU + 1)})`), []);
    assert.deepEqual(fixture.take(0, 2, `(\`x${"x".repeat(MRRU)})`), [`\`x${"x".repeat(MRRU)}`]);
    assert.deepEqual(fixture.take(0, 3, `(\`x${"x".repeat(MRRU + 1)})`), []);
    for (let i = 0; i < 20; i++)
      assert.deepEqual(fixture.take(0, 4 + i, i === 0 ? "(1234567890" : "1234567890"), []);
    assert.deepEqual(fixture.take(0, 24, "end)"), []);
    assert.equal(fixture.drops.reassembledTooLong, 3);
    // One that has to wait is not kept.
    assert.deepEqual(fixture.take(0, 26, `(${"x".repeat(5000)})`), []);
    assert.deepEqual(fixture.take(1, 25, "(good)"), ["good"]);
    assert.deepEqual(fixture.take(1, 27, "(good)"), ["good"]);
    assert.deepEqual(fixture.dropped(), { reassembledTooLong: 4 });
  });

  it("more parts behind a hole than there is room for: the hole is given up", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    const got: string[] = [];
    for (let i = 2; i < 600; i++) got.push(...fixture.take(0, i, `(${i})`));
    assert.deepEqual(
      got,
      Array.from({ length: 598 }, (_, i) => `${i + 2}`),
    );
    assert.deepEqual(fixture.dropped(), { resequencerFull: 1 });
  });

  it("and holes over holes", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    const got: string[] = [];
    for (let i = 2; i < 1000; i += 2) got.push(...fixture.take(0, i, `(${i})`));
    assert.ok(got.length >= 499 - 256, `${got.length}`);
    assert.equal(fixture.drops.resequencerFull, got.length);
    // What fills a hole when there is no room left is taken where it is.
    const next = Number(got.at(-1)) + 1;
    assert.deepEqual(fixture.take(1, next, `(${next})`), [`${next}`, `${next + 1}`]);
  });

  it("and what makes room is the part that came itself: it is not put behind what goes on", () => {
    const fixture = new Fixture();
    fixture.take(0, 0, "(zero)");
    // 256 ends of packets that never began, a hole before each, and the last hole is filled when there is no room.
    for (let i = 2; i <= 512; i += 2) fixture.take(0, i, "x)");
    assert.deepEqual(fixture.take(1, 511, "(y)"), ["y"]);
    for (let i = 513; i < 3000; i++) assert.deepEqual(fixture.take(i & 1, i, `(${i})`), [`${i}`]);
  });

  it("whatever comes, it holds, and what is right afterwards gets through in order", () => {
    const part = fc.record({
      link: fc.nat(2),
      jump: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: -3, max: 6 }) },
        { weight: 1, arbitrary: fc.integer({ min: -2000, max: 2000 }) },
        { weight: 1, arbitrary: fc.integer({ min: -(2 ** 24), max: 2 ** 24 }) },
      ),
      first: fc.boolean(),
      last: fc.boolean(),
      length: fc.integer({ min: 0, max: 150 }),
      pause: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 400 })),
    });
    fc.assert(
      fc.property(fc.boolean(), fc.array(part, { maxLength: 400, size: "max" }), (short, parts) => {
        const fixture = new Fixture(3, short);
        let number = 0;
        for (const { link, jump, first, last, length, pause } of parts) {
          number += jump;
          fixture.wait(pause);
          fixture.take(link, number, `${first ? "(" : ""}${"x".repeat(length)}${last ? ")" : ""}`);
        }
        fixture.wait(10_000);
        fixture.wait(10_000);
        // A window's worth of numbers may have been given up before. After that nothing waits, and no slot is gone.
        const got: string[] = [];
        for (let i = 0; i < 1600; i++) {
          got.push(...fixture.wait(20));
          got.push(...fixture.take(i % 3, number + WINDOW + (i ^ 1), `(${i ^ 1})`));
        }
        assert.deepEqual(
          got.slice(-300),
          Array.from({ length: 300 }, (_, i) => `${1300 + i}`),
        );
      }),
      { numRuns: 60 },
    );
  });
});
