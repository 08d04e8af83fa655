import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KEY_LIMITS } from "../../src/crypto/session-keys.ts";
import { nativeBuffer } from "../../src/host/libc.ts";
import { tunnelCrypto } from "../../src/host/tunnel-crypto.ts";
import { TRANSPORT } from "../../src/wire/tunnel-datagram.ts";
import { established } from "./tunnel-pair.ts";

const PER_MS = 200;
const BATCH = 64;
const DELAY_MS = 20;
const SECONDS = 0.5;
/** The datagrams under way each have a slot. */
const UNDER_WAY = PER_MS * DELAY_MS;
const SLOT = 64;
const CONTENT = 24;
const PARTS = UNDER_WAY * SLOT;
/** As the real ones relate to each other, but used up in a fraction of a second. Time alone replaces the real ones ten times earlier. */
const SCALE = 2 ** 14;
const limits = {
  ...KEY_LIMITS,
  rekeyDatagrams: KEY_LIMITS.rekeyDatagrams / SCALE,
  mostDatagrams: KEY_LIMITS.mostDatagrams / SCALE,
};

describe("200,000 datagrams a second", () => {
  it("are so few that keys are replaced by time first, and worn ones would last for an hour", () => {
    const lasting = (datagrams: number): number => datagrams / PER_MS;
    assert.ok(lasting(KEY_LIMITS.rekeyDatagrams) > 5 * KEY_LIMITS.rekeyMs);
    assert.ok(lasting(KEY_LIMITS.mostDatagrams - KEY_LIMITS.rekeyDatagrams) > 3_600_000);
  });

  for (const which of ["near", "far"] as const) {
    it(`wear keys out that are replaced without a pause, sent by the ${which} end`, () => {
      const memory = nativeBuffer(PARTS + 2 * SLOT);
      const { octets } = memory;
      const primitives = tunnelCrypto(memory);
      const pair = established({ primitives, near: { limits }, far: { limits }, way: () => [DELAY_MS] });
      const from = pair[which];
      const to = which === "near" ? pair.far : pair.near;
      const lengths = new Uint8Array(UNDER_WAY);
      let arrived = 0;
      const arrive = (slot: number): void => {
        const length = lengths[slot] ?? 0;
        if (length === 0) return;
        const at = slot * SLOT;
        assert.equal(to.endpoint.handleDatagram(octets, at, length, from.address, pair.now), to.peer);
        assert.equal(to.endpoint.openedLink, 5);
        assert.equal(octets[at + TRANSPORT.sealed + CONTENT - 1], 9);
        arrived++;
      };
      octets.fill(9, PARTS, PARTS + CONTENT);
      const total = PER_MS * 1000 * SECONDS;
      for (let sent = 0; sent < total; ) {
        const { session } = from.peer;
        for (let at = 0; at < BATCH && sent < total; at++, sent++) {
          const slot = sent % UNDER_WAY;
          arrive(slot);
          const counter = session?.nextCounter(5) ?? -1;
          const length = session?.sealParts(5, octets, slot * SLOT, PARTS, 4, PARTS + 4, CONTENT - 4) ?? 0;
          if (length !== CONTENT + TRANSPORT.overhead) assert.fail(`datagram ${sent}: ${length} octets`);
          if (session?.nextCounter(5) !== counter + 1) assert.fail("it counts");
          lengths[slot] = length;
        }
        from.peer.checkWear(pair.now);
        pair.runFor(BATCH / PER_MS);
      }
      for (let slot = 0; slot < UNDER_WAY; slot++) arrive(slot);
      assert.equal(arrived, total);
      const sets = total / limits.mostDatagrams;
      assert.ok(from.events.length > 2 * sets, `${from.events.length} sets of keys`);
      assert.deepEqual(new Set(from.events), new Set(["established", "rekeyed"]));
      assert.deepEqual(new Set(to.events), new Set(["established", "rekeyed"]));
    });
  }
});
