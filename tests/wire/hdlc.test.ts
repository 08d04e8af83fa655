import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  DEFAULT_ASYNC_MAP,
  HDLC_FLAG,
  HdlcDecoder,
  HdlcEncoder,
  hdlcBodyBound,
  hdlcBodyLength,
} from "../../src/wire/hdlc.ts";
import { goldenFrames, goldenOctets } from "./golden.ts";

const NO_DROPS = { oversize: 0, badCheck: 0, aborted: 0, short: 0 };
const MRU = 64;
const ECHO_REQUEST = Uint8Array.of(0xff, 0x03, 0xc0, 0x21, 9, 0, 0, 8, 0, 0, 0, 0);

function encoderOf(asyncMap: number): HdlcEncoder {
  const encoder = new HdlcEncoder();
  encoder.asyncMap = asyncMap;
  return encoder;
}

function decoderOf(asyncMap: number, mru = MRU): HdlcDecoder {
  const decoder = new HdlcDecoder(new Uint8Array(mru + 2));
  decoder.asyncMap = asyncMap;
  return decoder;
}

/** The frame without flags. */
function bodyOf(packet: Uint8Array, asyncMap: number): number[] {
  const into = new Uint8Array(hdlcBodyBound(packet.length));
  const encoder = encoderOf(asyncMap);
  encoder.begin(into, 0);
  encoder.octets(packet, 0, packet.length);
  return [...into.subarray(0, encoder.finish())];
}

const frameOf = (packet: Uint8Array, asyncMap: number): number[] => [
  HDLC_FLAG,
  ...bodyOf(packet, asyncMap),
  HDLC_FLAG,
];

function decodeAll(decoder: HdlcDecoder, octets: Uint8Array): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    at = decoder.decode(octets, at, octets.length);
    if (decoder.frameLength > 0) frames.push(decoder.frame.slice(0, decoder.frameLength));
  }
  return frames;
}

/** Some octets that have to be escaped, more often than chance has them. */
const awkward = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0x7e, 0x7d, 0x5e, 0x11, 0x20, 0xff),
);
const packet = fc.array(awkward, { minLength: 2, maxLength: MRU }).map((octets) => Uint8Array.from(octets));
const map = fc.oneof(
  fc.constantFrom(0, DEFAULT_ASYNC_MAP, 0x000a0000),
  fc.integer({ min: 0, max: 0xffffffff }),
);

