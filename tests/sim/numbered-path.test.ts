import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { NumberedPath, type NumberedPathOptions } from "../../src/sim/numbered-path.ts";
import { instant } from "../../src/time.ts";
import { labelled, labelOf } from "../bundle/host.ts";
import { type OneWay, type Outcome, saturate } from "./tcp-model.ts";

const MTU = 1500;
/** What a whole multilink frame adds to a packet: its protocol (compressed), multilink's protocol, number, check, flag. */
const FRAME_OCTETS = 1 + 1 + 4 + 2 + 1;
const SECONDS = 60;

const linesOf = (bps: readonly number[]): { bps: number }[] => bps.map((rate) => ({ bps: rate }));

/** Of the framing's limit, per cent. */
function percentOf(delivered: number, bps: readonly number[], mtu = MTU): number {
  const octets = bps.reduce((sum, rate) => sum + rate / 10, 0) * SECONDS;
  return (100 * delivered) / (octets * ((mtu - 40) / (mtu + FRAME_OCTETS)));
}

/** Random numbers in [0, 1) that are the same each time. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A packet whose octets can be told from any other's; a third of them are escaped on the line. */
function packetOf(label: number, length: number): Uint8Array {
  const packet = labelled(label, { length });
  for (let i = 28; i < length; i++)
    packet[i] = i % 3 === 0 ? 0x7d + ((label + i) & 1) : (label * 7 + i) & 0xff;
  return packet;
}

/** All that arrives at the far end until `ms`. */
function arrivalsUntil(path: NumberedPath, ms: number): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let next = path.next(instant(ms)); next !== undefined; next = path.next(instant(ms))) {
    if (next.end === 1) packets.push(next.packet);
  }
  return packets;
}

function assertAllFree(path: NumberedPath): void {
  for (const end of [0, 1] as const) assert.equal(path.available(end), path.slots);
}

describe("a numbered path on virtual time", () => {
  it("delivers a packet after exactly the time that its frame takes on the line", () => {
    const path = new NumberedPath({ lines: [{ bps: 9600, delayMs: 30 }], mtu: 576 });
    const packet = packetOf(7, 100);
    path.send(packet);
    const arrival = path.next(instant(1000));
    // A flag first, after a pause; in the packet, 24 octets to be escaped.
    const escaped = packet.filter((octet) => octet === 0x7d || octet === 0x7e).length;
    const octets = 1 + FRAME_OCTETS + 100 + escaped;
    assert.ok(arrival !== undefined && Math.abs(arrival.at - 30 - octets / 0.96) < 3.2, `${arrival?.at}`);
    assert.deepEqual(arrival.packet, packet);
    assert.equal(path.next(instant(5000)), undefined);
    assert.equal(path.now, 5000);
  });

  it("carries packets both ways, and by one line alone, and control packets", () => {
    const path = new NumberedPath({ lines: linesOf([28_800, 9600]), mtu: MTU });
    path.send(packetOf(1, 1500));
    path.send(packetOf(2, 1500), 1);
    path.sendBeside(packetOf(3, 100), { line: 1 });
    path.sendBeside(packetOf(4, 100), { protocol: 0x8021 });
    const seen: [number, number, number | null][] = [];
    for (let next = path.next(instant(5000)); next !== undefined; next = path.next(instant(5000))) {
      seen.push([next.end, labelOf(next.packet), next.line]);
    }
    seen.sort(([, a], [, b]) => a - b);
    assert.deepEqual(seen, [
      [1, 1, null],
      [0, 2, null],
      [1, 3, 1],
      [1, 4, null],
    ]);
    assertAllFree(path);
  });
});

