import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import type { ChapQuestion } from "../../src/ppp/chap.ts";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import { MsChapV2 } from "../../src/ppp/mschapv2.ts";
import type { Proof, Verdict } from "../../src/ppp/proof.ts";
import type { AuthProtocol, AuthSettings } from "../../src/ppp/settings.ts";
import { utf8Octets, utf8Text } from "../../src/ppp/text.ts";
import { instant } from "../../src/time.ts";
import { PPP_CHAP, PPP_LCP, PPP_PAP } from "../../src/wire/ppp-packet.ts";
import { AuthPair, authSettings, client, secret } from "./auth-pair.ts";
import { Pair, SessionPeer } from "./pair.ts";

const PROTOCOLS: readonly AuthProtocol[] = ["pap", "chap-md5", "mschapv2"];

/** There are secrets, by which nobody would be let in: they are not looked at. */
const judged: AuthSettings = authSettings({
  name: "srv",
  deferred: true,
  papSecrets: [secret("client1", "*", "not this")],
  chapSecrets: [secret("client1", "*", "not this")],
});

/** Whether a proof is one of knowing the secret, and what the peer has to be told. */
function judge(proof: Proof, password: string): Verdict {
  const no: Verdict = { ok: false, message: "wrong" };
  if (proof.method === "pap") {
    return utf8Text(proof.password) === password ? { ok: true, addresses: [] } : no;
  }
  const { identifier: id, challenge, response, name } = proof;
  if (proof.method === "chap-md5") {
    const right = pppCrypto.md5(Uint8Array.of(id, ...utf8Octets(password), ...challenge));
    return pppCrypto.equal(right, response) ? { ok: true, addresses: [] } : no;
  }
  const question: ChapQuestion = { id, challenge, name: utf8Octets(name), secret: password };
  const message = new MsChapV2(pppCrypto).check(question, response);
  return message === null ? no : { ok: true, addresses: [], success: utf8Text(message).slice(0, 42) };
}

/** The one proof that there is to judge. */
function onlyProof(pair: AuthPair): Proof {
  const proof = pair.authenticator.pollProof();
  assert.ok(proof !== undefined);
  assert.equal(pair.authenticator.pollProof(), undefined);
  return proof;
}

