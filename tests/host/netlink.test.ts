import assert from "node:assert/strict";
import { Netlink } from "../../src/host/netlink.ts";
import type { InterfaceAddress } from "../../src/host/netlink-objects.ts";
import { ip, plugIn, type Surroundings, scenario as scenarioIn, tun, tunUp } from "./netlink-scenario.ts";

const scenario = (name: string, body: () => void, surroundings?: Surroundings): void =>
  scenarioIn(import.meta.url, name, body, surroundings);

interface IpLink {
  ifindex: number;
  ifname: string;
  mtu: number;
  txqlen: number;
  flags: string[];
  inet6_addr_gen_mode?: string;
}
const ipLinks = (): IpLink[] => JSON.parse(ip("-json -d link")) as IpLink[];
function ipLink(index: number): IpLink {
  const link = ipLinks().find(({ ifindex }) => ifindex === index);
  assert.ok(link);
  return link;
}

interface IpAddress {
  family: string;
  local: string;
  address?: string;
  prefixlen: number;
}
const ipAddresses = (name: string): IpAddress[] =>
  (JSON.parse(ip(`-json addr show dev ${name}`)) as { addr_info?: IpAddress[] }[]).flatMap(
    ({ addr_info = [] }) => addr_info,
  );
const asIp = ({ family, local, peer, prefix }: InterfaceAddress): IpAddress => ({
  family: family === 4 ? "inet" : "inet6",
  local,
  ...(peer === null ? {} : { address: peer }),
  prefixlen: prefix,
});
const essentials = ({ family, local, address, prefixlen }: IpAddress): IpAddress => ({
  family,
  local,
  ...(address === undefined ? {} : { address }),
  prefixlen,
});

const ipRoutes = (): string => ip("-d -4 route") + ip("-d -6 route");

scenario("lists interfaces as ip does", () => {
  const net = new Netlink();
  const t0 = tun(net, "t0");
  tun(net, "t1");
  ip("link set lo up");
  ip("link set t1 up");
  assert.deepEqual(
    net
      .interfaces()
      .map((each) => [each.index, each.name, each.mtu, each.txQueueLength, each.up, each.running]),
    ipLinks().map(({ ifindex, ifname, mtu, txqlen, flags }) => [
      ifindex,
      ifname,
      mtu,
      txqlen,
      flags.includes("UP"),
      flags.includes("LOWER_UP"),
    ]),
  );
  assert.deepEqual(
    net.interfaces().map(({ name, type, up, running }) => ({ name, type, up, running })),
    [
      { name: "lo", type: 772, up: true, running: true },
      { name: "t0", type: 65534, up: false, running: false },
      { name: "t1", type: 65534, up: true, running: false },
    ],
  );
  assert.deepEqual(net.interface("t0"), t0);
  assert.deepEqual(net.interfaceAt(t0.index), t0);
  assert.equal(net.interfaceAt(t0.index + 100), null);
  for (const name of ["t", "t2", "", "a-name-longer-than-allowed", "t0\0"]) {
    assert.equal(net.interface(name), null, JSON.stringify(name));
  }
});

scenario("sets up, MTU, transmit queue and address generation", () => {
  const net = new Netlink();
  const { index } = tun(net, "t0");
  net.disableGeneratedAddresses(index);
  assert.equal(ipLink(index).inet6_addr_gen_mode, "none");
  net.setUp(index, true);
  assert.ok(ipLink(index).flags.includes("UP"));
  assert.deepEqual(ipAddresses("t0"), [], "no link-local address was made");
  net.setMtu(index, 576);
  assert.equal(ipLink(index).mtu, 576);
  net.disableGeneratedAddresses(index); // below 1280 there is no IPv6: nothing to do, no error
  net.setMtu(index, 1500);
  net.disableGeneratedAddresses(index);
  assert.equal(ipLink(index).inet6_addr_gen_mode, "none");
  net.setUp(index, false);
  assert.ok(!ipLink(index).flags.includes("UP"));
  assert.equal(net.interface("t0")?.up, false);
});

