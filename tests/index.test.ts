import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type * as Api from "../src/index.ts";

// By the package's own name, as its users import it.
const api = (await import("eql-lines" as string)) as typeof Api;

describe("the package's API", () => {
  it("has what it takes to drive a bundle of two SLIP links and to read what they send", () => {
    const {
      ClassicBundle,
      EarliestArrival,
      instant,
      Member,
      NEVER,
      Pacer,
      PacketPool,
      SlipDecoder,
      SlipLink,
    } = api;
    const mtu = 576;
    const bundle = new ClassicBundle(new EarliestArrival(), mtu, 16, 1);
    for (const [index, bps] of [57_600, 14_400].entries()) {
      const link = new SlipLink(mtu, new Uint8Array(api.slipLinkMemory(mtu, mtu)));
      bundle.join(new Member(index as Api.LinkId, `sl${index}`, link, new Pacer(bps)));
    }
    const pool = new PacketPool(new Uint8Array(4 * mtu), 0, 4, mtu);
    const packet = pool.take();
    assert.ok(packet);
    packet.octets.set([0x45, 0, 0, 20], packet.start);
    packet.length = 20;
    bundle.enqueue(packet, instant(0));
    for (let now = instant(0); now !== NEVER; ) now = bundle.poll(now);
    const outboxes = bundle.members.map(({ link }) => link.outbox);
    assert.deepEqual(
      outboxes.map(({ length }) => length > 0),
      [true, false],
      "the faster link took it",
    );
    const [outbox] = outboxes as [Api.Outbox];
    const decoder = new SlipDecoder(new Uint8Array(mtu));
    const frames: Uint8Array[] = [];
    for (let at = outbox.from; at < outbox.to; ) {
      at = decoder.decode(outbox.octets, at, outbox.to);
      if (decoder.frameLength > 0) frames.push(decoder.frame.slice(0, decoder.frameLength));
    }
    assert.deepEqual(frames, [Uint8Array.of(0x45, 0, 0, 20, ...new Uint8Array(16))]);
    assert.equal(pool.available, 4);
  });

  it("is classes, functions and constants of its own, none undefined", () => {
    for (const [name, value] of Object.entries(api)) assert.notEqual(value, undefined, name);
    assert.ok(new api.EqlError("DEVICE_BUSY", "in use") instanceof Error);
  });

  it("lets nobody in by another path", async () => {
    await assert.rejects(import("eql-lines/dist/src/host/libc.js" as string), {
      code: "ERR_PACKAGE_PATH_NOT_EXPORTED",
    });
  });
});
