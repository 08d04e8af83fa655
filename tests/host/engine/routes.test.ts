import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LOCAL_WORD, RECORD_WORDS, Routes } from "../../../src/host/engine/routes.ts";
import type { UdpSocket } from "../../../src/host/udp-socket.ts";
import { loopbackSocket, withSockets } from "./datagram-support.ts";

/** A record of what comes from an IPv4 address and port. */
function recordOf(address: number, port: number): Int32Array {
  const words = new Int32Array(RECORD_WORDS);
  const view = new DataView(words.buffer);
  view.setUint16(0, 2, true);
  view.setUint16(2, port);
  view.setUint32(4, address);
  return words;
}

/** Finds the route of what comes by a socket from an address. */
const from = (routes: Routes, socket: UdpSocket, address: number, port = 9): number =>
  routes.find(routes.indexOf(socket), recordOf(address, port), 0);

const CLIENT = 0xc0000201;

describe("routes", () => {
  it("have one number for each socket and pair of addresses", () => {
    const a = loopbackSocket();
    const b = loopbackSocket();
    const six = loopbackSocket({ family: 6, address: "::1" });
    withSockets([a, b, six], () => {
      const routes = new Routes();
      const numbers = [
        routes.routeFor(a, "192.0.2.1:9", null),
        routes.routeFor(a, "192.0.2.1:10", null),
        routes.routeFor(a, "192.0.2.2:9", null),
        routes.routeFor(a, "192.0.2.1:9", "198.51.100.1"),
        routes.routeFor(b, "192.0.2.1:9", null),
        routes.routeFor(six, "[2001:db8::1]:9", null),
        routes.routeFor(six, "[2001:db8::2]:9", null),
        routes.routeFor(six, "[2001:db8::1]:9", "2001:db8::3"),
      ];
      assert.equal(new Set(numbers).size, numbers.length);
      assert.equal(routes.count, numbers.length);
      assert.deepEqual(
        numbers.map((route) => routes.remoteText(route)),
        [
          "192.0.2.1:9",
          "192.0.2.1:10",
          "192.0.2.2:9",
          "192.0.2.1:9",
          "192.0.2.1:9",
          "[2001:db8::1]:9",
          "[2001:db8::2]:9",
          "[2001:db8::1]:9",
        ],
      );
      const [first = -1, , , fourth = -1, fifth = -1, sixth = -1, , last = -1] = numbers;
      assert.equal(from(routes, a, CLIENT), first);
      assert.equal(from(routes, b, CLIENT), fifth);
      assert.equal(routes.localText(first), a.localText);
      assert.equal(routes.localText(fourth), `198.51.100.1:${a.localPort}`);
      assert.equal(routes.localText(last), `[2001:db8::3]:${six.localPort}`);
      assert.deepEqual([...routes.sourceOctets(first)], [0, 9, 192, 0, 2, 1]);
      assert.equal(routes.sourceOctets(sixth).length, 22);
      assert.equal(routes.isIpv6(sixth), true);
      assert.equal(routes.socketOf(fifth), b);
      assert.throws(() => routes.routeFor(a, "192.0.2.1", null), { code: "ADDRESS_INVALID" });
      assert.throws(() => routes.routeFor(a, "[2001:db8::1]:9", null), { code: "ADDRESS_INVALID" });
      assert.throws(() => routes.routeFor(a, "192.0.2.1:9", "2001:db8::3"), { code: "ADDRESS_INVALID" });
    });
  });

  it("of a million strangers take no more room than a thousand, and no number that is in use", () => {
    const socket = loopbackSocket();
    withSockets([socket], () => {
      const routes = new Routes();
      const held = routes.routeFor(socket, "192.0.2.1:9", null);
      const known = from(routes, socket, 0xc0000202);
      routes.confirm(known);
      const words = recordOf(0, 9);
      const view = new DataView(words.buffer);
      const index = routes.indexOf(socket);
      for (let i = 0; i < 1_000_000; i++) {
        view.setUint32(4, 0x0a000000 + i);
        const route = routes.find(index, words, 0);
        if (route === held || route === known) assert.fail(`stranger ${i} has number ${route}`);
      }
      assert.equal(routes.count, 1026);
      assert.equal(from(routes, socket, CLIENT), held);
      assert.equal(from(routes, socket, 0xc0000202), known);
      // The last ones are still there.
      const before = routes.count;
      const last = routes.find(index, words, 0);
      assert.equal(from(routes, socket, 0x0a000000 + 999_999), last);
      assert.equal(routes.count, before);
    });
  });

  it("that are known give up the number that was not used for longest, and none that is held", () => {
    const socket = loopbackSocket();
    withSockets([socket], () => {
      const routes = new Routes(64);
      const held = Array.from({ length: 8 }, (_, i) => {
        const route = from(routes, socket, 0x0b000000 + i);
        routes.hold(route);
        return route;
      });
      const used = from(routes, socket, CLIENT);
      routes.confirm(used);
      for (let i = 0; i < 10_000; i++) {
        const route = from(routes, socket, 0x0a000000 + i);
        assert.ok(route >= 0 && route !== used && !held.includes(route), `${i} has ${route}`);
        routes.confirm(route);
        routes.confirm(used);
      }
      assert.equal(routes.count, 64);
      assert.equal(from(routes, socket, CLIENT), used);
      for (const [i, route] of held.entries()) assert.equal(from(routes, socket, 0x0b000000 + i), route);
    });
  });

  it("run out when all are held, and are there again when one is released", () => {
    const socket = loopbackSocket();
    withSockets([socket], () => {
      const routes = new Routes(4);
      for (let i = 0; i < 4; i++) assert.ok(routes.routeFor(socket, `192.0.2.${i}:9`, null) >= 0);
      assert.equal(from(routes, socket, CLIENT + 99), -1);
      const third = routes.routeFor(socket, "192.0.2.2:9", null);
      routes.release(third);
      assert.equal(from(routes, socket, CLIENT + 99), -1, "it was held twice");
      routes.release(third);
      assert.equal(from(routes, socket, CLIENT + 99), third);
    });
  });

  it("are those of their addresses, whatever is held, confirmed and reused in between", () => {
    const four = loopbackSocket();
    const six = loopbackSocket({ family: 6, address: "::1" });
    const step = fc.record({
      what: fc.constantFrom("find", "confirm", "hold", "release"),
      isIpv6: fc.boolean(),
      address: fc.nat(24),
      local: fc.nat(1),
    });
    withSockets([four, six], () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
          const routes = new Routes(16);
          const held = new Map<string, { route: number; count: number }>();
          for (const { what, isIpv6, address, local } of steps) {
            const socket = isIpv6 ? six : four;
            const words = recordOf(CLIENT + address, 9);
            if (isIpv6) words.set([10 | (9 << 24), 0, 1, 2, 3, address, 0, 0]);
            words[LOCAL_WORD] = local;
            const route = routes.find(routes.indexOf(socket), words, 0);
            const key = `${isIpv6} ${address} ${local}`;
            const known = held.get(key);
            if (known !== undefined) assert.equal(route, known.route);
            if (route < 0) {
              assert.equal(held.size, 16, "all are held");
              continue;
            }
            // Port, flow label and three words of the address are before the number in IPv6.
            const octet = routes.sourceOctets(route)[isIpv6 ? 18 : 5];
            assert.equal(octet, isIpv6 ? address : (CLIENT & 255) + address);
            assert.equal(routes.hasLocal(route), local !== 0);
            assert.equal(routes.socketOf(route), socket);
            if (what === "confirm") routes.confirm(route);
            if (what === "hold") {
              routes.hold(route);
              held.set(key, { route, count: (known?.count ?? 0) + 1 });
            }
            if (what === "release" && known !== undefined) {
              routes.release(route);
              if (--known.count === 0) held.delete(key);
            }
          }
          assert.ok(routes.count <= 16);
        }),
        { numRuns: 200 },
      );
    });
  });

  it("of closed sockets go when another one is opened", () => {
    const routes = new Routes();
    for (let round = 0; round < 5; round++) {
      const socket = loopbackSocket();
      withSockets([socket], () => {
        const route = routes.routeFor(socket, "192.0.2.1:9", null);
        for (let i = 0; i < 100; i++) from(routes, socket, 0x0a000000 + i);
        assert.equal(routes.count, 101);
        assert.equal(routes.socketOf(route), socket);
        assert.equal(routes.indexOf(socket), 0);
        routes.release(route);
      });
    }
  });
});
