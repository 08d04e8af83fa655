import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import type { AuthProtocol, AuthSettings } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { PPP_CHAP, PPP_LCP, PPP_PAP } from "../../src/wire/ppp-packet.ts";
import { secret } from "./auth-pair.ts";
import { join, Pair, SessionPeer } from "./pair.ts";

const PROTOCOLS: readonly AuthProtocol[] = ["pap", "chap-md5", "mschapv2"];

const server = (...require: AuthProtocol[]): Partial<AuthSettings> => ({
  name: "srv",
  require,
  papSecrets: [secret("client1", "*", "s3cret")],
  chapSecrets: [secret("client1", "*", "s3cret")],
});
const client: Partial<AuthSettings> = { name: "client1", password: "s3cret" };

const pairOf = (a: Partial<AuthSettings>, b: Partial<AuthSettings>): Pair<SessionPeer, SessionPeer> =>
  join(new SessionPeer({}, a, 1), new SessionPeer({}, b, 2));

const phases = (peer: SessionPeer): string[] => peer.said("phase").map(({ phase }) => phase);

/** Until both have ended. */
const settle = (pair: Pair<SessionPeer, SessionPeer>): boolean =>
  pair.runUntil(pair.now + 120_000, () => pair.a.phase === "dead" && pair.b.phase === "dead");

/** Until it has ended, with nobody at the other end. */
function runOut(peer: SessionPeer): void {
  while (peer.phase !== "dead") peer.handleTimeout(peer.pollTimeout());
}

/** Text of the last Terminate-Request. */
function farewell(pair: Pair<SessionPeer, SessionPeer>, by: SessionPeer): string {
  const sent = pair.sent.findLast(
    ({ by: from, packet }) => from === by && packet.protocol === PPP_LCP && packet.octets[0] === 5,
  );
  return String.fromCharCode(...(sent?.packet.octets.subarray(4) ?? []));
}

/** Something of the peer's that did not come by the line. */
function inject(pair: Pair<SessionPeer, SessionPeer>, to: SessionPeer, code: number, data: number[]): void {
  const octets = writeControlPacket(code, 200, Uint8Array.from(data));
  to.handlePacket(PPP_LCP, octets, 0, octets.length, pair.now);
}

