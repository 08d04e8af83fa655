import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CIPHER_NAMES } from "../../src/crypto/cipher.ts";
import { KEY_LIMITS } from "../../src/crypto/session-keys.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { Random } from "../../src/sim/random.ts";
import { after } from "../../src/time.ts";
import {
  INITIATION,
  INITIATION_TYPE,
  RESPONSE_TYPE,
  TRANSPORT_TYPE,
} from "../../src/wire/tunnel-datagram.ts";
import { established, TunnelPair } from "./tunnel-pair.ts";

const typesOf = (pair: TunnelPair): (number | undefined)[] => pair.sent.map(({ datagram }) => datagram[0]);
const initiations = (pair: TunnelPair): number =>
  typesOf(pair).filter((type) => type === INITIATION_TYPE).length;

describe("two ends", () => {
  it("have a session after two round trips, and then nothing to say", () => {
    const pair = new TunnelPair();
    pair.runFor(39);
    assert.equal(pair.near.peer.session, null);
    pair.runFor(1);
    assert.notEqual(pair.near.peer.session, null);
    assert.deepEqual(typesOf(pair), [INITIATION_TYPE, RESPONSE_TYPE, TRANSPORT_TYPE, TRANSPORT_TYPE]);
    assert.deepEqual([pair.near.events, pair.far.events], [["established"], ["established"]]);
    assert.ok(pair.talks());
    const said = pair.sent.length;
    pair.runFor(100_000);
    assert.equal(pair.sent.length, said);
  });

  for (const near of CIPHER_NAMES) {
    for (const far of CIPHER_NAMES) {
      it(`agree on a cipher when the one does ${near} and the other ${far} faster`, () => {
        const pair = established({ ciphers: [near, far] });
        const agreed = near === far ? near : "chacha20-poly1305";
        assert.equal(pair.near.peer.session?.cipher, agreed);
        assert.equal(pair.far.peer.session?.cipher, agreed);
      });
    }
  }

  it("need no clock that agrees with anybody's", () => {
    const pair = established({ near: { clockMs: 1e12 }, far: { clockMs: -3_600_000 } });
    pair.runFor(1_000_000);
    assert.ok(pair.talks());
    assert.ok(!pair.near.events.includes("expired"));
  });

  it("go on after the clock of one has jumped", () => {
    for (const which of ["near", "far"] as const) {
      for (const jumpMs of [61_000, 150_000, 3_600_000]) {
        const pair = established();
        pair[which].clockMs += jumpMs;
        pair.runFor(130_000);
        assert.ok(pair.talks(), `${which} ${jumpMs}`);
      }
    }
  });

  it("agree on new keys while the old ones carry on, for hours", () => {
    const pair = established();
    let silent = 0;
    let said = 0;
    while (pair.now < 3_600_000) {
      for (const end of [pair.near, pair.far]) {
        if (!pair.say(end, `${said}`)) silent++;
      }
      said++;
      pair.runFor(1000);
    }
    pair.runFor(100);
    assert.equal(silent, 0);
    assert.equal(pair.near.heard.length, said + 1);
    assert.equal(pair.far.heard.length, said + 1);
    assert.ok(pair.near.events.length >= 30, `${pair.near.events.length} sets of keys`);
    assert.deepEqual(new Set(pair.near.events), new Set(["established", "rekeyed"]));
    assert.ok(pair.near.endpoint.indices <= 5 && pair.far.endpoint.indices <= 5);
  });

  for (const from of ["near", "far"] as const) {
    it(`agree on new keys when the ${from} one has sealed much`, () => {
      const limits = { ...KEY_LIMITS, rekeyDatagrams: 1000, mostDatagrams: 2000 };
      const pair = established({ near: { limits }, far: { limits } });
      for (let count = 0; count < 10_000; count++) {
        assert.ok(pair.say(pair[from], "much"));
        if (count % 10 === 0) pair.runFor(1);
      }
      const { length } = pair.near.events;
      assert.ok(length >= 8 && length <= 15, `${length} sets of keys`);
      pair.runFor(100);
      assert.equal((from === "near" ? pair.far : pair.near).heard.length, 10_001);
    });
  }

  it("seal no more with worn keys when there are no others", () => {
    const limits = { ...KEY_LIMITS, rekeyDatagrams: 100, mostDatagrams: 200 };
    const pair = established({ near: { limits }, far: { limits } });
    pair.way = () => [];
    let said = 0;
    while (pair.say(pair.near, "much")) said++;
    assert.ok(said > 150 && said <= 200, `${said}`);
  });

  it("have no session any more 180 s after the other has gone", () => {
    const pair = established();
    pair.way = () => [];
    pair.runFor(179_000);
    assert.ok(pair.say(pair.near, "into the void"));
    pair.runFor(2000);
    assert.ok(!pair.say(pair.near, "nothing"));
    assert.equal(pair.near.events.at(-1), "expired");
    assert.equal(pair.far.events.at(-1), "expired");
    assert.equal(pair.far.endpoint.indices, 0);
    const before = initiations(pair);
    pair.runFor(600_000);
    const tries = initiations(pair) - before;
    assert.ok(tries >= 25 && tries <= 60, `${tries} initiations in ten minutes`);
    pair.way = () => [10];
    pair.runFor(20_000);
    assert.ok(pair.talks());
  });

  it("open nothing with keys that have expired, also before they are forgotten", () => {
    const pair = established();
    const datagram = pair.near.sealed("late", pair.now) ?? assert.fail();
    pair.now = after(pair.now, 180_000);
    pair.deliver(pair.far, datagram);
    assert.ok(!pair.far.heard.includes("late"));
    assert.equal(pair.far.endpoint.drops.unknownIndex, 1);
  });

  for (const which of ["near", "far"] as const) {
    it(`find each other again when the ${which} one starts anew`, () => {
      const pair = established();
      pair.restart(which);
      pair.near.peer.hasten(pair.now);
      pair.runFor(2000);
      assert.ok(pair.talks());
    });
  }

  it("begin anew when keys are not proven", () => {
    const pair = new TunnelPair({ way: (datagram) => (datagram[0] === TRANSPORT_TYPE ? [] : [10]) });
    pair.runFor(60_000);
    assert.equal(pair.near.peer.session, null);
    assert.ok(initiations(pair) >= 3 && initiations(pair) <= 10, `${initiations(pair)}`);
    const proofs = typesOf(pair).filter((type) => type === TRANSPORT_TYPE).length;
    assert.ok(proofs <= 5 * initiations(pair), `${proofs} proofs`);
    pair.way = () => [10];
    pair.runFor(20_000);
    assert.ok(pair.talks());
  });

  it("come to an understanding when both begin", () => {
    for (let seed = 1; seed < 20; seed++) {
      const random = new Random(seed);
      const pair = new TunnelPair({
        seed,
        far: { initiates: true },
        way: () => (random.next() < 0.2 ? [] : [5 + 50 * random.next()]),
      });
      pair.runFor(60_000);
      for (const end of [pair.near, pair.far]) assert.ok(pair.say(end, "there"), `seed ${seed}`);
      pair.way = () => [10];
      pair.runFor(400_000);
      assert.ok(pair.talks(), `seed ${seed}`);
      assert.ok(pair.near.endpoint.indices <= 5 && pair.far.endpoint.indices <= 5);
      assert.ok(initiations(pair) < 40, `${initiations(pair)} initiations`);
    }
  });

  it("agree over every line that lets something through", () => {
    const line = fc.record({
      seed: fc.nat(),
      loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
      twice: fc.double({ min: 0, max: 1, noNaN: true }),
      spreadMs: fc.integer({ min: 0, max: 800 }),
    });
    fc.assert(
      fc.property(line, ({ seed, loss, twice, spreadMs }) => {
        const random = new Random(seed);
        const arrival = (): number => 5 + random.next() * spreadMs;
        const pair = new TunnelPair({
          seed,
          way: () =>
            random.next() < loss ? [] : random.next() < twice ? [arrival(), arrival()] : [arrival()],
        });
        // It may last longer; it does not last for ever.
        for (let minutes = 0; minutes < 30 && pair.near.peer.session === null; minutes++) pair.runFor(60_000);
        assert.notEqual(pair.near.peer.session, null);
        const texts = Array.from({ length: 50 }, (_, at) => `${at}`);
        for (const text of texts) pair.say(pair.near, text);
        pair.runFor(2000);
        assert.equal(new Set(pair.far.heard).size, pair.far.heard.length, "nothing twice");
        if (loss === 0) assert.deepEqual(new Set(pair.far.heard), new Set(texts));
      }),
      { numRuns: 40 },
    );
  });

  it("keep apart what comes by several links, in any order", () => {
    const pair = established();
    const datagrams: Uint8Array[] = [];
    for (let at = 0; at < 20_000; at++) {
      const datagram = pair.near.sealed(`${at}`, pair.now, at % 4 === 0 ? 1 : 2);
      assert.ok(datagram);
      datagrams.push(datagram);
    }
    // The slow link's datagrams come when the fast one is 15,000 further.
    const [slow, fast] = [1, 2].map((link) => datagrams.filter((datagram) => datagram[1] === link));
    for (const datagram of [...(fast ?? []), ...(slow ?? []), ...(slow ?? [])])
      pair.deliver(pair.far, datagram);
    assert.equal(pair.far.heard.length, 20_001);
    assert.equal(pair.far.endpoint.drops.replayed, slow?.length);
    assert.equal(pair.near.sealed("no such link", pair.now, 32), null);
  });
});

