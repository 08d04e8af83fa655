import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CONFIGURE_REQUEST } from "../../src/ppp/control-packet.ts";
import { describeControlPacket } from "../../src/ppp/describe.ts";
import { PppSession } from "../../src/ppp/session.ts";
import type { AuthSettings, LcpSettings } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { PPP_LCP } from "../../src/wire/ppp-packet.ts";
import { goldenFrames } from "../wire/golden.ts";
import { authSettings, secret } from "./auth-pair.ts";
import { lcpSettings, type Packet, Pair, type Peer, seededCrypto } from "./pair.ts";

const NOW = instant(0);
const ECHO_REPLY = 10;
const ECHO = { intervalMs: 30_000, failures: 4 };

/** A session as configured, whose random numbers begin with a given one. */
function sessionOf(
  magic: number,
  lcp: Partial<LcpSettings>,
  auth: Partial<AuthSettings> = {},
): PppSession & Peer {
  const crypto = seededCrypto(magic);
  let first: Uint8Array | null = Uint8Array.of(magic >>> 24, magic >>> 16, magic >>> 8, magic);
  const random = (count: number): Uint8Array => {
    const given = first ?? crypto.random(count);
    first = null;
    return given;
  };
  return new PppSession(lcpSettings({ echo: ECHO, ...lcp }), authSettings(auth), { ...crypto, random });
}

/** LCP packets of one side in pppd's words. */
const linesOf = (packets: readonly Packet[]): string[] =>
  packets
    .filter(({ protocol }) => protocol === PPP_LCP)
    .map(({ protocol, octets }) => describeControlPacket(true, protocol, octets, 0, octets.length));

/** Echoes may go out before or after an answer. */
const sorted = (lines: readonly string[]): string[] => lines.toSorted();

const magicIn = (packet: Uint8Array): number => {
  for (let at = 4; at < packet.length; at += packet[at + 1] as number) {
    if (packet[at] === 5) return new DataView(packet.buffer, packet.byteOffset + at + 2).getUint32(0);
  }
  return assert.fail("no magic number");
};

type Frames = ReturnType<typeof goldenFrames>;

/** The LCP packets of each of the sessions that were recorded one after the other, up to the first echo and its answer. */
function sessionsIn(name: string): Frames[] {
  const sessions: Frames[] = [];
  for (const frame of goldenFrames(name).filter(({ protocol }) => protocol === PPP_LCP)) {
    const [code, id] = frame.octets;
    if (code === CONFIGURE_REQUEST && id === 1) sessions.push([]);
    sessions.at(-1)?.push(frame);
  }
  return sessions.map((frames) => {
    const reply = frames.findIndex(({ octets }) => octets[0] === ECHO_REPLY);
    // What follows depends on when the recording was ended.
    return frames.slice(0, reply + 1);
  });
}

/** Plays one pppd of a recorded session: the other one's octets in, its own out. */
function replay(
  mine: Frames | undefined,
  yours: Frames | undefined,
  lcp: Partial<LcpSettings>,
  auth: Partial<AuthSettings> = {},
): PppSession {
  assert.ok(mine?.[0] !== undefined && yours !== undefined);
  const session = sessionOf(magicIn(mine[0].octets), lcp, auth);
  const said: Packet[] = [];
  const drain = (): void => {
    if (session.pollTimeout() <= NOW) session.handleTimeout(NOW);
    for (let packet = session.pollPacket(); packet; packet = session.pollPacket()) said.push(packet);
  };
  session.handleUp(NOW);
  drain();
  for (const { protocol, octets } of yours) {
    session.handlePacket(protocol, octets, 0, octets.length, NOW);
    drain();
  }
  assert.deepEqual(sorted(linesOf(said)), sorted(linesOf(mine)));
  return session;
}

/** Two of ours say to each other what two pppds did. */
function converse(a: PppSession & Peer, b: PppSession & Peer): readonly [string[], string[]] {
  const pair = new Pair(a, b);
  a.handleUp(pair.now);
  b.handleUp(pair.now);
  pair.runUntil(1000);
  const sent = (by: Peer): string[] =>
    linesOf(pair.sent.filter((packet) => packet.by === by).map(({ packet }) => packet));
  return [sent(a), sent(b)];
}

