import {
  check,
  close,
  EAGAIN,
  EINTR,
  ENOBUFS,
  type NativeBuffer,
  nativeBuffer,
  O_NONBLOCK,
  recv,
} from "./libc.ts";
import { type NetlinkMessage, readMessages } from "./netlink-message.ts";
import { type Interface, type InterfaceAddress, readAddress, readInterface } from "./netlink-objects.ts";
import { BUFFER_OCTETS, MSG_TRUNC, openNetlink } from "./netlink-socket.ts";

/** `overrun`: changes were lost because they came faster than they were read; list everything again. */
export type NetlinkEvent =
  | { readonly type: "link"; readonly interface: Interface; readonly removed: boolean }
  | { readonly type: "address"; readonly address: InterfaceAddress; readonly removed: boolean }
  | { readonly type: "overrun" };

const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;

/**
 * Tells what changes about interfaces and their addresses, whoever changed it, in the network namespace in which it
 * was made. Going up or down, carrier, MTU and name are each a `link` event with the interface as it is afterwards; an
 * event may repeat what is known.
 */
export class NetlinkMonitor {
  /** Readable when there is something to {@link read}; for an epoll set. Owned by this object. */
  readonly fd: number;
  readonly #buffer: NativeBuffer = nativeBuffer(BUFFER_OCTETS);
  #closed = false;

  /** @throws EqlError NETLINK_FAILED */
  constructor() {
    this.fd = openNetlink(O_NONBLOCK, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
  }

  /**
   * Reads until nothing is left. Never waits. `on` may close the monitor, which ends the reading.
   * @throws EqlError NETLINK_FAILED
   */
  read(on: (event: NetlinkEvent) => void): void {
    while (!this.#closed) {
      const length = recv(this.fd, this.#buffer.address, BUFFER_OCTETS, MSG_TRUNC);
      if (length === -EAGAIN) return;
      if (length === -EINTR) continue;
      if (length === -ENOBUFS || length > BUFFER_OCTETS) {
        on({ type: "overrun" });
        continue;
      }
      check(length, "Following network interfaces", "NETLINK_FAILED");
      for (const event of readEvents(this.#buffer.octets.subarray(0, length))) on(event);
    }
  }

  /** May be called twice. */
  close(): void {
    if (!this.#closed) close(this.fd);
    this.#closed = true;
  }
}

/** What the messages of one datagram say; what is no news of these kinds is left out. */
export const readEvents = (octets: Uint8Array): NetlinkEvent[] =>
  readMessages(octets)
    .map(readEvent)
    .filter((event) => event !== null);

function readEvent({ type, body }: NetlinkMessage): NetlinkEvent | null {
  if (type === RTM_NEWLINK || type === RTM_DELLINK) {
    const about = readInterface(body);
    return about && { type: "link", interface: about, removed: type === RTM_DELLINK };
  }
  if (type !== RTM_NEWADDR && type !== RTM_DELADDR) return null;
  const address = readAddress(body);
  return address && { type: "address", address, removed: type === RTM_DELADDR };
}
