import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { MasterStatus, Status } from "../../src/control/messages.ts";
import { hostMissing } from "./access.ts";
import type { DaemonOnHost } from "./daemon-on-host.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { bundleOwner, PppWorld, untilLine } from "./ppp-world.ts";
import type { Pppd } from "./pppd-peer.ts";

const SPEED = 57600;
const LINES = 9;
/** Octets each way by a bundle. */
const CARRIED = 16_000;
/** Bundles that are made at once, each of lines of its own. */
const TOGETHER = [
  [
    [2, "long"],
    [4, "short"],
  ],
  [
    [3, "long"],
    [3, "short"],
  ],
  [
    [4, "long"],
    [2, "short"],
  ],
] as const;

/** Lines, our master for them, and the addresses of its ends. */
interface Group {
  readonly lines: readonly number[];
  readonly master: string;
  readonly us: string;
  readonly pppd: string;
}

/** Groups of so many lines each, one after the other. */
function groupsOf(...counts: readonly number[]): Group[] {
  let next = 0;
  return counts.map((count, index) => {
    const lines = Array.from({ length: count }, () => next++);
    return { lines, master: `eql${index}`, us: `10.9.${index}.1`, pppd: `10.9.${index}.2` };
  });
}

describe("our multilink and pppd's", { skip: kernelPeerMissing() || hostMissing() }, () => {
  let world: PppWorld;
  /** It has the lines of all that is tested at once. */
  let daemon: DaemonOnHost;

  before(async () => {
    world = await PppWorld.create(Array.from({ length: LINES }, () => SPEED));
  });
  after(() => world?.close());

  /**
   * A master of ours with its lines. They let pppd begin: a Configure-Request of ours that waited for it, and its repetition, make
   * it negotiate twice, and pppd 2.4.9 does not find back into its bundle when a link of it negotiates anew. By the endpoint it knows
   * one of our bundles from another.
   */
  const tablesOf = (
    { lines, master, us, pppd }: Group,
    keys: Readonly<Record<string, unknown>>,
  ): readonly string[] => [
    `[master.${master}]\naddress = "${us}"\npeer = "${pppd}"\nmtu = 1500\n`,
    ...lines.map((line) =>
      world.table(line, { master, mtu: 1500, start: "silent", endpoint: `IP:${us}`, ...keys }),
    ),
  ];

  const pppds = ({ lines }: Group, options: string): Promise<Pppd[]> =>
    Promise.all(lines.map((line) => world.peer.pppd(line, options)));

  const nameOf = (line: number): string => `ppp${line}`;
  const masterOf = (status: Status, group: Group): MasterStatus | undefined =>
    status.masters.find(({ name }) => name === group.master);
  const linesOf = (status: Status, group: Group): Status["lines"] =>
    group.lines.flatMap((line) => status.lines.filter(({ name }) => name === nameOf(line)));

  /** With the network up, when it is the bundle's. */
  const allEnslaved = (group: Group): Promise<Status> =>
    daemon.until((status) => {
      const master = masterOf(status, group);
      return (
        linesOf(status, group).every(({ state }) => state === "enslaved") &&
        (master?.multilink === null || master?.multilink?.ipv4 != null)
      );
    }, `${group.lines.length} lines enslaved`);

  /** Both ways, whole and in parts. */
  async function carries({ us, pppd }: Group): Promise<void> {
    await Promise.all([world.ping(pppd, 1400), world.peer.ping(us)]);
    await Promise.all([world.transfer("from-us", pppd, CARRIED), world.transfer("to-us", us, CARRIED)]);
  }

  for (const bundles of TOGETHER) {
    describe("in two bundles at once", { concurrency: bundles.length }, () => {
      const groups = groupsOf(...bundles.map(([count]) => count));

      before(async () => {
        const tables = bundles.flatMap(([, numbers], index) =>
          tablesOf(groups[index] as Group, {
            multilink: true,
            "short-sequence-numbers": numbers === "short",
          }),
        );
        daemon = await world.daemon(...tables);
      });
      after(() => world.settle());

      for (const [index, [count, numbers]] of bundles.entries()) {
        it(`bond ${count} lines with ${numbers} numbers`, async () => {
          const isShort = numbers === "short";
          const group = groups[index] as Group;
          const { us, pppd } = group;
          const theirs = await pppds(
            group,
            `multilink ${isShort ? "mpshortseq endpoint local:70.71" : ""} noipdefault`,
          );
          const owner = await bundleOwner(theirs);
          assert.deepEqual(await owner.up(), { local: pppd, remote: us });
          const earlier = await allEnslaved(group);
          assert.deepEqual(masterOf(earlier, group)?.multilink?.ipv4, { local: us, remote: pppd, dns: [] });
          assert.ok(linesOf(earlier, group).every(({ ppp }) => ppp?.multilink === true));
          for (const one of theirs) {
            assert.match(
              await one.saw(/^rcvd \[LCP ConfReq .*<mrru /),
              isShort ? /<ssnhf>/ : /<mrru (?!.*<ssnhf>)/,
            );
            assert.equal(one.count(/^rcvd \[IPCP ConfReq/) > 0, one === owner, "one IPCP for all");
          }
          await carries(group);
          const later = await daemon.status();
          const lines = linesOf(later, group);
          assert.equal(lines.length, count);
          for (const [which, { name, lineOctets, drops }] of lines.entries()) {
            // The guest's terminal echoes until pppd takes it.
            const { lineOctets: octets, drops: already } = linesOf(earlier, group)[which] ?? assert.fail();
            const sent = lineOctets.sent - octets.sent;
            const received = lineOctets.received - octets.received;
            const share = CARRIED / count;
            assert.ok(sent > share / 2 && received > share / 2, `${name} sent ${sent}, received ${received}`);
            assert.deepEqual(drops, already, name);
          }
          const { lost = NaN, received = NaN } = masterOf(later, group)?.multilink?.fragments ?? {};
          // On a busy machine some come too late.
          assert.ok(lost < received / 10, `${lost} of ${received} parts were given up`);
        });
      }
    });
  }

  describe("each on lines of their own, at once", { concurrency: 5 }, () => {
    const [proved, classic, refused, parts, pulled] = groupsOf(2, 2, 1, 2, 2) as [
      Group,
      Group,
      Group,
      Group,
      Group,
    ];

    before(async () => {
      await world.peer.secrets("chap", ["them us between *", "us them between *"]);
      const secrets = [{ client: "them", server: "us", secret: "between", addresses: ["*"] }];
      // A machine that is busy elsewhere must not make a good line look dead.
      const echo = { "echo-interval": 1, "echo-failures": 4 };
      daemon = await world.daemon(
        ...tablesOf(proved, { name: "us", "require-auth": ["chap-md5"], secrets }),
        ...tablesOf(classic, { multilink: true }),
        ...refused.lines.map((line) =>
          world.table(line, { address: refused.us, peer: refused.pppd, multilink: false }),
        ),
        ...tablesOf(parts, { multilink: true }),
        ...tablesOf(pulled, { multilink: true, ...echo }),
      );
    });
    after(() => world.settle());

    it("bond lines whose ends have proved themselves", async () => {
      const theirs = await pppds(proved, "multilink user them remotename us noipdefault");
      const owner = await bundleOwner(theirs);
      await owner.up();
      assert.equal(masterOf(await allEnslaved(proved), proved)?.multilink?.peerName, "them");
      await world.ping(proved.pppd, 1400);
    });

    it("do without numbers with a pppd that knows no multilink", async () => {
      const { us, pppd } = classic;
      for (const one of await pppds(classic, `${pppd}:${us}`)) {
        await one.saw(/^sent \[LCP ConfRej .*<mrru /);
        assert.deepEqual(await one.up(), { local: pppd, remote: us });
      }
      const status = await allEnslaved(classic);
      assert.equal(masterOf(status, classic)?.multilink, null);
      assert.ok(linesOf(status, classic).every(({ ppp }) => ppp?.multilink === false));
      await Promise.all([world.ping(pppd, 1400), world.peer.ping(us)]);
      await world.transfer("from-us", pppd, 10_000);
    });

    it("refuse multilink that is not wanted", async () => {
      const [pppd] = (await pppds(refused, "multilink")) as [Pppd];
      await pppd.saw(/^rcvd \[LCP ConfRej .*<mrru /);
      await pppd.up();
      await world.ping(refused.pppd);
    });

    it("go on after a part was lost, though the next ones go by one line alone", async () => {
      const { lines, pppd } = parts;
      const owner = await bundleOwner(await pppds(parts, "multilink noipdefault"));
      await owner.up();
      await allEnslaved(parts);
      for (const line of lines) world.peer.kernel.plug(line, "out");
      assert.equal((await world.us.run(["ping", "-c", "1", "-W", "1", pppd])).code, 1);
      for (const line of lines) world.peer.kernel.plug(line, "in");
      // Linux holds what comes after the lost part until both lines have brought later ones.
      await world.us.must(["ping", "-c", "8", "-i", "0.3", "-W", "5", "-s", "8", pppd]);
      const report = await world.us.must(["ping", "-c", "4", "-i", "0.2", "-W", "20", "-s", "8", pppd]);
      assert.match(report, / 0% packet loss/);
    });

    it("carry transfers both ways intact while a line is pulled and comes back", async () => {
      const { us, pppd } = pulled;
      const options = "multilink noipdefault lcp-echo-interval 1 lcp-echo-failure 4";
      const theirs = await pppds(pulled, options);
      const owner = await bundleOwner(theirs);
      await owner.up();
      await allEnslaved(pulled);
      const other = theirs.find((one) => one !== owner) as Pppd;
      const name = nameOf(other.line);
      const agreed = owner.count(/^rcvd \[IPCP ConfAck /);
      const flows = await Promise.all([world.flow("from-us", pppd), world.flow("to-us", us)]);
      await daemon.until((status) => {
        const { sent, received } = masterOf(status, pulled) ?? assert.fail();
        return Math.min(sent.octets, received.octets) > 10_000;
      }, "the transfers to be under way");
      world.peer.kernel.plug(other.line, "out");
      await untilLine(daemon, name, ({ state }) => state !== "enslaved", "to be noticed");
      await other.ended();
      world.peer.kernel.plug(other.line, "in");
      // A new one: nor does a persistent pppd 2.4.9 join its bundle again.
      const again = await world.peer.pppd(other.line, options);
      await again.saw(/^Link attached to ppp\d+$/);
      const { line } = await untilLine(daemon, name, ({ state }) => state === "enslaved", "to be back");
      const { sent, received } = line.lineOctets;
      await untilLine(
        daemon,
        name,
        ({ lineOctets: now }) => now.sent > sent + 5000 && now.received > received + 5000,
        "to carry both transfers again",
      );
      await Promise.all(flows.map((flow) => flow.end()));
      assert.equal(owner.count(/^(LCP|Link) terminated/), 0, owner.log.join("\n"));
      assert.equal(owner.count(/^rcvd \[IPCP ConfAck /), agreed, owner.log.join("\n"));
      assert.equal(again.count(/IPCP/), 0, again.log.join("\n"));
      await world.ping(pppd, 1400);
    });
  });
});