describe("an end without the right keys", () => {
  it("is told so when the preshared keys differ", () => {
    const pair = new TunnelPair({ far: { presharedKey: new Uint8Array(32) } });
    pair.runFor(60_000);
    assert.ok(pair.near.events.length > 0 && pair.near.events.every((event) => event === "refused"));
    assert.deepEqual(pair.far.events, []);
    assert.equal(pair.far.peer.session, null);
    assert.ok(pair.near.endpoint.drops.forged > 0);
  });

  it("gets no answer when it takes the other for somebody else", () => {
    const pair = new TunnelPair({ near: { publicKey: tunnelCrypto(null).newKeyPair().publicKey } });
    pair.runFor(60_000);
    assert.equal(pair.sent.filter(({ to }) => to === "near").length, 0);
    assert.equal(pair.far.endpoint.drops.wrongMac, initiations(pair));
  });

  it("gets no answer when the other does not know it, which can be seen there", () => {
    const pair = new TunnelPair({ far: { publicKey: tunnelCrypto(null).newKeyPair().publicKey } });
    const key = tunnelCrypto(null).newKeyPair();
    const stranger = new TunnelPair({ near: { key } });
    pair.runFor(60_000);
    assert.equal(pair.sent.filter(({ to }) => to === "near").length, 0);
    assert.equal(pair.far.endpoint.drops.stranger, initiations(pair));
    assert.equal(pair.far.endpoint.stranger?.length, 32);
    stranger.runFor(10_000);
    assert.deepEqual(stranger.far.endpoint.stranger, key.publicKey);
  });
});

