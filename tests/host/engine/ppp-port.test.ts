import assert from "node:assert/strict";
import { Engine } from "../../../src/host/engine/engine.ts";
import { MasterPort } from "../../../src/host/engine/master-port.ts";
import type {
  EngineEvent,
  LineSettings,
  NetworkLineEvent,
  PppLineEvent,
  PppLineSettings,
} from "../../../src/host/engine/messages.ts";
import { PppPort } from "../../../src/host/engine/ppp-port.ts";
import type { PortEvents } from "../../../src/host/engine/slave-port.ts";
import { Wakeup } from "../../../src/host/epoll.ts";
import { nativeBuffer, read, write } from "../../../src/host/libc.ts";
import { Netlink } from "../../../src/host/netlink.ts";
import { Pty } from "../../../src/host/pty.ts";
import type { LinkId } from "../../../src/link/link.ts";
import type { LcpSettings } from "../../../src/ppp/settings.ts";
import { type Instant, instant } from "../../../src/time.ts";
import { PppEnd } from "../../link/ppp-end.ts";
import { authSettings } from "../../ppp/auth-pair.ts";
import { ip, ipv4 } from "../../ppp/network-pair.ts";
import { lcpSettings } from "../../ppp/pair.ts";
import { scenario } from "../netlink-scenario.ts";

const settingsOf = (
  device: string,
  multilink: LcpSettings["multilink"],
  ppp: Partial<PppLineSettings> = {},
): LineSettings => ({
  name: "ppp0",
  kind: "ppp",
  device,
  speedBps: 38400,
  rateBps: 38400,
  rtscts: false,
  carrier: false,
  demand: false,
  lockDirectory: null,
  mtu: 1500,
  echo: null,
  ppp: {
    lcp: lcpSettings({ multilink }),
    auth: authSettings({}),
    network: ipv4({}),
    debug: false,
    bundle: null,
    ...ppp,
  },
});

/** Moves what either side has written. */
function exchange(port: PppPort, peer: PppEnd, pty: Pty, now: Instant): void {
  const memory = nativeBuffer(4096);
  for (let idle = false; !idle; ) {
    idle = true;
    if (port.timeoutAt <= now) port.handleTimeout(now);
    if (peer.pollTimeout() <= now) peer.handleTimeout(now);
    port.poll(now);
    port.master?.poll(now);
    const count = read(pty.master, memory.address, 4096);
    if (count > 0) peer.handleOctets(0, memory.octets.slice(0, count), now);
    const octets = peer.pollOctets(0);
    memory.octets.set(octets);
    if (octets.length > 0) write(pty.master, memory.address, octets.length);
    port.handleReadable(now);
    idle = count <= 0 && octets.length === 0;
  }
}

scenario(import.meta.url, "a PPP link takes what a quicker peer has sent before it joins its bundle", () => {
  const netlink = new Netlink();
  const pty = Pty.open();
  const multilink = { mrru: 1500, shortSequenceNumbers: false, endpoint: null };
  const told: string[] = [];
  const events: PortEvents = {
    failed: (_, reason) => told.push(reason),
    echoReply: () => false,
    silent: () => {},
    ppp: (_, event) => told.push(event.kind),
    network: () => {},
    unsettled: () => {},
    interest: () => {},
  };
  const port = new PppPort(settingsOf(pty.path, multilink), 1 as LinkId, netlink, events, 1);
  const masterSettings = { name: "eql", mtu: 1500, maxSlaves: 2, minSlaves: 1, queuePackets: 64 };
  const master = new MasterPort(
    { ...masterSettings, scheduler: "earliest-arrival" },
    netlink,
    { masterNetwork: (_, event) => told.push(event.kind) },
    1,
  );
  const peer = new PppEnd({
    lines: 1,
    bps: 38400,
    lcp: lcpSettings({ multilink }),
    auth: authSettings({}),
    network: ipv4({ local: ip("10.0.0.1"), remote: ip("10.0.0.2") }),
    seed: 1,
  });
  let now = instant(1000);
  const run = (ms: number): void => {
    for (const end = now + ms; now < end; now = instant(now + 5)) exchange(port, peer, pty, now);
  };
  port.open(now, true, null);
  port.place(null, true, now);
  run(500);
  assert.ok(told.includes("established"));
  assert.equal(peer.isUp, false);
  port.place(master, true, now);
  // The peer would say again what was lost after 3 s only.
  run(1500);
  assert.ok(told.includes("up"));
  assert.ok(peer.isUp);
  port.place(null, false, now);
  port.close(now);
  for (const { tun } of [port, master]) tun.close();
  pty.close();
  netlink.close();
});

