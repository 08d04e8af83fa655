import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { transferIntact } from "./intact-transfer.ts";
import { kernelPeerMissing } from "./kernel-peer.ts";
import { type Pppd, PppdPeer } from "./pppd-peer.ts";

/** Two guests, a and b, joined by two cables. */
describe("pppd in kernel peers, with itself", { skip: kernelPeerMissing() }, () => {
  let a: PppdPeer;
  let b: PppdPeer;

  before(async () => {
    [a, b] = await Promise.all([PppdPeer.start({ lines: 2 }), PppdPeer.start({ lines: 2 })]);
    for (const line of [0, 1]) a.kernel.join(line, b.kernel, line, 115200);
  });

  afterEach(() => Promise.all([a.stopAll(), b.stopAll()]));
  after(() => Promise.all([a?.close(), b?.close()]));

  /** Starts both ends of one cable. */
  const pair = (line: number, optionsA: string, optionsB: string): Promise<[Pppd, Pppd]> =>
    Promise.all([a.pppd(line, optionsA), b.pppd(line, optionsB)]);

  it("negotiates, runs its scripts, carries packets and ends", async () => {
    const [one, two] = await pair(0, "10.4.0.1:10.4.0.2 ipparam here", "noipdefault");
    assert.deepEqual(await one.up(), { local: "10.4.0.1", remote: "10.4.0.2" });
    assert.deepEqual(await two.up(), { local: "10.4.0.2", remote: "10.4.0.1" });
    assert.ok(one.count(/^rcvd \[IPCP ConfReq .*<addr 0\.0\.0\.0>/) > 0);
    await a.ping("10.4.0.2");
    const before = await a.counters("ppp0");
    await transferIntact({
      peer: a.kernel,
      from: { folder: "/mnt", must: (shell, limitMs) => a.kernel.must(shell, limitMs) },
      to: { folder: "/mnt", must: (shell, limitMs) => b.kernel.must(shell, limitMs) },
      address: "10.4.0.2",
      port: 9000,
      octets: 10_000,
    });
    const sent = await a.counters("ppp0");
    assert.ok(sent.sentOctets - before.sentOctets > 10_000 && sent.receivedPackets > before.receivedPackets);
    assert.deepEqual([await one.stop(), await two.ended()], [5, 16]);
    const parameters = "ppp0 /dev/ttyS0 115200 10.4.0.1 10.4.0.2 here";
    assert.deepEqual(await a.trace(), [`ip-up ${parameters}`, `ip-down ${parameters}`]);
  });

  it("authenticates by the secrets it is given, and says so when they are wrong", async () => {
    await a.secrets("chap", [`"us" them "the right one" *`]);
    await b.secrets("chap", [`us them "the right one" *`, "other them wrong *"]);
    const server = "name them require-chap 10.4.0.1:10.4.0.2";
    const [one, two] = await pair(0, server, "user us");
    await two.up();
    await one.saw(/^rcvd \[CHAP Response .*name = "us"\]/);
    assert.deepEqual([await two.stop(), await one.ended()], [5, 16]);
    const [three, four] = await pair(0, server, "user other");
    assert.equal(await four.ended(), 19);
    await three.saw(/^Peer other failed CHAP authentication/);
    assert.equal(await three.ended(), 11);
  });

  it("bonds two lines by multilink", async () => {
    const pairs = await Promise.all(
      [0, 1].map((line) => pair(line, "multilink 10.4.0.1:10.4.0.2", "multilink 10.4.0.2:10.4.0.1")),
    );
    const pppds = pairs.flat();
    await Promise.all(pppds.map((pppd) => pppd.saw(/^(New bundle ppp0 created|Link attached to ppp0)$/)));
    const masters = pppds.filter((pppd) => pppd.count(/^New bundle/) > 0);
    assert.equal(masters.length, 2, "one at each end");
    // No further: now and then pppd loses the first part of a bundle, and Linux waits for such a part for ever.
  });

  it("says that an unplugged line does not answer", async () => {
    const [one, two] = await pair(0, "lcp-echo-interval 1 lcp-echo-failure 2 10.4.0.1:10.4.0.2", "");
    await one.up();
    a.kernel.plug(0, "out");
    await one.saw(/^No response to 2 echo-requests$/);
    await one.ended();
    a.kernel.plug(0, "in");
    assert.equal(two.count(/^Connection terminated/), 0, "nothing told the other end");
  });

  it("says what a pppd that does not do what is waited for has said", async () => {
    const pppd = await a.pppd(0, "no-such-option");
    await assert.rejects(
      pppd.saw(/^Using interface/),
      /has ended with 2.*unrecognized option 'no-such-option'/s,
    );
  });
});
