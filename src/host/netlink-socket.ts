import { EqlError } from "../errors.ts";
import {
  bind,
  check,
  close,
  describeErrno,
  EAGAIN,
  EINTR,
  EPERM,
  type NativeBuffer,
  nativeBuffer,
  recv,
  send,
  setsockopt,
  socket,
} from "./libc.ts";
import { encodeMessage, type NetlinkMessage, readAcknowledgement, readMessages } from "./netlink-message.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_ROUTE = 0;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTERRUPTED = 0x10;
const NLM_F_DUMP = 0x300;
/** More than the kernel puts into one datagram of a dump. */
export const BUFFER_OCTETS = 65536;
export const MSG_TRUNC = 0x20;
/** The kernel answers within the send; this is for a kernel that does not. */
const PATIENCE_SECONDS = 2n;
/** How often a listing that changed while it was read is read again. */
const DUMP_TRIES = 10;

/**
 * A NETLINK_ROUTE socket.
 * @param flags of the socket's type, like O_NONBLOCK
 * @param groups bits RTMGRP_*: whose notifications it gets
 * @throws EqlError NETLINK_FAILED
 */
export function openNetlink(flags: number, groups: number): number {
  const fd = check(
    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE),
    "Opening a netlink socket",
    "NETLINK_FAILED",
  );
  const address = nativeBuffer(12);
  address.view.setUint16(0, AF_NETLINK, true);
  address.view.setUint32(8, groups, true);
  const result = bind(fd, address.address, address.octets.length);
  if (result < 0) close(fd);
  check(result, "Binding a netlink socket", "NETLINK_FAILED");
  return fd;
}

export interface NetlinkRequest {
  readonly type: number;
  readonly flags?: number;
  readonly body: Uint8Array;
  /** For the error message: `Setting the MTU of interface 3 to 576`. */
  readonly doing: string;
}

/** Requests and their answers, one at a time, synchronously. */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #buffer: NativeBuffer = nativeBuffer(BUFFER_OCTETS);
  #sequence = 0;
  #closed = false;

  /** @throws EqlError NETLINK_FAILED */
  constructor() {
    this.#fd = openNetlink(0, 0);
    const option = nativeBuffer(16);
    option.view.setBigInt64(0, PATIENCE_SECONDS, true);
    setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, option.address, 16);
    // Words beside numbers for what the kernel refuses; an old kernel does without.
    option.view.setUint32(0, 1, true);
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, option.address, 4);
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, option.address, 4);
  }

  /**
   * Asks for one thing to be done or told.
   * @param onAnswer gets what is told; the body is valid only during the call
   * @param tolerated results (negative) that are no error
   * @returns 0, or the result that was tolerated
   * @throws EqlError NETLINK_FAILED
   */
  request(
    request: NetlinkRequest,
    tolerated: readonly number[] = [],
    onAnswer: (message: NetlinkMessage) => void = () => {},
  ): number {
    const sequence = this.#send(request, NLM_F_ACK);
    for (;;) {
      for (const message of this.#receive(request, sequence)) {
        if (message.type === NLMSG_ERROR) return finish(message, request, tolerated);
        onAnswer(message);
      }
    }
  }

  /**
   * Lists everything of a kind. A list that changed while the kernel wrote it is asked for again.
   * @param read makes something of a message, or null; the body is valid only during the call
   * @throws EqlError NETLINK_FAILED
   */
  dump<Item>(request: NetlinkRequest, read: (message: NetlinkMessage) => Item | null): Item[] {
    for (let tries = 1; ; tries++) {
      const items = this.#dumpOnce(request, read);
      if (items !== null) return items;
      if (tries === DUMP_TRIES) throw failed(request, 0, "the list changed each time that it was read");
    }
  }

  close(): void {
    if (!this.#closed) close(this.#fd);
    this.#closed = true;
  }

  #dumpOnce<Item>(request: NetlinkRequest, read: (message: NetlinkMessage) => Item | null): Item[] | null {
    const sequence = this.#send(request, NLM_F_DUMP);
    const items: Item[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive(request, sequence)) {
        if ((message.flags & NLM_F_DUMP_INTERRUPTED) !== 0) interrupted = true;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          finish(message, request, []);
          return interrupted ? null : items;
        }
        const item = read(message);
        if (item !== null) items.push(item);
      }
    }
  }

  #send(request: NetlinkRequest, flags: number): number {
    if (this.#closed) throw failed(request, 0, "this netlink socket was closed");
    this.#sequence = (this.#sequence + 1) >>> 0;
    const message = encodeMessage({
      type: request.type,
      flags: NLM_F_REQUEST | flags | (request.flags ?? 0),
      sequence: this.#sequence,
      body: request.body,
    });
    this.#buffer.octets.set(message);
    let result: number;
    do result = send(this.#fd, this.#buffer.address, message.length, 0);
    while (result === -EINTR);
    if (result < 0) throw failed(request, result);
    return this.#sequence;
  }

  /** One datagram's messages; what answers an earlier request (one that ran out of patience) is left out. */
  #receive(request: NetlinkRequest, sequence: number): NetlinkMessage[] {
    let length: number;
    do length = recv(this.#fd, this.#buffer.address, BUFFER_OCTETS, MSG_TRUNC);
    while (length === -EINTR);
    if (length === -EAGAIN) throw failed(request, length, "the kernel did not answer");
    if (length < 0) throw failed(request, length);
    if (length > BUFFER_OCTETS) throw failed(request, 0, `an answer of ${length} octets does not fit`);
    return readMessages(this.#buffer.octets.subarray(0, length)).filter(
      (message) => message.sequence === sequence,
    );
  }
}

function finish(message: NetlinkMessage, request: NetlinkRequest, tolerated: readonly number[]): number {
  const { result, words } = readAcknowledgement(message) ?? { result: 0, words: "" };
  if (result < 0 && !tolerated.includes(result)) throw failed(request, result, words);
  return result;
}

function failed({ doing }: NetlinkRequest, result: number, words = ""): EqlError {
  const parts = [result < 0 ? describeErrno(result) : "", words].filter((part) => part !== "");
  const cure = result === -EPERM ? "; this needs root or CAP_NET_ADMIN" : "";
  return new EqlError("NETLINK_FAILED", `${doing}: ${parts.join(": ")}${cure}`, {
    details: result < 0 ? { errno: -result } : {},
  });
}