describe("TCP over a numbered bundle", () => {
  const cases: readonly [bps: number[], mtu: number, least: number][] = [
    [[28_800, 28_800], MTU, 97],
    [[57_600, 14_400], MTU, 97],
    [[115_200, 9600], MTU, 97],
    [[1_000_000, 9600], MTU, 97],
    [[57_600, 57_600, 57_600], MTU, 97],
    [[28_800, 14_400, 9600, 2400], MTU, 96],
    [[9600, 9600, 9600, 9600], MTU, 96],
    [Array.from({ length: 8 }, () => 28_800), MTU, 95],
    [[28_800, 28_800], 576, 97],
    [[57_600, 14_400], 576, 97],
    [[115_200, 9600], 576, 97],
  ];
  for (const [bps, mtu, least] of cases) {
    it(`over ${bps.join(" + ")} at an MTU of ${mtu} reaches ${least} % of what the framing allows`, () => {
      const path = new NumberedPath({ lines: linesOf(bps), mtu });
      const { delivered, outOfOrder } = saturate(path, SECONDS * 1000, { mss: mtu - 40 });
      const percent = percentOf(delivered, bps, mtu);
      assert.ok(percent >= least, `${percent.toFixed(1)} %`);
      assert.equal(outOfOrder, 0);
      assert.equal(path.bundleAt(1).drops.fragmentLost, 0);
    });
  }

  it("does not depend on how well the lines' speeds are known, to a few per cent", () => {
    for (const bps of [
      [28_800, 28_800],
      [57_600, 14_400],
    ] as const) {
      for (const factor of [0.97, 1.03]) {
        const lines = bps.map((rate, i) => ({ bps: rate, givenBps: i === 1 ? rate * factor : rate }));
        const { delivered, outOfOrder } = saturate(new NumberedPath({ lines, mtu: MTU }), SECONDS * 1000, {
          mss: MTU - 40,
        });
        assert.ok(percentOf(delivered, bps) > 93, `${percentOf(delivered, bps)}`);
        assert.equal(outOfOrder, 0);
      }
    }
  });
});

describe("a packet over four lines", () => {
  it("takes less than 45 % of the time of one", () => {
    const timeOver = (lines: number): number => {
      const path = new NumberedPath({ lines: linesOf(Array.from({ length: lines }, () => 9600)), mtu: MTU });
      path.send(packetOf(1, MTU));
      return path.next(instant(60_000))?.at ?? Number.NaN;
    };
    assert.ok(timeOver(4) < 0.45 * timeOver(1), `${timeOver(4)} of ${timeOver(1)} ms`);
    assert.ok(timeOver(4) < 0.27 * timeOver(1), "and little more than a quarter");
  });
});

describe("a small packet beside a flow that saturates the lines", () => {
  for (const bps of [
    [57_600, 14_400],
    [28_800, 28_800],
    [9600, 9600, 9600, 9600],
  ]) {
    it(`${bps.join(" + ")}: waits for one packet of the whole bundle at most, in 95 %`, () => {
      const times: number[] = [];
      const path = new NumberedPath({ lines: linesOf(bps), mtu: MTU });
      const sentAt = new Map<number, number>();
      let label = 0;
      for (let ms = 100; ms < 60_000; ms += 100) {
        while (path.bundle.queue.count < 24) path.send(labelled(label++, { length: MTU }));
        if (ms % 700 === 0) {
          sentAt.set(1e6 + ms, path.now);
          path.send(labelled(1e6 + ms, { protocol: 1, length: 84 }));
        }
        for (let next = path.next(instant(ms)); next !== undefined; next = path.next(instant(ms))) {
          const from = sentAt.get(labelOf(next.packet));
          if (from !== undefined) times.push(next.at - from);
        }
      }
      times.sort((a, b) => a - b);
      const loaded = times[Math.floor(0.95 * times.length)] as number;
      const packetMs = (MTU + 10 * bps.length) / bps.reduce((sum, rate) => sum + rate / 10_000, 0);
      const ownMs = (84 + FRAME_OCTETS) / (Math.max(...bps) / 10_000);
      // The horizon comes on top.
      assert.ok(times.length > 50 && loaded < packetMs + ownMs + 8, `${loaded} ms`);
    });
  }
});

