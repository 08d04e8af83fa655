import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { it } from "node:test";
import { datagramFilter } from "../../src/host/datagram-filter.ts";
import { nativeBuffer, recv } from "../../src/host/libc.ts";
import { UdpSocket } from "../../src/host/udp-socket.ts";
import { eventually } from "../lab/lab-support.ts";

const MARK = Uint8Array.of(0xa1, 0xb2, 0xc3);
const TAG = 0xfedc;

/** A datagram that begins so, with zeros behind. */
const octets = (length: number, ...first: readonly number[]): Uint8Array => {
  const datagram = new Uint8Array(length);
  datagram.set(first);
  return datagram;
};

const GOOD = [
  octets(152, 0xe1, ...MARK),
  octets(80, 0xe2, 0, 0, 0, 1, 2, 3, 4, 0xfe, 0xdc, 9, 9),
  octets(56, 0xe3, 0, 0, 0, 0xfe, 0xdc, 9, 9),
  octets(27, 0xe4, 31, 0xfe, 0xdc, 9, 9),
  octets(1400, 0xe4, 255, 0xfe, 0xdc),
];
const BAD = [
  octets(0),
  octets(1, 0xe4),
  octets(3, 0xe4, 0, 0xfe),
  octets(152, 0xe1, 0xa1, 0xb2, 0xc4),
  octets(152, 0xe0, ...MARK),
  octets(80, 0xe2, 0, 0, 1, 1, 2, 3, 4, 0xfe, 0xdc),
  octets(80, 0xe2, 0, 0, 0, 1, 2, 3, 4, 0xfe, 0xdd),
  octets(56, 0xe3, 0, 0, 0, 0xff, 0xdc),
  octets(56, 0xe3, 1, 0, 0, 0xfe, 0xdc),
  octets(27, 0xe4, 31, 0xdc, 0xfe),
  octets(152, 0xe5, ...MARK),
];

it("lets through what begins as datagrams for this end do, and counts the rest", async (t) => {
  const socket = new UdpSocket({ family: 4, device: null, address: "127.0.0.1", port: 0 });
  t.after(() => socket.close());
  assert.ok(socket.attachFilter(datagramFilter(MARK, TAG)));
  const sender = createSocket("udp4");
  t.after(() => void sender.close());
  for (let i = 0; i < BAD.length; i++) {
    sender.send(BAD[i] as Uint8Array, socket.localPort, "127.0.0.1");
    sender.send(GOOD[i % GOOD.length] as Uint8Array, socket.localPort, "127.0.0.1");
  }
  const buffer = nativeBuffer(2048);
  const lengths: number[] = [];
  await eventually(() => {
    for (let length = 0; length >= 0; ) {
      length = recv(socket.fd, buffer.address, 2048, 0);
      if (length >= 0) lengths.push(length);
    }
    return lengths.length >= BAD.length;
  }, "the good ones");
  assert.deepEqual(
    lengths,
    BAD.map((_, i) => GOOD[i % GOOD.length]?.length),
  );
  assert.equal(socket.dropped, BAD.length);
});
