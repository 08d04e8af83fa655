import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { ChallengeMint } from "../../src/ppp/challenge-mint.ts";
import { ChapAuthenticatee, ChapAuthenticator, ChapMd5 } from "../../src/ppp/chap.ts";
import type { AuthSettings } from "../../src/ppp/settings.ts";
import { after, instant } from "../../src/time.ts";
import { AuthPair, authSettings, client, secret, server } from "./auth-pair.ts";

const at = instant(0);
const md5 = new ChapMd5(pppCrypto);
const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hex = (from: string | Uint8Array): string => Buffer.from(from as string).toString("hex");

type End = ChapAuthenticator | ChapAuthenticatee;

/** Gives an end a packet, in hexadecimal digits. @returns its answers, likewise */
function say(end: End, packet: string): string[] {
  const from = octets(packet);
  end.handlePacket(from, 0, from.length, at);
  return answersOf(end);
}

function answersOf(end: End): string[] {
  const packets: string[] = [];
  for (let packet = end.pollPacket(); packet; packet = end.pollPacket()) packets.push(hex(packet));
  return packets;
}

function packet(code: number, id: number, value: Uint8Array | null, rest: string): string {
  const body = (value === null ? "" : hex(Uint8Array.of(value.length, ...value))) + hex(rest);
  return hex(Uint8Array.of(code, id, 0, 4 + body.length / 2)) + body;
}

/** An authenticator that is up, and the challenge that it sent. */
function authenticator(settings: AuthSettings = server, mint = new ChallengeMint(pppCrypto)) {
  const end = new ChapAuthenticator(md5, settings, pppCrypto, mint);
  end.handleUp(at);
  return { end, ...readChallenge(answersOf(end)) };
}

function readChallenge(packets: readonly string[]): { id: number; challenge: Uint8Array } {
  assert.equal(packets.length, 1);
  const from = octets(packets[0] ?? "");
  assert.deepEqual([from[0], from[4]], [1, 16]);
  assert.equal(Buffer.from(from.subarray(21)).toString(), "srv");
  return { id: from[1] as number, challenge: from.subarray(5, 21) };
}

function authenticatee(settings: AuthSettings, mint = new ChallengeMint(pppCrypto)): ChapAuthenticatee {
  const end = new ChapAuthenticatee(md5, settings, mint);
  end.handleUp(at);
  return end;
}

const respond = (id: number, challenge: Uint8Array, password: string): Uint8Array =>
  md5.respond({ id, challenge, name: new Uint8Array(0), secret: password });

describe("CHAP-MD5 (RFC 1994)", () => {
  it("responds as pppd did in the recorded sessions", () => {
    const good = octets("c7edf56e965f1606141fadf75870119fc9ee");
    const bad = octets("c130d6bb32cb41c413a733da9374179cce5a664d");
    assert.equal(hex(respond(0x9b, good, "s3cret")), "b8038fca231bf33aa6339cf32796bcc0");
    assert.equal(hex(respond(0xfe, bad, "wrong")), "b8340c615895bfce68d75268c4cc0b81");
    const end = authenticatee(client("client1", "s3cret"));
    assert.deepEqual(say(end, packet(1, 0x9b, good, "srv")), [
      packet(2, 0x9b, octets("b8038fca231bf33aa6339cf32796bcc0"), "client1"),
    ]);
    say(end, packet(3, 0x9b, null, "Access granted"));
    assert.equal(end.outcome, "passed");
  });
});