scenario("gives and takes addresses, with and without peers", () => {
  const net = new Netlink();
  const t0 = tunUp(net, "t0");
  const t1 = tunUp(net, "t1");
  const given = [
    ["10.0.0.1", "10.0.0.2", 32],
    ["192.0.2.1", null, 24],
    ["2001:db8::1", "2001:db8::2", 128],
    ["fe80::1", null, 64],
  ] as const;
  for (const [local, peer, prefix] of given) {
    net.addAddress(t0, local, peer, prefix);
    net.addAddress(t0, local, peer, prefix); // again: no error
  }
  net.addAddress(t1, "10.0.0.1", "10.0.0.2", 32); // the same on another interface, as on every line of a bundle
  const byText = (a: IpAddress, b: IpAddress) => a.local.localeCompare(b.local);
  const expected = given.map(([local, peer, prefix]) => ({
    family: local.includes(":") ? "inet6" : "inet",
    local,
    ...(peer === null ? {} : { address: peer }),
    prefixlen: prefix,
  }));
  assert.deepEqual(ipAddresses("t0").map(essentials).sort(byText), expected.toSorted(byText));
  assert.deepEqual(net.addresses(t0).map(asIp), ipAddresses("t0").map(essentials));
  assert.equal(net.addresses().length, given.length + 1);

  // What is there already, but differently, is said; it would not be what was asked for.
  assert.throws(() => net.addAddress(t0, "2001:db8::1", "2001:db8::3", 128), { code: "NETLINK_FAILED" });

  for (const [local, peer, prefix] of given) {
    net.removeAddress(t0, local, peer, prefix);
    net.removeAddress(t0, local, peer, prefix); // again: no error
  }
  assert.deepEqual(ipAddresses("t0"), []);
  assert.equal(ipAddresses("t1").length, 1);
  ip("link del t1");
  net.removeAddress(t1, "10.0.0.1", "10.0.0.2", 32); // gone with its interface
});

scenario("adds and removes routes", () => {
  const net = new Netlink();
  const t0 = tunUp(net, "t0");
  const t1 = tunUp(net, "t1");
  net.addRoute({ destination: "default", index: t0 });
  net.addRoute({ destination: "default", index: t0 }); // again: no error
  assert.equal(ip("route show default").trim(), "default dev t0 proto static scope link linkdown");

  assert.throws(() => net.addRoute({ destination: "default", index: t1 }, { alone: true }), {
    code: "NETLINK_FAILED",
    message: /^Adding the route to default on interface \d+: EEXIST/,
  });
  net.addRoute({ destination: "default", index: t1 });
  assert.deepEqual(
    net.routes().map(({ destination, index }) => [destination, index]),
    [
      ["default", t0],
      ["default", t1],
    ],
    "the newer one stands behind the older",
  );

  net.addAddress(t0, "10.0.0.1", "10.0.0.2", 32);
  net.addRoute({
    destination: "10.9.0.0/16",
    index: t0,
    gateway: "10.0.0.2",
    source: "10.0.0.1",
    metric: 7,
    protocol: 3,
  });
  net.addRoute({ destination: "2001:db8:9::/48", index: t1, metric: 9 });
  net.addRoute({ destination: "default", family: 6, index: t1 });
  const ofPeer = net.routes(t0).find(({ destination }) => destination === "10.9.0.0/16");
  assert.deepEqual(
    { ...ofPeer, rest: null },
    {
      family: 4,
      destination: "10.9.0.0/16",
      index: t0,
      gateway: "10.0.0.2",
      source: "10.0.0.1",
      metric: 7,
      protocol: 3,
      scope: 0,
      table: 254,
      rest: null,
    },
  );
  assert.equal(
    ip("route show 10.9.0.0/16").trim(),
    "10.9.0.0/16 via 10.0.0.2 dev t0 src 10.0.0.1 metric 7 linkdown",
  );
  assert.match(ip("-6 route"), /^2001:db8:9::\/48 dev t1 proto static metric 9 /m);
  assert.match(ip("-6 route"), /^default dev t1 proto static metric 1024 /m);

  net.removeRoute({ destination: "10.9.0.0/16" });
  net.removeRoute({ destination: "10.9.0.0/16" }); // again: no error
  net.removeRoute({ destination: "default", index: t0 });
  net.removeRoute({ destination: "default", family: 6, index: t1 });
  net.removeRoute({ destination: "2001:db8:9::/48", index: t1 });
  assert.deepEqual(
    net.routes().map(({ destination, index }) => [destination, index]),
    [
      ["default", t1],
      ["10.0.0.2/32", t0],
    ],
  );
  assert.equal(ip("-6 route"), "");
});

scenario("puts back exactly the routes that it read", () => {
  const net = new Netlink();
  const t0 = tunUp(net, "t0");
  const t1 = tunUp(net, "t1");
  for (const name of ["t0", "t1"]) plugIn(name);
  net.addAddress(t0, "10.0.0.1", "10.0.0.2", 32);
  net.addAddress(t0, "2001:db8::1", "2001:db8::2", 128);
  net.addAddress(t1, "10.0.1.1", "10.0.1.2", 32);
  for (const route of [
    "route default dev t0",
    "route 10.1.0.0/16 dev t0 metric 5",
    "route 10.1.0.0/16 dev t0 metric 6 mtu lock 400 initcwnd 4",
    "route 10.2.0.0/16 via 10.0.0.2 src 10.0.0.1 proto static",
    "route 10.3.0.0/16 via 10.99.0.1 dev t0 onlink",
    "route 10.4.0.0/16 dev t0 tos 0x10",
    "route 10.5.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.1.2 weight 3",
    "route 10.6.0.1 dev t0 scope global proto 99",
    "route 10.7.0.0/16 via inet6 2001:db8::2 dev t0",
    "route unreachable 10.8.0.0/16",
    "-6 route 2001:db8:1::/48 via 2001:db8::2 dev t0 metric 30 pref high",
    "-6 route 2001:db8:2::/48 dev t0 src 2001:db8::1 mtu 1300",
    "-6 route 2001:db8:3::/48 from 2001:db8:4::/48 dev t0",
    "-6 route default dev t0 metric 2000",
  ]) {
    ip(route.replace("route", "route add"));
  }
  ip("nexthop add id 7 via 10.0.0.2 dev t0");
  ip("route add 10.10.0.0/16 nhid 7");
  const before = ipRoutes();
  const routes = net.routes();
  assert.equal(
    routes.length,
    before
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("\t")).length,
  );

  for (const route of routes) net.removeRoute(route);
  assert.deepEqual(net.routes(), []);
  assert.equal(ipRoutes(), "");

  net.addRoutes(routes);
  assert.equal(ipRoutes(), before);
  assert.deepEqual(net.routes(), routes);
});