describe("an end that is attacked", () => {
  it("takes nothing twice, whenever it is played again", () => {
    const random = new Random(5);
    const pair = established();
    const hostile = Uint8Array.of(6, 6, 6);
    let answered = 0;
    for (let round = 0; round < 400; round++) {
      pair.say(pair.near, `near ${round}`);
      pair.say(pair.far, `far ${round}`);
      pair.runFor(2000);
      const before = pair.sent.length;
      for (let count = 0; count < 20; count++) {
        const old = pair.sent[Math.floor(random.next() * before)];
        if (old !== undefined) pair.deliver(pair[old.to], old.datagram, hostile);
      }
      answered += pair.sent.length - before;
      pair.sent.length = before;
    }
    pair.runFor(2000);
    assert.equal(answered, 0);
    for (const end of [pair.near, pair.far]) {
      assert.equal(end.heard.length, 401);
      assert.equal(new Set(end.heard).size, 401);
      assert.ok(!end.events.includes("expired"));
    }
  });

  it("keeps its session when it has started anew and old first messages are played", () => {
    const pair = established();
    pair.runFor(500_000);
    pair.restart("near");
    pair.runFor(500_000);
    const old = pair.sent.filter(({ datagram }) => datagram[0] === INITIATION_TYPE);
    pair.restart("far");
    const play = (): void => {
      for (const { datagram } of old) pair.deliver(pair.far, datagram);
    };
    play();
    // They are answered, as they may be new, and nothing comes of it.
    assert.equal(pair.far.peer.session, null);
    assert.equal(pair.far.endpoint.indices, 1);
    pair.near.peer.hasten(pair.now);
    pair.runFor(2000, play);
    assert.ok(pair.talks());
    play();
    pair.runFor(400_000, play);
    assert.ok(pair.talks());
    assert.ok(!pair.far.events.includes("expired"));
  });

  it("finds every changed bit of every message", () => {
    const pair = new TunnelPair();
    const kept: { datagram: Uint8Array; to: "near" | "far" }[] = [];
    pair.way = (datagram, from) => {
      // Each arrives after all its forgeries.
      const to = from === pair.near ? pair.far : pair.near;
      for (let bit = 0; bit < datagram.length * 8; bit++) {
        const forged = datagram.slice();
        forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        // MAC 2 is looked at under load only.
        if (datagram[0] === INITIATION_TYPE && bit >> 3 >= INITIATION.mac2) continue;
        const replied = to.endpoint.handleDatagram(forged, 0, forged.length, from.address, pair.now);
        assert.equal(replied, null, `type ${datagram[0]}, bit ${bit}`);
        assert.equal(to.endpoint.pollReply(new Uint8Array(200)), 0, `type ${datagram[0]}, bit ${bit}`);
      }
      kept.push({ datagram, to: to === pair.near ? "near" : "far" });
      return [10];
    };
    pair.runFor(1000);
    assert.ok(kept.length >= 4);
    assert.ok(pair.talks());
  });

  it("never throws, whatever comes", () => {
    const pair = established();
    const head = fc.constantFrom([], [0xe1, 0, 0, 0], [0xe2, 0, 0, 0], [0xe3, 0, 0, 0], [0xe4]);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.constantFrom(52, 76, 148).chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
    );
    fc.assert(
      fc.property(head, body, (start, rest) => {
        const datagram = Uint8Array.of(...start, ...rest);
        for (const end of [pair.near, pair.far]) {
          const peer = end.endpoint.handleDatagram(
            datagram.slice(),
            0,
            datagram.length,
            end.address,
            pair.now,
          );
          assert.equal(peer, null);
        }
      }),
      { numRuns: 2000 },
    );
    assert.ok(pair.talks());
  });
});