for (const protocol of PROTOCOLS) {
  describe(`a proof by ${protocol} that somebody else judges`, () => {
    const pairOf = (password: string, changes: Partial<AuthSettings> = {}): AuthPair => {
      const pair = new AuthPair(protocol, { ...judged, ...changes }, client("client1", password));
      pair.up();
      return pair;
    };

    it("is told, and nothing is answered before the verdict", () => {
      const pair = pairOf("s3cret");
      const proof = onlyProof(pair);
      assert.equal(proof.method, protocol);
      assert.equal(proof.name, "client1");
      assert.equal(pair.authenticator.outcome, "pending");
      assert.equal(pair.authenticatee.outcome, "pending");
      assert.equal(pair.sent.filter(({ by }) => by === "authenticator").length, protocol === "pap" ? 0 : 1);
    });

    it("lets the peer in when it is found right, with the addresses of the verdict", () => {
      const pair = pairOf("s3cret");
      const proof = onlyProof(pair);
      const verdict = judge(proof, "s3cret");
      assert.ok(verdict.ok);
      pair.authenticator.handleVerdict(proof.id, { ...verdict, addresses: ["10.0.0.7"] });
      pair.drain();
      assert.equal(pair.authenticator.outcome, "passed");
      assert.equal(pair.authenticatee.outcome, "passed");
      assert.equal(pair.authenticator.name, "client1");
      assert.deepEqual(pair.authenticator.entry?.addresses, ["10.0.0.7"]);
      assert.equal(pair.authenticator.pollTimeout(), Number.POSITIVE_INFINITY);
    });

    it("has the name that the verdict gives", () => {
      const pair = pairOf("s3cret");
      const proof = onlyProof(pair);
      const verdict = judge(proof, "s3cret");
      assert.ok(verdict.ok);
      pair.authenticator.handleVerdict(proof.id, { ...verdict, name: "account" });
      assert.equal(pair.authenticator.name, "account");
    });

    it("fails on both ends when it is found wrong, and the message is for us alone", () => {
      const pair = pairOf("wrong");
      const proof = onlyProof(pair);
      assert.ok(!judge(proof, "s3cret").ok);
      pair.authenticator.handleVerdict(proof.id, { ok: false, message: "it is past bedtime" });
      pair.drain();
      assert.equal(pair.authenticator.outcome, "failed");
      assert.equal(pair.authenticatee.outcome, "failed");
      assert.match(pair.authenticator.reason, /"client1" did not prove itself by .*: it is past bedtime/);
      assert.doesNotMatch(pair.authenticatee.reason, /bedtime/);
    });

    it("is not told again when the peer repeats itself, which the verdict then answers", () => {
      const pair = pairOf("s3cret");
      const proof = onlyProof(pair);
      pair.runUntil(10_000);
      assert.ok(pair.sent.filter(({ by }) => by === "authenticatee").length > 3);
      assert.equal(pair.authenticator.pollProof(), undefined);
      pair.authenticator.handleVerdict(proof.id, judge(proof, "s3cret"));
      pair.drain();
      assert.equal(pair.authenticatee.outcome, "passed");
    });

    it("is not judged by verdicts on another one, nor twice", () => {
      const pair = pairOf("s3cret");
      const proof = onlyProof(pair);
      const yes = judge(proof, "s3cret");
      pair.authenticator.handleVerdict(proof.id + 1, { ok: false, message: "" });
      assert.equal(pair.authenticator.outcome, "pending");
      pair.authenticator.handleVerdict(proof.id, yes);
      pair.authenticator.handleVerdict(proof.id, { ok: false, message: "" });
      assert.equal(pair.authenticator.outcome, "passed");
      pair.up();
      assert.notEqual(onlyProof(pair).id, proof.id);
      pair.authenticator.handleVerdict(proof.id, yes);
      assert.equal(pair.authenticator.outcome, "pending");
    });

    it("fails when no verdict comes within the time for the whole, and a late one is nothing", () => {
      const pair = pairOf("s3cret", { timeoutMs: 20_000 });
      const proof = onlyProof(pair);
      pair.runUntil(60_000);
      assert.equal(pair.authenticator.outcome, "failed");
      assert.match(pair.authenticator.reason, /20 s/);
      pair.authenticator.handleVerdict(proof.id, judge(proof, "s3cret"));
      assert.equal(pair.authenticator.outcome, "failed");
    });

    it("keeps its octets whatever comes after it", () => {
      const pair = new AuthPair(protocol, judged, client("client1", "s3cret"));
      const memory = new Uint8Array(2000);
      pair.authenticator.handleUp(pair.now);
      pair.authenticatee.handleUp(pair.now);
      const challenge = pair.authenticator.pollPacket();
      if (challenge) pair.authenticatee.handlePacket(challenge, 0, challenge.length, pair.now);
      const packet = pair.authenticatee.pollPacket() as Uint8Array;
      memory.set(packet);
      pair.authenticator.handlePacket(memory, 0, packet.length, pair.now);
      memory.fill(0);
      assert.ok(judge(onlyProof(pair), "s3cret").ok);
    });

    it("is not asked for when the name is none, or not plain", () => {
      for (const name of ["", "client1\u0007", ...(protocol === "pap" ? [] : ["srv"])]) {
        const pair = new AuthPair(protocol, judged, authSettings({ user: name, name, password: "s3cret" }));
        pair.up();
        assert.equal(pair.authenticator.pollProof(), undefined, name);
        assert.equal(pair.authenticator.outcome, "failed");
      }
    });
  });
}

describe("a proof of CHAP that somebody else judges", () => {
  it("is not asked for when the response is of no possible length", () => {
    for (const protocol of ["chap-md5", "mschapv2"] as const) {
      const pair = new AuthPair(protocol, judged, client("client1", "s3cret"));
      pair.authenticator.handleUp(pair.now);
      const id = pair.authenticator.pollPacket()?.[1] as number;
      const response = writeControlPacket(2, id, Uint8Array.of(3, 1, 2, 3, 0x61));
      pair.authenticator.handlePacket(response, 0, response.length, pair.now);
      assert.equal(pair.authenticator.pollProof(), undefined);
      assert.equal(pair.authenticator.outcome, "failed");
    }
  });

  it("fails by MS-CHAPv2 when whoever judged cannot prove itself to the peer", () => {
    const pair = new AuthPair("mschapv2", judged, client("client1", "s3cret"));
    pair.up();
    pair.authenticator.handleVerdict(onlyProof(pair).id, { ok: true, addresses: [] });
    assert.equal(pair.authenticator.outcome, "failed");
  });
});

