import { EqlError, type EqlErrorDetails } from "../errors.ts";
import { parseIpAddress } from "../wire/ip-address.ts";
import {
  bind,
  check,
  close,
  connect,
  describeErrno,
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  ENODEV,
  EPERM,
  getsockname,
  getsockopt,
  type NativeBuffer,
  nativeBuffer,
  O_CLOEXEC,
  O_NONBLOCK,
  setsockopt,
  socket,
} from "./libc.ts";
import {
  AF_INET,
  AF_INET6,
  formatSocketAddress,
  portOf,
  SOCKET_ADDRESS_ROOM,
  socketAddressLength,
  writeSocketAddress,
} from "./socket-address.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;
const SO_ATTACH_FILTER = 26;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
/** Of what SO_MEMINFO tells: words, and which of them counts drops. */
const MEMINFO_WORDS = 9;
const MEMINFO_DROPS = 8;
export const IPPROTO_IP = 0;
export const IP_PKTINFO = 8;
const IP_MTU_DISCOVER = 10;
export const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
/** Never fragment, and take no router's word for a smaller MTU: what fits is found by trying. The same for IPv6. */
const PMTUDISC_PROBE = 3;
export const IPPROTO_UDP = 17;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

const BUFFER_OCTETS = 8 << 20;
/** Longest name of an interface (IFNAMSIZ), with the zero behind it. */
const NAME_ROOM = 16;

export interface UdpSocketOptions {
  readonly family: 4 | 6;
  /** The interface that its datagrams leave and arrive by; null: any, as the routes say. */
  readonly device: string | null;
  /** Null: any address of the machine. */
  readonly address: string | null;
  /** 0: the kernel chooses one. */
  readonly port: number;
  /** False: each datagram is sent and received by itself. */
  readonly offloads?: boolean;
}

/** A UDP socket, not connected and nonblocking. */
export class UdpSocket {
  readonly family: 4 | 6;
  readonly localPort: number;
  /** Of the address that it was bound to; null: to any. */
  readonly localText: string | null;
  /** It hands over equal-sized datagrams of one source as one (UDP_GRO). */
  readonly gro: boolean;
  /** It takes several equal-sized datagrams as one (UDP_SEGMENT); false when that turned out not to work. */
  gso: boolean;
  /** It listens at more than one address: each datagram says to which it came, and an answer leaves from there. */
  readonly tellsLocal: boolean;
  readonly #device: string | null;
  #fd: number;

