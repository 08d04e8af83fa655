import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EMSGSIZE, nativeBuffer, setsockopt } from "../../../src/host/libc.ts";
import { DatagramEnd, loopbackSocket, withSockets } from "./datagram-support.ts";

const mark = (i: number): number => i % 251;

describe("datagrams on the loop-back", () => {
  for (const offloads of [true, false]) {
    for (const [family, address] of [
      [4, "127.0.0.1"],
      [6, "::1"],
    ] as const) {
      const how = offloads ? "in batches that are cut and merged" : "one by one";
      it(`arrive in order, ${how}, over IPv${family}`, () => {
        const near = loopbackSocket({ family, address, offloads });
        const far = loopbackSocket({ family, address, offloads });
        withSockets([near, far], () => {
          const end = new DatagramEnd();
          const route = end.routes.routeFor(near, far.localText ?? "", null);
          // Equal ones, a shorter one that ends a message, longer ones, and more than one message takes.
          const lengths = [
            ...Array.from({ length: 20 }, () => 1400),
            300,
            1400,
            1,
            900,
            ...Array.from({ length: 70 }, () => 1200),
          ];
          for (const [i, length] of lengths.entries()) end.put(route, length, mark(i));
          end.outbox.flush();
          const arrivals = end.receive(far, lengths.length);
          assert.deepEqual(
            arrivals.map((arrival) => [arrival.length, arrival.mark]),
            lengths.map((length, i) => [length, mark(i)]),
          );
          const [first] = arrivals;
          assert.ok(first);
          assert.equal(end.routes.remoteText(first.route), near.localText);
          assert.ok(arrivals.every((arrival) => arrival.route === first.route));
          if (!offloads) assert.equal(end.messages, lengths.length);
          if (near.gso && far.gro) assert.ok(end.messages < 20, `came in ${end.messages} messages`);
          // The way back.
          end.put(first.route, 100, 7);
          end.outbox.flush();
          assert.deepEqual(end.receive(near, 1), [{ length: 100, mark: 7, route }]);
          assert.deepEqual(end.failures, []);
        });
      });
    }
  }

  it("of several routes and sockets leave with one flush, and are merged though they alternate", () => {
    const sockets = [loopbackSocket(), loopbackSocket(), loopbackSocket(), loopbackSocket()] as const;
    const [a, b, c, d] = sockets;
    withSockets(sockets, () => {
      const end = new DatagramEnd();
      const ways = [
        [a, c],
        [a, d],
        [b, c],
      ] as const;
      const routes = ways.map(([from, to]) => end.routes.routeFor(from, to.localText ?? "", null));
      for (let i = 0; i < 60; i++) end.put(routes[i % 3] as number, 1000, mark(i));
      end.outbox.flush();
      const atD = end.receive(d, 20);
      assert.deepEqual(
        atD.map((arrival) => arrival.mark),
        Array.from({ length: 20 }, (_, i) => 3 * i + 1),
      );
      if (a.gso && d.gro) assert.equal(end.messages, 1);
      const atC = end.receive(c, 40);
      for (const [sender, first] of [
        [a, 0],
        [b, 2],
      ] as const) {
        const marks = atC
          .filter((arrival) => end.routes.remoteText(arrival.route) === sender.localText)
          .map((arrival) => arrival.mark);
        assert.deepEqual(
          marks,
          Array.from({ length: 20 }, (_, i) => 3 * i + first),
        );
      }
    });
  });

  it("more than the outbox holds leave before the flush", () => {
    const near = loopbackSocket();
    const far = loopbackSocket();
    withSockets([near, far], () => {
      const end = new DatagramEnd();
      const route = end.routes.routeFor(near, far.localText ?? "", null);
      for (let i = 0; i < 1000; i++) end.put(route, 1400, mark(i));
      end.outbox.flush();
      assert.deepEqual(
        end.receive(far, 1000).map((arrival) => arrival.mark),
        Array.from({ length: 1000 }, (_, i) => mark(i)),
      );
      assert.equal(end.outbox.reserve(route, 2 << 20), -1);
    });
  });

  it("go by themselves where the kernel does not cut", () => {
    const near = loopbackSocket();
    const far = loopbackSocket();
    withSockets([near, far], () => {
      // Without checksums there is no segmentation: EINVAL.
      const one = nativeBuffer(4);
      one.view.setInt32(0, 1, true);
      assert.equal(setsockopt(near.fd, 1, 11, one.address, 4), 0, "SO_NO_CHECK");
      const end = new DatagramEnd();
      const route = end.routes.routeFor(near, far.localText ?? "", null);
      const gso = near.gso;
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i < 100; i++) end.put(route, i === 99 ? 10 : 1400, mark(i));
        end.outbox.flush();
        assert.deepEqual(
          end.receive(far, 100).map((arrival) => arrival.mark),
          Array.from({ length: 100 }, (_, i) => mark(i)),
        );
        if (gso) assert.equal(near.gso, false);
      }
      assert.deepEqual(end.failures, []);
    });
  });

  it("that are too long are counted, and told once, and others leave", () => {
    const near = loopbackSocket();
    const far = loopbackSocket();
    const other = loopbackSocket();
    withSockets([near, far, other], () => {
      const end = new DatagramEnd();
      const route = end.routes.routeFor(near, far.localText ?? "", null);
      const second = end.routes.routeFor(near, other.localText ?? "", null);
      end.put(second, 100, 1);
      end.put(route, 65_530, 2);
      end.put(route, 65_531, 2);
      end.put(second, 200, 3);
      end.outbox.flush();
      assert.deepEqual(
        end.receive(other, 2).map(({ length }) => length),
        [100, 200],
      );
      assert.deepEqual(end.failures, [[route, EMSGSIZE]]);
      assert.deepEqual(end.outbox.drops, { noRoute: 0, tooLong: 2, refused: 0, full: 0 });
      end.outbox.flush();
      assert.equal(end.failures.length, 1);
    });
  });

  it("of a closed socket are dropped", () => {
    const near = loopbackSocket();
    const far = loopbackSocket();
    withSockets([near, far], () => {
      const end = new DatagramEnd();
      const route = end.routes.routeFor(near, far.localText ?? "", null);
      end.put(route, 100, 1);
      near.close();
      end.outbox.flush();
      assert.equal(end.outbox.drops.noRoute, 1);
      assert.equal(end.failures.length, 1);
    });
  });

  it("are dropped and counted when they are longer than a slot, or there is none", () => {
    const near = loopbackSocket();
    const far = loopbackSocket({ offloads: false });
    withSockets([near, far], () => {
      const end = new DatagramEnd(1, 1);
      const route = end.routes.routeFor(near, far.localText ?? "", null);
      end.put(route, 3000, 1);
      end.put(route, 100, 2);
      end.outbox.flush();
      assert.equal(end.receive(far, 1)[0]?.mark, 2);
      assert.equal(end.intake.drops.tooLong, 1);
      const slot = end.slots.small.take();
      assert.ok(slot >= 0, "the last one was given back");
      for (let i = 0; i < 3; i++) end.put(route, 100, 3);
      end.outbox.flush();
      assert.equal(end.intake.read(far), 0);
      assert.equal(end.intake.drops.noSlot, 3);
      assert.equal(end.intake.isMore, false);
      end.slots.release(slot);
      end.put(route, 100, 4);
      end.outbox.flush();
      assert.equal(end.receive(far, 1)[0]?.mark, 4);
    });
  });
});