scenario("puts routes back after its interface was down", () => {
  const net = new Netlink();
  const t0 = tunUp(net, "t0");
  net.addAddress(t0, "10.0.0.1", "10.0.0.2", 32);
  ip("route add default dev t0");
  ip("route add 10.2.0.0/16 via 10.0.0.2 metric 3");
  const before = ipRoutes();
  const routes = net.routes(t0);
  net.setUp(t0, false);
  assert.equal(ipRoutes(), "");
  net.setUp(t0, true);
  assert.notEqual(ipRoutes(), before, "the kernel itself brings back only the peer's");
  net.addRoutes(routes);
  assert.equal(ipRoutes(), before);
});

scenario("moves a peer's traffic to another interface with the same peer, and back", () => {
  const net = new Netlink();
  const line = tunUp(net, "sl0");
  const master = tunUp(net, "eql");
  for (const index of [line, master]) net.addAddress(index, "10.0.0.1", "10.0.0.2", 32);
  const way = () => / dev (\S+) /.exec(ip("route get 10.0.0.2"))?.[1];
  assert.equal(way(), "sl0");
  const taken = net.routes(line);
  assert.equal(taken.length, 1);
  for (const route of taken) net.removeRoute(route);
  assert.equal(way(), "eql");
  for (const route of taken) net.addRoute(route);
  assert.deepEqual(net.routes(line), taken);
  net.setUp(master, false);
  assert.equal(way(), "sl0");
});

scenario("lists more than one datagram holds", () => {
  const net = new Netlink();
  const index = tunUp(net, "t0");
  const destinations = Array.from({ length: 1500 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`);
  for (const destination of destinations) net.addRoute({ destination, index });
  assert.deepEqual(new Set(net.routes(index).map(({ destination }) => destination)), new Set(destinations));
  assert.equal((JSON.parse(ip("-json route")) as unknown[]).length, destinations.length);
});

scenario("says what it tried when the kernel refuses", () => {
  const net = new Netlink();
  const { index } = tun(net, "t0");
  ip("link set lo up");
  const refused = (message: RegExp, errno: number) => (error: unknown) => {
    assert.ok(error instanceof Error && "code" in error && "details" in error);
    assert.equal(error.code, "NETLINK_FAILED");
    assert.match(error.message, message);
    assert.deepEqual(error.details, { errno });
    return true;
  };
  assert.throws(() => net.setMtu(999, 576), refused(/^Setting the MTU of interface 999 to 576: ENODEV/, 19));
  assert.throws(() => net.setMtu(index, 20), refused(/EINVAL .*: mtu less than device minimum$/, 22));
  assert.throws(
    () => net.addRoute({ destination: "10.0.0.1/8", index }),
    refused(/^Adding the route to 10.0.0.1\/8 on interface \d+: E/, 22),
  );
  assert.throws(
    () => net.addRoute({ destination: "10.0.0.0/8", index }),
    refused(/^Adding the route to 10.0.0.0\/8 on interface \d+: ENETDOWN/, 100),
  );
  assert.throws(
    () =>
      net.addRoutes([
        { destination: "10.0.0.0/8", index },
        { destination: "127.9.0.0/16", index: 1 },
      ]),
    refused(/10.0.0.0\/8/, 100),
  );
  assert.equal(net.routes(1).length, 1, "the other one was added");
  net.setMtu(index, 600); // and goes on working
  assert.equal(net.interface("t0")?.mtu, 600);
  net.close();
  net.close();
  assert.throws(() => net.interfaces(), { code: "NETLINK_FAILED" });
});

scenario(
  "says what is missing without the right to change anything",
  () => {
    const net = new Netlink();
    assert.equal(net.interfaces()[0]?.name, "lo");
    assert.throws(() => net.setUp(1, true), {
      code: "NETLINK_FAILED",
      message: /^Taking interface 1 up: EPERM .*; this needs root or CAP_NET_ADMIN$/,
    });
  },
  { wrapper: ["unshare", "-U"], needs: ["unshare", "-U", "true"] },
);
