import { EqlError } from "../errors.ts";
import { monotonicNow } from "../host/clock.ts";
import { close, EAGAIN, type NativeBuffer, nativeBuffer, send } from "../host/libc.ts";
import { receive, report } from "./raw-socket.ts";
import { acceptOne, connectTo } from "./tcp-connection.ts";
import { TransferData } from "./transfer-data.ts";
import type { StreamReceiveRole, StreamSendRole } from "./transfer-roles.ts";

/**
 * The two ends of one TCP stream that lasts for a given time, light on the processor: the same octets again and
 * again, in large writes, and compared as they arrive.
 */

const MSG_NOSIGNAL = 0x4000;
const CHUNK = 262_144;
/** A prime: octets that went missing or came twice do not fall on the same ones of another round. */
const PERIOD = 1_048_573;
const SEED = 1995;
const ACCEPT_SECONDS = 60;
const PROGRESS_MS = 200;
const TENTH_MS = 100;
const WAIT_SECONDS = 0.1;

/** A piece of at most CHUNK octets may begin at any place of a round. */
function makeRounds(): NativeBuffer {
  const rounds = nativeBuffer(PERIOD + CHUNK);
  new TransferData(SEED).fill(rounds.octets.subarray(0, PERIOD));
  rounds.octets.copyWithin(PERIOD, 0, CHUNK);
  return rounds;
}

/** @throws EqlError SYSTEM_CALL_FAILED; TRANSFER_FAILED when nobody calls */
export function receiveStream({ port, seconds }: StreamReceiveRole): void {
  const rounds = Buffer.from(makeRounds().octets);
  const buffer = nativeBuffer(CHUNK);
  const connection = acceptOne(port, ACCEPT_SECONDS, WAIT_SECONDS);
  const at = monotonicNow();
  const endAt = at + seconds * 1000;
  const tenths = Array.from({ length: Math.ceil((seconds * 1000) / TENTH_MS) }, () => 0);
  let octets = 0;
  let intact = true;
  const stalls = tenths.map(() => 0);
  let last: number = at;
  let longestStallMs = 0;
  let longestStallAt = 0;
  let reportedAt: number = at;
  for (;;) {
    const length = receive(connection, buffer.address, CHUNK);
    const now = Math.min(monotonicNow(), endAt);
    const tenth = Math.min(Math.floor((now - at) / TENTH_MS), tenths.length - 1);
    // Silence lasts up to this very octet, or to the end.
    if (length > 0 || now >= endAt) {
      stalls[tenth] = Math.max(stalls[tenth] ?? 0, now - last);
      if (now - last > longestStallMs) {
        longestStallMs = now - last;
        longestStallAt = last - at;
      }
    }
    if (now >= endAt) break;
    if (length === -EAGAIN) continue;
    if (length <= 0) throw closedEarly(length, now - at);
    const from = octets % PERIOD;
    if (rounds.compare(buffer.octets, 0, length, from, from + length) !== 0) intact = false;
    octets += length;
    last = now;
    tenths[tenth] = (tenths[tenth] ?? 0) + length;
    if (now - reportedAt < PROGRESS_MS) continue;
    report({ event: "progress", at: now, octets });
    reportedAt = now;
  }
  report({ event: "streamed", at, seconds, octets, intact, tenths, stalls, longestStallMs, longestStallAt });
  close(connection);
}

const closedEarly = (length: number, ms: number): EqlError =>
  new EqlError("TRANSFER_FAILED", `the stream ended after ${Math.round(ms)} ms (${length})`);

/** @throws EqlError SYSTEM_CALL_FAILED: it never began */
export function sendStream({ address, port }: StreamSendRole): void {
  const rounds = makeRounds();
  const connection = connectTo(address, port, null);
  for (let from = 0; ; ) {
    const sent = send(connection, rounds.address + from, CHUNK, MSG_NOSIGNAL);
    if (sent < 0) break; // the receiver has had enough
    from = (from + sent) % PERIOD;
  }
  close(connection);
}
