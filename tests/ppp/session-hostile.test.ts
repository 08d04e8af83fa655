import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { writeControlPacket } from "../../src/ppp/control-packet.ts";
import type { AuthProtocol, AuthSettings, LcpSettings } from "../../src/ppp/settings.ts";
import type { Instant } from "../../src/time.ts";
import { PPP_CHAP, PPP_LCP, PPP_PAP } from "../../src/wire/ppp-packet.ts";
import { secret } from "./auth-pair.ts";
import { type Faults, mutate, NO_FAULTS, type Packet, Pair, randomOf, SessionPeer } from "./pair.ts";

const secrets = [secret("left", "right", "one"), secret("right", "left", "two")];
const PROTOCOLS = ["pap", "chap-md5", "mschapv2"] as const;

const demands = fc.subarray<AuthProtocol>([...PROTOCOLS]);

const lcp = fc.record<Partial<LcpSettings>>({
  mru: fc.constantFrom(296, 1006, 1500),
  asyncMap: fc.constantFrom(null, 0, 0xa0000, 0xffffffff),
  protocolCompression: fc.boolean(),
  addressCompression: fc.boolean(),
  magicNumber: fc.boolean(),
  multilink: fc.constantFrom(
    null,
    { mrru: 1500, shortSequenceNumbers: true, endpoint: null },
    { mrru: 1524, shortSequenceNumbers: false, endpoint: { class: 1, address: Uint8Array.of(7) } },
  ),
  echo: fc.constantFrom(null, { intervalMs: 10_000, failures: 8 }),
  identification: fc.constantFrom(null, "eql"),
});

const auth = (name: string, remoteName: string, require: readonly AuthProtocol[]): Partial<AuthSettings> => ({
  name,
  remoteName,
  require,
  papSecrets: secrets,
  chapSecrets: secrets,
});

const settings = fc.record({ seed: fc.nat(), lcpA: lcp, lcpB: lcp, demandsA: demands, demandsB: demands });
type Settings = typeof settings extends fc.Arbitrary<infer T> ? T : never;

/** Two ends whose owners begin again when a session ends; both have begun. */
function begin(
  { seed, lcpA, lcpB, demandsA, demandsB }: Settings,
  faults: Faults,
): Pair<SessionPeer, SessionPeer> {
  const a = new SessionPeer(lcpA, auth("left", "right", demandsA), seed);
  const b = new SessionPeer(lcpB, auth("right", "left", demandsB), seed + 1);
  const pair = new Pair(a, b, seed);
  pair.faults = faults;
  for (const peer of [a, b]) {
    peer.persists = true;
    peer.up(pair.now);
  }
  return pair;
}

const established = ({ a, b }: Pair<SessionPeer, SessionPeer>): boolean =>
  a.phase === "network" && b.phase === "network";

/**
 * What one side asked for and got is what the other one granted. Its magic number may be an earlier one: PPP has nothing by which to
 * tell a request from another one that overtook it, since a line does not let that happen.
 */
function assertAgreed({ a, b }: Pair<SessionPeer, SessionPeer>): void {
  const options = (of: Record<string, unknown>): object => ({ ...of, magic: of["magic"] !== undefined });
  const [left, right] = [a.session.describe(), b.session.describe()];
  assert.deepEqual(options(left.ours), options(right.theirs));
  assert.deepEqual(options(right.ours), options(left.theirs));
  const [mine, yours] = [a.session.framing, b.session.framing];
  assert.equal(mine.peerMru, yours.ourMru);
  assert.equal((mine.sendAsyncMap & yours.receiveAsyncMap) >>> 0, yours.receiveAsyncMap);
  assert.equal(mine.sendProtocolCompression, b.session.describe().ours["pcomp"] ?? false);
  assert.equal(a.session.agreement?.multilink === null, b.session.agreement?.multilink === null);
  assert.equal(a.session.agreement?.multilink?.sendShort, b.session.agreement?.multilink?.receiveShort);
}

describe("two sessions", () => {
  it("agree over a line that loses, doubles and delays a third of the packets", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const pair = begin(given, { ...NO_FAULTS, lost: 0.3, doubled: 0.3, late: 0.3 });
        assert.ok(
          pair.runUntil(3_600_000, () => established(pair)),
          "not established in an hour",
        );
        // What is still under way may make them begin again, but they agree at last.
        pair.faults = NO_FAULTS;
        pair.runUntil(pair.now + 1000);
        assert.ok(pair.runUntil(pair.now + 600_000, () => established(pair)));
        assertAgreed(pair);
      }),
      { numRuns: 60 },
    );
  });

  it("do so as well while every tenth packet comes changed, once the line is good again", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const pair = begin(given, { lost: 0.1, doubled: 0.1, late: 0.1, mutated: 0.1 });
        pair.runUntil(120_000);
        pair.faults = NO_FAULTS;
        assert.ok(pair.runUntil(pair.now + 600_000, () => established(pair)));
        // A changed request that looks good may have been granted. It leaves nothing behind.
        pair.a.session.close("", pair.now);
        pair.runUntil(pair.now + 60_000);
        assert.ok(pair.runUntil(pair.now + 600_000, () => established(pair)));
        assertAgreed(pair);
      }),
      { numRuns: 60 },
    );
  });

  it("stay established when nothing happens", () => {
    fc.assert(
      fc.property(settings, (given) => {
        const pair = begin(given, NO_FAULTS);
        assert.ok(pair.runUntil(60_000, () => established(pair)));
        pair.runUntil(pair.now + 200_000);
        assert.ok(established(pair));
        assert.equal(pair.a.said("established").length, 1);
        assert.equal(pair.a.said("ended").length, 0);
      }),
      { numRuns: 40 },
    );
  });
});