describe("CHAP, who lets in", () => {
  it("answers a repeated Response with the same packet, whatever it says", () => {
    for (const [password, code] of [
      ["s3cret", 3],
      ["wrong", 4],
    ] as const) {
      const { end, id, challenge } = authenticator();
      const first = say(end, packet(2, id, respond(id, challenge, password), "client1"));
      assert.equal(octets(first[0] ?? "")[0], code);
      const other = password === "wrong" ? "s3cret" : "wrong";
      assert.deepEqual(say(end, packet(2, id, respond(id, challenge, other), "client1")), first);
      assert.equal(end.outcome, code === 3 ? "passed" : "failed");
    }
  });

  it("sends a new challenge with a new Identifier each time, and ignores a Response to an old one", () => {
    const { end, id, challenge } = authenticator();
    end.handleTimeout(after(at, 3000));
    const next = readChallenge(answersOf(end));
    assert.equal(next.id, (id + 1) & 0xff);
    assert.notDeepEqual(next.challenge, challenge);
    assert.deepEqual(say(end, packet(2, id, respond(id, challenge, "s3cret"), "client1")), []);
    assert.equal(end.outcome, "pending");
    assert.equal(end.dropped, 1);
    say(end, packet(2, next.id, respond(next.id, next.challenge, "s3cret"), "client1"));
    assert.equal(end.outcome, "passed");
  });

  it("gives up after ten challenges", () => {
    const pair = new AuthPair("chap-md5", server, client("client1", "s3cret"));
    pair.loses = () => true;
    pair.up();
    pair.runUntil(59_000);
    assert.equal(pair.now, 30_000);
    assert.equal(pair.authenticator.reason, "no answer to 10 packets");
    assert.equal(pair.authenticatee.outcome, "pending");
  });

  it("does the same work for a name that nobody has", () => {
    const calls: string[] = [];
    const counting = {
      ...pppCrypto,
      md5: (from: Uint8Array) => (calls.push("md5"), pppCrypto.md5(from)),
      equal: (a: Uint8Array, b: Uint8Array) => (calls.push("equal"), pppCrypto.equal(a, b)),
    };
    for (const name of ["client1", "nobody"]) {
      const end = new ChapAuthenticator(
        new ChapMd5(counting),
        server,
        pppCrypto,
        new ChallengeMint(pppCrypto),
      );
      end.handleUp(at);
      const { id } = readChallenge(answersOf(end));
      const answer = say(end, packet(2, id, new Uint8Array(16), name));
      assert.deepEqual(answer, [packet(4, id, null, "Access denied")]);
      assert.deepEqual(calls.splice(0), ["md5", "equal"]);
    }
  });

  const outcome = (settings: AuthSettings, name: string, password: string): string => {
    const { end, id, challenge } = authenticator(settings);
    say(end, packet(2, id, respond(id, challenge, password), name));
    return end.outcome;
  };

  it("lets in nobody by an empty secret, an empty name, or its own name", () => {
    const anybody = { ...server, chapSecrets: [secret("open", "*", ""), secret("*", "*", "s3cret")] };
    assert.equal(outcome(anybody, "client7", "s3cret"), "passed");
    assert.equal(outcome(anybody, "open", ""), "failed");
    assert.equal(outcome(anybody, "", "s3cret"), "failed");
    assert.equal(outcome(anybody, "srv", "s3cret"), "failed");
    assert.equal(outcome(anybody, "a\nb", "s3cret"), "failed");
    assert.equal(outcome(server, "nobody", "nobody"), "failed");
  });

  it("takes the configured name for the peer's", () => {
    const { end, id, challenge } = authenticator({ ...server, remoteName: "client1" });
    say(end, packet(2, id, respond(id, challenge, "s3cret"), "whoever"));
    assert.equal(end.name, "client1");
  });

  it("drops what is malformed, refuses a response of a wrong length", () => {
    const { end, id } = authenticator();
    const malformed = [
      "",
      "0201",
      `02${hex(Uint8Array.of(id))}0004`,
      packet(2, id, null, "\x20short"),
      packet(9, id, null, "x"),
    ];
    for (const text of malformed) assert.deepEqual(say(end, text), [], text);
    assert.equal(end.dropped, malformed.length);
    assert.deepEqual(say(end, packet(2, id, new Uint8Array(15), "client1")), [
      packet(4, id, null, "Access denied"),
    ]);
  });
});

