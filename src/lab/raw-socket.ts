import { writeSync } from "node:fs";
import {
  accept,
  bind,
  check,
  EINTR,
  getsockopt,
  type NativeBuffer,
  nativeBuffer,
  O_CLOEXEC,
  recv,
  setsockopt,
  socket,
} from "../host/libc.ts";
import type { LabEvent } from "./transfer-roles.ts";

/** Blocking sockets through libc, for processes that do nothing else: Node's own cannot set the congestion control. */

const AF_INET = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVTIMEO = 20;
const SO_RCVBUFFORCE = 33;
const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
/** Longest name of a congestion control (TCP_CA_NAME_MAX). */
const CONGESTION_NAME_LENGTH = 16;
/** Length of a struct sockaddr_in. */
export const SOCKADDR_LENGTH = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;

export const openSocket = (type: number, protocol: number, doing: string): number =>
  check(socket(AF_INET, type | O_CLOEXEC, protocol), doing);

/** A struct sockaddr_in; the address is dotted, `0.0.0.0` for any. */
export function socketAddress(address: string, port: number): NativeBuffer {
  const buffer = nativeBuffer(SOCKADDR_LENGTH);
  buffer.view.setUint16(0, AF_INET, true);
  buffer.view.setUint16(2, port);
  buffer.octets.set(address.split(".").map(Number), 4);
  return buffer;
}

export function bindPort(fd: number, port: number): void {
  const one = nativeBuffer(4);
  one.view.setInt32(0, 1, true);
  check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one.address, 4), "set SO_REUSEADDR");
  const own = socketAddress("0.0.0.0", port);
  check(bind(fd, own.address, SOCKADDR_LENGTH), `take port ${port}`);
}

/** Room for what comes while the receiver is not running; as the machine has it where this process may not say. */
export function setReceiveRoom(fd: number, octets: number): void {
  const room = nativeBuffer(4);
  room.view.setUint32(0, octets, true);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, room.address, 4);
}

/** How long a call may wait for something to arrive (accept, recv); it then returns -EAGAIN. */
export function setReceiveTimeout(fd: number, seconds: number): void {
  const time = nativeBuffer(16); // struct timeval of two 64-bit words
  time.view.setBigInt64(0, BigInt(Math.floor(seconds)), true);
  time.view.setBigInt64(8, BigInt(Math.round((seconds % 1) * 1e6)), true);
  check(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time.address, 16), "set SO_RCVTIMEO");
}

/** As the system's; but a process that was stopped, and goes on, waits on: with a timeout, the kernel would let it fail. */
export function receive(fd: number, address: number, length: number): number {
  let result = recv(fd, address, length, 0);
  while (result === -EINTR) result = recv(fd, address, length, 0);
  return result;
}

/** As the system's; as with {@link receive}, no stop ends it. */
export function acceptCall(listener: number): number {
  let result = accept(listener, 0);
  while (result === -EINTR) result = accept(listener, 0);
  return result;
}

/**
 * Asks for a congestion control and returns the one that is in force: a kernel may lack it, and a result that was
 * reached with another one must say so.
 */
export function setCongestionControl(fd: number, name: string): string {
  const wanted = nativeBuffer(CONGESTION_NAME_LENGTH);
  wanted.octets.set(Buffer.from(name));
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, wanted.address, name.length);
  const actual = nativeBuffer(CONGESTION_NAME_LENGTH);
  const length = nativeBuffer(4);
  length.view.setUint32(0, CONGESTION_NAME_LENGTH, true);
  check(
    getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, actual.address, length.address),
    "read the congestion control",
  );
  return Buffer.from(actual.octets).toString("latin1").replace(/\0.*$/s, "");
}

/** One line of JSON on standard output, written before this returns. */
export function report(event: LabEvent): void {
  writeSync(1, `${JSON.stringify(event)}\n`);
}
