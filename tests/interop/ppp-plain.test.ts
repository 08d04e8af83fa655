import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { after, afterEach, before, describe, it } from "node:test";
import { ReadStream } from "node:tty";
import type { LineStatus } from "../../src/control/messages.ts";
import { Pty } from "../../src/host/pty.ts";
import { Host } from "../../src/lab/namespace.ts";
import { hostMissing } from "./access.ts";
import { DaemonOnHost } from "./daemon-on-host.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { PppWorld, untilLine } from "./ppp-world.ts";

const US = "10.9.0.1";
const PPPD = "10.9.0.2";
const BOTH = { address: US, peer: PPPD };

describe("our PPP and pppd, on one line", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: PppWorld;

  before(async () => {
    world = await PppWorld.create([115200]);
  });

  afterEach(() => world.settle());
  after(() => world?.close());

  const transferBothWays = (octets: number): Promise<unknown> =>
    Promise.all([world.transfer("from-us", PPPD, octets), world.transfer("to-us", US, octets)]);

  it("give pppd an address and name servers, and carry what either sends", async () => {
    const daemon = await world.daemon(world.table(0, { ...BOTH, dns: ["10.9.0.53", "10.9.0.54"] }));
    const pppd = await world.peer.pppd(0, "noipdefault usepeerdns");
    assert.deepEqual(await pppd.up(), { local: PPPD, remote: US });
    await pppd.saw(/^primary +DNS address 10\.9\.0\.53$/);
    await pppd.saw(/^secondary +DNS address 10\.9\.0\.54$/);
    const { ppp } = await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up");
    assert.equal(ppp.phase, "network");
    assert.deepEqual(ppp.ipv4, { local: US, remote: PPPD, dns: [] });
    assert.equal(ppp.multilink, false);
    await Promise.all([world.ping(PPPD, 1400), world.peer.ping(US)]);
    await transferBothWays(10_000);
    const { repeated: _, ...drops } = (await daemon.line("ppp0"))?.drops ?? {};
    assert.deepEqual(drops, {}, "but for segments that TCP repeated too early");
  });

  it("ask pppd for an address and name servers", async () => {
    const daemon = await world.daemon(world.table(0, { "ask-dns": true }));
    const pppd = await world.peer.pppd(0, `${PPPD}:${US} ms-dns 10.9.0.53 ms-dns 10.9.0.54`);
    assert.deepEqual(await pppd.up(), { local: PPPD, remote: US });
    const { ppp } = await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up");
    assert.deepEqual(ppp.ipv4, { local: US, remote: PPPD, dns: ["10.9.0.53", "10.9.0.54"] });
    assert.ok(pppd.count(/^rcvd \[IPCP ConfReq .*<addr 0\.0\.0\.0>/) > 0);
    await Promise.all([world.ping(PPPD), world.peer.ping(US)]);
  });

  it("refuse VJ and CCP properly", async () => {
    await world.daemon(world.table(0, BOTH));
    const pppd = await world.peer.pppd(0, "noipdefault");
    await pppd.up();
    await pppd.saw(/^rcvd \[IPCP ConfRej .*<compress VJ 0f 01>\]/);
    await pppd.saw(/^rcvd \[LCP ProtRej .* 80 fd /);
    assert.equal(pppd.count(/^sent \[CCP ConfReq/), 1, "it does not ask again");
  });

  it("do without what pppd refuses, and keep to what it wants", async () => {
    const daemon = await world.daemon(world.table(0, BOTH));
    const pppd = await world.peer.pppd(0, "noaccomp nopcomp nomagic mru 296 asyncmap a0000 noccp novj");
    await pppd.up();
    await pppd.saw(/^sent \[LCP ConfReq .*<mru 296> <asyncmap 0xa0000>\]/);
    await pppd.saw(/^rcvd \[LCP ConfAck .*<mru 296> <asyncmap 0xa0000>\]/);
    await pppd.saw(/^sent \[LCP ConfRej .*<magic .*<pcomp> <accomp>\]/);
    await untilLine(daemon, "ppp0", ({ state, mtu }) => state === "alone" && mtu === 296, "an MTU of 296");
    await world.ping(PPPD, 1000);
    await transferBothWays(10_000);
  });

  it("escape all control characters for a pppd with the default map", async () => {
    await world.daemon(world.table(0, BOTH));
    const pppd = await world.peer.pppd(0, "default-asyncmap");
    await pppd.up();
    await transferBothWays(10_000);
  });

  it("agree on IPv6 beside IPv4", async () => {
    await world.us.must([
      "sh",
      "-c",
      "for of in all default; do echo 0 >/proc/sys/net/ipv6/conf/$of/disable_ipv6; done",
    ]);
    const keys = { ...BOTH, ipv6: true, "interface-identifier": "::a:b:c:d" };
    const daemon = await world.daemon(world.table(0, keys));
    const pppd = await world.peer.pppd(0, "+ipv6 ipv6 ::1:2:3:4");
    await pppd.saw(/^local {2}LL address fe80::0001:0002:0003:0004$/);
    await pppd.saw(/^remote LL address fe80::000a:000b:000c:000d$/);
    await pppd.up();
    const { ppp } = await untilLine(daemon, "ppp0", (_line, { ipv6 }) => ipv6 !== null, "IPv6");
    assert.deepEqual([ppp.ipv6?.local, ppp.ipv6?.remote], ["fe80::a:b:c:d", "fe80::1:2:3:4"]);
    await Promise.all([
      world.ping("fe80::1:2:3:4%ppp0"),
      world.peer.ping("fe80::a:b:c:d%ppp0"),
      world.ping(PPPD),
    ]);
  });

  it("notice that nobody answers the echoes any more, and come back", async () => {
    const daemon = await world.daemon(world.table(0, { ...BOTH, "echo-interval": 0.5, "echo-failures": 3 }));
    const pppd = await world.peer.pppd(0, "lcp-echo-interval 1 lcp-echo-failure 2 persist holdoff 1");
    await pppd.up();
    await untilLine(daemon, "ppp0", ({ echoMs }) => echoMs !== null, "an echo");
    world.peer.kernel.plug(0, "out");
    const isDown = ({ state, reason }: LineStatus): boolean => state !== "alone" && /echo/.test(reason);
    await untilLine(daemon, "ppp0", isDown, "to say why it is down");
    await pppd.saw(/^No response to 2 echo-requests$/);
    world.peer.kernel.plug(0, "in");
    await pppd.saw(/^remote IP address /, 2);
    await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up again");
    await world.ping(PPPD);
  });

  it("answer pppd's echoes", async () => {
    await world.daemon(world.table(0, BOTH));
    const pppd = await world.peer.pppd(0, "debug lcp-echo-interval 1 lcp-echo-failure 2");
    await pppd.saw(/^rcvd \[LCP EchoRep /, 3);
  });

  it("come up again with a pppd that has ended properly", async () => {
    const daemon = await world.daemon(world.table(0, BOTH));
    const first = await world.peer.pppd(0);
    await first.up();
    await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up");
    await first.stop();
    await first.saw(/^rcvd \[LCP TermAck /);
    const isDown = ({ state, reason }: LineStatus): boolean =>
      state !== "alone" && /User request/.test(reason);
    await untilLine(daemon, "ppp0", isDown, "to say what pppd said");
    const second = await world.peer.pppd(0);
    await second.up();
    await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up again");
    await world.ping(PPPD);
  });

  it("tell pppd that they end, and leave nothing behind", async () => {
    const daemon = await world.daemon(world.table(0, BOTH));
    const pppd = await world.peer.pppd(0);
    await pppd.up();
    assert.equal(await daemon.close(), 0);
    await pppd.saw(/^rcvd \[LCP TermReq /);
    await pppd.saw(/^LCP terminated by peer/);
    assert.doesNotMatch(await world.us.must(["sh", "-c", "ip -o link"]), /ppp/);
  });

  it("wait for a pppd that begins, and begin with one that waits", async () => {
    for (const [ours, theirs] of [
      ["silent", ""],
      ["active", "silent"],
    ] as const) {
      const daemon = await world.daemon(world.table(0, { ...BOTH, start: ours }));
      const pppd = await world.peer.pppd(0, theirs);
      assert.deepEqual(await pppd.up(), { local: PPPD, remote: US });
      await untilLine(daemon, "ppp0", ({ state }) => state === "alone", "to be up");
      await world.settle();
    }
  });
});

describe("our PPP on a line that leads back to us", { skip: hostMissing() }, () => {
  it("says so", async (t) => {
    const pty = Pty.open();
    t.after(() => pty.close());
    const input = new ReadStream(pty.master);
    t.after(() => input.destroy());
    input.on("data", (octets: Buffer) => writeSync(pty.master, octets));
    const us = await Host.create("us");
    t.after(() => us.close());
    const daemon = await DaemonOnHost.start(
      us,
      `[line.ppp0]\ndevice = "${pty.path}"\nprotocol = "ppp"\nspeed = 115200\nlock = false\nrestart = 0.5\n`,
      () => true,
    );
    t.after(() => daemon.close());
    const { line } = await untilLine(daemon, "ppp0", ({ reason }) => /loop/i.test(reason), "a loop");
    assert.notEqual(line.state, "alone");
  });
});
