import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Primitives } from "../../src/crypto/primitives.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { Random } from "../../src/sim/random.ts";
import { after } from "../../src/time.ts";
import { COOKIE_TYPE, INITIATION, INITIATION_TYPE, RESPONSE_TYPE } from "../../src/wire/tunnel-datagram.ts";
import { type End, established, TunnelPair } from "./tunnel-pair.ts";

const dropsOf = ({ endpoint }: End): number =>
  Object.values(endpoint.drops).reduce((sum, count) => sum + count, 0);

/** Counts what is done. Which networks share a part is the same each time; the near end has its own. */
const counting = (): { primitives: Primitives; macs: () => number } => {
  const primitives = tunnelCrypto(null);
  const random = new Random(6);
  const fillRandom = (into: Uint8Array): void => {
    for (let at = 0; at < into.length; at++) into[at] = random.next() * 256;
  };
  let macs = 0;
  const hmac: Primitives["hmac"] = (...parts) => {
    macs++;
    return primitives.hmac(...parts);
  };
  return { primitives: { ...primitives, fillRandom, hmac }, macs: () => macs };
};

describe("a flood of first messages", () => {
  /** First messages of peers of the far end, all good. */
  const flood = (pair: TunnelPair, count: number): Uint8Array[] => {
    const key = tunnelCrypto(null).newKeyPair();
    const publicKey = pair.near.peer.settings.publicKey;
    const attacker = new TunnelPair({ near: { key, publicKey }, way: () => [] });
    for (let at = 0; at < count; at++) {
      attacker.near.peer.hasten(attacker.now);
      attacker.runFor(300);
    }
    return attacker.sent.map(({ datagram }) => datagram);
  };
  const load = {
    checks: [10_000, 2000],
    handshakes: [10, 10],
    proven: [50, 50],
    cookies: [100, 100],
  } as const;

  it("costs a bounded number of handshakes, is answered by less than was sent, and harms no session", () => {
    const pair = established({ far: { load } });
    const messages = flood(pair, 30);
    assert.ok(messages.length >= 20);
    const before = { ...pair.far.endpoint.drops };
    const sent = pair.sent.length;
    for (let at = 0; at < 3000; at++) pair.deliver(pair.far, messages[at % messages.length] ?? assert.fail());
    const { stranger, overload } = pair.far.endpoint.drops;
    assert.ok(stranger - before.stranger <= 10, `${stranger} handshakes`);
    assert.ok(overload - before.overload >= 2900);
    const answers = pair.sent.splice(sent);
    assert.ok(answers.length <= 100, `${answers.length} cookies`);
    assert.ok(answers.every(({ datagram }) => datagram.length < INITIATION.length));
    assert.ok(pair.talks());
  });

  it("costs nothing more in copies, which a client sends by each path", () => {
    const pair = new TunnelPair({ far: { load: { ...load, handshakes: [0, 2] } }, way: () => [] });
    pair.runFor(10);
    const first = pair.sent[0]?.datagram ?? assert.fail();
    const { drops } = pair.far.endpoint;
    for (let at = 0; at < 10; at++) pair.deliver(pair.far, first);
    assert.deepEqual([drops.oldHandshake, drops.overload], [9, 0]);
    // One that was lost is said again, as it was.
    const responses = pair.sent.filter(({ datagram }) => datagram[0] === RESPONSE_TYPE);
    assert.equal(responses.length, 10);
    for (const { datagram } of responses) assert.deepEqual(datagram, responses[0]?.datagram);
    // There is one handshake left.
    pair.near.peer.hasten(pair.now);
    pair.runFor(1000);
    const next = pair.sent.findLast(({ datagram }) => datagram[0] === INITIATION_TYPE)?.datagram;
    assert.notEqual(next, first);
    const replies = pair.sent.length;
    pair.deliver(pair.far, next ?? assert.fail());
    assert.deepEqual([drops.oldHandshake, drops.overload], [9, 0]);
    assert.equal(pair.sent.length, replies + 1);
  });

  it("is told to whoever waits, who says the same again, and ever more seldom", () => {
    const pair = new TunnelPair({ far: { load: { ...load, handshakes: [0, 0] } } });
    let isDeaf = true;
    const said: { readonly at: number; readonly datagram: Uint8Array }[] = [];
    pair.way = (datagram) => {
      if (datagram[0] !== INITIATION_TYPE) return [10];
      said.push({ at: pair.now, datagram: datagram.slice(0, INITIATION.mac2) });
      return isDeaf && said.length > 1 ? [] : [10];
    };
    for (let ms = 0; ms < 29_000; ms += 500) {
      pair.near.peer.want(pair.now);
      pair.runFor(500);
    }
    assert.ok(said.length >= 6 && said.length <= 10, `${said.length} initiations`);
    for (const { datagram } of said) assert.deepEqual(datagram, said[0]?.datagram);
    assert.ok((said[1]?.at ?? 0) < 500);
    // It is taken for what it is, also if the other end began anew meanwhile.
    isDeaf = false;
    pair.restart("far");
    pair.runFor(10_000);
    assert.ok(pair.talks());
  });

  it("has who came first wait for what else came, once, and all get their answer", () => {
    const { primitives, macs } = counting();
    const pair = new TunnelPair({ primitives, way: () => [] });
    pair.runFor(10);
    const first = pair.sent[0]?.datagram ?? assert.fail();
    const { endpoint } = pair.far;
    const before = macs();
    for (const route of [3, 4, 3])
      endpoint.handleDatagram(first.slice(), 0, first.length, Uint8Array.of(route), pair.now, route);
    assert.deepEqual([endpoint.waiting, endpoint.drops.oldHandshake, macs() - before], [1, 2, 1]);
    const into = new Uint8Array(200);
    assert.equal(endpoint.pollReply(into), 0);
    assert.equal(endpoint.answerNext(pair.now), 3);
    const response = into.slice(0, endpoint.pollReply(into));
    // The first way may carry nothing back.
    assert.equal(endpoint.nextRoute(), 4);
    assert.deepEqual(into.slice(0, endpoint.pollReply(into)), response);
    assert.equal(endpoint.nextRoute(), -1);
    assert.equal(endpoint.answerNext(pair.now), -1);
    pair.way = () => [10];
    pair.deliver(pair.near, response);
    pair.runFor(100);
    assert.ok(pair.talks());
  });

  it("is got through with a cookie, if it is whole and comes from the right address", () => {
    const pair = new TunnelPair({ far: { load: { ...load, handshakes: [0, 0] } } });
    let cookies = 0;
    let copies = 0;
    pair.way = (datagram) => {
      if (datagram[0] === COOKIE_TYPE) {
        for (let bit = 0; bit < datagram.length * 8; bit++) {
          const forged = datagram.slice();
          forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          const dropped = dropsOf(pair.near);
          pair.near.endpoint.handleDatagram(forged, 0, forged.length, pair.far.address, pair.now);
          assert.equal(dropsOf(pair.near), dropped + 1, `bit ${bit}`);
        }
        cookies++;
      } else if (datagram[0] === INITIATION_TYPE && cookies > 0) {
        const { overload } = pair.far.endpoint.drops;
        pair.far.endpoint.handleDatagram(datagram.slice(), 0, datagram.length, Uint8Array.of(6), pair.now);
        assert.equal(pair.far.endpoint.drops.overload, overload + 1);
        assert.ok(pair.far.endpoint.pollReply(new Uint8Array(200)) > 0, "a cookie of its own");
        copies++;
      }
      return [10];
    };
    pair.runFor(1000);
    assert.deepEqual([cookies, copies], [1, 1]);
    assert.ok(pair.talks());
  });

  it("lets in who can be reached at its address", () => {
    const pair = new TunnelPair({ primitives: counting().primitives, far: { load } });
    const messages = flood(pair, 30);
    let at = 0;
    const attack = (): void => {
      for (let count = 0; count < 20; count++) {
        const message = messages[at++ % messages.length] ?? assert.fail();
        pair.far.endpoint.handleDatagram(message.slice(), 0, message.length, Uint8Array.of(6), pair.now);
      }
    };
    attack();
    for (let ms = 0; ms < 3000; ms += 5) {
      attack();
      pair.runFor(5);
    }
    assert.notEqual(pair.near.peer.session, null);
    assert.ok(pair.talks());
    // Its cookie is of no use to others.
    const shown = pair.sent.findLast(({ datagram }) => datagram[0] === INITIATION_TYPE);
    assert.ok(shown?.datagram.subarray(INITIATION.mac2).some((octet) => octet !== 0));
  });

  const FLOOD_PER_SECOND = 60_000;
  const SECONDS = 2;

  /** For two seconds it comes at the far end, while the near one begins; by default from anywhere. @returns answers to the flood */
  function attack(pair: TunnelPair, next: (at: number) => Uint8Array, networks = 2 ** 24): number {
    const random = new Random(3);
    const source = new Uint8Array(6);
    const into = new Uint8Array(INITIATION.length);
    let answers = 0;
    // What is there for a beginning is used up when the near end is heard.
    pair.way = () => (pair.now < 500 ? [] : [10]);
    for (let at = 0; at < FLOOD_PER_SECOND * SECONDS; at++) {
      const within = at % (FLOOD_PER_SECOND / 1000);
      if (within === 0) pair.runFor(1);
      const now = after(pair.now, (within * 1000) / FLOOD_PER_SECOND);
      const network = Math.floor(random.next() * networks);
      source.set([at >> 8, at, 10, network >> 16, network >> 8, network]);
      const datagram = next(at);
      pair.far.endpoint.handleDatagram(datagram, 0, datagram.length, source, now);
      if (pair.far.endpoint.pollReply(into) > 0) answers++;
    }
    return answers;
  }

  const assertIn = (pair: TunnelPair): void => {
    assert.notEqual(pair.near.peer.session, null);
    pair.runFor(1000);
    assert.ok(pair.talks());
  };

  it("is found out for nothing when it comes from strangers, and keeps nobody out", () => {
    const { primitives, macs } = counting();
    const pair = new TunnelPair({ primitives });
    const random = new Random(4);
    const junk = new Uint8Array(INITIATION.length);
    const answers = attack(pair, () => {
      for (let at = 1; at < 24; at++) junk[at] = random.next() * 256;
      junk[0] = INITIATION_TYPE;
      return junk;
    });
    assert.equal(answers, 0);
    assert.equal(pair.far.endpoint.drops.wrongMac, FLOOD_PER_SECOND * SECONDS);
    assert.ok(macs() < 1000, `${macs()} MACs`);
    assert.equal(pair.sent.length, 5, "the second first message begins the handshake, as without a flood");
    assertIn(pair);
  });

  it("keeps nobody out when it knows the mark, from some networks", () => {
    const { primitives, macs } = counting();
    const pair = new TunnelPair({ primitives });
    const [seen] = flood(pair, 1);
    const junk = seen?.slice() ?? assert.fail();
    junk[INITIATION.noise] = (junk[INITIATION.noise] ?? 0) ^ 1;
    const before = macs();
    const answers = attack(
      pair,
      (at) => {
        junk[INITIATION.sender] = at;
        return junk;
      },
      8,
    );
    assert.ok(answers < 10, `${answers}`);
    // Half of 10,000 for whoever comes first, and what eight groups have for themselves; some for the handshake.
    const most = SECONDS * (5000 + 8 * 20) + 1280 + 8 * 5 + 1000;
    assert.ok(macs() - before < most, `${macs() - before} MACs`);
    assertIn(pair);
  });

  it("keeps nobody out when it is played again, good as it is, from some networks", () => {
    const pair = new TunnelPair({ primitives: counting().primitives });
    const old = flood(pair, 20);
    const before = { ...pair.far.endpoint.drops };
    const cookies = attack(pair, (at) => old[at % old.length] ?? assert.fail(), 8);
    const { stranger } = pair.far.endpoint.drops;
    assert.ok(stranger - before.stranger <= 200 + SECONDS * 100, `${stranger} handshakes`);
    assert.ok(cookies <= 256 + SECONDS * 500 + 8 * (1 + SECONDS * 2), `${cookies} cookies`);
    assertIn(pair);
  });
});