describe("a PPP session", () => {
  it("goes from establish to network at once when nobody is to prove anything", () => {
    const { a } = pairOf({}, {});
    assert.deepEqual(phases(a), ["establish", "network"]);
    assert.deepEqual(a.events.at(-1), {
      type: "established",
      agreement: { multilink: null, peerName: "", peerEntry: null },
    });
    const { ours, theirs } = a.session.describe();
    assert.deepEqual({ ...ours, magic: "" }, { asyncmap: "0x0", magic: "", pcomp: true, accomp: true });
    assert.notEqual(ours["magic"], theirs["magic"]);
  });

  it("ends properly when asked to, from either side", () => {
    const pair = pairOf({}, {});
    pair.a.close("User request", pair.now);
    assert.equal(pair.a.phase, "terminate");
    assert.ok(settle(pair));
    assert.deepEqual(phases(pair.a), ["establish", "network", "terminate", "dead"]);
    assert.deepEqual(pair.a.events.at(-1), { type: "ended", end: "asked", reason: "User request" });
    assert.deepEqual(pair.b.events.at(-1), {
      type: "ended",
      end: "peer",
      reason: "terminated by the peer: User request",
    });
    assert.deepEqual(pair.a.session.describe(), { ours: {}, theirs: {} });
  });

  it("may begin afresh after it has ended, and after the line was gone", () => {
    const pair = pairOf(server("chap-md5"), client);
    pair.a.close("", pair.now);
    settle(pair);
    for (const peer of [pair.a, pair.b]) peer.up(pair.now);
    const established = (): boolean => pair.a.phase === "network" && pair.b.phase === "network";
    assert.ok(pair.runUntil(pair.now + 10_000, established));
    for (const peer of [pair.a, pair.b]) peer.down(pair.now);
    assert.deepEqual(pair.b.events.at(-1), { type: "ended", end: "hangup", reason: "the line hung up" });
    pair.cut();
    for (const peer of [pair.a, pair.b]) peer.up(pair.now);
    assert.ok(pair.runUntil(pair.now + 10_000, established));
  });

  it("keeps to the first reason when the line hangs up meanwhile", () => {
    const pair = pairOf({}, {});
    pair.a.close("User request", pair.now);
    pair.runUntil(pair.now + 30);
    pair.a.down(pair.now);
    pair.b.down(pair.now);
    assert.equal(pair.a.end, "asked");
    assert.equal(pair.b.end, "peer");
  });

  it("gives up when nobody answers", () => {
    const peer = new SessionPeer();
    peer.up(instant(0));
    for (let n = 0; n < 10; n++) peer.handleTimeout(peer.pollTimeout());
    assert.deepEqual(peer.events.at(-1), { type: "ended", end: "negotiation", reason: "nobody answers" });
  });

  it("can be closed in every phase, and closing a dead one is nothing", () => {
    const dead = new SessionPeer();
    const pair = pairOf({}, {});
    dead.close("", pair.now);
    assert.deepEqual(dead.events, []);
    for (const start of ["active", "passive", "silent"] as const) {
      const peer = new SessionPeer({ start });
      peer.up(pair.now);
      peer.close("", pair.now);
      runOut(peer);
      assert.equal(peer.end, "asked", start);
    }
    pair.a.close("", pair.now);
    pair.b.close("", pair.now);
    pair.a.close("", pair.now);
    assert.ok(settle(pair));
    assert.deepEqual([pair.a.end, pair.b.end], ["asked", "asked"]);
    assert.equal(pair.a.said("ended").length, 1);
  });

  it("waits for the other end when passive or silent", () => {
    for (const start of ["passive", "silent"] as const) {
      const pair = new Pair(new SessionPeer({ start }, {}, 1), new SessionPeer({}, {}, 2));
      pair.a.up(pair.now);
      pair.runUntil(3_600_000);
      assert.deepEqual(phases(pair.a), ["establish"]);
      assert.equal(pair.sent.length, start === "passive" ? 10 : 0);
      pair.cut();
      pair.b.up(pair.now);
      assert.ok(pair.runUntil(pair.now + 1000, () => pair.a.phase === "network"));
    }
  });

  it("is established again when the peer negotiates anew, without an end", () => {
    const pair = pairOf(server("chap-md5"), client);
    inject(pair, pair.b, 1, []);
    assert.equal(pair.b.phase, "establish");
    assert.equal(pair.b.session.agreement, null);
    pair.runUntil(pair.now + 10_000);
    for (const peer of [pair.a, pair.b]) {
      assert.equal(peer.said("established").length, 2);
      assert.equal(peer.said("ended").length, 0);
      assert.deepEqual(phases(peer).slice(-3), ["establish", "authenticate", "network"]);
    }
  });
});