describe("HDLC encoder (RFC 1662)", () => {
  it("escapes flag, escape and the octets of the map", () => {
    const octets = Uint8Array.of(0x7e, 0x7d, 0x11, 0x13, 0x20, 0x91);
    const escaped = [0x7d, 0x5e, 0x7d, 0x5d, 0x7d, 0x31, 0x13, 0x20, 0x91];
    assert.deepEqual(bodyOf(octets, 1 << 0x11).slice(0, escaped.length), escaped);
    const all = [0x7d, 0x5e, 0x7d, 0x5d, 0x7d, 0x31, 0x7d, 0x33, 0x20, 0x91];
    assert.deepEqual(bodyOf(octets, DEFAULT_ASYNC_MAP).slice(0, all.length), all);
  });

  it("writes what pppd and Linux write, checks that have to be escaped too", () => {
    for (const name of ["ppp-single.ab", "ppp-single.ba"]) {
      const line = String.fromCharCode(...goldenOctets(name));
      const packets = decodeAll(decoderOf(0, 1500), goldenOctets(name));
      assert.equal(packets.length, goldenFrames(name).length);
      // LCP's packets are sent with the default map, all others with the one agreed on, 0; Echo too.
      const bodies = packets.map((octets) => bodyOf(octets, octets[0] === 0xff ? DEFAULT_ASYNC_MAP : 0));
      let at = 0;
      for (const body of bodies) {
        at = line.indexOf(String.fromCharCode(...body, HDLC_FLAG), at);
        assert.notEqual(at, -1, `${name}: ${body.join(" ")}`);
        at += body.length;
      }
    }
  });

  it("joins single octets and parts of buffers under one check, anywhere in another buffer", () => {
    fc.assert(
      fc.property(packet, map, fc.nat({ max: MRU }), fc.nat({ max: MRU }), (octets, asyncMap, a, b) => {
        const [one, two] = [a, b].map((at) => Math.min(at, octets.length)).toSorted((x, y) => x - y);
        assert.ok(one !== undefined && two !== undefined);
        const into = new Uint8Array(3 + hdlcBodyBound(octets.length));
        const encoder = encoderOf(asyncMap);
        encoder.begin(into, 3);
        encoder.octets(octets, 0, one);
        for (let i = one; i < two; i++) encoder.octet(octets[i] as number);
        encoder.octets(octets, two, octets.length);
        assert.deepEqual([...into.subarray(3, encoder.finish())], bodyOf(octets, asyncMap));
      }),
    );
  });

  it("writes one frame after the other", () => {
    const into = new Uint8Array(2 * hdlcBodyBound(ECHO_REQUEST.length));
    const encoder = encoderOf(0);
    let at = 0;
    for (let frame = 0; frame < 2; frame++) {
      encoder.begin(into, at);
      encoder.octets(ECHO_REQUEST, 0, ECHO_REQUEST.length);
      at = encoder.finish();
    }
    const body = bodyOf(ECHO_REQUEST, 0);
    assert.deepEqual([...into.subarray(0, at)], [...body, ...body]);
  });

  it("knows how long a part becomes", () => {
    fc.assert(
      fc.property(packet, map, (octets, asyncMap) => {
        const whole = bodyOf(octets, asyncMap);
        const length = hdlcBodyLength(encoderOf(asyncMap), octets, 0, octets.length);
        const check = whole.slice(length).filter((octet) => octet !== 0x7d).length;
        assert.equal(check, 2, `${whole.length} octets, of which ${length} for the packet`);
        assert.ok(whole.length <= hdlcBodyBound(octets.length));
      }),
    );
    const all = new Uint8Array(10).fill(HDLC_FLAG);
    assert.equal(hdlcBodyLength(encoderOf(0), all, 2, 7), 10);
  });
});