describe("a line that dies in mid-transfer", () => {
  it("costs what was on it and the time until that is noticed; it comes back without another beginning", () => {
    for (const bps of [
      [28_800, 28_800],
      [57_600, 14_400],
    ] as const) {
      const path = new NumberedPath({ lines: linesOf(bps), mtu: MTU });
      const events: [at: number, what: () => void][] = [
        [15_000, () => path.setCut(1, true)],
        [16_000, () => path.kill(1)],
        [25_000, () => path.setCut(1, false)],
        [25_000, () => path.rejoin(1)],
      ];
      const counts: number[] = [];
      const way: OneWay = {
        get now() {
          return path.now;
        },
        bundle: path.bundle,
        send: (octets) => path.send(octets),
        next: (deadline) => {
          while (path.now >= (events[0]?.[0] ?? Number.POSITIVE_INFINITY)) {
            counts.push(path.member(1).sentFragments);
            events.shift()?.[1]();
          }
          return path.next(deadline);
        },
      };
      const { delivered } = saturate(way, SECONDS * 1000, { mss: MTU - 40, timeoutMs: 3000 });
      // Nine seconds without the line, four and a half at most until the sender's timer has run out.
      const without = (9 * (bps[1] / (bps[0] + bps[1])) + 4.5) / SECONDS;
      const percent = percentOf(delivered, bps);
      assert.ok(percent > 97 - 100 * without, `${percent.toFixed(1)} %`);
      assert.equal(counts[1], counts[2], "nothing goes by a line that is no member");
      assert.ok(path.member(1).sentFragments > (counts[3] as number) + 50, "it carries again");
      const { fragmentLost, badSequence, fragmentLate } = path.bundleAt(1).drops;
      assert.ok(fragmentLost > 0 && fragmentLost < 20, `${fragmentLost}`);
      assert.deepEqual([badSequence, fragmentLate], [0, 0]);
    }
  });
});

describe("lines that lose frames", () => {
  for (const bps of [
    [28_800, 28_800],
    [57_600, 14_400],
    [115_200, 9600],
    [57_600, 57_600, 57_600],
  ]) {
    it(`${bps.join(" + ")}, 1 in 100: nothing stalls for longer than a missing part is waited for`, () => {
      const random = randomFrom(5);
      const path = new NumberedPath({ lines: linesOf(bps), mtu: MTU, lose: () => random() < 0.01 });
      let label = 0;
      let last = 0;
      let stall = 0;
      let arrived = 0;
      let expected = 0;
      while (path.now < SECONDS * 1000) {
        while (path.bundle.queue.count < 20) path.send(labelled(label++, { length: MTU }));
        const arrival = path.next(instant(SECONDS * 1000));
        if (arrival === undefined) break;
        assert.ok(labelOf(arrival.packet) >= expected, "out of order");
        expected = labelOf(arrival.packet) + 1;
        stall = Math.max(stall, arrival.at - last);
        last = arrival.at;
        arrived++;
      }
      const slowest = Math.min(...bps) / 10_000;
      const packetMs = (MTU + 10 * bps.length) / bps.reduce((sum, rate) => sum + rate / 10_000, 0);
      assert.ok(stall < 200 + MTU / slowest + 3 * packetMs, `${stall} ms`);
      const share = arrived / (path.bundle.sentPackets - 1);
      assert.ok(share > 0.99 - 0.015 * bps.length, `${share} arrived`);
      assert.ok(path.bundleAt(1).drops.fragmentLost > 5);
      assert.equal(path.bundleAt(1).drops.fragmentLate, 0);
    });
  }

  it("1 in 100 cost TCP little more than what it has to repeat", () => {
    const bps = [57_600, 14_400];
    const random = randomFrom(77);
    const path = new NumberedPath({ lines: linesOf(bps), mtu: MTU, lose: () => random() < 0.01 });
    const outcome: Outcome = saturate(path, SECONDS * 1000, { mss: MTU - 40 });
    const percent = percentOf(outcome.delivered, bps);
    assert.ok(percent > 85, `${percent.toFixed(1)} %, ${outcome.repeated} repeated`);
  });
});

const line = fc.record({
  bps: fc.constantFrom(2400, 9600, 14_400, 28_800, 57_600, 115_200, 1_000_000),
  error: fc.double({ min: 0.98, max: 1.02, noNaN: true }),
  delayMs: fc.integer({ min: 0, max: 150 }),
  knowsDelay: fc.boolean(),
});
const lines = fc.array(line, { minLength: 1, maxLength: 5 });
type Line = typeof line extends fc.Arbitrary<infer T> ? T : never;

