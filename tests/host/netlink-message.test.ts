import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Attribute,
  attributeMap,
  encodeBody,
  encodeMessage,
  type NetlinkMessage,
  nestedAttribute,
  numberAttribute,
  numberOf,
  readAcknowledgement,
  readAttributes,
  readMessages,
  textAttribute,
  textOf,
} from "../../src/host/netlink-message.ts";
import { readEvents } from "../../src/host/netlink-monitor.ts";
import { encodeAddress, readAddress, readInterface } from "../../src/host/netlink-objects.ts";
import { encodeRoute, readRoute } from "../../src/host/netlink-route.ts";

const message = fc.record<NetlinkMessage>({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  sequence: fc.nat(0xffffffff),
  body: fc.uint8Array({ maxLength: 40 }),
});
const attribute = fc.record<Attribute>({ type: fc.nat(0xffff), data: fc.uint8Array({ maxLength: 20 }) });

/** Small numbers at the start of each word, so that many lengths in it make sense. */
const plausible = fc
  .array(fc.tuple(fc.nat(64), fc.constantFrom(0, 0, 0, 1, 255), fc.nat(40), fc.constantFrom(0, 0, 128)), {
    maxLength: 60,
  })
  .map((words) => Uint8Array.from(words.flat()));
const anything = fc.oneof(fc.uint8Array({ maxLength: 300 }), plausible);

/** Octets in the middle of others, as a view, so that reading past its end would be seen. */
function embedded(octets: Uint8Array): Uint8Array {
  const around = new Uint8Array(octets.length + 200).fill(0x08);
  around.set(octets, 100);
  return around.subarray(100, 100 + octets.length);
}

/** Fails when the inner view is not of octets of the outer one. */
function assertWithin(inner: Uint8Array, outer: Uint8Array): void {
  assert.equal(inner.buffer, outer.buffer);
  assert.ok(inner.byteOffset >= outer.byteOffset);
  assert.ok(inner.byteOffset + inner.length <= outer.byteOffset + outer.length);
}

function padded(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part, ...new Uint8Array(-part.length & 3)]));
}

describe("netlink messages", () => {
  it("are read as they were written, several in one datagram", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const datagram = padded(messages.map(encodeMessage));
        assert.deepEqual(
          readMessages(datagram).map((read) => ({ ...read, body: [...read.body] })),
          messages.map((sent) => ({ ...sent, body: [...sent.body] })),
        );
      }),
    );
  });

  it("have attributes that are read as they were written", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 17 }),
        fc.array(attribute, { maxLength: 6 }),
        (header, attributes) => {
          const read = readAttributes(encodeBody(header, attributes), header.length);
          assert.deepEqual(
            read.map(({ type, data }) => [type, ...data]),
            attributes.map(({ type, data }) => [type, ...data]),
          );
        },
      ),
    );
  });

  it("nest, and hold numbers and text", () => {
    const body = encodeBody(new Uint8Array(0), [
      nestedAttribute(26, [nestedAttribute(10, [numberAttribute(8, 0xfffffffe)])]),
      textAttribute(3, "sl0"),
    ]);
    const outer = attributeMap(readAttributes(body, 0));
    const family = attributeMap(readAttributes(outer.get(26) as Uint8Array, 0));
    const inside = attributeMap(readAttributes(family.get(10) as Uint8Array, 0));
    assert.equal(numberOf(inside.get(8)), 0xfffffffe);
    assert.equal(textOf(outer.get(3) as Uint8Array), "sl0");
    assert.equal(numberOf(Uint8Array.of(1, 2, 3)), undefined);
  });

  it("yield only views within the octets read, whatever these are", () => {
    fc.assert(
      fc.property(anything, fc.nat(40), (octets, from) => {
        const datagram = embedded(octets);
        for (const read of readMessages(datagram)) {
          assertWithin(read.body, datagram);
          readAcknowledgement(read);
        }
        for (const read of readAttributes(datagram, from)) assertWithin(read.data, datagram);
        readAcknowledgement({ type: 2, flags: 0x300, sequence: 0, body: datagram });
        readAcknowledgement({ type: 2, flags: 0x200, sequence: 0, body: datagram });
      }),
      { numRuns: 2000 },
    );
  });

  it("stop at the first length that cannot be right", () => {
    const good = encodeMessage({ type: 16, flags: 0, sequence: 1, body: new Uint8Array(4) });
    for (const length of [0, 15, 21, 0x7fffffff, 0xffffffff]) {
      const bad = encodeMessage({ type: 16, flags: 0, sequence: 2, body: new Uint8Array(4) });
      new DataView(bad.buffer).setUint32(0, length, true);
      const read = readMessages(padded([good, bad]));
      assert.deepEqual(
        read.map(({ sequence }) => sequence),
        [1],
        `length ${length}`,
      );
    }
    for (const length of [0, 3, 9, 0xffff]) {
      const body = encodeBody(new Uint8Array(0), [numberAttribute(1, 7), numberAttribute(2, 7)]);
      new DataView(body.buffer).setUint16(8, length, true);
      assert.deepEqual([...attributeMap(readAttributes(body, 0)).keys()], [1], `length ${length}`);
    }
  });

  it("take the kernel's words from an acknowledgement, with or without the request echoed", () => {
    const header = new Uint8Array(20);
    const view = new DataView(header.buffer);
    view.setInt32(0, -22, true);
    view.setUint32(4, 16, true); // the echoed request's length
    const words = [textAttribute(1, "Invalid prefix")];
    for (const flags of [0x300, 0x200]) {
      const body = encodeBody(header, words);
      assert.deepEqual(readAcknowledgement({ type: 2, flags, sequence: 1, body }), {
        result: -22,
        words: "Invalid prefix",
      });
    }
    const long = encodeBody(new Uint8Array(44), words);
    new DataView(long.buffer).setUint32(4, 40, true);
    assert.equal(
      readAcknowledgement({ type: 2, flags: 0x200, sequence: 1, body: long })?.words,
      "Invalid prefix",
    );
    new DataView(long.buffer).setUint32(4, 0xfffffff8, true); // past the end, and past 2^31
    assert.equal(readAcknowledgement({ type: 2, flags: 0x200, sequence: 1, body: long })?.words, "");
    assert.equal(readAcknowledgement({ type: 2, flags: 0, sequence: 1, body: new Uint8Array(3) }), null);
  });
});

