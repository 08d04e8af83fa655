import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EAGAIN, nativeBuffer, setsockopt } from "../../src/host/libc.ts";
import { writeSocketAddress } from "../../src/host/socket-address.ts";
import { UdpSocket } from "../../src/host/udp-socket.ts";
import { DatagramEnd, loopbackSocket, withSockets } from "./engine/datagram-support.ts";
import { ip, scenario } from "./netlink-scenario.ts";
import { TwoNamespaces } from "./two-namespaces.ts";

const PORT = 5000;
const ENETUNREACH = 101;

if (process.env["EQL_TEST_NETLINK_SCENARIO"] === undefined) {
  describe("a UDP socket", () => {
    it("says why it cannot be opened", () => {
      const first = loopbackSocket();
      withSockets([first], () => {
        assert.throws(() => loopbackSocket({ port: first.localPort }), { code: "ADDRESS_IN_USE" });
        assert.throws(() => loopbackSocket({ address: "192.0.2.1" }), { code: "ADDRESS_MISSING" });
        assert.throws(() => loopbackSocket({ address: "2001:db8::1" }), { code: "ADDRESS_INVALID" });
        assert.throws(() => loopbackSocket({ device: "nothing0" }), { code: "INTERFACE_MISSING" });
      });
    });

    it("knows the address that the kernel would choose", () => {
      const remote = nativeBuffer(28);
      writeSocketAddress(remote, 0, 4, "127.0.0.9", PORT);
      const socket = new UdpSocket({ family: 4, device: null, address: null, port: 0 });
      withSockets([socket], () => {
        assert.equal(socket.localText, null);
        assert.equal(socket.localTowards(remote.address), `127.0.0.1:${socket.localPort}`);
        writeSocketAddress(remote, 0, 4, "255.255.255.255", PORT);
        assert.equal(socket.localTowards(remote.address), null);
      });
    });

    it("takes a port of its own when it is given none, and is closed once", () => {
      const socket = loopbackSocket();
      assert.ok(socket.localPort > 0);
      assert.equal(socket.localText, `127.0.0.1:${socket.localPort}`);
      socket.close();
      assert.equal(socket.fd, -1);
      socket.close();
    });
  });
}

/** Two cables between two hosts, an address on neither of them at the far one, and one that is of a link alone. */
function joinHosts(hosts: TwoNamespaces): void {
  for (const [i, cable] of ["a", "b"].entries()) {
    ip(`link add ${cable}0 mtu 1500 type veth peer name ${cable}1 netns ${hosts.holder}`);
    ip(`address add 10.9.${i}.1/24 dev ${cable}0`);
    ip(`address add fd00:${i}::1/64 dev ${cable}0 nodad`);
    ip(`link set ${cable}0 up`);
    hosts.there(() => {
      ip(`address add 10.9.${i}.2/24 dev ${cable}1`);
      ip(`address add fd00:${i}::2/64 dev ${cable}1 nodad`);
      if (i === 0) ip(`address add fe80::77/64 dev ${cable}1 nodad`);
      ip(`link set ${cable}1 up`);
    });
  }
  hosts.there(() => {
    ip("address add 10.9.9.9/32 dev lo");
    ip("link set lo up");
  });
  ip("route add 10.9.9.9/32 via 10.9.0.2 metric 1");
  ip("route add 10.9.9.9/32 via 10.9.1.2 metric 2");
}

