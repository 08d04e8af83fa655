import { monotonicNow } from "../host/clock.ts";
import { check, close, connect, EAGAIN, nativeBuffer, send } from "../host/libc.ts";
import {
  bindPort,
  openSocket,
  receive,
  report,
  SOCK_DGRAM,
  SOCKADDR_LENGTH,
  setReceiveRoom,
  setReceiveTimeout,
  socketAddress,
} from "./raw-socket.ts";
import { TransferData } from "./transfer-data.ts";
import type { UdpReceiveRole, UdpSendRole } from "./transfer-roles.ts";

/** Numbered datagrams at an offered load; each starts with its number in 4 octets. */

const PROGRESS_MS = 200;
const FIRST_WAIT_SECONDS = 60;
/** What is lost shall be lost on the way. */
const ROOM_OCTETS = 8 * 1024 * 1024;

export function receiveUdp({ port, datagrams, idleSeconds }: UdpReceiveRole): void {
  const fd = openSocket(SOCK_DGRAM, 0, "open a socket to receive");
  bindPort(fd, port);
  setReceiveRoom(fd, ROOM_OCTETS);
  setReceiveTimeout(fd, FIRST_WAIT_SECONDS);
  report({ event: "listening" });
  const buffer = nativeBuffer(65536);
  const seen = new Set<number>();
  let newest = -1;
  let octets = 0;
  let reordered = 0;
  let duplicates = 0;
  let reportedAt = monotonicNow();
  while (seen.size < datagrams) {
    const length = receive(fd, buffer.address, buffer.octets.length);
    if (length === -EAGAIN) break;
    check(length, "receive a datagram");
    if (seen.size === 0) setReceiveTimeout(fd, idleSeconds);
    const number = buffer.view.getUint32(0);
    if (seen.has(number)) duplicates++;
    else if (number < newest) reordered++;
    newest = Math.max(newest, number);
    seen.add(number);
    octets += length;
    const at = monotonicNow();
    if (at - reportedAt < PROGRESS_MS) continue;
    report({ event: "progress", at, octets });
    reportedAt = at;
  }
  report({ event: "datagrams-received", datagrams: seen.size, reordered, duplicates });
  close(fd);
}

export function sendUdp(role: UdpSendRole): void {
  const fd = openSocket(SOCK_DGRAM, 0, "open a socket to send");
  bindPort(fd, role.sourcePort);
  const to = socketAddress(role.address, role.port);
  check(connect(fd, to.address, SOCKADDR_LENGTH), `connect to ${role.address}:${role.port}`);
  const data = new TransferData(role.seed);
  const buffer = nativeBuffer(role.length);
  const start = monotonicNow();
  report({ event: "connecting", at: start, congestion: "none" });
  for (let number = 0; number < role.datagrams; number++) {
    waitUntil(start + (number * 1000) / role.perSecond);
    data.fill(buffer.octets);
    buffer.view.setUint32(0, number);
    check(send(fd, buffer.address, role.length, 0), "send a datagram");
  }
  report({
    event: "datagrams-sent",
    datagrams: role.datagrams,
    seconds: (monotonicNow() - start) / 1000,
  });
  close(fd);
}

const never = new Int32Array(new SharedArrayBuffer(4));

/** Blocks; one that is late returns at once, so the mean rate holds. */
function waitUntil(at: number): void {
  const wait = at - monotonicNow();
  if (wait > 0) Atomics.wait(never, 0, 0, wait);
}
