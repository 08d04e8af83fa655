import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { PapAuthenticatee, PapAuthenticator } from "../../src/ppp/pap.ts";
import type { AuthSettings, Secret } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { AuthPair, authSettings, client, secret, server } from "./auth-pair.ts";

const at = instant(0);

/** Gives an end a packet, in hexadecimal digits. @returns its answers, likewise */
function say(end: PapAuthenticator | PapAuthenticatee, packet: string): string[] {
  const octets = Uint8Array.from(Buffer.from(packet.replaceAll(" ", ""), "hex"));
  end.handlePacket(octets, 0, octets.length, at);
  return answersOf(end);
}

function answersOf(end: PapAuthenticator | PapAuthenticatee): string[] {
  const packets: string[] = [];
  for (let packet = end.pollPacket(); packet; packet = end.pollPacket()) {
    packets.push(Buffer.from(packet).toString("hex"));
  }
  return packets;
}

const hex = (text: string): string => Buffer.from(text).toString("hex");

function authenticator(settings: AuthSettings = server): PapAuthenticator {
  const end = new PapAuthenticator(settings, pppCrypto);
  end.handleUp(at);
  return end;
}

function authenticatee(settings: AuthSettings = client("client1", "s3cret")): [PapAuthenticatee, id: string] {
  const end = new PapAuthenticatee(settings, pppCrypto);
  end.handleUp(at);
  const [request = ""] = answersOf(end);
  assert.equal(request.slice(0, 2) + request.slice(4), `01001307${hex("client1")}06${hex("s3cret")}`);
  return [end, request.slice(2, 4)];
}

/** As pppd sent it in the recorded sessions: user client1, password s3cret, and client2 with another. */
const GOOD = `01010013 07${hex("client1")} 06${hex("s3cret")}`;
const BAD = `01010012 07${hex("client2")} 05${hex("wrong")}`;
const ACK = `0201000d 08${hex("Login ok")}`.replace(" ", "");
const NAK = `03010014 0f${hex("Login incorrect")}`.replace(" ", "");

describe("PAP, who lets in", () => {
  it("answers as pppd does", () => {
    assert.deepEqual(say(authenticator(), GOOD), [ACK]);
    assert.deepEqual(say(authenticator(), BAD), [NAK]);
  });

  it("answers a repeated request with the same code and the request's Identifier", () => {
    const good = authenticator();
    say(good, GOOD);
    assert.deepEqual(say(good, BAD.replace("0101", "0107")), [ACK.replace("0201", "0207")]);
    const bad = authenticator();
    say(bad, BAD);
    assert.deepEqual(say(bad, GOOD.replace("0101", "0107")), [NAK.replace("0301", "0307")]);
    assert.equal(bad.outcome, "failed");
  });

  it("drops what is malformed or not for it, and counts it", () => {
    const end = authenticator();
    const packets = [
      "",
      "010100",
      "01010003",
      "01010004",
      `01010014 07${hex("client1")} 06${hex("s3cret")}`, // longer than it is
      `01010013 07${hex("client1")} 07${hex("s3cret")}`,
      `01010006 ff00`,
      `0101000c 07${hex("client1")}`, // no password
      ACK,
      NAK,
      "05010004",
    ];
    for (const packet of packets) assert.deepEqual(say(end, packet), [], packet);
    assert.equal(end.dropped, packets.length);
    assert.equal(end.outcome, "pending");
    // What is behind the packet is padding.
    assert.deepEqual(say(end, `${GOOD}0000`), [ACK]);
  });

  const login = (name: string, password: string): string => {
    const body = `${Buffer.of(Buffer.byteLength(name)).toString("hex")}${hex(name)}${Buffer.of(password.length).toString("hex")}${hex(password)}`;
    return `0101${Buffer.of(0, 4 + body.length / 2).toString("hex")}${body}`;
  };
  const outcome = (
    secrets: Secret[],
    name: string,
    password: string,
    changes: Partial<AuthSettings> = {},
  ): string => {
    const end = authenticator({ ...server, papSecrets: secrets, ...changes });
    say(end, login(name, password));
    return end.outcome;
  };

  it("takes any password where the secret is empty, as pppd does", () => {
    assert.equal(outcome([secret("guest", "*", "")], "guest", "whatever"), "passed");
    assert.equal(outcome([secret("guest", "*", "")], "host", "whatever"), "failed");
  });

  it("does not let in with the words that stand for the system's passwords", () => {
    assert.equal(outcome([secret("*", "*", "@login")], "root", "@login"), "failed");
    assert.equal(outcome([], "root", "@login"), "failed");
  });

  it("does not let in a part of a password", () => {
    for (const password of ["", "s3cre", "s3cret1", "S3cret"]) {
      assert.equal(outcome([secret("client1", "*", "s3cret")], "client1", password), "failed", password);
    }
  });

  it("lets in no name that is empty or has control characters, not even where anybody may come", () => {
    const anybody = [secret("*", "*", "pw")];
    assert.equal(outcome(anybody, "müller", "pw"), "passed");
    for (const name of ["", "a\nb", "a\0b", "\x1b[2J"]) assert.equal(outcome(anybody, name, "pw"), "failed");
    assert.equal(outcome(anybody, "", "pw", { remoteName: "known" }), "passed");
  });

  it("tells no terminal what to do, and no secret, in its reason", () => {
    const end = authenticator();
    say(end, login("a\x1b[2J", "s3cret"));
    assert.equal(end.reason, '"a\\u{1b}[2J" did not prove itself by PAP');
  });
});

