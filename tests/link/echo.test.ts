import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Echo } from "../../src/link/echo.ts";
import { instant, NEVER } from "../../src/time.ts";
import { slowChecksum } from "../wire/packets.ts";

const INTERVAL = 1000;
const FAILURES = 3;
const V4 = { local: Uint8Array.of(10, 0, 0, 1), peer: Uint8Array.of(10, 0, 0, 2) };
const V6 = {
  local: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1),
  peer: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe),
};

const echoOf = (ends: { local: Uint8Array; peer: Uint8Array }, cookie = 0xdeadbeef): Echo =>
  new Echo({ ...ends, intervalMs: INTERVAL, failures: FAILURES, cookie });

function request(echo: Echo, now: number): Uint8Array {
  const into = new Uint8Array(100).fill(0xaa);
  const length = echo.pollRequest(into, 10, instant(now));
  assert.ok(
    into.subarray(0, 10).every((octet) => octet === 0xaa),
    "wrote before its place",
  );
  assert.ok(
    into.subarray(10 + length).every((octet) => octet === 0xaa),
    "wrote behind its length",
  );
  return into.slice(10, 10 + length);
}

/** What a host answers (RFC 792, RFC 4443): ends swapped, type replaced; the checksum stays that of the request. */
function answerTo(packet: Uint8Array): Uint8Array {
  const answer = packet.slice();
  const isV6 = (packet[0] as number) >> 4 === 6;
  const [from, size, icmp] = isV6 ? [8, 16, 40] : [12, 4, 20];
  answer.set(packet.subarray(from + size, from + 2 * size), from);
  answer.set(packet.subarray(from, from + size), from + size);
  answer[icmp] = isV6 ? 129 : 0;
  return answer;
}

const answered = (echo: Echo, packet: Uint8Array, now: number): boolean => {
  const placed = Uint8Array.of(1, 2, 3, ...packet);
  return echo.handlePacket(placed, 3, packet.length, instant(now));
};

/** Asks whenever it is time, until then. @returns when the link became silent */
function runUnanswered(echo: Echo, until: number, receivedEvery = Number.POSITIVE_INFINITY): number | null {
  let nextReceived = receivedEvery;
  for (let now = 0; now <= until; now += 50) {
    for (; nextReceived <= now; nextReceived += receivedEvery) echo.handleReceived(instant(nextReceived));
    if (echo.pollTimeout() <= now) request(echo, now);
    if (echo.silent) return now;
  }
  return null;
}

describe("an echo request", () => {
  it("of IPv4 is whole, and its checksums are right", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        (cookie, ends) => {
          const echo = echoOf({ local: ends.slice(0, 4), peer: ends.slice(4) }, cookie);
          echo.handleUp(instant(0));
          for (const now of [0, 1000, 2000]) {
            const packet = request(echo, now);
            const view = new DataView(packet.buffer);
            assert.equal(packet[0], 0x45);
            assert.equal(view.getUint16(2), packet.length);
            assert.equal(packet[9], 1);
            assert.deepEqual(packet.slice(12, 20), ends);
            assert.equal(slowChecksum(packet.subarray(0, 20)), 0);
            assert.deepEqual([packet[20], packet[21]], [8, 0]);
            assert.equal(slowChecksum(packet.subarray(20)), 0);
            assert.equal(view.getUint16(26), 1 + now / 1000);
          }
        },
      ),
    );
  });

  it("of IPv6 is whole, and its checksum is right with the pseudo-header of RFC 8200", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (cookie, ends) => {
          const echo = echoOf({ local: ends.slice(0, 16), peer: ends.slice(16) }, cookie);
          echo.handleUp(instant(0));
          const packet = request(echo, 0);
          const view = new DataView(packet.buffer);
          assert.equal(packet[0], 0x60);
          assert.equal(view.getUint16(4), packet.length - 40);
          assert.equal(packet[6], 58);
          assert.deepEqual(packet.slice(8, 40), ends);
          assert.deepEqual([packet[40], packet[41]], [128, 0]);
          const length = packet.length - 40;
          const pseudo = Uint8Array.of(...ends, 0, 0, 0, length, 0, 0, 0, 58, ...packet.subarray(40));
          assert.equal(slowChecksum(pseudo), 0);
        },
      ),
    );
  });

  it("is due when the line is up, at each interval, and never while it is down", () => {
    const echo = echoOf(V4);
    assert.equal(echo.pollTimeout(), NEVER);
    assert.equal(request(echo, 5).length, 0);
    echo.handleUp(instant(100));
    assert.equal(echo.pollTimeout(), 100);
    assert.equal(request(echo, 99).length, 0);
    assert.ok(request(echo, 100).length > 0);
    assert.equal(request(echo, 100).length, 0);
    assert.equal(echo.pollTimeout(), 1100);
    echo.handleDown();
    assert.equal(echo.pollTimeout(), NEVER);
  });

  it("goes on over the wrap of its sequence number", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    let last = new Uint8Array();
    for (let i = 0; i < 65_540; i++) {
      const into = new Uint8Array(32);
      echo.pollRequest(into, 0, instant(i * INTERVAL));
      last = into;
      if (i % 2 === 0) assert.ok(echo.handlePacket(answerTo(into), 0, 32, instant(i * INTERVAL + 7)));
    }
    assert.equal(new DataView(last.buffer).getUint16(26), 65_540 & 0xffff);
    assert.equal(echo.silent, false);
  });
});