describe("a session whose peer's proof somebody else judges", () => {
  const serverSettings = (...require: AuthProtocol[]): Partial<AuthSettings> => ({
    name: "srv",
    deferred: true,
    require,
  });
  const clientSettings: Partial<AuthSettings> = { name: "client1", password: "s3cret" };

  const begun = (
    a: Partial<AuthSettings>,
    b: Partial<AuthSettings> = clientSettings,
  ): Pair<SessionPeer, SessionPeer> => {
    const pair = new Pair(new SessionPeer({}, a, 1), new SessionPeer({}, b, 2));
    pair.a.up(pair.now);
    pair.b.up(pair.now);
    assert.ok(pair.runUntil(10_000, () => pair.a.said("proof").length > 0));
    return pair;
  };
  const lastProof = (peer: SessionPeer): Proof => peer.said("proof").at(-1)?.proof as Proof;

  for (const protocol of PROTOCOLS) {
    it(`is established by a verdict on ${protocol}, and waits for it`, () => {
      const pair = begun(serverSettings(protocol));
      pair.runUntil(pair.now + 8000);
      assert.equal(pair.a.phase, "authenticate");
      const { id } = lastProof(pair.a);
      const verdict = judge(lastProof(pair.a), "s3cret");
      assert.ok(verdict.ok);
      pair.a.verdict(id, { ...verdict, addresses: ["10.1.1.1"] }, pair.now);
      assert.ok(pair.runUntil(pair.now + 5000, () => pair.b.phase === "network"));
      assert.equal(pair.a.said("proof").length, 1);
      assert.equal(pair.a.session.agreement?.peerName, "client1");
      assert.deepEqual(pair.a.session.agreement?.peerEntry?.addresses, ["10.1.1.1"]);
    });
  }

  it("goes down the list of what is demanded to what the peer can do", () => {
    const pair = begun(serverSettings("mschapv2", "chap-md5", "pap"), {
      ...clientSettings,
      refuse: ["mschapv2", "chap-md5"],
    });
    assert.equal(lastProof(pair.a).method, "pap");
  });

  it("ends by a verdict, in the words of any other failure", () => {
    const pair = begun(serverSettings("pap"));
    pair.a.verdict(lastProof(pair.a).id, { ok: false, message: "no lines left" }, pair.now);
    assert.ok(pair.runUntil(pair.now + 60_000, () => pair.b.phase === "dead"));
    const ended = pair.a.said("ended")[0];
    assert.equal(ended?.end, "peer-unauthenticated");
    assert.match(ended?.reason ?? "", /no lines left/);
    const said = pair.sent.filter(({ by }) => by === pair.a).map(({ packet }) => utf8Text(packet.octets));
    assert.ok(!said.some((text) => text.includes("lines left")));
  });

  it("takes no verdict on the proof of an earlier negotiation, nor after its end", () => {
    const pair = begun(serverSettings("pap"));
    const { id } = lastProof(pair.a);
    const request = writeControlPacket(1, 200, new Uint8Array());
    pair.a.handlePacket(PPP_LCP, request, 0, request.length, pair.now);
    pair.a.verdict(id, { ok: true, addresses: [] }, pair.now);
    pair.runUntil(pair.now + 20_000, () => pair.a.said("proof").length === 2);
    assert.notEqual(lastProof(pair.a).id, id);
    pair.a.verdict(id, { ok: true, addresses: [] }, pair.now);
    assert.equal(pair.a.phase, "authenticate");
    pair.a.down(pair.now);
    pair.a.verdict(lastProof(pair.a).id, { ok: true, addresses: [] }, pair.now);
    assert.equal(pair.a.phase, "dead");
    assert.equal(pair.a.said("established").length, 0);
  });

  it("does not let the proof's packets pass for one of ours, whichever side proves itself", () => {
    const secrets = [secret("srv", "client1", "other")];
    const pair = begun(
      { ...serverSettings("pap"), papSecrets: secrets, remoteName: "client1" },
      { ...clientSettings, require: ["pap"], papSecrets: secrets },
    );
    pair.runUntil(pair.now + 5000);
    assert.equal(pair.a.phase, "authenticate");
    pair.a.verdict(lastProof(pair.a).id, judge(lastProof(pair.a), "s3cret"), pair.now);
    assert.ok(
      pair.runUntil(pair.now + 10_000, () => pair.a.phase === "network" && pair.b.phase === "network"),
    );
    assert.equal(pair.b.session.agreement?.peerName, "srv");
  });

  it("is told of one proof however often its packets come", () => {
    const pair = begun(serverSettings("pap"));
    const request = writeControlPacket(1, 9, Uint8Array.of(1, 0x61, 1, 0x62));
    for (let n = 0; n < 1000; n++) {
      pair.a.handlePacket(PPP_PAP, request, 0, request.length, pair.now);
      pair.a.handlePacket(PPP_CHAP, request, 0, request.length, pair.now);
    }
    assert.equal(pair.a.said("proof").length, 1);
    assert.equal(lastProof(pair.a).name, "client1");
    assert.equal(pair.a.pollPacket(), undefined);
    assert.ok(instant(pair.a.pollTimeout()) < Number.POSITIVE_INFINITY);
  });
});