describe("a session under attack", () => {
  /** What two good ends say to each other, of every kind. */
  function samples(): Packet[] {
    const multilink = {
      mrru: 1500,
      shortSequenceNumbers: true,
      endpoint: { class: 1, address: Uint8Array.of(1) },
    };
    const found: Packet[] = [];
    for (const protocol of PROTOCOLS) {
      const echo = { intervalMs: 1000, failures: 3 };
      const a = new SessionPeer(
        { multilink, echo, identification: "eql" },
        auth("left", "right", [protocol]),
      );
      const b = new SessionPeer({ mru: 1000, magicNumber: false }, auth("right", "left", [protocol]), 2);
      const pair = new Pair(a, b);
      a.up(pair.now);
      b.up(pair.now);
      pair.runUntil(2000);
      b.handlePacket(0x8021, Uint8Array.of(1, 1, 0, 4), 0, 4, pair.now);
      a.close("bye", pair.now);
      pair.runUntil(10_000);
      found.push(...pair.sent.map(({ packet }) => packet));
    }
    for (let code = 0; code < 16; code++) {
      found.push({ protocol: PPP_LCP, octets: writeControlPacket(code, 1, Uint8Array.of(1, 4, 2, 0)) });
    }
    return found;
  }

  for (const [require, phases] of [
    [[], ["establish", "network", "terminate"]],
    [
      ["chap-md5", "pap"],
      ["establish", "authenticate", "terminate"],
    ],
  ] as const) {
    it(`raises nothing by 250,000 changed packets, and opens afterwards; demanded: ${require.length}`, () => {
      const random = randomOf(20);
      const packets = samples();
      assert.ok(packets.length > 60);
      const victims = { echo: { intervalMs: 1000, failures: 3 }, identification: "eql" };
      const victim = new SessionPeer(victims, auth("left", "right", require));
      victim.persists = true;
      const pair = new Pair(victim, new SessionPeer({}, auth("right", "left", ["mschapv2"]), 3));
      victim.up(pair.now);
      const seen = new Set<string>();
      let answers = 0;
      for (let n = 0; n < 250_000; n++) {
        const { protocol, octets } = packets[Math.floor(random() * packets.length)] as Packet;
        let attack = random() < 0.2 ? octets : mutate(octets, random);
        if (random() < 0.3) attack = mutate(attack, random);
        // Around the packet there is what other packets left, and it is none of it.
        const around = new Uint8Array(attack.length + 8).fill(0xa5);
        around.set(attack, 4);
        const as = random() < 0.9 ? protocol : ([PPP_PAP, PPP_CHAP, 0x8021, 0][n % 4] as number);
        victim.handlePacket(as, around, 4, 4 + attack.length, pair.now);
        if (random() < 0.1) pair.runUntil(pair.now + random() * 300);
        answers += agree(victim, random, pair.now);
        seen.add(victim.phase);
        victim.events.length = 0;
      }
      assert.ok(answers > 15_000, `${answers} answers`);
      for (const phase of phases) assert.ok(seen.has(phase), phase);
      pair.cut();
      pair.b.persists = true;
      pair.b.up(pair.now);
      assert.ok(pair.runUntil(pair.now + 600_000, () => established(pair)));
      assertAgreed(pair);
    });
  }

  /** Now and then the attacker agrees, or its victim would stay in one state for ever. @returns how much the victim said */
  function agree(victim: SessionPeer, random: () => number, now: Instant): number {
    let count = 0;
    let own: Packet | undefined;
    for (let packet = victim.pollPacket(); packet; packet = victim.pollPacket()) {
      count++;
      if (packet.octets[0] === 1 && packet.protocol === PPP_LCP) own = packet;
    }
    if (own !== undefined && random() < 0.5) {
      const ack = Uint8Array.from(own.octets);
      ack[0] = 2;
      victim.handlePacket(PPP_LCP, ack, 0, ack.length, now);
    }
    return count;
  }

  it("takes any octets of any length", () => {
    const peer = new SessionPeer({ echo: { intervalMs: 1000, failures: 3 } }, auth("left", "right", ["pap"]));
    peer.persists = true;
    const pair = new Pair(peer, new SessionPeer());
    peer.up(pair.now);
    fc.assert(
      fc.property(
        fc.constantFrom(PPP_LCP, PPP_PAP, PPP_CHAP, 0x80fd),
        fc.uint8Array({ maxLength: 40 }),
        (protocol, octets) => {
          peer.handlePacket(protocol, octets, 0, octets.length, pair.now);
          while (peer.pollPacket() !== undefined);
          peer.events.length = 0;
        },
      ),
      { numRuns: 5000 },
    );
  });
});
