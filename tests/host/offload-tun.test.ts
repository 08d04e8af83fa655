import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  accept,
  bind,
  check,
  close,
  connect,
  EAGAIN,
  listen,
  nativeBuffer,
  O_CLOEXEC,
  O_NONBLOCK,
  recv,
  send,
  socket,
} from "../../src/host/libc.ts";
import { OffloadTun, type OffloadTunOptions } from "../../src/host/offload-tun.ts";
import { AF_INET, AF_INET6, writeSocketAddress } from "../../src/host/socket-address.ts";
import { UdpSocket } from "../../src/host/udp-socket.ts";
import { SEGMENTATION, segmentationOf } from "../../src/wire/virtio-net-header.ts";
import { DatagramEnd } from "./engine/datagram-support.ts";
import { ip, scenario } from "./netlink-scenario.ts";
import { TwoNamespaces } from "./two-namespaces.ts";

const MTU = 1440;
const PORT = 5000;
const EINPROGRESS = 115;
const DEADLINE_MS = 60_000;
/** Where runs are read, behind their virtio-net headers. */
const FROM = 64;
const OCTETS = 2 << 20;

/** An interface at each of two hosts, joined by copying runs as they are. */
class Joint {
  readonly memory = nativeBuffer(70_000);
  readonly near: OffloadTun;
  readonly far: OffloadTun;
  longest = 0;
  /** Kinds of runs that have passed. */
  readonly kinds = new Set<number>();
  readonly #hosts: TwoNamespaces;
  readonly #pieces = new Int32Array(6);

  constructor(hosts: TwoNamespaces, options: OffloadTunOptions) {
    this.#hosts = hosts;
    this.near = new OffloadTun("t0", this.memory, options);
    this.far = hosts.there(() => new OffloadTun("t0", this.memory, options));
    address(1);
    hosts.there(() => address(2));
  }