describe("HDLC decoder (RFC 1662)", () => {
  it("decodes any packets however the stream is cut, with one flag between two or several", () => {
    const packets = fc.array(packet, { maxLength: 8 });
    const cuts = fc.infiniteStream(fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(packets, cuts, map, fc.boolean(), (sent, lengths, asyncMap, shared) => {
        const bodies = sent.flatMap((octets) =>
          shared ? [...bodyOf(octets, asyncMap), HDLC_FLAG] : frameOf(octets, asyncMap),
        );
        const stream = Uint8Array.of(HDLC_FLAG, ...bodies);
        const decoder = decoderOf(asyncMap);
        const got: Uint8Array[] = [];
        for (let at = 0; at < stream.length; ) {
          const to = Math.min(stream.length, at + lengths.next().value);
          got.push(...decodeAll(decoder, stream.slice(at, to)));
          at = to;
        }
        assert.deepEqual(got, sent);
        assert.deepEqual(decoder.drops, NO_DROPS);
      }),
    );
  });

  it("never throws on noise, and the next good frame is delivered", () => {
    const noise = fc.array(awkward, { maxLength: 300 }).map((octets) => Uint8Array.from(octets));
    fc.assert(
      fc.property(noise, map, (octets, asyncMap) => {
        const decoder = decoderOf(asyncMap);
        decodeAll(decoder, octets);
        const next = Uint8Array.from(frameOf(ECHO_REQUEST, asyncMap));
        assert.deepEqual(decodeAll(decoder, next).at(-1), ECHO_REQUEST);
      }),
    );
  });

  it("drops octets of the map that come as they are, behind an escape too, and undoes every escape", () => {
    const clean = bodyOf(ECHO_REQUEST, DEFAULT_ASYNC_MAP);
    const dirty = clean.flatMap((octet) => [0x11, octet, 0x13]);
    const decoder = decoderOf(DEFAULT_ASYNC_MAP);
    assert.deepEqual(decodeAll(decoder, Uint8Array.of(...dirty, HDLC_FLAG)), [ECHO_REQUEST]);
    const odd = Uint8Array.of(0x21, 0x5d, 0x5d, 0xff);
    const needless = bodyOf(odd, 0).flatMap((octet) => [0x7d, octet ^ 0x20]);
    assert.ok(!needless.includes(HDLC_FLAG));
    assert.deepEqual(decodeAll(decoderOf(0), Uint8Array.of(...needless, HDLC_FLAG)), [odd]);
    assert.deepEqual(decoder.drops, NO_DROPS);
    // Those that are not of the map are the packet's.
    decoder.asyncMap = 0x000a0000;
    const bare = bodyOf(ECHO_REQUEST, 0x000a0000);
    assert.ok(bare.includes(0x03));
    assert.deepEqual(decodeAll(decoder, Uint8Array.of(...bare, 0x11, HDLC_FLAG)), [ECHO_REQUEST]);
    decoder.asyncMap = 0;
    assert.deepEqual(decodeAll(decoder, Uint8Array.of(...bare, 0x11, HDLC_FLAG)), []);
    assert.equal(decoder.drops.badCheck, 1);
  });

  it("gives up an aborted frame without another word", () => {
    const decoder = decoderOf(0);
    const aborted = [...bodyOf(ECHO_REQUEST, 0), 0x7d, HDLC_FLAG];
    const frames = decodeAll(decoder, Uint8Array.of(...aborted, ...bodyOf(ECHO_REQUEST, 0), HDLC_FLAG));
    assert.deepEqual(frames, [ECHO_REQUEST]);
    assert.deepEqual(decoder.drops, { ...NO_DROPS, aborted: 1 });
  });

  it("takes fewer than four octets for no frame, good check or not", () => {
    const decoder = decoderOf(0);
    const short = Uint8Array.of(...bodyOf(Uint8Array.of(0x21), 0), HDLC_FLAG, 1, 2, HDLC_FLAG, HDLC_FLAG);
    assert.deepEqual(decodeAll(decoder, short), []);
    assert.deepEqual(decoder.drops, { ...NO_DROPS, short: 2 });
    const least = Uint8Array.of(0x21, 0x45);
    assert.deepEqual(decodeAll(decoder, Uint8Array.from(frameOf(least, 0))), [least]);
  });

  it("counts a changed octet, wherever it is, as a bad check", () => {
    const body = bodyOf(ECHO_REQUEST, 0);
    for (let at = 0; at < body.length; at++) {
      const decoder = decoderOf(0);
      const changed = body.with(at, (body[at] as number) ^ 0x40);
      assert.deepEqual(decodeAll(decoder, Uint8Array.of(...changed, HDLC_FLAG)), []);
      assert.deepEqual(decoder.drops, { ...NO_DROPS, badCheck: 1 });
    }
  });

  it("takes a frame that just fits, counts a longer one once, and keeps in step", () => {
    const decoder = decoderOf(0, ECHO_REQUEST.length);
    const long = frameOf(Uint8Array.of(...ECHO_REQUEST, 1), 0);
    const stream = Uint8Array.of(...long, ...frameOf(ECHO_REQUEST, 0));
    assert.deepEqual(decodeAll(decoder, stream), [ECHO_REQUEST]);
    assert.deepEqual(decoder.drops, { ...NO_DROPS, oversize: 1 });
  });

  it("forgets an unfinished frame on reset, its escape and its length too", () => {
    const decoder = decoderOf(0, ECHO_REQUEST.length);
    const frame = Uint8Array.from(frameOf(ECHO_REQUEST, 0));
    for (const unfinished of [new Uint8Array(MRU), Uint8Array.of(1, 2, 3, 0x7d)]) {
      decodeAll(decoder, unfinished);
      decoder.reset();
      assert.equal(decoder.frameLength, 0);
      assert.deepEqual(decodeAll(decoder, frame), [ECHO_REQUEST]);
    }
    assert.deepEqual(decoder.drops, NO_DROPS);
  });

  it("expects all control octets escaped until it is told otherwise", () => {
    const decoder = new HdlcDecoder(new Uint8Array(MRU));
    assert.equal(decoder.asyncMap, DEFAULT_ASYNC_MAP);
    const stray = Uint8Array.of(...bodyOf(ECHO_REQUEST, DEFAULT_ASYNC_MAP), 0, 0x1f, HDLC_FLAG);
    assert.deepEqual(decodeAll(decoder, stray), [ECHO_REQUEST]);
  });
});