describe("a link that is asked", () => {
  it("is silent after so many failures in a row when nothing comes in", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    assert.equal(runUnanswered(echo, 60_000), FAILURES * INTERVAL);
  });

  it("is given three times as long while something comes in", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    assert.equal(runUnanswered(echo, 60_000, 500), 3 * FAILURES * INTERVAL);
  });

  it("is silent soon after what came in has stopped", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    request(echo, 0);
    request(echo, 1000);
    echo.handleReceived(instant(1900));
    let now = 2000;
    for (; !echo.silent; now += INTERVAL) request(echo, now);
    assert.ok(
      now - INTERVAL >= 1900 + FAILURES * INTERVAL && now - INTERVAL <= 1900 + (FAILURES + 1) * INTERVAL,
      `${now}`,
    );
  });

  for (const [name, ends] of [
    ["IPv4", V4],
    ["IPv6", V6],
  ] as const) {
    it(`lives on answers by ${name}, which may come by any line, and tells the round trip`, () => {
      const echo = echoOf(ends);
      echo.handleUp(instant(0));
      for (let now = 0; now < 60_000; now += INTERVAL) {
        const packet = request(echo, now);
        assert.equal(answered(echo, packet, now + 10), false, "its own request is no answer");
        assert.equal(answered(echo, answerTo(packet), now + 321), true);
        assert.equal(echo.roundTripMs, 321);
      }
      assert.equal(echo.silent, false);
    });
  }

  it("counts failures in a row only: one answer begins anew", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    for (let i = 0; i < 30; i++) {
      const packet = request(echo, i * INTERVAL);
      if (i % FAILURES === FAILURES - 1) assert.ok(answered(echo, answerTo(packet), i * INTERVAL + 5));
      assert.equal(echo.silent, false);
    }
  });

  it("goes on being asked when it is silent, and comes back on an answer", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    const silentAt = runUnanswered(echo, 60_000) ?? Number.NaN;
    const packet = request(echo, silentAt + INTERVAL);
    assert.ok(packet.length > 0);
    echo.handleReceived(instant(silentAt + 1100));
    assert.equal(echo.silent, true, "what merely comes in shows nothing of the way out");
    assert.ok(answered(echo, answerTo(packet), silentAt + 1200));
    assert.equal(echo.silent, false);
  });

  it("takes a late answer to an earlier request for a sign of life, and no round trip from it", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    const first = request(echo, 0);
    request(echo, 1000);
    assert.ok(answered(echo, answerTo(first), 1100));
    assert.equal(echo.roundTripMs, null);
  });
});

describe("packets that are no answer to it", () => {
  it("are left to others: another's echo, another version, a cut or garbled one", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    const answer = answerTo(request(echo, 0));
    const others = echoOf(V4, 0xdeadbeee);
    others.handleUp(instant(0));
    const unreachable = answer.slice();
    unreachable[20] = 3;
    const udp = answer.slice();
    udp[9] = 17;
    const cut = answer.slice(0, -1);
    new DataView(cut.buffer).setUint16(2, cut.length);
    const fragment = answer.slice();
    fragment[7] = 9;
    const six = echoOf(V6);
    six.handleUp(instant(0));
    for (const packet of [
      answerTo(request(others, 0)),
      unreachable,
      udp,
      cut,
      fragment,
      answerTo(request(six, 0)),
    ]) {
      assert.equal(answered(echo, packet, 50), false);
    }
    assert.equal(answered(others, answer, 50), false);
    assert.equal(answered(echo, answer, 50), true);
  });

  it("are never taken, and never throw, whatever they are", () => {
    const echo = echoOf(V4);
    echo.handleUp(instant(0));
    const answer = answerTo(request(echo, 0));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(31), (octets, cut) => {
        assert.equal(echo.handlePacket(octets, 0, octets.length, instant(1)), false);
        assert.equal(echo.handlePacket(answer, 0, cut, instant(1)), false);
      }),
    );
  });
});
