import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type PppFraming, PppLink, pppLinkMemory } from "../../src/link/ppp-link.ts";
import { type Instant, instant } from "../../src/time.ts";
import { HdlcEncoder } from "../../src/wire/hdlc.ts";
import { PPP_IP, PPP_IPV6, PPP_LCP, PPP_MULTILINK } from "../../src/wire/ppp-packet.ts";
import { ipv4, ipv6 } from "../wire/packets.ts";
import { describeLink } from "./compliance.ts";
import { packetOf, poolOf } from "./packets.ts";

const now = instant(1e6);
const COMPRESSED: PppFraming = {
  sendAsyncMap: 0,
  receiveAsyncMap: 0,
  sendProtocolCompression: true,
  sendAddressCompression: true,
  peerMru: 16_384,
};

function make(mtu: number, framing: Partial<PppFraming> = {}): PppLink {
  const link = new PppLink(mtu, new Uint8Array(pppLinkMemory(mtu, mtu)));
  link.framing = { ...COMPRESSED, ...framing };
  return link;
}

interface Received {
  readonly protocol: number;
  readonly octets: Uint8Array;
}

function receive(link: PppLink, octets: Uint8Array): Received[] {
  const found: Received[] = [];
  for (let at = 0; at < octets.length; ) {
    at = link.handleReceive(octets, at, octets.length, now);
    const { receivedFrom, receivedLength, receivedProtocol } = link;
    if (receivedLength === 0) continue;
    const packet = link.received.slice(receivedFrom, receivedFrom + receivedLength);
    found.push({ protocol: receivedProtocol, octets: packet });
  }
  return found;
}

function take(link: PppLink): Uint8Array {
  const octets = link.outbox.octets.slice(link.outbox.from, link.outbox.to);
  link.outbox.clear();
  return octets;
}

function send(link: PppLink, octets: Uint8Array, protocol = 0, at: Instant = now): Uint8Array {
  const packet = packetOf(poolOf(1, 2000), octets);
  packet.protocol = protocol;
  assert.ok(link.begin(packet, at) > 0);
  link.end(at);
  return take(link);
}

describeLink({
  name: "a PPP link",
  make: (mtu) => make(mtu),
  deliver: (line) => receive(make(16_384), line).map(({ octets }) => octets),
  tapHeader: [0xff, 0x03, 0x00, 0x57],
  extra: 3, // a leading flag, and both octets of the check escaped
});

describe("a PPP link", () => {
  it("writes what RFC 1662 says before anything is agreed on", () => {
    const link = new PppLink(1500, new Uint8Array(pppLinkMemory(1500, 1500)));
    const line = send(link, Uint8Array.of(1, 1, 0, 4), PPP_LCP);
    assert.deepEqual([...line.subarray(0, 9)], [0x7e, 0xff, 0x7d, 0x23, 0xc0, 0x21, 0x7d, 0x21, 0x7d]);
    assert.equal(line.at(-1), 0x7e);
    assert.deepEqual(receive(link, line), [{ protocol: PPP_LCP, octets: Uint8Array.of(1, 1, 0, 4) }]);
  });

  it("writes LCP as if nothing were agreed on, and all else as agreed", () => {
    const link = make(1500);
    assert.deepEqual(
      [...send(link, Uint8Array.of(9, 1, 0, 4), PPP_LCP).subarray(1, 8)],
      [0xff, 0x7d, 0x23, 0xc0, 0x21, 0x7d, 0x29],
    );
    assert.deepEqual([...send(link, ipv4({ length: 28 })).subarray(0, 2)], [0x21, 0x45]);
    assert.deepEqual([...send(link, Uint8Array.of(1, 1, 0, 4), 0x8021).subarray(0, 4)], [0x80, 0x21, 1, 1]);
  });

  it("leaves out nothing that the peer does not take compressed", () => {
    const link = make(1500, { sendAddressCompression: false, sendProtocolCompression: false });
    const line = send(link, ipv6({ length: 48 }));
    assert.deepEqual([...line.subarray(1, 5)], [0xff, 0x03, 0x00, 0x57]);
    assert.equal(receive(link, line)[0]?.protocol, PPP_IPV6);
  });

  it("sends nothing longer than the peer's MRU", () => {
    const link = make(1500, { peerMru: 296 });
    assert.equal(link.mtu, 296);
    const packet = packetOf(poolOf(1, 2000), ipv4({ length: 297 }));
    assert.equal(link.begin(packet, now), 0);
  });

  it("puts a flag in front of a frame when the line was quiet", () => {
    const link = make(1500);
    const packet = ipv4({ length: 28 });
    assert.equal(send(link, packet)[0], 0x7e);
    assert.equal(send(link, packet)[0], 0x21);
    assert.equal(send(link, packet, 0, instant(now + 200))[0], 0x7e);
  });

  it("drops a frame that has no protocol, or a wrong check, and takes the next", () => {
    const link = make(1500);
    const encoderOf = make(1500, { sendProtocolCompression: false });
    assert.deepEqual(receive(link, Uint8Array.of(0x7e, 1, 2, 3, 4, 5, 0x7e)), []);
    assert.equal(link.drops.badCheck, 1);
    const encoder = new HdlcEncoder();
    const frame = new Uint8Array(40);
    encoder.begin(frame, 0);
    encoder.octets(Uint8Array.of(0xff, 0x04, 0x21, 0x45), 0, 4);
    const end = encoder.finish();
    frame[end] = 0x7e;
    assert.deepEqual(receive(link, frame.subarray(0, end + 1)), []);
    assert.equal(link.drops.noProtocol, 1);
    assert.equal(receive(link, send(encoderOf, ipv4({ length: 28 }))).length, 1);
  });

  it("shows the tap all frames, parts and control packets too, both ways", () => {
    const link = make(1500);
    link.numbering = { sendShort: false, receiveShort: false };
    const seen: [boolean, number[]][] = [];
    link.tap = {
      handlePacket: (octets, from, to, sent) => seen.push([sent, Array.from(octets.subarray(from, to))]),
    };
    const packet = packetOf(poolOf(1, 200), ipv4({ length: 28 }));
    link.sendFragment(packet, 0, 2, 7, now);
    receive(link, take(link));
    receive(link, send(link, Uint8Array.of(9, 1, 0, 4), PPP_LCP));
    assert.deepEqual(seen, [
      [
        true,
        [0xff, 0x03, 0x00, 0x3d, 0x80, 0, 0, 7, 0x00, 0x21, 0x45, packet.octets[packet.start + 1] as number],
      ],
      [false, [0x3d, 0x80, 0, 0, 7, 0x21, 0x45, packet.octets[packet.start + 1] as number]],
      [true, [0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4]],
      [false, [0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 4]],
    ]);
  });

  it("forgets what was agreed on when the line is new", () => {
    const link = make(1500);
    link.numbering = { sendShort: false, receiveShort: false };
    link.reset();
    assert.equal(link.fragmenting, null);
    assert.deepEqual([...send(link, ipv4({ length: 28 })).subarray(0, 4)], [0x7e, 0xff, 0x7d, 0x23]);
  });
});

