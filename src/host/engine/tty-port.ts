import type { Packet } from "../../link/packet.ts";
import type { Instant } from "../../time.ts";
import { ipVersion } from "../../wire/ip-packet.ts";
import { HeldTty } from "../held-tty.ts";
import { describeErrno, EAGAIN, EINTR, nativeBuffer } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import type { Tty } from "../tty.ts";
import { setCarrier } from "../tun.ts";
import type { LineSettings } from "./messages.ts";
import { type PortEvents, SlavePort, SOLO_QUEUE_PACKETS } from "./slave-port.ts";
import { TunPort } from "./tun-port.ts";

const READ_OCTETS = 4096;
const READ_BATCH = 16;
const PACKET_BATCH = 32;
/** A write of as many octets must stand in the queue of a driver that tells its queue. */
const TELLING_OCTETS = 64;

/** A tty on which a dialogue has led to where a link begins. */
export interface Takeover {
  readonly held: HeldTty;
  /** What came already and belongs to the link. */
  readonly early: Uint8Array;
  /** What the line carries, bits per second; null: as it was given before. */
  readonly rateBps: number | null;
}

/** A line on a tty, with its interface: what SLIP and PPP have in common. */
export abstract class TtyPort extends SlavePort {
  readonly name: string;
  readonly device: string;
  readonly tun: TunPort;
  protected readonly settings: LineSettings;
  protected readonly events: PortEvents;
  /** What was read from the line. */
  protected readonly input = nativeBuffer(READ_OCTETS);
  /** Where the link's outbox begins in native memory. */
  protected abstract readonly outboxAddress: number;
  #held: HeldTty | null = null;
  #early: Uint8Array | null = null;
  /** Octets that the driver took since the line was opened. */
  #taken = 0;
  #tellsQueue = false;

  constructor(settings: LineSettings, netlink: Netlink, events: PortEvents, seed: number) {
    super(settings.mtu, seed);
    this.name = settings.name;
    this.device = settings.device;
    this.settings = settings;
    this.events = events;
    this.tun = new TunPort(settings.name, settings.mtu, SOLO_QUEUE_PACKETS, netlink);
    setCarrier(this.tun.fd, settings.demand);
  }

  get index(): number {
    return this.tun.index;
  }

  get mtu(): number {
    return this.tun.mtu;
  }

  get up(): boolean {
    return this.tun.up;
  }

  get isOpen(): boolean {
    return this.#held !== null;
  }

