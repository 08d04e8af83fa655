import { monotonicNow } from "../host/clock.ts";
import { check, close, connect, EAGAIN, type NativeBuffer, nativeBuffer, send } from "../host/libc.ts";
import {
  openSocket,
  receive,
  report,
  SOCK_RAW,
  SOCKADDR_LENGTH,
  setReceiveTimeout,
  socketAddress,
} from "./raw-socket.ts";
import type { PingRole } from "./transfer-roles.ts";

/** ICMP echo through a raw socket: any IPv4 host answers, a foreign kernel too. */

const IPPROTO_ICMP = 1;
const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;
const HEADER = 8;
const FILL = 0x55;
/** The last one gets so long for its answer. */
const LAST_WAIT_MS = 10_000;
/** No less, for 0 would mean to wait for ever. */
const LEAST_WAIT_SECONDS = 0.001;

export function ping({ address, length, intervalMs, count, lastWaitMs = LAST_WAIT_MS }: PingRole): void {
  const fd = openSocket(SOCK_RAW, IPPROTO_ICMP, "open a raw socket");
  const to = socketAddress(address, 0);
  check(connect(fd, to.address, SOCKADDR_LENGTH), `reach ${address}`);
  const identifier = process.pid & 0x3fff;
  const request = nativeBuffer(HEADER + length);
  request.octets.fill(FILL, HEADER);
  const reply = nativeBuffer(65536);
  const sentAt = new Map<number, number>();
  const start = monotonicNow();
  const last = count ?? Number.POSITIVE_INFINITY;
  let sent = 0;
  let answered = 0;
  report({ event: "listening" });

  for (;;) {
    const now = monotonicNow();
    const due = start + sent * intervalMs;
    if (sent < last && now >= due) {
      writeRequest(request, identifier, sent & 0xffff);
      sentAt.set(sent & 0xffff, now);
      check(send(fd, request.address, request.octets.length, 0), `ping ${address}`);
      sent++;
      continue;
    }
    const until = sent < last ? due : due - intervalMs + lastWaitMs;
    if (sent >= last && (answered >= last || now >= until)) break;
    setReceiveTimeout(fd, Math.max((until - now) / 1000, LEAST_WAIT_SECONDS));
    const received = receive(fd, reply.address, reply.octets.length);
    if (received === -EAGAIN) continue;
    check(received, `hear from ${address}`);
    const sequence = answeredSequence(reply.view, received, identifier);
    const since = sequence === null ? undefined : sentAt.get(sequence);
    if (sequence === null || since === undefined) continue;
    sentAt.delete(sequence);
    answered++;
    const at = monotonicNow();
    report({ event: "echo", sequence, at, rttMs: at - since });
  }
  report({ event: "pinged", sent, answered });
  close(fd);
}

function writeRequest({ view, octets }: NativeBuffer, identifier: number, sequence: number): void {
  view.setUint8(0, ECHO_REQUEST);
  view.setUint16(2, 0);
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  view.setUint16(2, checksum(octets));
}

/** The sequence number when this IPv4 packet is an answer to one of ours. */
function answeredSequence(packet: DataView, length: number, identifier: number): number | null {
  const icmp = (packet.getUint8(0) & 0xf) * 4;
  if (length < icmp + HEADER || packet.getUint8(icmp) !== ECHO_REPLY) return null;
  return packet.getUint16(icmp + 4) === identifier ? packet.getUint16(icmp + 6) : null;
}

/** The Internet checksum (RFC 1071). */
function checksum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] as number) << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