describe("PAP, who is let in", () => {
  it("sends its request as pppd does, and takes the answers", () => {
    const [good, id] = authenticatee();
    say(good, ACK.replace("0201", `02${id}`));
    assert.equal(good.outcome, "passed");
    const [bad, other] = authenticatee();
    say(bad, NAK.replace("0301", `03${other}`));
    assert.equal(bad.outcome, "failed");
    assert.equal(bad.reason, "the peer refused us by PAP: Login incorrect");
  });

  it("takes an answer without a message, and one to an earlier request", () => {
    const [end, id] = authenticatee();
    end.handleTimeout(end.pollTimeout());
    const [again = ""] = answersOf(end);
    assert.notEqual(again.slice(2, 4), id);
    say(end, `02${id}0004`);
    assert.equal(end.outcome, "passed");
  });

  it("drops an answer to a request that it did not send, and any after the first", () => {
    const [end, id] = authenticatee();
    const next = Buffer.of((Number.parseInt(id, 16) + 1) & 0xff).toString("hex");
    say(end, `02${next}0004`);
    assert.equal(end.outcome, "pending");
    say(end, `02${id}0004`);
    say(end, `03${id}0004`);
    assert.equal(end.outcome, "passed");
    assert.equal(end.dropped, 2);
  });

  it("cannot send a name of more than 255 octets", () => {
    const end = new PapAuthenticatee(client("ü".repeat(128), "pw"), pppCrypto);
    end.handleUp(at);
    assert.equal(end.outcome, "failed");
    assert.deepEqual(answersOf(end), []);
  });

  it("asks ten times, three seconds apart", () => {
    const pair = new AuthPair("pap", server, client("client1", "s3cret"));
    const times: number[] = [];
    pair.loses = () => times.push(pair.now) > 0;
    pair.up();
    pair.runUntil(100_000);
    assert.deepEqual(
      times,
      [0, 3, 6, 9, 12, 15, 18, 21, 24, 27].map((s) => s * 1000),
    );
    assert.equal(pair.authenticatee.reason, "no answer to 10 packets");
  });

  it("proves itself by the secret for the peer's configured name", () => {
    const settings = authSettings({
      name: "client1",
      remoteName: "srv",
      papSecrets: [secret("client1", "other", "no"), secret("client1", "srv", "s3cret")],
    });
    authenticatee(settings);
  });
});
