import assert from "node:assert/strict";
import { close as closeFd, epollCreate, epollCtl, epollWait, nativeBuffer } from "../../src/host/libc.ts";
import { Netlink } from "../../src/host/netlink.ts";
import { type NetlinkEvent, NetlinkMonitor } from "../../src/host/netlink-monitor.ts";
import type { Interface } from "../../src/host/netlink-objects.ts";
import { ip, plugIn, type Surroundings, scenario as scenarioIn, tun } from "./netlink-scenario.ts";

const scenario = (name: string, body: () => void, surroundings?: Surroundings): void =>
  scenarioIn(import.meta.url, name, body, surroundings);

/** Reads events until one passes, and returns all up to it; fails at the deadline. */
function until(monitor: NetlinkMonitor, passes: (event: NetlinkEvent) => boolean): NetlinkEvent[] {
  const epoll = epollCreate(0);
  const ready = nativeBuffer(12);
  ready.view.setUint32(0, 1, true); // EPOLLIN
  assert.equal(epollCtl(epoll, 1, monitor.fd, ready.address), 0);
  const seen: NetlinkEvent[] = [];
  for (const deadline = performance.now() + 60_000; !seen.some(passes); ) {
    const left = deadline - performance.now();
    assert.ok(left > 0, `not among ${JSON.stringify(seen)}`);
    epollWait(epoll, ready.address, 1, Math.ceil(left));
    monitor.read((event) => seen.push(event));
  }
  closeFd(epoll);
  return seen;
}

scenario("follows what others change", () => {
  const monitor = new NetlinkMonitor();
  const net = new Netlink();
  const { index } = tun(net, "t0");
  const link = (test: (about: Interface, removed: boolean) => boolean) => (event: NetlinkEvent) =>
    event.type === "link" && event.interface.index === index && test(event.interface, event.removed);
  const address = (local: string, peer: string | null, removed: boolean) => (event: NetlinkEvent) =>
    event.type === "address" &&
    event.removed === removed &&
    event.address.index === index &&
    event.address.local === local &&
    event.address.peer === peer;
  until(
    monitor,
    link(({ name }) => name === "t0"),
  );
  ip("link set t0 up");
  until(
    monitor,
    link(({ up, running }) => up && !running),
  );
  const plug = plugIn("t0");
  until(
    monitor,
    link(({ running }) => running),
  );
  closeFd(plug);
  until(
    monitor,
    link(({ running }) => !running),
  );
  ip("link set t0 down");
  until(
    monitor,
    link(({ up }) => !up),
  );
  for (const [change, expected] of [
    ["link set t0 up", link(({ up }) => up)],
    ["link set t0 mtu 576", link(({ mtu }) => mtu === 576)],
    ["link set t0 mtu 1500", link(({ mtu }) => mtu === 1500)],
    ["link set t0 down", link(({ up }) => !up)],
    ["link set t0 txqueuelen 9", link(({ txQueueLength }) => txQueueLength === 9)],
    ["link set t0 name t9", link(({ name }) => name === "t9")],
    ["addr add 10.0.0.1 peer 10.0.0.2 dev t9", address("10.0.0.1", "10.0.0.2", false)],
    ["addr add 2001:db8::1/64 dev t9", address("2001:db8::1", null, false)],
    ["addr del 10.0.0.1 peer 10.0.0.2 dev t9", address("10.0.0.1", "10.0.0.2", true)],
    ["addr del 2001:db8::1/64 dev t9", address("2001:db8::1", null, true)],
    ["link del t9", link((_, removed) => removed)],
  ] as const) {
    monitor.read(() => {});
    ip(change);
    until(monitor, expected);
  }
  monitor.read(() => {});
  monitor.read((event) => assert.fail(`nothing happened, but ${JSON.stringify(event)}`));
  monitor.close();
  monitor.close();
  monitor.read(() => assert.fail("closed"));
});

scenario(
  "sees no removal when an interface only leaves a bridge",
  () => {
    const monitor = new NetlinkMonitor();
    ip("tuntap add dev tap0 mode tap");
    ip("link add br0 type bridge");
    ip("link set tap0 master br0");
    ip("link set tap0 nomaster");
    ip("link set tap0 mtu 1400");
    const seen = until(monitor, (event) => event.type === "link" && event.interface.mtu === 1400);
    assert.deepEqual(
      seen.filter((event) => event.type === "link" && event.removed),
      [],
    );
  },
  { needs: ["ip", "link", "add", "probe", "type", "bridge"] },
);

scenario("says when changes were lost, and goes on", () => {
  const monitor = new NetlinkMonitor();
  const net = new Netlink();
  const { index } = tun(net, "t0");
  for (let n = 0; n < 2000; n++) net.setMtu(index, 600 + (n & 1));
  const seen = until(monitor, (event) => event.type === "overrun");
  assert.ok(seen.length < 2000);
  monitor.read(() => {});
  net.setMtu(index, 700);
  until(monitor, (event) => event.type === "link" && event.interface.mtu === 700);
});
