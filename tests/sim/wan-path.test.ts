import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { WanPath, type WanSettings } from "../../src/sim/wan-path.ts";
import { after, type Instant, instant, NEVER } from "../../src/time.ts";

/** A moment as a machine has it after four months. */
const START = instant(1e10 + 0.1234);
const MBIT = 1_000_000;
const ROUNDING = 1e-4;

interface Arrival {
  readonly handle: number;
  readonly at: number;
}

/** Offers packets of `octets` every `everyMs`, and takes each when it arrives, until the link is empty. */
function drive(
  settings: Partial<WanSettings>,
  { octets = 1500, everyMs = 0.1, packets = 1000, seed = 1, lateMs = 0 } = {},
  onTick: (path: WanPath, now: Instant, sent: number) => void = () => {},
): { arrivals: Arrival[]; path: WanPath } {
  const path = new WanPath(settings, seed);
  const arrivals: Arrival[] = [];
  const takeUntil = (end: Instant): void => {
    for (let due = path.pollTimeout(); due <= end; due = path.pollTimeout()) {
      for (let handle = path.pollDelivered(due); handle >= 0; handle = path.pollDelivered(due))
        arrivals.push({ handle, at: due - START });
    }
  };
  for (let sent = 0; sent < packets; sent++) {
    const now = after(START, sent * everyMs);
    takeUntil(now);
    onTick(path, now, sent);
    path.handlePacket(sent, octets, now, after(now, -lateMs));
  }
  takeUntil(instant(Number.MAX_VALUE));
  return { arrivals, path };
}

const between = (arrivals: readonly Arrival[], from: number, to: number): number =>
  arrivals.filter(({ at }) => at > from && at <= to).length;