  get #tty(): Tty | null {
    return this.#held?.tty ?? null;
  }

  /** The tty's descriptor; -1 while it is closed. */
  get fd(): number {
    return this.#tty?.fd ?? -1;
  }

  /** When {@link handleTimeout} wants to be called. */
  abstract get timeoutAt(): Instant;
  abstract handleTimeout(now: Instant): void;
  /** Octets of the line: `input.octets[0, count)`. */
  protected abstract handleInput(count: number, now: Instant): void;

  /**
   * @param takeover what the link begins with; it is the port's from now on, even if this throws
   * @throws EqlError as HeldTty.open
   */
  open(now: Instant, _multilink: boolean, takeover: Takeover | null): void {
    const { device, speedBps, rtscts, lockDirectory, carrier } = this.settings;
    this.#held = takeover?.held ?? HeldTty.open(device, { speedBps, rtscts, carrier }, lockDirectory);
    if (takeover !== null) this.#held.tty.mindCarrier(carrier);
    this.#early = takeover?.early ?? null;
    this.link.reset();
    this.member.pacer.reset(now);
    const rateBps = takeover?.rateBps ?? null;
    if (rateBps !== null) this.member.pacer.setGiven(rateBps, now);
    this.member.blocked = false;
    this.#taken = 0;
    this.#tellsQueue = false;
  }

  /** Octets that came before the link began. The port has its place. */
  handleEarly(now: Instant): void {
    const early = this.#early;
    this.#early = null;
    for (let at = 0; early !== null && at < early.length; at += READ_OCTETS) {
      const part = early.subarray(at, at + READ_OCTETS);
      this.input.octets.set(part);
      this.lineReceived += part.length;
      this.handleInput(part.length, now);
    }
  }

  /**
   * Gives the device back. The port must have been placed nowhere before.
   * @throws EqlError LOCK_FAILED: all is given back but the lock file
   */
  close(_now: Instant): void {
    const held = this.#held;
    this.#held = null;
    setCarrier(this.tun.fd, this.settings.demand);
    held?.close();
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.tun.setMtu(mtu);
  }

  /** Whether it carries packets of that version of IP now. */
  protected takes(_version: number): boolean {
    return true;
  }

  #refuse(packet: Packet): void {
    this.solo.drops.noLink++;
    packet.release();
  }

  /**
   * Hands a received packet on: to the line's interface, or to that of its master.
   * @param address where the packet is in native memory, which is `from` in the link's `received`
   */
  protected deliver(address: number, from: number, length: number, now: Instant): void {
    const { master } = this;
    this.receivedPackets++;
    this.receivedOctets += length;
    if (master === null) {
      this.tun.writePacket(address, length);
      return;
    }
    master.receivedPackets++;
    master.receivedOctets += length;
    master.bundle.handleInbound(this.link.received, from, length, now);
    master.tun.writePacket(address, length);
  }

  /** Packets that the kernel sends to the line's own interface. */
  handleTunReadable(now: Instant): void {
    for (let i = 0; i < PACKET_BATCH; i++) {
      const packet = this.tun.readPacket();
      if (packet === null) break;
      if (!this.takes(ipVersion(packet.octets, packet.start, packet.length))) this.#refuse(packet);
      else if (this.master === null) this.solo.enqueue(packet, now);
      else this.master.bundle.enqueuePinned(this.member, packet);
    }
    this.pollSoon(now);
  }

  /** Octets from the line. */
  handleReadable(now: Instant): void {
    const tty = this.#tty;
    const input = this.input;
    for (let i = 0; i < READ_BATCH && tty !== null && tty === this.#tty; i++) {
      const count = tty.read(input.address, READ_OCTETS);
      if (count === -EAGAIN || count === -EINTR) return;
      if (count <= 0) {
        this.events.failed(this, count === 0 ? "hung up" : `hung up: ${describeErrno(count)}`);
        return;
      }
      this.lineReceived += count;
      this.handleInput(count, now);
      if (count < READ_OCTETS) return;
    }
  }

  /** The driver takes octets again. */
  handleWritable(now: Instant): void {
    this.flush(now);
    this.pollSoon(now);
  }

  override flush(now: Instant): void {
    const { outbox } = this.link;
    if (this.#tty === null || outbox.length === 0) return;
    const count = this.#tty.write(this.outboxAddress + outbox.from, outbox.length);
    if (count < 0 && count !== -EAGAIN && count !== -EINTR) {
      outbox.clear();
      this.events.failed(this, `hung up: ${describeErrno(count)}`);
      return;
    }
    if (count > 0) {
      outbox.consume(count);
      this.#taken += count;
      this.lineSent += count;
      if (count >= TELLING_OCTETS && !this.#tellsQueue) this.#tellsQueue = this.#tty.outputQueue() > 0;
    }
    this.#setBlocked(outbox.length > 0, now);
  }

  /** Brings the estimate in line with what the driver says that it has not sent; before a bundle plans. */
  updateEstimate(now: Instant): void {
    if (!this.#tellsQueue || this.#tty === null) return;
    const { pacer } = this.member;
    pacer.handleOutputQueue(this.#tty.outputQueue() + this.link.outbox.length, now);
    if (this.member.open !== null) this.member.bodyEnd = pacer.freeAt;
  }

  protected override drops(): Record<string, number> {
    const queueFull = this.solo.drops.queueFull + this.tun.crowdedOut;
    return { ...super.drops(), queueFull, undelivered: this.tun.undelivered };
  }

  protected pollSoon(now: Instant): void {
    if (this.master === null) this.pollAt = now;
    else this.master.pollAt = now;
  }

  #setBlocked(blocked: boolean, now: Instant): void {
    if (blocked === this.member.blocked) return;
    this.member.blocked = blocked;
    if (blocked) this.member.pacer.handleBlocked(this.#taken, now);
    else this.member.pacer.handleUnblocked(now);
    this.events.interest(this, blocked);
  }
}