scenario(
  import.meta.url,
  "a PPP line tells what its peer proves itself with, and goes on by the verdict",
  () => {
    const netlink = new Netlink();
    const pty = Pty.open();
    const told: PppLineEvent[] = [];
    const networks: NetworkLineEvent[] = [];
    const events: PortEvents = {
      failed: () => {},
      echoReply: () => false,
      silent: () => {},
      ppp: (_, event) => told.push(event),
      network: (_, event) => networks.push(event),
      unsettled: () => {},
      interest: () => {},
    };
    const judged = {
      auth: authSettings({ name: "us", require: ["pap"], deferred: true }),
      network: ipv4({ local: ip("10.0.0.1") }),
      // Decoded packets must not tell the password either.
      debug: true,
    };
    const port = new PppPort(settingsOf(pty.path, null, judged), 1 as LinkId, netlink, events, 1);
    const peer = new PppEnd({
      lines: 1,
      bps: 38400,
      lcp: lcpSettings(),
      auth: authSettings({ name: "joe", password: "sesame" }),
      network: ipv4({ acceptLocal: true }),
      seed: 1,
    });
    let now = instant(1000);
    const run = (ms: number): void => {
      for (const end = now + ms; now < end; now = instant(now + 5)) exchange(port, peer, pty, now);
    };
    port.open(now, false, null);
    port.place(null, true, now);
    run(5000);
    const proofs = told.flatMap((event) => (event.kind === "proof" ? [event.proof] : []));
    assert.equal(proofs.length, 1);
    const [proof] = proofs;
    assert.ok(proof?.method === "pap");
    assert.equal(proof.name, "joe");
    assert.equal(Buffer.from(proof.password).toString(), "sesame");
    assert.equal(port.session.phase, "authenticate");
    port.handleVerdict(proof.id, { ok: true, addresses: ["10.0.0.9"] }, now);
    run(3000);
    const up = networks.find((event) => event.kind === "up");
    assert.deepEqual(up?.agreement, { local: "10.0.0.1", remote: "10.0.0.9", dns: [] });
    assert.ok(peer.isUp);
    const log = told.flatMap((event) => (event.kind === "log" ? [event.text] : []));
    assert.ok(log.some((text) => text.includes("PAP")) && !log.some((text) => text.includes("sesame")));
    port.place(null, false, now);
    port.close(now);
    port.tun.close();
    pty.close();
    netlink.close();
  },
);

scenario(
  import.meta.url,
  "packets of a call that ended do not go out before the next one has a network",
  () => {
    const netlink = new Netlink();
    const pty = Pty.open();
    const events: PortEvents = {
      failed: () => {},
      echoReply: () => false,
      silent: () => {},
      ppp: () => {},
      network: () => {},
      unsettled: () => {},
      interest: () => {},
    };
    const network = ipv4({ local: ip("10.0.0.1"), remote: ip("10.0.0.2") });
    const port = new PppPort(settingsOf(pty.path, null, { network }), 1 as LinkId, netlink, events, 1);
    const peer = new PppEnd({
      lines: 1,
      bps: 38400,
      lcp: lcpSettings(),
      auth: authSettings({}),
      network: ipv4({ acceptLocal: true }),
      seed: 1,
    });
    let now = instant(1000);
    port.open(now, false, null);
    port.place(null, true, now);
    for (const end = now + 3000; now < end; now = instant(now + 5)) exchange(port, peer, pty, now);
    assert.ok(peer.isUp);
    for (let i = 0; i < 5; i++) {
      const packet = port.tun.takePacket();
      assert.ok(packet);
      packet.length = 1000;
      packet.octets.fill(0, packet.start, packet.start + packet.length);
      packet.octets.set([0x45, 0, packet.length >> 8, packet.length & 0xff], packet.start);
      port.solo.enqueue(packet, now);
    }
    port.poll(now);
    const { sentPackets } = port.member;
    assert.equal(sentPackets, 1, "the others wait");
    port.solo.leave(port.member, false, now);
    port.close(now);
    port.place(null, false, now);
    now = instant(now + 1000);
    port.open(now, false, null);
    port.place(null, true, now);
    for (const end = now + 2000; now < end; now = instant(now + 5)) {
      if (port.timeoutAt <= now) port.handleTimeout(now);
      port.poll(now);
    }
    assert.equal(port.session.phase, "establish");
    assert.equal(port.member.sentPackets, sentPackets);
    port.close(now);
    port.tun.close();
    pty.close();
    netlink.close();
  },
);

scenario(import.meta.url, "a PPP line that is hung up before it has said anything is closed at once", () => {
  const events: EngineEvent[] = [];
  const engine = new Engine((event) => events.push(event));
  const pty = Pty.open();
  engine.handle("addLine", settingsOf(pty.path, null));
  engine.handle("openLine", { name: "ppp0", multilink: false, talk: null });
  engine.handle("hangUpLine", { name: "ppp0", reason: "not wanted" });
  // One turn of the engine for what is due, and one to stop it.
  const wakeup = new Wakeup();
  let turns = 0;
  wakeup.signal();
  engine.run(wakeup, () => {
    if (++turns > 1) engine.handle("stop", {});
    else wakeup.signal();
  });
  assert.deepEqual(events.slice(0, 2), [
    {
      type: "ppp",
      line: "ppp0",
      event: { kind: "ended", end: "asked", reason: "not wanted", traffic: { sent: 0, received: 0 } },
    },
    { type: "closed", line: "ppp0", reason: "not wanted" },
  ]);
  wakeup.close();
  pty.close();
});
