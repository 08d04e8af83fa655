import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LONGEST_HOLD_US, REPORT_BOUND, Report } from "../../src/wire/tunnel-report.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** Ranges down from `highest`: in turn how many came and how many did not. */
function fill(report: Report, highest: number, lengths: readonly number[]): void {
  report.highest = highest;
  report.rangeCount = 0;
  let next = highest;
  for (const [i, length] of lengths.entries()) {
    const low = next - length + 1;
    if (low < 0) return;
    if (i % 2 === 1) report.floor = low;
    else assert.ok(report.addRange(low, next));
    next = low - 1;
  }
}

const rangesOf = (report: Report): number[][] =>
  Array.from({ length: report.rangeCount }, (_, i) => [report.lows[i] as number, report.highs[i] as number]);

describe("a report", () => {
  it("stands in the octets that the format says", () => {
    const report = new Report();
    report.link = 3;
    report.session = -2;
    report.arrivalUs = 0x01020304;
    report.holdUs = 0x0a0b0c;
    report.totalOctets = 0xfffffffe;
    report.totalDatagrams = 0x11121314;
    report.patienceMs = 0x0102;
    // Came: 1000 to 900, 895, 694 to 0.
    fill(report, 1000, [101, 4, 1, 200, 695]);
    const into = new Uint8Array(REPORT_BOUND);
    const length = report.write(into, 0, into.length);
    assert.equal(
      Buffer.from(into.subarray(0, length)).toString("hex"),
      "03fffffffe000003e8010203040a0b0cfffffffe1112131401026403" + "00c701b605",
    );
  });

  it("is read as it was written", () => {
    fc.assert(
      fc.property(
        word,
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 120 }),
        word,
        fc.integer({ min: 0, max: LONGEST_HOLD_US }),
        fc.integer({ min: 0, max: 0xffff }),
        (highest, lengths, any, holdUs, patienceMs) => {
          const report = new Report();
          fill(report, highest, [1, ...lengths]);
          report.session = ~any;
          report.arrivalUs = any;
          report.totalOctets = any;
          report.totalDatagrams = highest;
          Object.assign(report, { holdUs, patienceMs, link: any % 32 });
          const into = new Uint8Array(REPORT_BOUND + 2);
          const length = report.write(into, 1, REPORT_BOUND);
          const read = new Report();
          assert.ok(read.read(into, 1, 1 + length));
          assert.deepEqual(rangesOf(read), rangesOf(report));
          for (const field of ["link", "session", "highest", "arrivalUs", "holdUs", "totalOctets"] as const)
            assert.equal(read[field], report[field]);
          for (const field of ["totalDatagrams", "patienceMs", "floor"] as const)
            assert.equal(read[field], report[field]);
          assert.equal(into[length + 1], 0);
        },
      ),
    );
  });

  it("leaves off the oldest ranges when its octets do not suffice", () => {
    const report = new Report();
    fill(
      report,
      4_000_000,
      Array.from({ length: 60 }, () => 20_000),
    );
    const into = new Uint8Array(REPORT_BOUND);
    const read = new Report();
    // A number has 3 octets; the first range is one, each other one comes with a gap.
    for (const [room, ranges] of [
      [REPORT_BOUND, 21],
      [26 + 48, 8],
      [26 + 5, 1],
    ] as const) {
      const length = report.write(into, 0, room);
      assert.ok(length <= room);
      assert.ok(read.read(into, 0, length));
      assert.deepEqual(rangesOf(read), rangesOf(report).slice(0, ranges));
      assert.equal(read.floor, report.lows[ranges - 1]);
    }
    assert.equal(report.write(into, 0, 26 + 4), 0);
  });

  it("is refused when its ranges are no ranges", () => {
    const report = new Report();
    fill(report, 5, [3, 1, 2]);
    const into = new Uint8Array(2 * REPORT_BOUND);
    const length = report.write(into, 0, REPORT_BOUND);
    const isRead = (...ranges: number[]): boolean => {
      into.set(ranges, length - 3);
      return report.read(into, 0, length - 3 + ranges.length);
    };
    assert.ok(isRead(2, 0, 1));
    assert.ok(isRead(5));
    assert.equal(isRead(), false);
    assert.equal(isRead(6), false);
    assert.equal(isRead(5, 0), false);
    assert.equal(isRead(2, 0, 2), false);
    assert.equal(isRead(0x80), false);
    assert.equal(isRead(0x80, 0x80, 0x80, 0x80, 0x80, 0), false);
    assert.equal(isRead(...Array.from({ length: 129 }, () => 0)), false);
  });

  it("of any octets says nothing impossible", () => {
    const report = new Report();
    const octets = fc.uint8Array({ minLength: 0, maxLength: REPORT_BOUND + 4 });
    fc.assert(
      fc.property(octets, fc.nat({ max: 80 }), (random, to) => {
        if (!report.read(random, 0, to)) return;
        assert.ok(to <= random.length);
        assert.equal(report.highs[0], report.highest);
        for (let i = 0; i < report.rangeCount; i++) {
          assert.ok((report.lows[i] as number) <= (report.highs[i] as number));
          if (i > 0) assert.ok((report.highs[i] as number) < (report.lows[i - 1] as number) - 1);
        }
        assert.ok(report.floor >= 0 && report.floor <= (report.lows[report.rangeCount - 1] as number));
      }),
      { numRuns: 2000 },
    );
  });
});
