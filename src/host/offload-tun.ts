import { VIRTIO_HEADER, writePlainHeader } from "../wire/virtio-net-header.ts";
import {
  check,
  close,
  ioctl,
  type NativeBuffer,
  nativeBuffer,
  O_CLOEXEC,
  read,
  socket,
  write,
  writev,
} from "./libc.ts";
import { PIECE_OCTETS, setAddress } from "./message-vector.ts";
import { AF_INET } from "./socket-address.ts";
import { hasVirtioHeader, IFF_VNET_HDR, openTun } from "./tun.ts";

const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const SIOCSIFTXQLEN = 0x8943;
const SOCK_DGRAM = 2;

const CHECKSUM = 0x01;
const TCP4 = 0x02;
const TCP6 = 0x04;
const TCP_ECN = 0x08;
const UDP4 = 0x20;
const UDP6 = 0x40;
/** What is asked for, from most to least: UDP needs Linux 6.2. */
const OFFLOADS: readonly number[] = [
  CHECKSUM | TCP4 | TCP6 | TCP_ECN | UDP4 | UDP6,
  CHECKSUM | TCP4 | TCP6 | TCP_ECN,
  CHECKSUM,
  0,
];

/** Packets that wait in the kernel. */
const QUEUE_PACKETS = 1000;
/** Longest run, an IP packet. */
const LONGEST = 65_535;
/** Pieces of a run that is written (UIO_FASTIOV is less, IOV_MAX more). */
const PIECES = 256;
const NAME_ROOM = 16;

/** For tests: what the kernel is not asked for. */
export interface OffloadTunOptions {
  readonly header?: boolean;
  readonly udp?: boolean;
  readonly tcp?: boolean;
}

/**
 * A network interface of ours whose packets may be *runs*: many segments of one flow with one header, and before it a virtio-net header that
 * says how they are cut. Where the kernel has no such thing, packets are plain.
 */
export class OffloadTun {
  readonly fd: number;
  /** The first piece that is written begins with a virtio-net header. */
  readonly hasHeader: boolean;
  /** It takes and gives runs of TCP, of UDP. */
  readonly mergeTcp: boolean;
  readonly mergeUdp: boolean;
  /** Runs and packets that the kernel did not take: the interface is down, or they are malformed. */
  unwritten = 0;
  readonly #memory: NativeBuffer;
  readonly #pieces = nativeBuffer(PIECES * PIECE_OCTETS);
  readonly #pieceWords = new Uint32Array(this.#pieces.octets.buffer);

  /** @throws EqlError as openTun */
  constructor(name: string, memory: NativeBuffer, options: OffloadTunOptions = {}) {
    this.#memory = memory;
    this.fd = openTun(name, options.header === false ? 0 : IFF_VNET_HDR);
    try {
      this.hasHeader = hasVirtioHeader(this.fd);
      const offloads = this.hasHeader ? this.#setOffloads(options) : 0;
      this.mergeTcp = (offloads & TCP4) !== 0;
      this.mergeUdp = (offloads & UDP4) !== 0;
      setQueueLength(name);
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  /**
   * The next run or packet that the kernel sends, written at `from`, up to 65,535 octets; in the ten octets before it is its virtio-net header,
   * zeros if the kernel gives none.
   * @returns its length; 0: there is nothing, or the interface is down
   */
  read(from: number): number {
    const { address, view } = this.#memory;
    const header = from - VIRTIO_HEADER;
    if (!this.hasHeader) {
      writePlainHeader(view, header);
      return Math.max(0, read(this.fd, address + from, LONGEST));
    }
    const length = read(this.fd, address + header, LONGEST + VIRTIO_HEADER);
    return length <= VIRTIO_HEADER ? 0 : length - VIRTIO_HEADER;
  }

  /** Takes the next run from the kernel, and drops it. @returns false: there is none */
  discard(): boolean {
    return read(this.fd, this.#pieces.address, this.#pieces.octets.length) > 0;
  }

  /** Hands a run or packet to the kernel as received. @param pieces offsets in the memory and lengths, in turn */
  writeRun(pieces: Int32Array, count: number): void {
    const { address } = this.#memory;
    let result: number;
    if (count === 1) result = write(this.fd, address + (pieces[0] as number), pieces[1] as number);
    else {
      const words = this.#pieceWords;
      for (let i = 0; i < count; i++) {
        setAddress(words, i * 4, address + (pieces[2 * i] as number));
        words[i * 4 + 2] = pieces[2 * i + 1] as number;
      }
      result = writev(this.fd, this.#pieces.address, count);
    }
    if (result < 0) this.unwritten++;
  }

  close(): void {
    close(this.fd);
  }

  #setOffloads({ udp = true, tcp = true }: OffloadTunOptions): number {
    const size = nativeBuffer(4);
    size.view.setUint32(0, VIRTIO_HEADER, true);
    check(ioctl(this.fd, TUNSETVNETHDRSZ, size.address), "TUNSETVNETHDRSZ");
    const wanted = tcp ? (udp ? OFFLOADS : OFFLOADS.slice(1)) : OFFLOADS.slice(2);
    return wanted.find((offloads) => ioctl(this.fd, TUNSETOFFLOAD, offloads) >= 0) ?? 0;
  }
}

/** Longer than what the driver has by default; where that is refused, it stays as it is. */
function setQueueLength(name: string): void {
  const fd = check(socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), "A socket");
  const request = nativeBuffer(40);
  request.octets.set(new TextEncoder().encode(name).subarray(0, NAME_ROOM - 1));
  request.view.setInt32(NAME_ROOM, QUEUE_PACKETS, true);
  ioctl(fd, SIOCSIFTXQLEN, request.address);
  close(fd);
}
