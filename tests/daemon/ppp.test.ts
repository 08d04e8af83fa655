import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { LineStatus, PppEvent } from "../../src/control/messages.ts";
import { eventually, FAR, masterTable, NEAR, type Side, TestDaemon, World, worldMissing } from "./world.ts";

const SPEED = 230_400;

const pppTable = (side: Side, line: number, ...more: readonly string[]): string =>
  [
    `[line.ppp${line}]`,
    `device = "${side.device(line)}"`,
    'protocol = "ppp"',
    `speed = ${SPEED}`,
    "restart = 0.3",
    ...more,
    "",
  ].join("\n");

describe("PPP lines of two daemons", { skip: worldMissing() }, () => {
  let world: World;
  let near: TestDaemon;
  let far: TestDaemon;
  /** Each scene's daemons have lines of their own for each test. */
  before(async () => {
    world = await World.create(Array.from({ length: 6 }, () => SPEED));
    for (const { host } of [world.near, world.far]) {
      const script = "for of in all default; do echo 0 > /proc/sys/net/ipv6/conf/$of/disable_ipv6; done";
      await host.must(["sh", "-c", script]);
    }
  });
  after(() => world?.close());

  const stop = async (): Promise<void> => {
    assert.deepEqual(await Promise.all([near, far].map((daemon) => daemon.stop())), [0, 0]);
  };
  const isAlone = ({ state }: LineStatus): boolean => state === "alone";

  describe("each for itself", () => {
    const [PLAIN, UNADDRESSED, WRONG, RIGHT] = [0, 1, 2, 3] as const;
    const nameOf = (line: number): string => `ppp${line}`;

    before(async () => {
      const secrets = (secret: string): string => `secrets = [{ client = "near", secret = "${secret}" }]`;
      const proved = (line: number, secret: string): string =>
        pppTable(world.near, line, 'name = "near"', secrets(secret));
      const asked = (line: number): string =>
        pppTable(
          world.far,
          line,
          `address = "10.99.${line}.2"`,
          `peer = "10.99.${line}.1"`,
          'name = "far"',
          secrets("sesame"),
          'require-auth = ["chap-md5"]',
        );
      const file = world.near.configure(
        pppTable(world.near, PLAIN),
        pppTable(world.near, UNADDRESSED),
        proved(WRONG, "wrong"),
        proved(RIGHT, "sesame"),
      );
      near = new TestDaemon(world.near, ["up", "--debug", "-c", file]);
      far = await world.far.up(
        pppTable(world.far, PLAIN, `address = "${FAR}"`, `peer = "${NEAR}"`),
        pppTable(world.far, UNADDRESSED, 'address = "10.99.1.2"'),
        asked(WRONG),
        asked(RIGHT),
      );
      await near.ready();
    });
    after(async () => {
      // Only where a test has failed.
      for (const daemon of [near, far]) if (daemon?.isRunning) await daemon.stop();
    });

    it("give a plain interface its addresses, one of them assigned by the server", async () => {
      const line = await near.untilLine(nameOf(PLAIN), "is up", isAlone);
      assert.deepEqual(line.ppp?.ipv4, { local: NEAR, remote: FAR, dns: [] });
      assert.ok(await world.near.ping(FAR));
      await world.transfer(50_000);
    });

    it("log each control packet in a line when they are to, as pppd does", () => {
      const said = near.said.split("\n").filter((line) => line.includes(`"line":"${nameOf(PLAIN)}"`));
      const packets = said.map((line) => (JSON.parse(line) as { msg: string }).msg);
      for (const expected of [
        /^sent \[LCP ConfReq id=0x1 <asyncmap 0x0> <magic 0x[0-9a-f]+> <pcomp> <accomp>\]$/,
        /^rcvd \[IPCP ConfNak id=0x\w+ <addr 10\.99\.0\.1>\]$/,
      ]) {
        assert.ok(
          packets.some((packet) => expected.test(packet)),
          packets.join("\n"),
        );
      }
      assert.doesNotMatch(far.said, /ConfReq/);
    });

    it("say why they carry nothing until they do", async () => {
      const { reason } = await near.untilLine(
        nameOf(UNADDRESSED),
        "tries again",
        ({ reason: text, state }) => text !== "" && state === "negotiating",
      );
      assert.match(reason, /address/);
    });

    it("say why a peer that cannot prove itself is refused, and not to the peer", async () => {
      await far.untilLine(nameOf(WRONG), "was refused", ({ reason }) => /near/.test(reason));
      await near.untilLine(
        nameOf(WRONG),
        "was refused",
        ({ state, reason }) => state === "closed" && reason !== "",
      );
      const line = await far.untilLine(nameOf(RIGHT), "is up", isAlone);
      assert.equal(line.ppp?.peerName, "near");
      assert.doesNotMatch(near.said + far.said, /sesame|wrong/);
    });

    it("leave nothing when they end", async () => {
      await stop();
      assert.deepEqual(
        (await world.near.links()).map(({ ifname }) => ifname),
        ["lo"],
      );
    });
  });

  describe("in bundles", () => {
    /** Masters, which the others are told by, with the addresses of their ends. */
    const [SHORT, SIXTH, CLASSIC] = [1, 2, 3] as const;
    const nearOf = (master: number): string => `10.99.${master}.1`;
    const farOf = (master: number): string => `10.99.${master}.2`;

    before(async () => {
      const table = (side: Side, master: number): string => {
        const [own, other] = side === world.near ? [nearOf, farOf] : [farOf, nearOf];
        return masterTable(own(master), other(master)).replace("eql", `eql${master}`);
      };
      [near, far] = await world.upBoth((side, address, peer) => {
        const onlyFar = (...more: readonly string[]): readonly string[] => (side === world.far ? more : []);
        return [
          masterTable(address, peer),
          ...[0, 1].map((line) => pppTable(side, line, 'master = "eql"')),
          table(side, SHORT),
          pppTable(side, 2, 'master = "eql1"', ...onlyFar("mrru = 1000")),
          table(side, SIXTH),
          pppTable(side, 3, 'master = "eql2"', "ipv6 = true"),
          table(side, CLASSIC),
          ...[4, 5].map((line) => pppTable(side, line, 'master = "eql3"', ...onlyFar("multilink = false"))),
        ];
      });
      for (const daemon of [near, far]) await daemon.untilSlaves(["ppp0", "ppp1"]);
    });
    after(stop);

    it("are a numbered one when they have a master, as both ends want it", async () => {
      await near.until("the bundle has its addresses", ({ masters }) => masters[0]?.multilink?.ipv4);
      await world.transfer(100_000);
      const { multilink } = await near.master();
      assert.ok((multilink?.fragments.sent ?? 0) > 100);
      for (const name of ["ppp0", "ppp1"]) assert.ok((await near.line(name)).sent.octets > 25_000);
    });

    it("make one for packets no longer than the peer puts together", async () => {
      await near.until(
        "the MTU follows",
        ({ masters }) => masters.find(({ name }) => name === "eql1")?.mtu === 1000,
      );
      assert.deepEqual((await near.master("eql1")).slaves, ["ppp2"]);
      assert.ok(await world.near.ping(farOf(SHORT), "-s", "972"));
    });

    it("give a master with an IPv4 address of its own the IPv6 addresses that they agreed on", async () => {
      const { local, remote } = await near.until(
        "IPv6 is up",
        ({ masters }) => masters.find(({ name }) => name === "eql2")?.multilink?.ipv6,
      );
      const addresses = async (family: string): Promise<string[]> =>
        [
          ...(await world.near.ip(family, "addr", "show", "dev", "eql2")).matchAll(
            /inet6? (\S+?)(?:\/\d+)? /g,
          ),
        ].map(([, address = ""]) => address);
      await eventually("the address is there", async () => (await addresses("-6")).join() === local);
      assert.deepEqual(await addresses("-4"), [nearOf(SIXTH)]);
      assert.ok(await world.near.ping(`${remote}%eql2`));
    });

    it("are classic slaves when one end does not want multilink", async () => {
      await Promise.all([near, far].map((daemon) => daemon.untilSlaves(["ppp4", "ppp5"])));
      await world.transfer(50_000, undefined, farOf(CLASSIC));
      const lines = [await near.line("ppp4"), await near.line("ppp5")];
      assert.equal((await near.master("eql3")).multilink, null, JSON.stringify(lines));
      for (const line of lines) assert.ok(line.sent.octets > 10_000);
    });

    it("come back to theirs when they were hung up, and lose nothing of a transfer", async () => {
      const octets = async (): Promise<number> => (await near.line("ppp1")).sent.octets;
      const isUsed = async (since: number): Promise<unknown> =>
        near.untilLine("ppp1", "carries", ({ sent }) => sent.octets > since + 20_000);
      /** How often IPCP was agreed on, which belongs to the bundle. */
      const agreed = (): number =>
        near.said.match(/"interface":"eql",[^\n]*"msg":"network up"/g)?.length ?? 0;
      const before = agreed();
      let isOver = false;
      // However long it takes, a transfer goes on.
      const transfers = (async () => {
        while (!isOver) await world.transfer(150_000);
      })();
      transfers.catch(() => {}); // it is waited for below, unless something else fails
      try {
        await isUsed(await octets());
        await world.lines.hangUp(1);
        for (const daemon of [near, far]) await daemon.untilSlaves(["ppp0"]);
        const between = await octets();
        await world.lines.restore(1);
        for (const daemon of [near, far]) await daemon.untilSlaves(["ppp0", "ppp1"]);
        await isUsed(between);
      } finally {
        isOver = true;
      }
      await transfers;
      assert.equal(agreed(), before);
    });

    it("begin anew, alone, when they are freed", async () => {
      await near.client.request("POST", "/emancipate", { master: "eql", slave: "ppp1" });
      await near.untilLine("ppp1", "is alone", ({ state, ppp }) => state === "alone" && !ppp?.multilink);
      assert.deepEqual((await near.master()).slaves, ["ppp0"]);
      await far.untilLine("ppp1", "is alone", isAlone);
      assert.ok(await world.near.ping(FAR));
      // And by command it is one of its links again.
      await near.enslave("ppp1", 57_600);
      for (const daemon of [near, far]) await daemon.untilSlaves(["ppp0", "ppp1"]);
      assert.equal((await near.line("ppp1")).rateGivenBps, 57_600);
    });
  });

  describe("of clients", () => {
    before(async () => {
      [near, far] = await world.upBoth(() => ["[master.eql]"]);
    });
    after(stop);

    /** A line of a client's, with what it is told. */
    async function hold(daemon: TestDaemon, side: Side, line: number, more: object): Promise<HeldPpp> {
      const settings = { device: side.device(line), protocol: "ppp", speed: SPEED, restart: 0.3, ...more };
      const request = { name: `tty${line}`, unit: null, settings };
      const followed = await daemon.client.follow<PppEvent>("POST", "/ppp", request);
      const told: PppEvent[] = [];
      const ended = (async () => {
        for await (const event of followed.events) told.push(event);
      })();
      const until = (kind: PppEvent["event"]): Promise<PppEvent> =>
        eventually(`the client is told "${kind}"`, () => told.find(({ event }) => event === kind));
      return { told, until, ended, close: followed.close };
    }

    it("make bundles across their processes, and end with them", async () => {
      const held: HeldPpp[] = [];
      for (const line of [0, 1]) {
        held.push(
          await hold(near, world.near, line, { multilink: true }),
          await hold(far, world.far, line, { multilink: true, address: FAR, peer: NEAR }),
        );
      }
      const [first, , second] = held as [HeldPpp, HeldPpp, HeldPpp, HeldPpp];
      assert.deepEqual(await first.until("up"), { event: "up", interface: "ppp0", local: NEAR, remote: FAR });
      assert.deepEqual(await second.until("joined"), { event: "joined", interface: "ppp0" });
      await world.transfer(50_000);
      // The first one's process ends: the bundle goes on.
      first.close();
      await near.until("one is left", ({ lines }) => lines.length === 1);
      assert.ok(await world.near.ping(FAR));
      await near.client.request("DELETE", "/lines/tty1");
      await second.ended;
      assert.deepEqual(second.told.at(-1), { event: "ended", end: "asked", reason: "User request" });
      assert.equal(await world.near.link("ppp0"), undefined);
      await far.until("its lines have ended too", ({ lines }) => lines.length === 0);
      await Promise.all(held.map(({ ended }) => ended));
      const farEnd = held[3]?.told.at(-1);
      assert.equal(farEnd?.event === "ended" && farEnd.end, "peer");
    });

    it("have the interface to themselves when the peer wants no bundle", async () => {
      const asking = await hold(near, world.near, 0, { multilink: true });
      const plain = await hold(far, world.far, 0, { address: FAR, peer: NEAR });
      assert.deepEqual(await asking.until("up"), {
        event: "up",
        interface: "ppp0",
        local: NEAR,
        remote: FAR,
      });
      assert.deepEqual(await plain.until("up"), { event: "up", interface: "ppp0", local: FAR, remote: NEAR });
      assert.ok(await world.near.ping(FAR));
      // As ip-up calls it: by the name of the interface.
      await world.near.ip("link", "set", "eql", "up");
      await near.enslave("ppp0", SPEED);
      await near.untilSlaves(["tty0"]);
      await world.lines.hangUp(0);
      await Promise.all([asking.ended, plain.ended]);
      assert.equal((asking.told.at(-1) as { end?: string }).end, "hangup");
      await world.lines.restore(0);
    });
  });
});

interface HeldPpp {
  readonly told: readonly PppEvent[];
  until(kind: PppEvent["event"]): Promise<PppEvent>;
  readonly ended: Promise<void>;
  close(): void;
}