describe("authentication in a session", () => {
  for (const protocol of PROTOCOLS) {
    it(`proves the client by ${protocol}`, () => {
      const { a, b } = pairOf(server(protocol), client);
      assert.deepEqual(phases(a), ["establish", "authenticate", "network"]);
      assert.equal(a.session.agreement?.peerName, "client1");
      assert.equal(a.session.agreement?.peerEntry?.secret, "s3cret");
      assert.equal(b.session.agreement?.peerName, "");
      assert.equal(a.session.describe().ours["auth"], protocol);
      assert.equal(b.session.describe().theirs["auth"], protocol);
    });

    it(`ends on a wrong secret by ${protocol}, in the same words as on an unknown name`, () => {
      const wrong = pairOf(server(protocol), { ...client, password: "guess" });
      const unknown = pairOf(server(protocol), { name: "stranger", password: "guess" });
      for (const pair of [wrong, unknown]) {
        assert.ok(settle(pair));
        assert.equal(pair.a.end, "peer-unauthenticated");
        assert.equal(pair.b.end, "unauthenticated");
        assert.equal(farewell(pair, pair.a), "Authentication failed");
      }
    });
  }

  for (const [mine, yours] of [
    ["pap", "pap"],
    ["chap-md5", "chap-md5"],
    ["chap-md5", "mschapv2"],
    ["mschapv2", "pap"],
  ] as const) {
    it(`proves both sides at once, by ${mine} and ${yours}`, () => {
      const secrets = [secret("left", "right", "one"), secret("right", "left", "two")];
      const both = { papSecrets: secrets, chapSecrets: secrets };
      const { a, b } = pairOf(
        { ...both, name: "left", remoteName: "right", require: [mine] },
        { ...both, name: "right", remoteName: "left", require: [yours] },
      );
      assert.equal(a.session.agreement?.peerName, "right");
      assert.equal(b.session.agreement?.peerName, "left");
    });
  }

  it("goes down the list of what is demanded to what the peer can do", () => {
    const refuse: AuthProtocol[] = ["chap-md5", "mschapv2"];
    const { a } = pairOf(server("chap-md5", "mschapv2", "pap"), { ...client, refuse });
    assert.equal(a.session.describe().ours["auth"], "pap");
  });

  it("ends when the peer does nothing of what is demanded", () => {
    const refusing = pairOf(server("chap-md5", "mschapv2"), { ...client, refuse: ["chap-md5", "mschapv2"] });
    const unable = pairOf(server(...PROTOCOLS), { name: "nobody" });
    for (const pair of [refusing, unable]) {
      assert.ok(settle(pair));
      assert.deepEqual(phases(pair.a), ["establish", "terminate", "dead"]);
      assert.equal(pair.a.end, "peer-unauthenticated");
      assert.equal(pair.b.end, "unauthenticated");
      assert.equal(farewell(pair, pair.a), "no agreement on auth");
    }
  });

  it("offers instead of a protocol that it does not know one that it can do", () => {
    const peer = new SessionPeer({}, client);
    peer.up(instant(0));
    peer.pollPacket();
    for (const other of [
      [0xc2, 0x27],
      [0xc2, 0x23, 0x80],
    ]) {
      const request = writeControlPacket(1, 9, Uint8Array.of(3, 2 + other.length, ...other));
      peer.handlePacket(PPP_LCP, request, 0, request.length, instant(0));
      assert.deepEqual([...(peer.pollPacket()?.octets ?? [])], [3, 9, 0, 9, 3, 5, 0xc2, 0x23, 5]);
    }
  });

  /** The first end waits for a proof, and the line carries nothing any more. */
  function waiting(a: Partial<AuthSettings>, b: Partial<AuthSettings>): Pair<SessionPeer, SessionPeer> {
    const pair = new Pair(new SessionPeer({}, a, 1), new SessionPeer({}, b, 2));
    pair.a.up(pair.now);
    pair.b.up(pair.now);
    assert.ok(pair.runUntil(10_000, () => pair.a.phase === "authenticate"));
    while (pair.a.pollPacket() !== undefined);
    pair.cut();
    return pair;
  }

  it("drops what belongs to the network while it lasts, and does not reject it", () => {
    const { a, now } = waiting(server("pap"), client);
    a.handlePacket(0x8021, Uint8Array.of(1, 1, 0, 4), 0, 4, now);
    assert.equal(a.pollPacket(), undefined);
  });

  it("ends when it is not done in time", () => {
    const { a, now } = waiting({ ...server("pap"), timeoutMs: 5000 }, client);
    assert.equal(a.pollTimeout(), now + 5000);
    a.handleTimeout(a.pollTimeout());
    assert.equal(a.phase, "terminate");
    runOut(a);
    assert.equal(a.end, "peer-unauthenticated");
  });

  for (const [protocol, number] of [
    ["pap", PPP_PAP],
    ["chap-md5", PPP_CHAP],
  ] as const) {
    it(`ends when the peer rejects ${protocol}, to which it agreed`, () => {
      for (const [mine, yours, end] of [
        [server(protocol), client, "peer-unauthenticated"],
        [client, server(protocol), "unauthenticated"],
      ] as const) {
        const pair = waiting(mine, yours);
        inject(pair, pair.a, 8, [number >> 8, number & 0xff, 1, 1, 0, 4]);
        assert.equal(pair.a.phase, "terminate");
        runOut(pair.a);
        assert.equal(pair.a.end, end);
      }
    });
  }
});
