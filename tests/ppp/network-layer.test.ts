import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { NetworkSettings } from "../../src/ppp/settings.ts";
import { instant } from "../../src/time.ts";
import { ip, ipv4, ipv6, NetworkEnd, NetworkPair } from "./network-pair.ts";

const both: NetworkSettings = {
  ...ipv4({ local: ip("10.5.0.1"), remote: ip("10.5.0.2") }),
  ipv6: { local: null, remote: null },
};
const asking: NetworkSettings = { ...both, ipv4: ipv4({}).ipv4 };

const pairOf = (): NetworkPair => new NetworkPair(new NetworkEnd(both), new NetworkEnd(asking));
const told = (end: NetworkEnd): string[] => end.events.map(({ type, family }) => `${type} ${family}`);
const isOpen = ({ layer }: NetworkEnd): boolean => layer.ip4Open && layer.ip6Open;

describe("the network layer", () => {
  it("brings up both families, takes them down with the link, and brings them up again", () => {
    const pair = pairOf().up();
    for (const end of [pair.a, pair.b]) {
      assert.deepEqual(told(end).toSorted(), ["up 4", "up 6"]);
      assert.ok(isOpen(end));
      end.layer.lowerDown(pair.now);
      assert.ok(!end.layer.ip4Open && !end.layer.ip6Open);
      assert.equal(end.layer.pollTimeout(), Number.POSITIVE_INFINITY);
    }
    pair.drain();
    for (const end of [pair.a, pair.b]) assert.deepEqual(told(end).slice(2), ["down 4", "down 6"]);
    pair.up();
    for (const end of [pair.a, pair.b]) assert.ok(isOpen(end));
  });

  it("says of a protocol that is not its own that it is not, also of one that is switched off", () => {
    const end = new NetworkEnd(ipv4({}));
    end.layer.lowerUp(instant(0));
    assert.ok(end.take("8021 01010004"));
    assert.ok(!end.take("8057 01010004"));
    assert.ok(!end.take("80fd 01010004"));
  });

  it("fails one family when the peer rejects its protocol, and keeps the other", () => {
    const pair = pairOf();
    pair.line = (packet) => (packet.startsWith("8057") ? [] : [packet]);
    pair.up();
    pair.a.layer.handleProtocolReject(0x8057, pair.now);
    pair.a.layer.handleProtocolReject(0x80fd, pair.now);
    pair.drain();
    assert.deepEqual(pair.a.events.slice(1), [
      { type: "failed", family: 6, reason: "the peer rejects the protocol" },
    ]);
    assert.ok(pair.a.layer.ip4Open && !pair.a.layer.ip6Open);
  });

  it("fails a family once when the peer does not answer", () => {
    const pair = pairOf();
    pair.line = () => [];
    pair.up();
    pair.runUntil(120_000);
    for (const end of [pair.a, pair.b]) {
      assert.deepEqual(told(end), ["failed 4", "failed 6"]);
      assert.equal(end.sent.length, 20);
    }
  });

  it("closes by Terminate-Requests, which is no failure here and one there", () => {
    const pair = pairOf().up();
    pair.a.layer.close("enough", pair.now);
    pair.drain();
    pair.runUntil(60_000);
    assert.deepEqual(told(pair.a).slice(2), ["down 4", "down 6"]);
    assert.deepEqual(told(pair.b).slice(2), ["down 4", "down 6", "failed 4", "failed 6"]);
    const failed = pair.b.events.at(-1);
    assert.ok(failed?.type === "failed");
    assert.match(failed.reason, /terminated by the peer: .*enough/);
  });

  it("comes up again when the peer begins again", () => {
    const pair = pairOf().up();
    pair.b.layer.lowerDown(pair.now);
    pair.b.layer.lowerUp(pair.now);
    pair.drain();
    pair.runUntil(60_000);
    assert.deepEqual(
      told(pair.a).filter((event) => event.endsWith("4")),
      ["up 4", "down 4", "up 4"],
    );
    assert.ok(isOpen(pair.a) && isOpen(pair.b));
  });

  it("reaches agreement over a line that loses, doubles, reorders and corrupts", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(99)), (dice) => {
        const pair = pairOf();
        const roll = (): number => dice.next().value as number;
        let held: string[] = [];
        pair.line = (packet) => {
          // A noisy line is one for a time: then it has to converge.
          if (pair.now > 20_000) return [...held.splice(0), packet];
          const chance = roll();
          if (chance < 30) return [];
          if (chance < 35) return [packet, packet];
          if (chance < 40) {
            held.push(packet);
            return [];
          }
          // What the frame check sequence lets through is damaged in its code at most.
          if (chance < 45) return [`${packet.slice(0, 4)}0${roll() % 10}${packet.slice(6)}`];
          const late = held;
          held = [];
          return [packet, ...late];
        };
        pair.up();
        pair.runUntil(20_000);
        for (const end of [pair.a, pair.b]) end.layer.lowerDown(pair.now);
        held = [];
        pair.drain();
        pair.now = instant(20_001);
        pair.up();
        pair.runUntil(120_000);
        assert.ok(isOpen(pair.a) && isOpen(pair.b));
      }),
      { numRuns: 150 },
    );
  });

  it("survives any octets, and opens afterwards", () => {
    const seeds = [
      "010a000a03060a050002",
      "01020010810600000000830600000000",
      "0301000a030600000000",
      "0101000e010a0000000000000000",
      "0401000a03060a050001",
    ];
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(15), fc.nat(255)), { maxLength: 4 }),
        fc.nat(20),
      )
      .map(([seed, changes, length]) => {
        const octets = Buffer.from(seed, "hex");
        for (const [at, octet] of changes) if (at < octets.length) octets[at] = octet;
        return octets.subarray(0, length).toString("hex");
      });
    const packet = fc.tuple(
      fc.constantFrom("8021", "8057"),
      fc.oneof(
        mutated,
        fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets).toString("hex")),
      ),
    );
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 30 }), (packets) => {
        const pair = pairOf().up();
        for (const [protocol, octets] of packets) pair.a.take(protocol + octets, pair.now);
        for (const end of [pair.a, pair.b]) end.layer.lowerDown(pair.now);
        pair.line = () => [];
        pair.drain();
        pair.line = (sent) => [sent];
        pair.up();
        pair.runUntil(120_000);
        assert.ok(isOpen(pair.a) && isOpen(pair.b));
      }),
      { numRuns: 300 },
    );
  });
});

describe("one family alone", () => {
  it("is all that is sent", () => {
    const pair = new NetworkPair(new NetworkEnd(ipv6({})), new NetworkEnd(ipv6({}))).up();
    assert.ok(pair.a.sent.every((packet) => packet.startsWith("8057")));
    assert.deepEqual(told(pair.a), ["up 6"]);
  });
});