describe("CHAP, who is let in", () => {
  const challenge = octets("00112233445566778899aabbccddeeff");

  it("repeats its Response when it gets the same challenge again, or no answer", () => {
    const end = authenticatee(client("client1", "s3cret"));
    const first = say(end, packet(1, 7, challenge, "srv"));
    assert.deepEqual(say(end, packet(1, 7, challenge, "srv")), first);
    assert.equal(end.pollTimeout(), 3000);
    end.handleTimeout(instant(3000));
    assert.deepEqual(answersOf(end), first);
  });

  it("ignores answers to what it did not send", () => {
    const end = authenticatee(client("client1", "s3cret"));
    say(end, packet(3, 7, null, ""));
    say(end, packet(1, 7, challenge, "srv"));
    say(end, packet(3, 6, null, ""));
    say(end, packet(4, 8, null, ""));
    assert.equal(end.outcome, "pending");
    say(end, packet(3, 7, null, ""));
    say(end, packet(4, 7, null, ""));
    assert.equal(end.outcome, "passed");
    assert.equal(end.dropped, 4);
  });

  it("proves itself again when asked later, and may then fail", () => {
    const end = authenticatee(client("client1", "s3cret"));
    say(end, packet(1, 7, challenge, "srv"));
    say(end, packet(3, 7, null, ""));
    assert.equal(say(end, packet(1, 8, challenge, "srv")).length, 1);
    assert.equal(end.outcome, "passed");
    say(end, packet(4, 8, null, "Access denied\x1b"));
    assert.equal(end.outcome, "failed");
    assert.equal(end.reason, "the peer refused us by CHAP: Access denied\\u{1b}");
  });

  it("stays let in when a later Response gets no answer", () => {
    const end = authenticatee(client("client1", "s3cret"));
    say(end, packet(1, 7, challenge, "srv"));
    say(end, packet(3, 7, null, ""));
    say(end, packet(1, 8, challenge, "srv"));
    for (let n = 0; n < 20 && Number.isFinite(end.pollTimeout()); n++) end.handleTimeout(end.pollTimeout());
    assert.equal(end.outcome, "passed");
    assert.equal(end.pollTimeout(), Number.POSITIVE_INFINITY);
    assert.equal(answersOf(end).length, 9);
  });

  it("chooses the secret by the name in the challenge, or by the configured one", () => {
    const chapSecrets = [secret("client1", "a", "for a"), secret("client1", "b", "for b")];
    const settings = authSettings({ name: "client1", chapSecrets });
    const responses = [settings, { ...settings, remoteName: "b" }].map((each) =>
      say(authenticatee(each), packet(1, 7, challenge, "a")),
    );
    assert.deepEqual(responses, [
      [packet(2, 7, respond(7, challenge, "for a"), "client1")],
      [packet(2, 7, respond(7, challenge, "for b"), "client1")],
    ]);
    const none = authenticatee(settings);
    assert.deepEqual(say(none, packet(1, 7, challenge, "c")), []);
    assert.equal(none.reason, 'there is no CHAP secret for "client1" with "c"');
  });

  it("drops a challenge that is empty or cut off", () => {
    const end = authenticatee(client("client1", "s3cret"));
    for (const text of [packet(1, 7, new Uint8Array(0), "srv"), "01070006 10 00", "01070004"]) {
      assert.deepEqual(say(end, text), []);
    }
    assert.equal(end.dropped, 3);
    assert.equal(end.outcome, "pending");
  });
});

describe("CHAP both ways (RFC 1994, section 6)", () => {
  it("does not answer a challenge of our own, under whatever name", () => {
    const mint = new ChallengeMint(pppCrypto);
    // The same secret both ways, which is unwise, and what a thief of identities needs.
    const settings = authSettings({ name: "srv", chapSecrets: [secret("*", "*", "s3cret")] });
    const ours = authenticator(settings, mint);
    const us = authenticatee(settings, mint);
    assert.deepEqual(say(us, packet(1, ours.id, ours.challenge, "thief")), []);
    assert.equal(us.outcome, "failed");
    assert.match(us.reason, /challenge of ours/);
  });
});
