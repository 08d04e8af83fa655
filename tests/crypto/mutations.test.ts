import assert from "node:assert/strict";
import { it } from "node:test";
import { CookieMaker } from "../../src/crypto/macs.ts";
import { nativeBuffer } from "../../src/host/libc.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { Random } from "../../src/sim/random.ts";
import {
  COOKIE_TYPE,
  INITIATION_TYPE,
  RESPONSE_TYPE,
  TRANSPORT_TYPE,
} from "../../src/wire/tunnel-datagram.ts";
import { type End, established, type TunnelPair } from "./tunnel-pair.ts";

const TRIAL_MS = 1500;

const dropsOf = (...ends: End[]): number =>
  ends.flatMap(({ endpoint }) => Object.values(endpoint.drops)).reduce((sum, count) => sum + count, 0);

interface Sample {
  readonly datagram: Uint8Array;
  readonly to: End;
}

/** All kinds, of a session that goes on and of a handshake that waits for its response: it is kept back, and so is the cookie. */
function samplesOf(pair: TunnelPair): Record<number, Sample[]> {
  const before = pair.sent.length;
  for (let at = 0; at < 20; at++) {
    assert.ok(pair.say(pair.near, "near".repeat(at * 5)) && pair.say(pair.far, "far".repeat(at * 15)));
  }
  pair.runFor(1000);
  const held = pair.sent.length;
  pair.way = (_, from) => (from === pair.near ? [10] : []);
  pair.near.peer.hasten(pair.now);
  pair.runFor(20);
  const first = pair.sent[held]?.datagram ?? assert.fail();
  const { publicKey } = pair.near.peer.settings;
  const cookie = new CookieMaker(tunnelCrypto(null), publicKey).reply(first, pair.near.address, pair.now);
  pair.sent.push({ datagram: cookie, to: "near" });
  const kinds: Record<number, Sample[]> = {};
  for (const { datagram, to } of pair.sent.slice(before))
    (kinds[datagram[0] ?? 0] ??= []).push({ datagram, to: pair[to] });
  return kinds;
}

it("millions of datagrams that were changed on the way, or played again, are counted and change nothing", (t) => {
  const random = new Random(7);
  const below = (count: number): number => Math.floor(random.next() * count);
  const memory = nativeBuffer(4096);
  const { octets } = memory;
  const rate = [1e9, 1e9] as const;
  // Two handshakes with the far end, then it asks for cookies.
  const load = { checks: rate, handshakes: [0, 2], proven: rate, cookies: rate } as const;
  const pair = established({ primitives: tunnelCrypto(memory), near: { load }, far: { load } });
  const kinds = samplesOf(pair);
  const others = [INITIATION_TYPE, RESPONSE_TYPE, COOKIE_TYPE].flatMap((type) => kinds[type] ?? []);
  const transports = kinds[TRANSPORT_TYPE] ?? [];
  assert.deepEqual(
    others.map(({ datagram }) => datagram[0]),
    [INITIATION_TYPE, RESPONSE_TYPE, COOKIE_TYPE],
  );
  assert.equal(transports.length, 40);
  const sessions = [pair.near.peer.session, pair.far.peer.session];
  const events = [pair.near.events.length, pair.far.events.length];
  const dropped = dropsOf(pair.near, pair.far);

  const into = new Uint8Array(200);
  let count = 0;
  for (const deadline = performance.now() + TRIAL_MS; performance.now() < deadline; ) {
    // Not too many at a time, for machines that are slow.
    for (let at = 0; at < 200; at++) {
      const isTransport = random.next() < 0.95;
      const { datagram, to } = (isTransport ? transports : others)[
        below(isTransport ? transports.length : others.length)
      ] as Sample;
      octets.set(datagram);
      const length = random.next() < 0.2 ? below(datagram.length) : datagram.length;
      // An odd number of flips never undoes itself. What is not flipped is short, or it is played again.
      const flips = isTransport && random.next() < 0.2 ? 0 : random.next() < 0.7 ? 1 : 3;
      for (let flip = 0; flip < flips && length > 0; flip++) {
        const where = below(random.next() < 0.5 ? Math.min(12, length) : length);
        octets[where] = (octets[where] ?? 0) ^ (1 << below(8));
      }
      const taken = to.endpoint.handleDatagram(octets, 0, length, to.address, pair.now);
      if (taken !== null) assert.fail(`type ${datagram[0]} of ${length} octets was taken`);
      if (to.endpoint.pollReply(into) > length) assert.fail("an answer that is longer than what it answers");
      if (to.peer.pollTransmit(into) > 0) assert.fail(`something was said to type ${datagram[0]}`);
      count++;
    }
  }

  t.diagnostic(`${count} datagrams`);
  assert.equal(dropsOf(pair.near, pair.far) - dropped, count);
  assert.deepEqual([pair.near.peer.session, pair.far.peer.session], sessions);
  assert.deepEqual([pair.near.events.length, pair.far.events.length], events);
  assert.ok(pair.near.endpoint.indices <= 5 && pair.far.endpoint.indices <= 5);
  const response = kinds[RESPONSE_TYPE]?.[0]?.datagram ?? assert.fail();
  pair.way = () => [10];
  pair.deliver(pair.near, response);
  pair.runFor(1000);
  assert.equal(pair.near.events.at(-1), "rekeyed", "the handshake that waited comes to its end");
  assert.ok(pair.talks());
});