  /** @throws EqlError ADDRESS_IN_USE, ADDRESS_INVALID, ADDRESS_MISSING, CAPABILITY_MISSING, INTERFACE_MISSING */
  constructor(options: UdpSocketOptions) {
    const { family, device, address, port, offloads = true } = options;
    this.family = family;
    this.#device = device;
    const fd = newSocket(family);
    if (fd === -EAFNOSUPPORT) {
      throw new EqlError("ADDRESS_MISSING", `There is no IPv${family} on this machine`);
    }
    this.#fd = check(fd, "A UDP socket");
    try {
      this.#setProtocolOptions();
      this.#setRoom(SO_RCVBUFFORCE, SO_RCVBUF);
      this.#setRoom(SO_SNDBUFFORCE, SO_SNDBUF);
      this.gro = offloads && this.#set(IPPROTO_UDP, UDP_GRO, 1) >= 0;
      // 0 asks for nothing but whether there is such a thing.
      this.gso = offloads && this.#set(IPPROTO_UDP, UDP_SEGMENT, 0) >= 0;
      if (device !== null) this.#bindToDevice(fd, device);
      const isAny = address === null || parseIpAddress(address)?.every((octet) => octet === 0) === true;
      this.tellsLocal = isAny && port !== 0;
      if (this.tellsLocal) this.#tellLocal();
      const own = this.#bind(options);
      this.localPort = portOf(own, 0);
      this.localText = isAny ? null : formatSocketAddress(own, 0);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** -1: it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** Datagrams that the kernel did not hand over: there was no room, or a filter kept them off; modulo 2^32. */
  get dropped(): number {
    const words = nativeBuffer(4 * MEMINFO_WORDS);
    const size = nativeBuffer(4);
    size.view.setUint32(0, 4 * MEMINFO_WORDS, true);
    if (getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, words.address, size.address) < 0) return 0;
    return words.view.getUint32(4 * MEMINFO_DROPS, true);
  }

  /**
   * The address that datagrams leave from if the kernel chooses it, with the port.
   * @param remote a socket address of its family, in native memory
   * @returns null: there is no way there
   */
  localTowards(remote: number): string | null {
    const fd = newSocket(this.family);
    if (fd < 0) return null;
    try {
      if (this.#device !== null) this.#bindToDevice(fd, this.#device);
      if (connect(fd, remote, socketAddressLength(this.family)) < 0) return null;
      return formatSocketAddress(ownAddress(fd), 0, this.localPort);
    } catch {
      return null; // its device has gone
    } finally {
      close(fd);
    }
  }

  /** Takes only what a program of classic BPF lets through. @returns false: this kernel has no such thing, and all is taken */
  attachFilter(program: NativeBuffer): boolean {
    const head = nativeBuffer(16); // struct sock_fprog
    head.view.setUint16(0, program.octets.length / 8, true);
    head.view.setBigUint64(8, BigInt(program.address), true);
    return setsockopt(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, head.address, 16) >= 0;
  }

  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  #setProtocolOptions(): void {
    if (this.family === 4) {
      check(this.#set(IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE), "IP_MTU_DISCOVER");
      return;
    }
    check(this.#set(IPPROTO_IPV6, IPV6_V6ONLY, 1), "IPV6_V6ONLY");
    check(this.#set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE), "IPV6_MTU_DISCOVER");
  }

  /** As much as the machine allows where we may not say. */
  #setRoom(forced: number, plain: number): void {
    if (this.#set(SOL_SOCKET, forced, BUFFER_OCTETS) < 0) this.#set(SOL_SOCKET, plain, BUFFER_OCTETS);
  }

  #tellLocal(): void {
    if (this.family === 4) check(this.#set(IPPROTO_IP, IP_PKTINFO, 1), "IP_PKTINFO");
    else check(this.#set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1), "IPV6_RECVPKTINFO");
  }

  #bindToDevice(fd: number, device: string): void {
    const name = nativeBuffer(NAME_ROOM);
    name.octets.set(new TextEncoder().encode(device).subarray(0, NAME_ROOM - 1));
    const result = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.address, NAME_ROOM);
    if (result >= 0) return;
    const details = { interface: device };
    if (result === -ENODEV) {
      throw new EqlError("INTERFACE_MISSING", `There is no interface ${device}: see \`ip link\``, {
        details,
      });
    }
    throw this.#failure(result, `A socket cannot be bound to ${device}`, details);
  }

  /** @returns what it was bound to */
  #bind({ family, device, address, port }: UdpSocketOptions): NativeBuffer {
    const own = nativeBuffer(SOCKET_ADDRESS_ROOM);
    const length = writeSocketAddress(own, 0, family, address, port);
    const result = bind(this.#fd, own.address, length);
    if (result < 0) {
      const text = formatSocketAddress(own, 0);
      const details = { address: text, ...(device === null ? {} : { interface: device }) };
      if (result === -EADDRINUSE) {
        const what = `Another program listens at UDP ${text} already: stop it (\`ss -lunp\` shows which), or choose another port`;
        throw new EqlError("ADDRESS_IN_USE", what, { details });
      }
      if (result === -EADDRNOTAVAIL) {
        const what = `No interface of this machine has the address ${address ?? text}: see \`ip address\``;
        throw new EqlError("ADDRESS_MISSING", what, { details });
      }
      throw this.#failure(result, `A socket cannot be bound to UDP ${text}`, details);
    }
    return ownAddress(this.#fd);
  }

  #failure(result: number, what: string, details: EqlErrorDetails): EqlError {
    const refused = result === -EACCES || result === -EPERM;
    return new EqlError(
      refused ? "CAPABILITY_MISSING" : "SYSTEM_CALL_FAILED",
      `${what}: ${describeErrno(result)}${refused ? "; run as root" : ""}`,
      { details: { ...details, errno: -result } },
    );
  }

  #set(level: number, name: number, value: number): number {
    const word = nativeBuffer(4);
    word.view.setInt32(0, value, true);
    return setsockopt(this.#fd, level, name, word.address, 4);
  }
}

const newSocket = (family: 4 | 6): number =>
  socket(family === 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | O_NONBLOCK | O_CLOEXEC, 0);

function ownAddress(fd: number): NativeBuffer {
  const own = nativeBuffer(SOCKET_ADDRESS_ROOM);
  const size = nativeBuffer(4);
  size.view.setUint32(0, SOCKET_ADDRESS_ROOM, true);
  check(getsockname(fd, own.address, size.address), "getsockname");
  return own;
}
