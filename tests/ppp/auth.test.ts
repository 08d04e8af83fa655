import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canAuthenticate } from "../../src/ppp/auth.ts";
import type { AuthProtocol } from "../../src/ppp/settings.ts";
import { AuthPair, authSettings, client, secret, server } from "./auth-pair.ts";

const PROTOCOLS: readonly AuthProtocol[] = ["pap", "chap-md5", "mschapv2"];

const outcomes = ({ authenticator, authenticatee }: AuthPair) => [
  authenticator.outcome,
  authenticatee.outcome,
];

/** What the authenticator said in the end, but for the challenge in MS-CHAPv2's Failure. */
function lastWord(pair: AuthPair): string {
  const octets = pair.sent.findLast(({ by }) => by === "authenticator")?.octets ?? new Uint8Array();
  return `${octets[0]} ${Buffer.from(octets.subarray(4)).toString("latin1").replace(/C=\S+/, "C=")}`;
}

for (const protocol of PROTOCOLS) {
  describe(`authentication by ${protocol}`, () => {
    it("passes on both ends with the right secret", () => {
      const pair = new AuthPair(protocol, server, client("client1", "s3cret"));
      pair.up();
      assert.deepEqual(outcomes(pair), ["passed", "passed"]);
      assert.equal(pair.authenticator.name, "client1");
      const secrets = protocol === "pap" ? server.papSecrets : server.chapSecrets;
      assert.equal(pair.authenticator.entry, secrets[0]);
      assert.equal(pair.authenticatee.name, "client1");
      assert.equal(pair.authenticatee.entry, null);
      assert.equal(pair.authenticator.pollTimeout(), Number.POSITIVE_INFINITY);
      assert.equal(pair.authenticatee.pollTimeout(), Number.POSITIVE_INFINITY);
    });

    it("fails on both ends with a wrong secret, and looks the same for an unknown name", () => {
      const wrong = new AuthPair(protocol, server, client("client1", "wrong"));
      const unknown = new AuthPair(protocol, server, client("client9", "s3cret"));
      for (const pair of [wrong, unknown]) {
        pair.up();
        assert.deepEqual(outcomes(pair), ["failed", "failed"]);
        assert.equal(pair.authenticator.entry, null);
      }
      assert.equal(lastWord(wrong), lastWord(unknown));
      assert.equal(
        wrong.authenticator.reason.replace("client1", ""),
        unknown.authenticator.reason.replace("client9", ""),
      );
    });

    it("takes the secret from the entries of this name and this server", () => {
      const secrets = [
        secret("*", "*", "no"),
        secret("client1", "other", "no"),
        secret("client1", "*", "s3cret"),
      ];
      const pair = new AuthPair(
        protocol,
        server,
        authSettings({
          name: "client1",
          remoteName: protocol === "pap" ? "srv" : null,
          papSecrets: secrets,
          chapSecrets: secrets,
        }),
      );
      pair.up();
      assert.deepEqual(outcomes(pair), ["passed", "passed"]);
    });

    it("fails without a secret of ours, and sends none", () => {
      const pair = new AuthPair(protocol, server, authSettings({ name: "client1" }));
      pair.up();
      assert.equal(pair.authenticatee.outcome, "failed");
      assert.match(pair.authenticatee.reason, /no (PAP|CHAP) secret for "client1"/);
      assert.ok(pair.sent.every(({ by }) => by === "authenticator"));
    });

    it("comes to the same end on both sides when the line loses packets", () => {
      fc.assert(
        fc.property(fc.boolean(), fc.infiniteStream(fc.nat(9)), (right, dice) => {
          const pair = new AuthPair(protocol, server, client("client1", right ? "s3cret" : "wrong"));
          let lost = 0;
          pair.loses = () => (dice.next().value as number) < 4 && lost++ < 8;
          pair.up();
          pair.runUntil(60_000);
          assert.deepEqual(outcomes(pair), right ? ["passed", "passed"] : ["failed", "failed"]);
        }),
        { numRuns: 100 },
      );
    });

    it("gives up when nobody answers", () => {
      const pair = new AuthPair(protocol, server, client("client1", "s3cret"));
      pair.loses = () => true;
      pair.up();
      pair.runUntil(120_000);
      assert.deepEqual(outcomes(pair), ["failed", "failed"]);
      assert.equal(pair.sent.length, 10);
      assert.ok(pair.now <= 60_000);
    });

    it("gives up when the time for the whole is over", () => {
      const pair = new AuthPair(
        protocol,
        { ...server, timeoutMs: 7000 },
        { ...client("client1", "s3cret"), timeoutMs: 7000 },
      );
      pair.loses = () => true;
      pair.up();
      pair.runUntil(120_000);
      assert.deepEqual(outcomes(pair), ["failed", "failed"]);
      assert.equal(pair.now, 7000);
      assert.match(pair.authenticator.reason, /not done after 7 s/);
    });

    it("survives any octets, and works afterwards", () => {
      const packet = fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc
          .tuple(fc.integer({ min: 1, max: 4 }), fc.nat(255), fc.uint8Array({ maxLength: 80 }))
          .map(([code, id, data]) => Uint8Array.of(code, id, 0, data.length + 4, ...data)),
      );
      fc.assert(
        fc.property(fc.array(packet, { maxLength: 20 }), (packets) => {
          const pair = new AuthPair(protocol, server, client("client1", "s3cret"));
          pair.up();
          for (const octets of packets) {
            pair.authenticator.handlePacket(octets, 0, octets.length, pair.now);
            pair.authenticatee.handlePacket(octets, 0, octets.length, pair.now);
          }
          assert.equal(pair.authenticator.outcome, "passed");
          pair.up();
          assert.deepEqual(outcomes(pair), ["passed", "passed"]);
        }),
        { numRuns: 300 },
      );
    });
  });
}

describe("what we can prove ourselves by", () => {
  const settings = authSettings({ name: "client1", papSecrets: [secret("client1", "isp", "pw")] });

  it("is what there is a secret for", () => {
    assert.ok(canAuthenticate("pap", settings));
    assert.ok(canAuthenticate("pap", { ...settings, remoteName: "isp" }));
    assert.ok(!canAuthenticate("pap", { ...settings, remoteName: "other" }));
    assert.ok(!canAuthenticate("pap", { ...settings, user: "client2" }));
    assert.ok(!canAuthenticate("chap-md5", settings));
    assert.ok(canAuthenticate("mschapv2", { ...settings, chapSecrets: settings.papSecrets }));
  });

  it("is everything with a password, but for what is refused", () => {
    const withPassword = { ...settings, password: "pw", refuse: ["pap"] as const };
    assert.deepEqual(
      PROTOCOLS.filter((protocol) => canAuthenticate(protocol, withPassword)),
      ["chap-md5", "mschapv2"],
    );
  });
});
