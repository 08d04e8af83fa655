import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodeSlipBody, SLIP_END, SlipDecoder, slipBodyBound, slipBodyLength } from "../../src/wire/slip.ts";

/** END body END, as a sender with a quiet line before it writes it. */
function frameOf(packet: Uint8Array): number[] {
  const into = new Uint8Array(slipBodyBound(packet.length));
  const end = encodeSlipBody(packet, 0, packet.length, into, 0);
  assert.equal(end, slipBodyLength(packet, 0, packet.length));
  return [SLIP_END, ...into.subarray(0, end), SLIP_END];
}

function decodeAll(decoder: SlipDecoder, octets: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    at = decoder.decode(octets, at, octets.length);
    if (decoder.frameLength > 0) frames.push(decoder.frame.slice(0, decoder.frameLength));
  }
  return frames;
}

const decoderOf = (mtu: number): SlipDecoder => new SlipDecoder(new Uint8Array(mtu));

describe("SLIP (RFC 1055)", () => {
  it("escapes END as DB DC and ESC as DB DD", () => {
    assert.deepEqual(
      frameOf(Uint8Array.of(0x45, 0xc0, 0xdb, 0x00)),
      [0xc0, 0x45, 0xdb, 0xdc, 0xdb, 0xdd, 0x00, 0xc0],
    );
  });

  it("encodes a part of a buffer to a place in another", () => {
    const into = new Uint8Array(8);
    assert.equal(encodeSlipBody(Uint8Array.of(1, 2, 0xc0, 4), 1, 3, into, 2), 5);
    assert.deepEqual([...into], [0, 0, 2, 0xdb, 0xdc, 0, 0, 0]);
  });

  it("decodes any packets however the stream is cut", () => {
    const packets = fc.array(fc.uint8Array({ minLength: 1, maxLength: 64 }), { maxLength: 8 });
    fc.assert(
      fc.property(packets, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (sent, cuts) => {
        const stream = Uint8Array.from(sent.flatMap(frameOf));
        const decoder = decoderOf(64);
        const got: Uint8Array[] = [];
        for (let at = 0; at < stream.length; ) {
          const to = Math.min(stream.length, at + cuts.next().value);
          got.push(...decodeAll(decoder, stream.slice(at, to)));
          at = to;
        }
        assert.deepEqual(got, sent);
        assert.deepEqual(decoder.drops, { oversize: 0, badEscape: 0 });
      }),
    );
  });

  it("never throws on noise, and the next good frame is delivered", () => {
    const packet = Uint8Array.of(0x45, 1, 2, 3);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        const decoder = decoderOf(64);
        decodeAll(decoder, noise);
        assert.deepEqual(decodeAll(decoder, Uint8Array.from(frameOf(packet))).at(-1), packet);
      }),
    );
  });

  it("counts an over-long frame once, and keeps in step", () => {
    const decoder = decoderOf(4);
    const frames = decodeAll(decoder, Uint8Array.of(1, 2, 3, 4, 5, 6, SLIP_END, 7, SLIP_END));
    assert.deepEqual(frames, [Uint8Array.of(7)]);
    assert.deepEqual(decoder.drops, { oversize: 1, badEscape: 0 });
  });

  it("counts a bad and an unfinished escape", () => {
    const decoder = decoderOf(64);
    const frames = decodeAll(decoder, Uint8Array.of(1, 0xdb, 0x41, SLIP_END, 2, 0xdb, SLIP_END, 3, SLIP_END));
    assert.deepEqual(frames, [Uint8Array.of(3)]);
    assert.deepEqual(decoder.drops, { oversize: 0, badEscape: 2 });
  });

  it("ignores empty frames and forgets an unfinished one on reset", () => {
    const decoder = decoderOf(64);
    assert.deepEqual(decodeAll(decoder, Uint8Array.of(SLIP_END, SLIP_END, 1, 2)), []);
    decoder.reset();
    assert.deepEqual(decodeAll(decoder, Uint8Array.of(9, SLIP_END)), [Uint8Array.of(9)]);
  });
});
