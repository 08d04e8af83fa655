import { monotonicNow } from "../host/clock.ts";
import { check, close, connect, listen } from "../host/libc.ts";
import {
  acceptCall,
  bindPort,
  openSocket,
  report,
  SOCK_STREAM,
  SOCKADDR_LENGTH,
  setCongestionControl,
  setReceiveTimeout,
  socketAddress,
} from "./raw-socket.ts";

/** How a TCP transfer begins at each end. */

/**
 * Waits for one caller, and says so; what is received then is waited for `receiveSeconds` at a time.
 * @throws EqlError SYSTEM_CALL_FAILED; TRANSFER_FAILED when nobody calls for `acceptSeconds`
 */
export function acceptOne(port: number, acceptSeconds: number, receiveSeconds: number): number {
  const listener = openSocket(SOCK_STREAM, 0, "open a socket to listen");
  bindPort(listener, port);
  setReceiveTimeout(listener, acceptSeconds);
  check(listen(listener, 1), `listen on port ${port}`);
  report({ event: "listening" });
  const connection = check(acceptCall(listener), "wait for the sender", "TRANSFER_FAILED");
  close(listener);
  setReceiveTimeout(connection, receiveSeconds);
  return connection;
}

/**
 * Calls, with cubic, and says so.
 * @param sourcePort null: any
 * @throws EqlError SYSTEM_CALL_FAILED
 */
export function connectTo(address: string, port: number, sourcePort: number | null): number {
  const connection = openSocket(SOCK_STREAM, 0, "open a socket to send");
  if (sourcePort !== null) bindPort(connection, sourcePort);
  const congestion = setCongestionControl(connection, "cubic");
  const to = socketAddress(address, port);
  report({ event: "connecting", at: monotonicNow(), congestion });
  check(connect(connection, to.address, SOCKADDR_LENGTH), `connect to ${address}:${port}`);
  return connection;
}