const optionsOf = (all: readonly Line[], short: boolean, knowsAll = false): NumberedPathOptions => ({
  mtu: MTU,
  short,
  lines: all.map(({ bps, error, delayMs, knowsDelay }) => ({
    bps,
    givenBps: bps * error,
    delayMs,
    givenDelayMs: knowsDelay || knowsAll ? delayMs : 0,
  })),
});

describe("packets through a numbered path", () => {
  it("arrive all, in order and intact, whatever the speeds and delays of the lines", () => {
    const lengths = fc.array(fc.integer({ min: 28, max: MTU }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lines, fc.boolean(), lengths, (all, short, sizes) => {
        const path = new NumberedPath(optionsOf(all, short));
        for (const [label, length] of sizes.entries()) path.send(packetOf(label, length));
        const arrived = arrivalsUntil(path, 1e6);
        assert.equal(arrived.length, sizes.length - path.bundle.drops.delayed);
        let before = -1;
        for (const packet of arrived) {
          const label = labelOf(packet);
          assert.ok(label > before);
          assert.deepEqual(packet, packetOf(label, sizes[label] as number));
          before = label;
        }
        assertAllFree(path);
      }),
      { numRuns: 60 },
    );
  });

  it("are never out of order, damaged or stuck, whatever lines lose, die and come back", () => {
    const event = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          send: fc.integer({ min: 1, max: 20 }),
          length: fc.integer({ min: 28, max: MTU }),
        }),
      },
      { weight: 4, arbitrary: fc.record({ run: fc.integer({ min: 1, max: 3000 }) }) },
      { weight: 1, arbitrary: fc.record({ cut: fc.nat(4), isCut: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kill: fc.nat(4) }) },
      { weight: 2, arbitrary: fc.record({ rejoin: fc.nat(4) }) },
    );
    const events = fc.array(event, { minLength: 10, maxLength: 50, size: "max" });
    const loss = fc.constantFrom(0, 0.01, 0.1, 0.4);
    fc.assert(
      fc.property(lines, fc.boolean(), loss, fc.integer(), events, (all, short, share, seed, happenings) => {
        const random = randomFrom(seed);
        let isLossy = true;
        const lose = (): boolean => isLossy && random() < share;
        const path = new NumberedPath({ ...optionsOf(all, short, true), lose });
        const isUp = all.map(() => true);
        const sizes: number[] = [];
        let before = -1;
        const run = (ms: number): number => {
          const arrived = arrivalsUntil(path, path.now + ms);
          for (const packet of arrived) {
            const label = labelOf(packet);
            assert.ok(label > before, `${label} after ${before}`);
            assert.deepEqual(packet, packetOf(label, sizes[label] as number));
            before = label;
          }
          return arrived.length;
        };
        const send = (count: number, length: number): void => {
          for (let i = 0; i < count; i++) if (path.send(packetOf(sizes.length, length))) sizes.push(length);
        };
        for (const what of happenings) {
          if ("send" in what) send(what.send, what.length);
          else if ("run" in what) run(what.run);
          else if ("cut" in what) {
            if (what.cut < all.length) path.setCut(what.cut, what.isCut);
          } else if ("kill" in what) {
            if (isUp[what.kill]) path.kill(what.kill);
            if (what.kill < all.length) isUp[what.kill] = false;
          } else if (isUp[what.rejoin] === false) {
            path.rejoin(what.rejoin);
            isUp[what.rejoin] = true;
          }
        }
        for (let i = 0; i < all.length; i++) {
          path.setCut(i, false);
          if (!isUp[i]) path.rejoin(i);
        }
        isLossy = false;
        // What was lost before may have to be given up; after that, all arrives.
        run(600_000);
        send(3, 1000);
        run(120_000);
        send(10, 1000);
        assert.equal(run(120_000), 10);
        assertAllFree(path);
      }),
      { numRuns: 100 },
    );
  });
});
