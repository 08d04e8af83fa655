import assert from "node:assert/strict";
import { DatagramIntake } from "../src/host/engine/datagram-intake.ts";
import { DatagramOutbox } from "../src/host/engine/datagram-outbox.ts";
import { Routes } from "../src/host/engine/routes.ts";
import { nativeBuffer } from "../src/host/libc.ts";
import { UdpSocket } from "../src/host/udp-socket.ts";
import { SlotPools, Slots } from "../src/tunnel/slots.ts";

const STAGING = 1 << 20;
const BIG = { size: 65_536 + 256, count: 32 };
const SMALL = { size: 2048, count: 128 };
const BATCH = 32;
const LENGTH = 1400;

/** A datagram of 1400 octets from one socket to another over the loop-back, 32 in a batch. */
export function datagramsOverLoopback(offloads: boolean): () => void {
  const memory = nativeBuffer(STAGING + BIG.size * BIG.count + SMALL.size * SMALL.count);
  const slots = new SlotPools(
    new Slots(0, STAGING, BIG.size, BIG.count),
    new Slots(BIG.count, STAGING + BIG.size * BIG.count, SMALL.size, SMALL.count),
  );
  const routes = new Routes();
  const outbox = new DatagramOutbox(memory, 0, STAGING, routes, {
    failed: (_route, errno) => assert.fail(`errno ${errno}`),
  });
  const intake = new DatagramIntake(memory, slots, routes);
  const where = { family: 4, device: null, address: "127.0.0.1", port: 0, offloads } as const;
  const near = new UdpSocket(where);
  const far = new UdpSocket(where);
  const route = routes.routeFor(near, `127.0.0.1:${far.localPort}`, null);
  let waiting = 0;
  const pass = (): void => {
    outbox.reserve(route, LENGTH);
    outbox.commit(LENGTH);
    if (++waiting < BATCH) return;
    outbox.flush();
    // The loop-back delivers within the call.
    while (waiting > 0) {
      const count = intake.read(far);
      assert.ok(count > 0);
      for (let i = 0; i < count; i++) {
        waiting -= Math.ceil(intake.lengthOf(i) / intake.segmentOf(i));
        slots.release(intake.slotOf(i));
      }
    }
  };
  for (let i = 0; i < BATCH; i++) pass();
  assert.equal(waiting, 0);
  return pass;
}