scenario(import.meta.url, "sockets of two hosts reach each other as they are bound", () => {
  const hosts = new TwoNamespaces();
  const sockets: UdpSocket[] = [];
  const open = (device: string | null, family: 4 | 6 = 4, port = 0): UdpSocket => {
    const socket = new UdpSocket({ family, device, address: null, port });
    sockets.push(socket);
    return socket;
  };
  try {
    joinHosts(hosts);
    const [server4, server6] = hosts.there(() => [open(null, 4, PORT), open(null, 6, PORT)] as const);
    const near = new DatagramEnd();
    const far = new DatagramEnd();

    // By the cable that it is bound to, against the better route; and the answer comes from the address that was called.
    for (const [device, source] of [
      ["a0", "10.9.0.1"],
      ["b0", "10.9.1.1"],
    ] as const) {
      const client = open(device);
      const route = near.routes.routeFor(client, `10.9.9.9:${PORT}`, null);
      for (let i = 0; i < 40; i++) near.put(route, 1472, i);
      near.outbox.flush();
      const arrivals = far.receive(server4, 40);
      assert.deepEqual(
        arrivals.map(({ mark }) => mark),
        Array.from({ length: 40 }, (_, i) => i),
      );
      const back = arrivals[0]?.route ?? -1;
      assert.equal(far.routes.remoteText(back), `${source}:${client.localPort}`);
      assert.equal(far.routes.localText(back), `10.9.9.9:${PORT}`);
      for (let i = 0; i < 3; i++) far.put(back, 500, 3);
      far.outbox.flush();
      assert.deepEqual(
        near.receive(client, 3),
        Array.from({ length: 3 }, () => ({ length: 500, mark: 3, route })),
      );
    }

    // IPv6: the same, also for an address that means something on one cable only.
    const client6 = open("a0", 6);
    for (const remote of ["fd00:0::2", "fe80::77"]) {
      const route = near.routes.routeFor(client6, `[${remote}]:${PORT}`, null);
      for (let i = 0; i < 3; i++) near.put(route, 1452, i);
      near.outbox.flush();
      const back = far.receive(server6, 3)[0]?.route ?? -1;
      far.put(back, 600, 4);
      far.put(back, 600, 4);
      far.outbox.flush();
      const answers = near.receive(client6, 2);
      assert.deepEqual(
        answers.map(({ length }) => length),
        [600, 600],
      );
      const came = answers[0]?.route ?? -1;
      assert.match(near.routes.remoteText(came), remote === "fe80::77" ? /^\[fe80::77\]/ : /^\[fd00::2\]/);
    }
    assert.deepEqual([...near.failures, ...far.failures], []);

    // One octet too many for the cable, whether they are cut from one message or not; the short one at the end goes.
    const client = open("a0");
    const route = near.routes.routeFor(client, `10.9.0.2:${PORT}`, null);
    for (let i = 0; i < 10; i++) near.put(route, i === 9 ? 100 : 1473, i);
    near.outbox.flush();
    assert.deepEqual(
      far.receive(server4, 1).map(({ mark }) => mark),
      [9],
    );
    assert.equal(near.outbox.drops.tooLong, 9);
    assert.equal(near.failures.length, 1);

    // No way there.
    near.failures.length = 0;
    const nowhere = near.routes.routeFor(open(null), "203.0.113.1:9", null);
    near.put(nowhere, 100, 1);
    near.put(nowhere, 100, 1);
    near.outbox.flush();
    assert.deepEqual(near.failures, [[nowhere, ENETUNREACH]]);
    assert.equal(near.outbox.drops.noRoute, 2);

    // No room: nobody answers for that address, so that all wait to be sent. The other sockets' datagrams leave.
    near.failures.length = 0;
    const crowded = open("a0");
    const room = nativeBuffer(4);
    room.view.setInt32(0, 1, true);
    assert.equal(setsockopt(crowded.fd, 1, 7, room.address, 4), 0, "SO_SNDBUF");
    const silent = near.routes.routeFor(crowded, "10.9.0.77:9", null);
    for (let i = 0; i < 100; i++) {
      near.put(silent, i % 2 === 0 ? 1000 : 1400, 1);
      if (i % 50 === 0) near.put(route, 100, i);
    }
    near.outbox.flush();
    assert.deepEqual(near.failures, [[silent, EAGAIN]]);
    const { full } = near.outbox.drops;
    assert.ok(full > 50 && full < 100, `${full} of 100 were dropped`);
    assert.equal(far.receive(server4, 2).length, 2);
  } finally {
    for (const socket of sockets) socket.close();
    hosts.close();
  }
});