describe("netlink objects", () => {
  it("never throw on what they read, whatever it is", () => {
    fc.assert(
      fc.property(
        anything,
        fc.constantFrom(0, 2, 10),
        fc.constantFrom(16, 17, 20, 21, 24),
        (octets, family, type) => {
          const body = embedded(octets);
          if (body.length > 0) body[0] = family;
          readInterface(body);
          readAddress(body);
          const route = readRoute(body);
          if (route !== null) assert.notEqual(route.rest.buffer, body.buffer, "rest is a copy");
          readEvents(octets);
          readEvents(encodeMessage({ type, flags: 0, sequence: 0, body }));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("write addresses as they read them", () => {
    const peer = fc.option(fc.constant("peer"));
    const family = fc.constantFrom(fc.ipV4(), fc.ipV6());
    fc.assert(
      fc.property(
        family.chain((ip) => fc.tuple(ip, ip, peer, fc.nat(32))),
        ([local, other, withPeer, prefix]) => {
          const body = encodeAddress(7, local, withPeer === null ? null : other, prefix);
          const read = readAddress(body);
          assert.ok(read);
          assert.deepEqual(encodeAddress(7, read.local, read.peer, read.prefix), body);
        },
      ),
    );
  });

  it("write routes as they read them, with what they do not know", () => {
    const further = [
      { type: 8, data: numberAttribute(2, 1400).data },
      { type: 20, data: Uint8Array.of(1) },
    ];
    const body = encodeBody(Uint8Array.of(2, 16, 0, 8, 254, 4, 253, 1, 4 + 16, 0, 0, 0), [
      numberAttribute(15, 254),
      { type: 1, data: Uint8Array.of(10, 1, 0, 0) },
      numberAttribute(6, 20),
      { type: 7, data: Uint8Array.of(10, 0, 0, 1) },
      numberAttribute(4, 3),
      { type: 5, data: Uint8Array.of(10, 0, 0, 2) },
      ...further,
    ]);
    const route = readRoute(body);
    assert.ok(route);
    const { rest, ...named } = route;
    assert.deepEqual(named, {
      family: 4,
      destination: "10.1.0.0/16",
      index: 3,
      gateway: "10.0.0.2",
      source: "10.0.0.1",
      metric: 20,
      protocol: 4,
      scope: 253,
      table: 254,
    });
    assert.deepEqual(
      readAttributes(rest, 12).map(({ type, data }) => [type, ...data]),
      further.map(({ type, data }) => [type, ...data]),
    );
    body[8] = 4; // onlink stays, "no carrier just now" is not ours to say
    assert.deepEqual(encodeRoute(route, false), body);
  });

  it("refuse text that is no address, before anything is sent", () => {
    const refused = { code: "ADDRESS_INVALID" };
    assert.throws(() => encodeAddress(1, "10.0.0.300", null, 32), refused);
    assert.throws(() => encodeAddress(1, "10.0.0.1", "fe80::1", 32), refused);
    assert.throws(() => encodeAddress(1, "10.0.0.1", null, 33), refused);
    assert.throws(() => encodeAddress(1, "10.0.0.1", null, 1.5), refused);
    assert.throws(() => encodeRoute({ destination: "somewhere" }, false), refused);
    assert.throws(() => encodeRoute({ destination: "10.0.0.0/8", family: 6 }, false), refused);
    assert.throws(() => encodeRoute({ destination: "10.0.0.0/8", gateway: "fe80::1" }, false), refused);
  });
});
