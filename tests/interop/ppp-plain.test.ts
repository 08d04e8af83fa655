import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { ReadStream } from "node:tty";
import type { LineStatus } from "../../src/control/messages.ts";
import { Pty } from "../../src/host/pty.ts";
import { Host } from "../../src/lab/namespace.ts";
import { hostMissing } from "./access.ts";
import { DaemonOnHost } from "./daemon-on-host.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { PppWorld, untilLine } from "./ppp-world.ts";

const SPEED = 115200;
/** A line for each of what is tested at once. */
const LINES = {
  assigning: 0,
  asking: 1,
  uncompressed: 2,
  plain: 3,
  escaped: 4,
  ipv6: 5,
  silenced: 6,
  repeated: 7,
  waiting: 8,
  begun: 9,
} as const;
const ALL = Object.values(LINES);

const usOn = (line: number): string => `10.9.${line}.1`;
const pppdOn = (line: number): string => `10.9.${line}.2`;
/** What the daemon calls the line, and its interface. */
const nameOf = (line: number): string => `ppp${line}`;

describe("our PPP and pppd, on one line", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: PppWorld;
  let daemon: DaemonOnHost;

  /** What is said of a line beside its addresses; with null, those are pppd's to say. */
  const SETTINGS: Readonly<Record<number, Readonly<Record<string, unknown>> | null>> = {
    [LINES.assigning]: { dns: ["10.9.0.53", "10.9.0.54"] },
    [LINES.asking]: null,
    [LINES.ipv6]: { ipv6: true, "interface-identifier": "::a:b:c:d" },
    [LINES.silenced]: { "echo-interval": 0.5, "echo-failures": 6 },
    [LINES.waiting]: { start: "silent" },
    [LINES.begun]: { start: "active" },
  };

  before(async () => {
    world = await PppWorld.create(ALL.map(() => SPEED));
    await world.us.must([
      "sh",
      "-c",
      "for of in all default; do echo 0 >/proc/sys/net/ipv6/conf/$of/disable_ipv6; done",
    ]);
    const tables = ALL.map((line) => {
      const { [line]: settings = {} } = SETTINGS;
      return world.table(
        line,
        settings === null ? { "ask-dns": true } : { address: usOn(line), peer: pppdOn(line), ...settings },
      );
    });
    daemon = await world.daemon(...tables);
  });

  after(async () => {
    await world?.settle();
    await world?.close();
  });

  const transferBothWays = (line: number, octets: number): Promise<unknown> =>
    Promise.all([
      world.transfer("from-us", pppdOn(line), octets),
      world.transfer("to-us", usOn(line), octets),
    ]);

  const untilUp = (line: number, what: string): ReturnType<typeof untilLine> =>
    untilLine(daemon, nameOf(line), ({ state }) => state === "alone", what);

  describe("each on a line of its own, at once", { concurrency: ALL.length }, () => {
    after(() => world.peer.stopAll());

    it("give pppd an address and name servers, and carry what either sends", async () => {
      const line = LINES.assigning;
      const [us, them] = [usOn(line), pppdOn(line)];
      const pppd = await world.peer.pppd(line, "noipdefault usepeerdns");
      assert.deepEqual(await pppd.up(), { local: them, remote: us });
      await pppd.saw(/^primary +DNS address 10\.9\.0\.53$/);
      await pppd.saw(/^secondary +DNS address 10\.9\.0\.54$/);
      const { ppp } = await untilUp(line, "to be up");
      assert.equal(ppp.phase, "network");
      assert.deepEqual(ppp.ipv4, { local: us, remote: them, dns: [] });
      assert.equal(ppp.multilink, false);
      await Promise.all([world.ping(them, 1400), world.peer.ping(us)]);
      await transferBothWays(line, 10_000);
      const { repeated: _, ...drops } = (await daemon.line(nameOf(line)))?.drops ?? {};
      assert.deepEqual(drops, {}, "but for segments that TCP repeated too early");
    });

    it("ask pppd for an address and name servers", async () => {
      const line = LINES.asking;
      const [us, them] = [usOn(line), pppdOn(line)];
      const pppd = await world.peer.pppd(line, `${them}:${us} ms-dns 10.9.0.53 ms-dns 10.9.0.54`);
      assert.deepEqual(await pppd.up(), { local: them, remote: us });
      const { ppp } = await untilUp(line, "to be up");
      assert.deepEqual(ppp.ipv4, { local: us, remote: them, dns: ["10.9.0.53", "10.9.0.54"] });
      assert.ok(pppd.count(/^rcvd \[IPCP ConfReq .*<addr 0\.0\.0\.0>/) > 0);
      await Promise.all([world.ping(them), world.peer.ping(us)]);
    });

    it("refuse VJ and CCP properly, and answer pppd's echoes", async () => {
      // More "debug", or it says nothing of echoes but the first.
      const pppd = await world.peer.pppd(LINES.uncompressed, "debug noipdefault lcp-echo-interval 1");
      await pppd.up();
      await pppd.saw(/^rcvd \[IPCP ConfRej .*<compress VJ 0f 01>\]/);
      await pppd.saw(/^rcvd \[LCP ProtRej .* 80 fd /);
      const refused = pppd.log.findLastIndex((text) => /^rcvd \[LCP ProtRej .* 80 fd /.test(text));
      // Longer than the three seconds after which it would ask again.
      await pppd.saw(/^rcvd \[LCP EchoRep /, pppd.count(/^rcvd \[LCP EchoRep /) + 4);
      assert.ok(
        !pppd.log.slice(refused).some((text) => text.startsWith("sent [CCP ConfReq")),
        "it asks again",
      );
    });

    it("do without what pppd refuses, and keep to what it wants", async () => {
      const line = LINES.plain;
      const options = "noaccomp nopcomp nomagic mru 296 asyncmap a0000 noccp novj";
      const pppd = await world.peer.pppd(line, options);
      await pppd.up();
      await pppd.saw(/^sent \[LCP ConfReq .*<mru 296> <asyncmap 0xa0000>\]/);
      await pppd.saw(/^rcvd \[LCP ConfAck .*<mru 296> <asyncmap 0xa0000>\]/);
      await pppd.saw(/^sent \[LCP ConfRej .*<magic .*<pcomp> <accomp>\]/);
      await untilLine(
        daemon,
        nameOf(line),
        ({ state, mtu }) => state === "alone" && mtu === 296,
        "an MTU of 296",
      );
      await world.ping(pppdOn(line), 1000);
      await transferBothWays(line, 10_000);
    });

    it("escape all control characters for a pppd with the default map", async () => {
      const pppd = await world.peer.pppd(LINES.escaped, "default-asyncmap");
      await pppd.up();
      await transferBothWays(LINES.escaped, 10_000);
    });

    it("agree on IPv6 beside IPv4", async () => {
      const line = LINES.ipv6;
      const pppd = await world.peer.pppd(line, "+ipv6 ipv6 ::1:2:3:4");
      await pppd.saw(/^local {2}LL address fe80::0001:0002:0003:0004$/);
      await pppd.saw(/^remote LL address fe80::000a:000b:000c:000d$/);
      await pppd.up();
      const { ppp } = await untilLine(daemon, nameOf(line), (_line, { ipv6 }) => ipv6 !== null, "IPv6");
      assert.deepEqual([ppp.ipv6?.local, ppp.ipv6?.remote], ["fe80::a:b:c:d", "fe80::1:2:3:4"]);
      const theirs = (await pppd.saw(/^Using interface ppp\d+$/)).split(" ").at(-1);
      await Promise.all([
        world.ping(`fe80::1:2:3:4%${nameOf(line)}`),
        world.peer.ping(`fe80::a:b:c:d%${theirs}`),
        world.ping(pppdOn(line)),
      ]);
    });

    it("notice that nobody answers the echoes any more, and come back", async () => {
      const line = LINES.silenced;
      const pppd = await world.peer.pppd(line, "lcp-echo-interval 1 lcp-echo-failure 4 persist holdoff 1");
      await pppd.up();
      await untilLine(daemon, nameOf(line), ({ echoMs }) => echoMs !== null, "an echo");
      world.peer.kernel.plug(line, "out");
      const isDown = ({ state, reason }: LineStatus): boolean => state !== "alone" && /echo/.test(reason);
      await untilLine(daemon, nameOf(line), isDown, "to say why it is down");
      await pppd.saw(/^No response to 4 echo-requests$/);
      world.peer.kernel.plug(line, "in");
      await pppd.saw(/^remote IP address /, 2);
      await untilUp(line, "to be up again");
      await world.ping(pppdOn(line));
    });

    it("come up again with a pppd that has ended properly", async () => {
      const line = LINES.repeated;
      const first = await world.peer.pppd(line);
      await first.up();
      await untilUp(line, "to be up");
      await first.stop();
      await first.saw(/^rcvd \[LCP TermAck /);
      const isDown = ({ state, reason }: LineStatus): boolean =>
        state !== "alone" && /User request/.test(reason);
      await untilLine(daemon, nameOf(line), isDown, "to say what pppd said");
      const second = await world.peer.pppd(line);
      await second.up();
      await untilUp(line, "to be up again");
      await world.ping(pppdOn(line));
    });

    for (const [line, options, what] of [
      [LINES.waiting, "", "wait for a pppd that begins"],
      [LINES.begun, "silent", "begin with a pppd that waits"],
    ] as const) {
      it(what, async () => {
        const pppd = await world.peer.pppd(line, options);
        assert.deepEqual(await pppd.up(), { local: pppdOn(line), remote: usOn(line) });
        await untilUp(line, "to be up");
      });
    }
  });

  it("tell pppd that they end, and leave nothing behind", async () => {
    const pppd = await world.peer.pppd(LINES.repeated);
    await pppd.up();
    assert.equal(await daemon.close(), 0);
    await pppd.saw(/^rcvd \[LCP TermReq /);
    await pppd.saw(/^LCP terminated by peer/);
    assert.doesNotMatch(await world.us.must(["sh", "-c", "ip -o link"]), /ppp/);
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