describe("one direction of an emulated IP link", () => {
  it("passes exactly its rate when there is more, and queues no longer than it should", () => {
    for (const rateBps of [MBIT, 20 * MBIT, 100 * MBIT]) {
      // Always half as much again as it can carry.
      const everyMs = 12000 / rateBps / 1.5 / 0.001;
      const { arrivals, path } = drive({ rateBps, delayMs: 10 }, { everyMs, packets: 4000 });
      const first = arrivals[0] as Arrival;
      const last = arrivals.at(-1) as Arrival;
      assert.ok(Math.abs(first.at - (10 + 12_000_000 / rateBps)) < ROUNDING);
      const ms = last.at - first.at;
      const bps = ((arrivals.length - 1) * 12_000_000) / ms;
      assert.ok(Math.abs(bps / rateBps - 1) < 1e-4, `${bps} for ${rateBps}`);
      for (const { handle, at } of arrivals) {
        const waited = at - handle * everyMs;
        assert.ok(waited <= 110 + ROUNDING, `packet ${handle} took ${waited} ms`);
      }
      assert.ok(arrivals.some(({ handle, at }) => at - handle * everyMs > 97));
      assert.equal(path.drops.queueFull, 4000 - arrivals.length);
      assert.equal(path.deliveredOctets, arrivals.length * 1500);
      assert.equal(path.pollTimeout(), NEVER);
    }
  });

  it("counts its queue in octets where it is told to, and takes one packet at least", () => {
    const path = new WanPath({ rateBps: 12_000, queueOctets: 4000 });
    assert.deepEqual(
      [0, 1, 2].map((handle) => path.handlePacket(handle, 1500, START)),
      [true, true, false],
    );
    const short = new WanPath({ rateBps: 12_000, queueOctets: 0 });
    assert.equal(short.handlePacket(0, 1500, START), true);
    assert.equal(short.handlePacket(1, 40, START), false);
    // A second after it came it is through.
    assert.equal(short.pollDelivered(after(START, 999.9)), -1);
    assert.equal(short.handlePacket(2, 1500, after(START, 1000.1)), true);
  });

  it("goes on at a new rate from where it was", () => {
    const path = new WanPath({ rateBps: 12_000 }); // a packet of 1500 takes a second
    path.handlePacket(7, 1500, START);
    path.change({ rateBps: 24_000 }, after(START, 500));
    assert.ok(Math.abs(path.pollTimeout() - START - 750) < ROUNDING);
    path.change({ rateBps: Number.POSITIVE_INFINITY }, after(START, 600));
    assert.equal(path.pollDelivered(after(START, 600)), 7);
    path.change({ rateBps: MBIT, delayMs: 5 }, after(START, 700));
    path.handlePacket(8, 125, after(START, 700));
    assert.ok(Math.abs(path.pollTimeout() - START - 706) < ROUNDING);
  });

  it("follows rates that change while it is full", () => {
    const change = (path: WanPath, now: Instant, sent: number): void => {
      if (sent % 2000 === 0) path.change({ rateBps: sent % 4000 === 0 ? 20 * MBIT : 10 * MBIT }, now);
    };
    const { arrivals } = drive({ rateBps: MBIT }, { everyMs: 0.5, packets: 8000 }, change);
    for (const [from, expected] of [
      [0, 1666],
      [1000, 833],
      [2000, 1666],
      [3000, 833],
    ] as const) {
      const got = between(arrivals, from, from + 1000);
      assert.ok(Math.abs(got - expected) <= 2, `${got} of ${expected} from ${from} ms on`);
    }
  });

  it("loses what is on it when it is cut, and gives it back for its owner to free", () => {
    const path = new WanPath({ rateBps: 12 * MBIT, delayMs: 10 });
    for (let handle = 0; handle < 8; handle++) path.handlePacket(handle, 1500, START);
    const cutAt = after(START, 5.5); // five are through the bottleneck, one is in it
    path.change({ outage: true }, cutAt);
    assert.equal(path.pollTimeout(), NEVER);
    assert.equal(path.handlePacket(8, 1500, cutAt), false);
    const lost: number[] = [];
    for (let handle = path.pollLost(); handle >= 0; handle = path.pollLost()) lost.push(handle);
    assert.deepEqual(lost, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.equal(path.drops.outage, 9);
    path.change({ outage: false }, after(START, 100));
    path.handlePacket(9, 1500, after(START, 100));
    assert.ok(Math.abs(path.pollTimeout() - START - 111) < ROUNDING);
    assert.equal(path.pollDelivered(after(START, 111.1)), 9);
  });

  it("loses the share it is told to, the same packets for the same seed", () => {
    const handles = (seed: number): number[] =>
      drive({ loss: 0.01 }, { packets: 20_000, seed }).arrivals.map(({ handle }) => handle);
    const lost = 20_000 - handles(1).length;
    assert.ok(lost > 150 && lost < 250, `${lost} of 20000`);
    assert.deepEqual(handles(5), handles(5));
    assert.notDeepEqual(handles(5), handles(6));
  });

  it("jitters in order, unless it is told to reorder", () => {
    const settings = { rateBps: 20 * MBIT, delayMs: 10, jitterMs: 8 };
    const inOrder = drive(settings, { everyMs: 1 }).arrivals;
    assert.ok(inOrder.every(({ handle }, i) => handle === i));
    const delays = inOrder.map(({ handle, at }) => at - handle);
    assert.ok(Math.min(...delays) >= 10 && Math.max(...delays) < 18.7 && Math.max(...delays) > 17);
    const mixed = drive({ ...settings, reorder: true }, { everyMs: 1 }).arrivals;
    assert.equal(mixed.length, 1000);
    assert.ok(mixed.some(({ handle }, i) => handle !== i));
    assert.ok(mixed.every(({ at }, i) => i === 0 || at >= (mixed[i - 1] as Arrival).at));
  });

  it("lets a late caller catch up, and never passes more than its time allows", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ stall: fc.double({ min: 0, max: 20, noNaN: true }), burst: fc.nat(40) }), {
          minLength: 1,
          maxLength: 50,
        }),
        (visits) => {
          const path = new WanPath({ rateBps: 8 * MBIT, queueMs: 1e9 }); // an octet each microsecond
          let latest = START; // when the last of them came
          let now: Instant = START;
          let offered = 0;
          let busyUntil = 0; // ms after START, as it should be
          for (const { stall, burst } of visits) {
            const since = now;
            now = after(now, stall);
            for (let i = 0; i < burst; i++) path.handlePacket(offered++, 1000, now, since);
            if (burst > 0) busyUntil = Math.max(busyUntil, since - START) + burst;
            if (burst > 0) latest = now;
          }
          while (path.pollTimeout() !== NEVER) {
            now = path.pollTimeout() > now ? path.pollTimeout() : now;
            path.pollDelivered(now);
          }
          assert.equal(path.deliveredPackets, offered);
          const ideal = Math.max(busyUntil, latest - START);
          if (offered > 0) assert.ok(now - START >= ideal - ROUNDING, `${now - START} of ${ideal}`);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives a late caller what it was late for, and lets no packet arrive before it can", () => {
    const path = new WanPath({ rateBps: 12 * MBIT, delayMs: 10 }); // a packet each millisecond
    const now = after(START, 20);
    for (let handle = 0; handle < 8; handle++) path.handlePacket(handle, 1500, now, after(START, 15));
    const arrivals: number[] = [];
    for (let due = path.pollTimeout(); due !== NEVER; due = path.pollTimeout())
      if (path.pollDelivered(due) >= 0) arrivals.push(Math.round(due - START));
    assert.deepEqual(arrivals, [30, 30, 30, 30, 30, 31, 32, 33]);
  });

  it("drops what is more than it can hold", () => {
    const path = new WanPath({ delayMs: 1000 }, 1, 16);
    for (let handle = 0; handle < 20; handle++) path.handlePacket(handle, 40, START);
    assert.equal(path.drops.queueFull, 4);
    assert.throws(() => new WanPath({}, 1, 12), RangeError);
    assert.throws(() => new WanPath({ rateBps: 0 }), RangeError);
  });
});
