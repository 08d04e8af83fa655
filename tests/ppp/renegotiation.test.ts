import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import { instant } from "../../src/time.ts";
import { PPP_LCP } from "../../src/wire/ppp-packet.ts";
import { ip, ipv4, NetworkEnd, NetworkPair } from "./network-pair.ts";
import { join, SessionPeer } from "./pair.ts";

const ask = (id: number): Uint8Array => writeControlPacket(1, id & 0xff, new Uint8Array());
const identify = (text: string): Uint8Array =>
  writeControlPacket(12, 1, Uint8Array.of(0, 0, 0, 0, ...Buffer.from(text)));

describe("a peer that negotiates LCP again and again", () => {
  it("is endured a few times, then the link is ended and the reason told", () => {
    const pair = join(new SessionPeer({}, {}, 1), new SessionPeer({}, {}, 2));
    for (let n = 0; n < 100 && pair.a.end === null; n++) {
      pair.a.handlePacket(PPP_LCP, ask(n), 0, 4, pair.now);
      pair.runUntil(pair.now + 300, () => pair.a.phase === "network");
    }
    assert.ok(pair.runUntil(pair.now + 60_000, () => pair.a.phase === "dead"));
    assert.equal(pair.a.end, "negotiation");
    assert.match(pair.a.said("ended")[0]?.reason ?? "", /again and again/);
    const count = pair.a.said("established").length;
    assert.ok(count > 5 && count < 20, `${count}`);
  });

  it("is endured without end when it takes its time", () => {
    const pair = join(new SessionPeer({}, {}, 1), new SessionPeer({}, {}, 2));
    for (let n = 0; n < 100; n++) {
      pair.runUntil(pair.now + 60_000);
      pair.a.handlePacket(PPP_LCP, ask(n), 0, 4, pair.now);
      assert.ok(
        pair.runUntil(pair.now + 20_000, () => pair.a.phase === "network" && pair.b.phase === "network"),
      );
    }
    assert.equal(pair.a.end, null);
  });

  it("begins with a clean sheet when the line is new", () => {
    const pair = join(new SessionPeer({}, {}, 1), new SessionPeer({}, {}, 2));
    for (let n = 0; n < 40; n++) {
      for (const peer of [pair.a, pair.b]) peer.down(pair.now);
      pair.cut();
      for (const peer of [pair.a, pair.b]) peer.up(pair.now);
      assert.ok(
        pair.runUntil(pair.now + 1000, () => pair.a.phase === "network" && pair.b.phase === "network"),
      );
    }
  });
});

describe("a peer that negotiates IPCP again and again", () => {
  const pairOf = (): NetworkPair => {
    const a = new NetworkEnd(ipv4({ local: ip("10.5.0.1"), remote: ip("10.5.0.2") }));
    return new NetworkPair(a, new NetworkEnd(ipv4({}))).up();
  };

  it("is endured a few times, then the protocol fails, once and for good", () => {
    const pair = pairOf();
    for (let n = 0; n < 100; n++) {
      pair.a.take("8021 01c80004", pair.now);
      pair.drain();
    }
    const told = pair.a.events.map(({ type }) => type);
    const ups = told.filter((type) => type === "up").length;
    assert.ok(ups > 5 && ups < 20, `${ups}`);
    assert.equal(told.filter((type) => type === "down").length, ups);
    const [failed, ...more] = pair.a.events.filter((event) => event.type === "failed");
    assert.match(failed?.reason ?? "", /again and again/);
    assert.deepEqual(more, []);
    assert.ok(!pair.a.layer.ip4Open);
  });

  it("is endured without end when it takes its time", () => {
    const pair = pairOf();
    for (let n = 0; n < 100; n++) {
      pair.now = instant(pair.now + 60_000);
      pair.a.take("8021 01c80004", pair.now);
      pair.drain();
      assert.ok(pair.a.layer.ip4Open);
    }
  });
});

describe("a peer that identifies itself again and again", () => {
  it("is logged a few times, then now and then", () => {
    const pair = join(new SessionPeer({}, {}, 1), new SessionPeer({}, {}, 2));
    for (let n = 0; n < 1000; n++) {
      const packet = identify(`version ${n}`);
      pair.a.handlePacket(PPP_LCP, packet, 0, packet.length, pair.now);
    }
    const count = pair.a.said("log").length;
    assert.ok(count >= 2 && count <= 10, `${count}`);
    pair.runUntil(pair.now + 3_600_000);
    const packet = identify("at last");
    pair.a.handlePacket(PPP_LCP, packet, 0, packet.length, pair.now);
    assert.match(pair.a.said("log").at(-1)?.text ?? "", /at last/);
  });
});