describe("LCP against pppd's own octets", () => {
  it("of a plain line, from both sides", () => {
    const [a, b] = [sessionsIn("ppp-single.ab"), sessionsIn("ppp-single.ba")];
    assert.equal(a.length, 2);
    for (let n = 0; n < a.length; n++) {
      assert.equal(replay(a[n], b[n], {}).phase, "network");
      assert.equal(replay(b[n], a[n], {}).phase, "network");
    }
  });

  it("of the lines of a bundle with short numbers, from both sides", () => {
    const multilink = { mrru: 1500, shortSequenceNumbers: true, endpoint: null };
    for (const line of [0, 1]) {
      const [a] = sessionsIn(`mlppp-shortseq-line${line}.ab`);
      const [b] = sessionsIn(`mlppp-shortseq-line${line}.ba`);
      const sides = [
        [a, b],
        [b, a],
      ] as const;
      for (const [mine, yours] of sides) {
        assert.deepEqual(replay(mine, yours, { multilink }).agreement?.multilink, {
          ourMrru: 1500,
          peerMrru: 1500,
          sendShort: true,
          receiveShort: true,
          peerEndpoint: null,
        });
      }
    }
  });

  it("of lines with authentication, from both sides", () => {
    const [clients, servers] = [sessionsIn("auth.ab"), sessionsIn("auth.ba")];
    for (const [n, protocol] of (["pap", "chap-md5", "chap-md5", "pap", "mschapv2"] as const).entries()) {
      const client = replay(clients[n], servers[n], {}, { name: "client1", password: "s3cret" });
      const server = replay(servers[n], clients[n], {}, { name: "srv", require: [protocol] });
      assert.equal(client.phase, "authenticate");
      assert.equal(server.phase, "authenticate");
      assert.equal(client.describe().theirs["auth"], protocol);
    }
  });
});

describe("LCP in pppd's words", () => {
  it("when one side refuses magic numbers and compression", () => {
    const [c, d] = converse(
      sessionOf(0, { mru: 296, magicNumber: false, protocolCompression: false, addressCompression: false }),
      sessionOf(0x2907e2e, { mru: 1006, asyncMap: 0xa0000 }),
    );
    assert.deepEqual(
      sorted(c),
      sorted([
        "sent [LCP ConfReq id=0x1 <mru 296> <asyncmap 0x0>]",
        "sent [LCP ConfRej id=0x1 <magic 0x2907e2e> <pcomp> <accomp>]",
        "sent [LCP ConfAck id=0x2 <mru 1006> <asyncmap 0xa0000>]",
        "sent [LCP EchoReq id=0x0 magic=0x0]",
        "sent [LCP EchoRep id=0x0 magic=0x0]",
      ]),
    );
    assert.deepEqual(
      sorted(d),
      sorted([
        "sent [LCP ConfReq id=0x1 <mru 1006> <asyncmap 0xa0000> <magic 0x2907e2e> <pcomp> <accomp>]",
        "sent [LCP ConfAck id=0x1 <mru 296> <asyncmap 0x0>]",
        "sent [LCP ConfReq id=0x2 <mru 1006> <asyncmap 0xa0000>]",
        "sent [LCP EchoReq id=0x0 magic=0x0]",
        "sent [LCP EchoRep id=0x0 magic=0x0]",
      ]),
    );
  });

  it("when one side has no multilink", () => {
    const endpoint = { class: 1, address: Uint8Array.of(0x70, 0x70, 0x70) };
    const [c, d] = converse(
      sessionOf(0x121be99f, { multilink: { mrru: 1524, shortSequenceNumbers: false, endpoint } }),
      sessionOf(0xe2d143b5, {}),
    );
    assert.equal(
      c[0],
      "sent [LCP ConfReq id=0x1 <asyncmap 0x0> <magic 0x121be99f> <pcomp> <accomp> <mrru 1524> <endpoint [local:70.70.70]>]",
    );
    assert.equal(d[0], "sent [LCP ConfReq id=0x1 <asyncmap 0x0> <magic 0xe2d143b5> <pcomp> <accomp>]");
    // pppd without multilink takes an endpoint all the same; we do not.
    assert.equal(d[1], "sent [LCP ConfRej id=0x1 <mrru 1524> <endpoint [local:70.70.70]>]");
  });

  it("when the peer has to prove itself by CHAP", () => {
    const endpoint = (octet: number): object => ({
      multilink: {
        mrru: 1500,
        shortSequenceNumbers: false,
        endpoint: { class: 1, address: Uint8Array.of(octet) },
      },
    });
    const chapSecrets = [secret("client1", "*", "s3cret")];
    const [c, d] = converse(
      sessionOf(0x19cd6fbb, endpoint(0x70), { name: "client1", password: "s3cret" }),
      sessionOf(0x01cee9ee, endpoint(0x71), { name: "srv", require: ["chap-md5"], chapSecrets }),
    );
    assert.deepEqual(
      sorted(c),
      sorted([
        "sent [LCP ConfReq id=0x1 <asyncmap 0x0> <magic 0x19cd6fbb> <pcomp> <accomp> <mrru 1500> <endpoint [local:70]>]",
        "sent [LCP ConfAck id=0x1 <asyncmap 0x0> <auth chap MD5> <magic 0x1cee9ee> <pcomp> <accomp> <mrru 1500> <endpoint [local:71]>]",
        "sent [LCP EchoReq id=0x0 magic=0x19cd6fbb]",
        "sent [LCP EchoRep id=0x0 magic=0x19cd6fbb]",
      ]),
    );
    assert.equal(
      d[0],
      "sent [LCP ConfReq id=0x1 <asyncmap 0x0> <auth chap MD5> <magic 0x1cee9ee> <pcomp> <accomp> <mrru 1500> <endpoint [local:71]>]",
    );
  });
});
