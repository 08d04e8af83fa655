import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { RoundRobin } from "../../src/scheduler/round-robin.ts";
import { ClassicPath } from "../../src/sim/classic-path.ts";
import { instant } from "../../src/time.ts";
import { labelled, labelOf } from "../bundle/host.ts";

describe("a classic path on virtual time", () => {
  it("delivers a packet after exactly the time that its octets take on the line", () => {
    const path = new ClassicPath(new EarliestArrival(), [{ bps: 9600 }], 576);
    const packet = labelled(7, { length: 94 });
    assert.ok(path.send(packet));
    const arrival = path.next(instant(1000));
    // 94 octets, two ENDs, and the 192 of its address escaped, at 960 octets a second.
    assert.ok(arrival !== undefined && Math.abs(arrival.at - 97 / 0.96) < 1e-6, `${arrival?.at}`);
    assert.deepEqual(arrival.packet, packet);
    assert.equal(arrival.line, 0);
    assert.equal(path.next(instant(5000)), undefined);
    assert.equal(path.now, 5000);
  });

  it("never carries more than its lines can", () => {
    const path = new ClassicPath(new RoundRobin(), [{ bps: 9600, givenBps: 28_800 }, { bps: 14_400 }], 576);
    let octets = 0;
    let label = 0;
    for (let ms = 100; ms <= 20_000; ms += 100) {
      while (path.bundle.members.some((member) => member.bound.length < 3)) path.send(labelled(label++));
      for (let arrival = path.next(instant(ms)); arrival !== undefined; arrival = path.next(instant(ms))) {
        octets += arrival.packet.length + 1;
      }
    }
    assert.ok(octets <= 20 * 2400, `${octets}`);
    assert.ok(octets > 0.95 * 20 * 2400, `${octets}`);
  });

  it("loses what a pulled cable carries, and nothing else", () => {
    const path = new ClassicPath(new RoundRobin(), [{ bps: 28_800 }, { bps: 28_800 }], 576);
    path.setCut(1, true);
    for (let label = 0; label < 10; label++) path.send(labelled(label));
    const labels: number[] = [];
    for (let arrival = path.next(instant(9000)); arrival !== undefined; arrival = path.next(instant(9000))) {
      labels.push(labelOf(arrival.packet));
    }
    assert.deepEqual(labels, [0, 2, 4, 6, 8]);
  });
});
