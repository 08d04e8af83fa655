import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { closeSync, openSync, readdirSync } from "node:fs";
import { it } from "node:test";
import { EqlError } from "../../../src/errors.ts";
import { datagramFilter } from "../../../src/host/datagram-filter.ts";
import type { PathSettings } from "../../../src/host/engine/tunnel-messages.ts";
import { TunnelSockets } from "../../../src/host/engine/tunnel-sockets.ts";
import { Watcher } from "../../../src/host/engine/watcher.ts";
import { type Instant, instant } from "../../../src/time.ts";
import { DatagramEnd } from "./datagram-support.ts";

const TAG = 0xfedc;
const AWAY_MS = 50;
const DEADLINE_MS = 60_000;

/** Of this process alone. */
const ADDRESS = `127.${(process.pid >> 16) + 1}.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const PORT = 7411;

it("stamps datagrams with the time after they were read, once for all of a batch, and no handler goes behind it", (t) => {
  const watcher = new Watcher();
  const end = new DatagramEnd();
  const stamps: Instant[] = [];
  let batches = 0;
  const sockets = new TunnelSockets("eql", watcher, end, end.routes, {
    handleDatagram: (_from, _length, now) => stamps.push(now),
    endBatch: () => batches++,
  });
  t.after(() => sockets.close());
  sockets.listen(`${ADDRESS}:${PORT}`, datagramFilter(Uint8Array.of(1, 2, 3), TAG));
  const sender = createSocket("udp4");
  t.after(() => void sender.close());
  const clock = performance.now.bind(performance);
  let looks = 0;
  // Each look at the clock is so much later than the one before: between any two the program did not get the processor.
  t.mock.method(performance, "now", () => clock() + AWAY_MS * looks++);

  return new Promise<void>((resolve, reject) => {
    const datagram = Uint8Array.of(0xe4, 31, TAG >> 8, TAG & 0xff, 9, 9);
    sender.send(datagram, PORT, ADDRESS, () => {
      sender.send(datagram, PORT, ADDRESS, () => {
        try {
          const until = clock() + DEADLINE_MS;
          while (stamps.length < 2) {
            assert.ok(clock() < until, `${stamps.length} of 2 datagrams have come`);
            const batchesBefore = batches;
            const stampsBefore = stamps.length;
            const waitedUntil = watcher.turn(instant(0));
            const stamp = stamps.at(-1);
            if (stamp === undefined || stamps.length === stampsBefore) continue;
            assert.ok(stamp >= waitedUntil + AWAY_MS, `${stamp} is after ${waitedUntil}`);
            assert.equal(watcher.now, stamp);
            const ofTurn = new Set(stamps.slice(stampsBefore));
            assert.ok(ofTurn.size <= batches - batchesBefore);
          }
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  });
});

it("keeps no socket that cannot be watched", (t) => {
  const watcher = new Watcher();
  const end = new DatagramEnd();
  const sockets = new TunnelSockets("eql", watcher, end, end.routes, {
    handleDatagram: () => {},
    endBatch: () => {},
  });
  const watch = t.mock.method(watcher, "watch", () => {
    throw new EqlError("SYSTEM_CALL_FAILED", "epoll_ctl: ENOSPC");
  });
  const path: PathSettings = {
    tunnel: "eql",
    peer: "server",
    path: "lo",
    device: null,
    address: null,
    servers: [],
    tier: "primary",
    sendBps: null,
    receiveBps: null,
  };
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 3; i++) {
    assert.throws(() => sockets.openPath(path, [`${ADDRESS}:${PORT}`]), { code: "SYSTEM_CALL_FAILED" });
    assert.throws(() => sockets.listen(`${ADDRESS}:${PORT}`, datagramFilter(Uint8Array.of(1, 2, 3), TAG)), {
      code: "SYSTEM_CALL_FAILED",
    });
  }
  assert.equal(readdirSync("/proc/self/fd").length, before);
  // When there is room again, all is as if nothing had been tried.
  watch.mock.restore();
  sockets.listen(`${ADDRESS}:${PORT}`, datagramFilter(Uint8Array.of(1, 2, 3), TAG));
  assert.equal(sockets.openPath(path, [`${ADDRESS}:${PORT}`]).length, 1);
  sockets.closePath("server", "lo");
  sockets.close();
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

it("knows nothing of a descriptor that the kernel does not watch", () => {
  const watcher = new Watcher();
  const fd = openSync(process.execPath, "r");
  // A file on a disk cannot be waited for.
  assert.throws(() => watcher.watch(fd, () => {}), /EPERM/);
  watcher.setWritable(fd, true);
  watcher.unwatch(fd);
  closeSync(fd);
});
