import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { ChallengeMint } from "../../src/ppp/challenge-mint.ts";
import { ChapAuthenticatee, type ChapQuestion } from "../../src/ppp/chap.ts";
import { MsChapV2 } from "../../src/ppp/mschapv2.ts";
import { instant } from "../../src/time.ts";
import { AuthPair, client, secret, server } from "./auth-pair.ts";

const method = new MsChapV2(pppCrypto);
const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hex = (from: Uint8Array): string => Buffer.from(from).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

/** RFC 2759, section 9.2. */
const question: ChapQuestion = {
  id: 1,
  challenge: octets("5b5d7c7d7b3f2f3e3c2c602132262628"),
  name: bytes("User"),
  secret: "clientPass",
};
const peerChallenge = octets("21402324255e262a28295f2b3a337c7e");
const response = octets(
  "21402324255e262a28295f2b3a337c7e 0000000000000000 82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df 00",
);
const proof = "S=407A5589115FD0D6209F510FE9C04566932CDA56";

/** What pppd 2.4.9 said in a recorded session. */
const recorded: ChapQuestion = {
  id: 0x85,
  challenge: octets("0d0fc6130b30d519d642ccc101cca724"),
  name: bytes("client1"),
  secret: "s3cret",
};
const recordedResponse = octets(
  "cb84e17b74cf417efdc5a98f484aca7b0000000000000000c19eb3ab8238c9bff3a9e4b0ced1dbfeb3af28e671289b6400",
);
const recordedSuccess = "S=28B5597FEF6E772DC98741D303965071EB08D526 M=Access granted";

describe("MS-CHAPv2 (RFC 2759)", () => {
  it("gives the values of section 9.2", () => {
    assert.equal(hex(method.respondWith(question, peerChallenge)), hex(response));
    assert.equal(Buffer.from(method.check(question, response) ?? []).toString(), `${proof} M=Access granted`);
  });

  it("gives what pppd gave", () => {
    assert.equal(hex(method.respondWith(recorded, recordedResponse.subarray(0, 16))), hex(recordedResponse));
    assert.equal(Buffer.from(method.check(recorded, recordedResponse) ?? []).toString(), recordedSuccess);
    assert.ok(method.believes(recorded, recordedResponse, bytes(recordedSuccess)));
  });

  it("leaves the domain out of the hash", () => {
    const within = { ...question, name: bytes("DOMAIN\\User") };
    assert.equal(hex(method.respondWith(within, peerChallenge)), hex(response));
    assert.notEqual(method.check(within, response), null);
    assert.equal(method.check({ ...question, name: bytes("Other") }, response), null);
  });

  it("refuses a response with one bit changed, or of another length", () => {
    // The reserved octets and the flags say nothing.
    for (let at = 0; at < 48; at++) {
      if (at >= 16 && at < 24) continue;
      const changed = response.slice();
      changed[at] = (changed[at] as number) ^ 1;
      assert.equal(method.check(question, changed), null);
    }
    assert.equal(method.check(question, response.subarray(0, 48)), null);
    assert.equal(method.check(question, new Uint8Array(0)), null);
    assert.equal(method.check({ ...question, secret: "clientpass" }, response), null);
  });

  it("chooses another peer challenge each time", () => {
    assert.notEqual(
      hex(method.respond(question).subarray(0, 16)),
      hex(method.respond(question).subarray(0, 16)),
    );
  });

  it("does not believe a Success without the right proof", () => {
    for (const [message, expected] of [
      [proof, true],
      [`${proof} M=Welcome`, true],
      [proof.toLowerCase().replace("s=", "S="), true],
      [proof.replace("56", "57"), false],
      [proof.slice(0, -1), false],
      ["Access granted", false],
      ["", false],
    ] as const) {
      assert.equal(method.believes(question, response, bytes(message)), expected, message);
    }
  });

  it("refuses in the form of section 6, and explains a refusal", () => {
    const failure = Buffer.from(method.failure()).toString();
    assert.match(failure, /^E=691 R=0 C=[0-9A-F]{32} V=3 M=Access denied$/);
    assert.equal(method.explain(failure), "wrong name or password, Access denied");
    assert.equal(method.explain("E=648 R=0 C=00 V=3 M="), "the password has expired");
    assert.equal(method.explain("E=4711 R=1"), "error 4711");
    assert.equal(method.explain("go away"), "go away");
  });
});

describe("MS-CHAPv2 between two ends", () => {
  it("passes with a domain in front of the name, where the secret is for that", () => {
    const settings = { ...server, chapSecrets: [secret("DOMAIN\\client1", "srv", "pässwörd")] };
    const pair = new AuthPair("mschapv2", settings, client("DOMAIN\\client1", "pässwörd"));
    pair.up();
    assert.equal(pair.authenticator.outcome, "passed");
    assert.equal(pair.authenticatee.outcome, "passed");
    assert.equal(pair.authenticator.name, "DOMAIN\\client1");
  });

  it("fails where the other end lets us in, but does not know the secret", () => {
    const end = new ChapAuthenticatee(method, client("client1", "s3cret"), new ChallengeMint(pppCrypto));
    end.handleUp(instant(0));
    const challenge = Uint8Array.of(1, 9, 0, 21, 16, ...recorded.challenge);
    end.handlePacket(challenge, 0, challenge.length, instant(0));
    assert.equal(end.pollPacket()?.length, 4 + 1 + 49 + "client1".length);
    const success = Uint8Array.of(3, 9, 0, 46, ...bytes(recordedSuccess.slice(0, 42)));
    end.handlePacket(success, 0, success.length, instant(0));
    assert.equal(end.outcome, "failed");
    assert.equal(end.reason, "the peer accepted us, but does not know the secret itself");
  });

  it("drops a challenge that is not of 16 octets", () => {
    const end = new ChapAuthenticatee(method, client("client1", "s3cret"), new ChallengeMint(pppCrypto));
    end.handleUp(instant(0));
    const challenge = Uint8Array.of(1, 9, 0, 13, 8, ...recorded.challenge.subarray(0, 8));
    end.handlePacket(challenge, 0, challenge.length, instant(0));
    assert.equal(end.pollPacket(), undefined);
    assert.equal(end.dropped, 1);
  });
});