describe("parts of packets on a PPP link", () => {
  for (const short of [false, true]) {
    it(`carry ${short ? "short" : "long"} numbers and make the packet again`, () => {
      const link = make(1500);
      const numbering = { sendShort: short, receiveShort: short };
      link.numbering = numbering;
      const octets = ipv4({ length: 100 });
      const packet = packetOf(poolOf(1, 200), octets);
      const cuts: [number, number][] = [
        [0, 40],
        [40, 41],
        [41, 100],
      ];
      const parts: Uint8Array[] = [];
      for (const [index, [from, to]] of cuts.entries()) {
        const written = link.sendFragment(packet, from, to, 0xffe + index, now);
        assert.equal(link.outbox.length, written);
        const line = take(link);
        const [part] = receive(link, line);
        assert.equal(part?.protocol, PPP_MULTILINK);
        assert.equal(link.fragment.number, short ? (0xffe + index) & 0xfff : 0xffe + index);
        assert.deepEqual([link.fragment.first, link.fragment.last], [index === 0, index === 2]);
        parts.push(part.octets);
      }
      const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
      assert.deepEqual(whole, Uint8Array.of(PPP_IP, ...octets));
    });
  }

  it("take as many octets as said beforehand, escapes apart", () => {
    const link = make(1500);
    link.numbering = { sendShort: false, receiveShort: false };
    const packet = packetOf(poolOf(1, 200), ipv4({ length: 100 }).fill(0x55, 20));
    link.sendFragment(packet, 0, 20, 5, now);
    take(link);
    const written = link.sendFragment(packet, 20, 90, 6, now);
    assert.ok(written >= link.fragmentOverhead + 70 && written <= link.fragmentOverhead + 72, `${written}`);
  });

  it("are none where no bundle numbers them, and none longer than the peer takes", () => {
    const link = make(1500, { peerMru: 128 });
    const packet = packetOf(poolOf(1, 200), ipv4({ length: 200 }));
    assert.equal(link.sendFragment(packet, 0, 50, 0, now), 0);
    link.numbering = { sendShort: true, receiveShort: true };
    assert.equal(link.sendFragment(packet, 0, link.fragmentMax + 1, 0, now), 0);
    assert.ok(link.sendFragment(packet, 0, link.fragmentMax, 0, now) > 0);
  });

  it("cut short in the header are counted", () => {
    const link = make(1500);
    const line = send(link, Uint8Array.of(0x80, 0, 0), PPP_MULTILINK);
    link.numbering = { sendShort: false, receiveShort: false };
    assert.deepEqual(receive(link, line), []);
    assert.equal(link.drops.badFragment, 1);
  });
});
