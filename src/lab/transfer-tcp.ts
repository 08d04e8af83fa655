import { createHash } from "node:crypto";
import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { check, close, EAGAIN, nativeBuffer, send, shutdown } from "../host/libc.ts";
import { receive, report, setReceiveTimeout } from "./raw-socket.ts";
import { acceptOne, connectTo } from "./tcp-connection.ts";
import { forEachPiece } from "./transfer-data.ts";
import type { TcpReceiveRole, TcpSendRole } from "./transfer-roles.ts";

const SHUT_WR = 1;
const MSG_NOSIGNAL = 0x4000;
const PROGRESS_MS = 200;
const PIECE = 65_536;

/** The two ends of a TCP transfer, each a process of its own that blocks in its calls. */

const stalled = (octets: number, bytes: number, seconds: number): EqlError =>
  new EqlError(
    "TRANSFER_FAILED",
    `nothing arrived for ${seconds} s, after ${octets} of ${bytes} octets: see whether the lines carry anything`,
  );

/** @throws EqlError SYSTEM_CALL_FAILED; TRANSFER_FAILED when nothing arrives for `stallSeconds` */
export function receiveTcp({ port, bytes, stallSeconds }: TcpReceiveRole): void {
  const connection = acceptOne(port, stallSeconds, stallSeconds);
  const hash = createHash("sha256");
  const buffer = nativeBuffer(PIECE);
  let octets = 0;
  let at = monotonicNow();
  let reportedAt = at;
  while (octets < bytes) {
    const length = receive(connection, buffer.address, PIECE);
    if (length === -EAGAIN) throw stalled(octets, bytes, stallSeconds);
    check(length, `receive after ${octets} octets`);
    if (length === 0) break;
    at = monotonicNow();
    octets += length;
    hash.update(buffer.octets.subarray(0, length));
    if (at - reportedAt >= PROGRESS_MS) {
      report({ event: "progress", at, octets });
      reportedAt = at;
    }
  }
  report({ event: "received", at, octets, sha256: hash.digest("hex") });
  close(connection);
}

/** @throws EqlError SYSTEM_CALL_FAILED */
export function sendTcp(role: TcpSendRole): void {
  const { address, port, sourcePort, bytes, seed, stallSeconds } = role;
  const connection = connectTo(address, port, sourcePort);
  setReceiveTimeout(connection, stallSeconds);
  const hash = createHash("sha256");
  const native = nativeBuffer(PIECE);
  forEachPiece(bytes, seed, (piece) => {
    hash.update(piece);
    native.octets.set(piece);
    for (let sent = 0; sent < piece.length; ) {
      const left = piece.length - sent;
      sent += check(send(connection, native.address + sent, left, MSG_NOSIGNAL), "send");
    }
  });
  shutdown(connection, SHUT_WR);
  while (check(receive(connection, native.address, PIECE), "wait for the far end to close") > 0);
  report({
    event: "sent",
    at: monotonicNow(),
    octets: bytes,
    sha256: hash.digest("hex"),
  });
  close(connection);
}
