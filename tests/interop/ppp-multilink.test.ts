import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { Status } from "../../src/control/messages.ts";
import { hostMissing } from "./access.ts";
import type { DaemonOnHost } from "./daemon-on-host.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { bundleOwner, PppWorld, untilLine } from "./ppp-world.ts";
import type { Pppd } from "./pppd-peer.ts";

const US = "10.9.0.1";
const PPPD = "10.9.0.2";
const SPEEDS = [57600, 57600, 57600, 57600];
/** Octets each way by a bundle. */
const CARRIED = 16_000;
/** Enough that a line can be pulled and come back meanwhile. */
const CARRIED_LONG = 120_000;
const MASTER = `[master.eql]\naddress = "${US}"\npeer = "${PPPD}"\nmtu = 1500\n`;

describe("our multilink and pppd's", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: PppWorld;

  before(async () => {
    world = await PppWorld.create(SPEEDS);
  });

  afterEach(() => world.settle());
  after(() => world?.close());

  const lines = (count: number): number[] => Array.from({ length: count }, (_, line) => line);

  /**
   * Starts our master with `count` lines. They let pppd begin: a Configure-Request of ours that waited for it, and its repetition, make
   * it negotiate twice, and pppd 2.4.9 does not find back into its bundle when a link of it negotiates anew.
   */
  const daemonWith = (count: number, keys: Readonly<Record<string, unknown>>): Promise<DaemonOnHost> =>
    world.daemon(
      MASTER,
      ...lines(count).map((line) =>
        world.table(line, { master: "eql", mtu: 1500, start: "silent", ...keys }),
      ),
    );

  const pppds = (count: number, options: string): Promise<Pppd[]> =>
    Promise.all(lines(count).map((line) => world.peer.pppd(line, options)));

  /** With the network up, when it is the bundle's. */
  const allEnslaved = (daemon: DaemonOnHost, count: number): Promise<Status> =>
    daemon.until(
      ({ lines: ours, masters: [master] }) =>
        ours.filter(({ state }) => state === "enslaved").length === count &&
        (master?.multilink === null || master?.multilink?.ipv4 != null),
      `${count} lines enslaved`,
    );

  /** Both ways, whole and in parts. */
  async function carries(): Promise<void> {
    await Promise.all([world.ping(PPPD, 1400), world.peer.ping(US)]);
    await Promise.all([world.transfer("from-us", PPPD, CARRIED), world.transfer("to-us", US, CARRIED)]);
  }

  for (const [count, numbers] of [
    [2, "long"],
    [2, "short"],
    [3, "long"],
    [3, "short"],
    [4, "long"],
    [4, "short"],
  ] as const) {
    it(`bond ${count} lines with ${numbers} numbers`, async () => {
      const isShort = numbers === "short";
      const daemon = await daemonWith(count, { multilink: true, "short-sequence-numbers": isShort });
      const theirs = await pppds(
        count,
        `multilink ${isShort ? "mpshortseq endpoint local:70.71" : ""} noipdefault`,
      );
      const owner = await bundleOwner(theirs);
      assert.deepEqual(await owner.up(), { local: PPPD, remote: US });
      const before = await allEnslaved(daemon, count);
      const [master] = before.masters;
      assert.deepEqual(master?.multilink?.ipv4, { local: US, remote: PPPD, dns: [] });
      assert.ok(before.lines.every(({ ppp }) => ppp?.multilink === true));
      for (const pppd of theirs) {
        assert.match(
          await pppd.saw(/^rcvd \[LCP ConfReq .*<mrru /),
          isShort ? /<ssnhf>/ : /<mrru (?!.*<ssnhf>)/,
        );
        assert.equal(pppd.count(/^rcvd \[IPCP ConfReq/) > 0, pppd === owner, "one IPCP for all");
      }
      await carries();
      const afterwards = await daemon.status();
      for (const [index, { name, lineOctets, drops }] of afterwards.lines.entries()) {
        const sent = lineOctets.sent - (before.lines[index]?.lineOctets.sent ?? 0);
        const received = lineOctets.received - (before.lines[index]?.lineOctets.received ?? 0);
        const { drops: earlier } = before.lines[index] ?? {}; // the guest's terminal echoes until pppd takes it
        const share = CARRIED / count;
        assert.ok(sent > share / 2 && received > share / 2, `${name} sent ${sent}, received ${received}`);
        assert.deepEqual(drops, earlier, name);
      }
      const { lost = NaN, received = NaN } = afterwards.masters[0]?.multilink?.fragments ?? {};
      // On a busy machine some come too late.
      assert.ok(lost < received / 10, `${lost} of ${received} parts were given up`);
    });
  }

  it("bond lines whose ends have proved themselves", async () => {
    await world.peer.secrets("chap", ["them us between *", "us them between *"]);
    const secrets = [{ client: "them", server: "us", secret: "between", addresses: ["*"] }];
    const daemon = await daemonWith(2, { name: "us", "require-auth": ["chap-md5"], secrets });
    const theirs = await pppds(2, "multilink user them remotename us noipdefault");
    const owner = await bundleOwner(theirs);
    await owner.up();
    const { masters } = await allEnslaved(daemon, 2);
    assert.equal(masters[0]?.multilink?.peerName, "them");
    await world.ping(PPPD, 1400);
  });

  it("do without numbers with a pppd that knows no multilink", async () => {
    const daemon = await daemonWith(2, { multilink: true });
    const theirs = await pppds(2, `${PPPD}:${US}`);
    for (const pppd of theirs) {
      await pppd.saw(/^sent \[LCP ConfRej .*<mrru /);
      assert.deepEqual(await pppd.up(), { local: PPPD, remote: US });
    }
    const { masters, lines: ours } = await allEnslaved(daemon, 2);
    assert.equal(masters[0]?.multilink, null);
    assert.ok(ours.every(({ ppp }) => ppp?.multilink === false));
    await Promise.all([world.ping(PPPD, 1400), world.peer.ping(US)]);
    await world.transfer("from-us", PPPD, 10_000);
  });

  it("refuse multilink that is not wanted", async () => {
    await world.daemon(world.table(0, { address: US, peer: PPPD, multilink: false }));
    const [pppd] = (await pppds(1, "multilink")) as [Pppd];
    await pppd.saw(/^rcvd \[LCP ConfRej .*<mrru /);
    await pppd.up();
    await world.ping(PPPD);
  });

  it("go on after a part was lost, though the next ones go by one line alone", async () => {
    const daemon = await daemonWith(2, { multilink: true });
    const owner = await bundleOwner(await pppds(2, "multilink noipdefault"));
    await owner.up();
    await allEnslaved(daemon, 2);
    for (const line of lines(2)) world.peer.kernel.plug(line, "out");
    assert.equal((await world.us.run(["ping", "-c", "1", "-W", "1", PPPD])).code, 1);
    for (const line of lines(2)) world.peer.kernel.plug(line, "in");
    // Linux holds what comes after the lost part until both lines have brought later ones.
    await world.us.must(["ping", "-c", "8", "-i", "0.3", "-W", "5", "-s", "8", PPPD]);
    const report = await world.us.must(["ping", "-c", "4", "-i", "0.2", "-W", "5", "-s", "8", PPPD]);
    assert.match(report, / 0% packet loss/);
  });

  for (const direction of ["from-us", "to-us"] as const) {
    it(`carry a transfer ${direction} intact while a line is pulled and comes back`, async () => {
      // A machine that is busy elsewhere must not make a good line look dead.
      const echo = { "echo-interval": 1, "echo-failures": 3 };
      const daemon = await daemonWith(2, { multilink: true, ...echo });
      const options = "multilink noipdefault lcp-echo-interval 1 lcp-echo-failure 4";
      const theirs = await pppds(2, options);
      const owner = await bundleOwner(theirs);
      await owner.up();
      await allEnslaved(daemon, 2);
      const other = theirs.find((pppd) => pppd !== owner) as Pppd;
      const name = `ppp${other.line}`;
      const transfer = world.transfer(direction, direction === "to-us" ? US : PPPD, CARRIED_LONG);
      transfer.catch(() => undefined); // it is waited for below, unless something else fails
      const carried = ({ masters }: Status): number =>
        masters[0]?.[direction === "to-us" ? "received" : "sent"].octets ?? 0;
      await daemon.until((status) => carried(status) > 15_000, "the transfer to be under way");
      world.peer.kernel.plug(other.line, "out");
      await untilLine(daemon, name, ({ state }) => state !== "enslaved", "to be noticed");
      await other.ended();
      world.peer.kernel.plug(other.line, "in");
      // A new one: nor does a persistent pppd 2.4.9 join its bundle again.
      const again = await world.peer.pppd(other.line, options);
      await again.saw(/^Link attached to ppp0$/);
      const { status } = await untilLine(daemon, name, ({ state }) => state === "enslaved", "to be back");
      assert.ok(carried(status) < CARRIED_LONG, "the transfer still goes on");
      await transfer;
      assert.equal(owner.count(/^(LCP|Link) terminated/), 0, owner.log.join("\n"));
      assert.equal(owner.count(/^rcvd \[IPCP ConfAck /), 1, owner.log.join("\n"));
      assert.equal(again.count(/IPCP/), 0, again.log.join("\n"));
      await world.ping(PPPD, 1400);
    });
  }
});
