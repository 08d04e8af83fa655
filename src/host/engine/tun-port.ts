import { type Packet, PacketPool } from "../../link/packet.ts";
import { close, nativeBuffer, read, write } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { openTun } from "../tun.ts";

/** Packets in the hands of links, beside those that wait in a queue. */
const SPARE_PACKETS = 128;

/** A network interface of ours: the kernel's end is `name`, this end reads what it sends and writes what it receives. */
export class TunPort {
  readonly name: string;
  readonly fd: number;
  readonly index: number;
  /** Administratively up, as the kernel last said. */
  up = false;
  mtu: number;
  /** Packets that the kernel did not take, because the interface was down. */
  undelivered = 0;
  /** Packets of the kernel's for which there was no slot. */
  crowdedOut = 0;
  /** Octets of packets that passed between the kernel and this interface, both ways. */
  passedOctets = 0;
  readonly #slots: number;
  #pool: PacketPool;
  readonly #overflow = nativeBuffer(64);

  /** @throws EqlError as openTun */
  constructor(name: string, mtu: number, queuePackets: number, netlink: Netlink) {
    this.name = name;
    this.mtu = mtu;
    this.#slots = queuePackets + SPARE_PACKETS;
    this.fd = openTun(name);
    try {
      this.index = netlink.interface(name)?.index ?? 0;
      netlink.setMtu(this.index, mtu);
    } catch (error) {
      close(this.fd);
      throw error;
    }
    this.#pool = this.#makePool();
  }

  /** The interface's MTU changed: packets of the new size must fit. */
  setMtu(mtu: number): void {
    this.mtu = mtu;
    if (mtu > this.#pool.room) this.#pool = this.#makePool();
  }

  /** A packet to fill; undefined when all are in use. */
  takePacket(): Packet | undefined {
    return this.#pool.take();
  }

  /** A packet of another protocol than IP to send; null: all are in use, or it is too long. */
  takeControl(protocol: number, octets: Uint8Array): Packet | null {
    const packet = this.#pool.take();
    if (packet === undefined) return null;
    if (octets.length > this.#pool.room) {
      packet.release();
      return null;
    }
    packet.octets.set(octets, packet.start);
    packet.length = octets.length;
    packet.protocol = protocol;
    return packet;
  }

  /** The next packet that the kernel sends, or null. One that has no slot is lost, as from a full queue. */
  readPacket(): Packet | null {
    for (;;) {
      const packet = this.#pool.take();
      const length =
        packet === undefined
          ? read(this.fd, this.#overflow.address, this.#overflow.octets.length)
          : read(this.fd, packet.address + packet.start, this.#pool.room);
      // Nothing more (EAGAIN), or the interface is down (EIO), as the monitor tells.
      if (length <= 0) packet?.release();
      if (length <= 0) return null;
      this.passedOctets += length;
      if (packet === undefined) this.crowdedOut++;
      else {
        packet.length = length;
        return packet;
      }
    }
  }

  /** Hands a packet to the kernel as received. @param address where it is in native memory */
  writePacket(address: number, length: number): void {
    this.passedOctets += length;
    if (write(this.fd, address, length) < 0) this.undelivered++;
  }

  close(): void {
    close(this.fd);
  }

  #makePool(): PacketPool {
    const room = Math.max(this.mtu, 1500);
    const memory = nativeBuffer(this.#slots * room);
    return new PacketPool(memory.octets, memory.address, this.#slots, room);
  }
}