  /** Moves what waits at both ends, until nothing does. */
  pump(): void {
    while (this.#move(this.near, this.far) || this.#move(this.far, this.near));
  }

  close(): void {
    close(this.near.fd);
    this.#hosts.there(() => this.far.close());
  }

  #move(from: OffloadTun, to: OffloadTun): boolean {
    const length = from.read(FROM);
    if (length === 0) return false;
    this.longest = Math.max(this.longest, length);
    this.kinds.add(segmentationOf(this.memory.octets, FROM - 10));
    const header = to.hasHeader ? 10 : 0;
    const first = Math.min(20, length);
    // In three pieces, as it might lie in memory.
    this.#pieces.set([FROM - header, first + header, FROM + first, 0, FROM + first, length - first]);
    to.writeRun(this.#pieces, length > first ? 3 : 1);
    return true;
  }
}

function address(end: number): void {
  ip(`address add 10.7.0.${end}/24 dev t0`);
  ip(`address add fd07::${end}/64 dev t0 nodad`);
  ip(`link set t0 mtu ${MTU} up`);
}

function tcpSocket(family: 4 | 6): number {
  return check(socket(family === 6 ? AF_INET6 : AF_INET, 1 | O_NONBLOCK | O_CLOEXEC, 0), "socket");
}

/** Sends random octets over TCP from the near to the far host. @returns whether their hash is the same */
function transfer(joint: Joint, hosts: TwoNamespaces, family: 4 | 6, port: number): boolean {
  const data = nativeBuffer(OCTETS);
  data.octets.set(randomBytes(OCTETS));
  const room = nativeBuffer(1 << 18);
  const name = nativeBuffer(32);
  const server = hosts.there(() => tcpSocket(family));
  check(bind(server, name.address, writeSocketAddress(name, 0, family, null, port)), "bind");
  check(listen(server, 1), "listen");
  const client = tcpSocket(family);
  const to = family === 6 ? "fd07::2" : "10.7.0.2";
  assert.equal(connect(client, name.address, writeSocketAddress(name, 0, family, to, port)), -EINPROGRESS);
  let peer = -EAGAIN;
  const hash = createHash("sha256");
  let sent = 0;
  let received = 0;
  const end = performance.now() + DEADLINE_MS;
  while (received < OCTETS) {
    assert.ok(performance.now() < end, `${received} octets of ${sent} that were sent have come`);
    joint.pump();
    if (peer < 0) peer = accept(server, O_NONBLOCK | O_CLOEXEC);
    if (peer < 0) continue;
    if (sent < OCTETS) sent += Math.max(0, send(client, data.address + sent, OCTETS - sent, 0));
    const length = recv(peer, room.address, room.octets.length, 0);
    if (length <= 0) continue;
    hash.update(room.octets.subarray(0, length));
    received += length;
  }
  for (const fd of [client, peer, server]) close(fd);
  return hash.digest("hex") === createHash("sha256").update(data.octets).digest("hex");
}

/** Sends datagrams that are equally long from the near to the far host. */
function sendDatagrams(joint: Joint, hosts: TwoNamespaces, family: 4 | 6): void {
  const near = new UdpSocket({ family, device: null, address: null, port: 0 });
  const far = hosts.there(() => new UdpSocket({ family, device: null, address: null, port: PORT }));
  const end = new DatagramEnd();
  const route = end.routes.routeFor(near, family === 6 ? `[fd07::2]:${PORT}` : `10.7.0.2:${PORT}`, null);
  for (let i = 0; i < 30; i++) end.put(route, 1000, i);
  end.outbox.flush();
  joint.pump();
  assert.deepEqual(
    end.receive(far, 30).map(({ mark }) => mark),
    Array.from({ length: 30 }, (_, i) => i),
  );
  near.close();
  far.close();
}

const WAYS: readonly (readonly [string, OffloadTunOptions])[] = [
  ["with all offloads that the kernel has", {}],
  ["without those of UDP", { udp: false }],
  ["with checksums only", { tcp: false }],
  ["without a virtio-net header", { header: false }],
];

scenario(
  import.meta.url,
  "what is sent by one interface arrives by the other, with and without offloads",
  () => {
    const hosts = new TwoNamespaces();
    try {
      for (const [i, [way, options]] of WAYS.entries()) {
        const joint = new Joint(hosts, options);
        const { near } = joint;
        for (const family of [4, 6] as const) {
          assert.ok(transfer(joint, hosts, family, 6000 + 10 * i + family), `TCP over IPv${family} ${way}`);
          sendDatagrams(joint, hosts, family);
        }
        assert.equal(near.hasHeader, options.header !== false);
        assert.equal(joint.longest > MTU, near.mergeTcp || near.mergeUdp, way);
        assert.equal(joint.kinds.has(SEGMENTATION.tcp4), near.mergeTcp);
        assert.equal(joint.kinds.has(SEGMENTATION.tcp6), near.mergeTcp);
        assert.equal(joint.kinds.has(SEGMENTATION.udp), near.mergeUdp);
        if (options.udp === false || options.tcp === false) assert.equal(near.mergeUdp, false);
        assert.equal(near.unwritten + joint.far.unwritten, 0);
        joint.close();
      }
    } finally {
      hosts.close();
    }
  },
);

scenario(
  import.meta.url,
  "an interface has its name to itself, a longer queue, and counts what the kernel refuses",
  () => {
    const memory = nativeBuffer(70_000);
    const tun = new OffloadTun("t0", memory);
    assert.throws(() => new OffloadTun("t0", memory), { code: "NAME_TAKEN" });
    assert.match(ip("link show t0"), /qlen 1000/);
    assert.equal(tun.read(FROM), 0);
    assert.equal(tun.discard(), false);
    memory.octets.fill(0);
    tun.writeRun(Int32Array.of(FROM - 10, 30), 1);
    assert.equal(tun.unwritten, 1, "it is down");
    ip("address add 10.7.0.1/24 dev t0");
    ip("link set t0 up");
    while (tun.discard()) {
      // What the kernel says by itself.
    }
    execPing();
    assert.equal(tun.discard(), true);
    tun.close();
  },
);

/** Has the kernel send a datagram. */
function execPing(): void {
  const end = new DatagramEnd();
  const socket = new UdpSocket({ family: 4, device: null, address: null, port: 0 });
  end.put(end.routes.routeFor(socket, "10.7.0.9:9", null), 10, 1);
  end.outbox.flush();
  socket.close();
}
