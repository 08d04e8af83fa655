import { Member } from "../../bundle/member.ts";
import { Echo } from "../../link/echo.ts";
import type { LinkId } from "../../link/link.ts";
import { Pacer } from "../../link/pacer.ts";
import { SlipLink, slipLinkMemory } from "../../link/slip-link.ts";
import { type Instant, NEVER } from "../../time.ts";
import { parseIpAddress } from "../../wire/ip-address.ts";
import { describeErrno, EAGAIN, EINTR, nativeBuffer } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { openTty, type Tty } from "../tty.ts";
import { setCarrier } from "../tun.ts";
import { acquireLock, type UucpLock } from "../uucp-lock.ts";
import type { LineSettings } from "./messages.ts";
import { LONGEST_PACKET, type PortEvents, SlavePort, SOLO_QUEUE_PACKETS } from "./slave-port.ts";
import { TunPort } from "./tun-port.ts";

const READ_OCTETS = 4096;
const READ_BATCH = 16;
const PACKET_BATCH = 32;
/** A write of as many octets must stand in the queue of a driver that tells its queue. */
const TELLING_OCTETS = 64;

/** A SLIP line on a tty, with its interface. */
export class LinePort extends SlavePort {
  readonly name: string;
  readonly kind = "slip";
  readonly device: string;
  readonly tun: TunPort;
  readonly echo: Echo | null;
  readonly #settings: LineSettings;
  readonly #events: PortEvents;
  readonly #input = nativeBuffer(READ_OCTETS);
  readonly link: SlipLink;
  readonly member: Member;
  readonly #linkAddress: number;
  readonly #receivedAddress: number;
  #tty: Tty | null = null;
  #lock: UucpLock | null = null;
  /** Octets that the driver took since the line was opened. */
  #taken = 0;
  #tellsQueue = false;

  constructor(settings: LineSettings, id: LinkId, netlink: Netlink, events: PortEvents, seed: number) {
    super(settings.mtu, seed);
    this.name = settings.name;
    this.device = settings.device;
    this.#settings = settings;
    this.#events = events;
    this.echo = makeEcho(settings, seed);
    this.tun = new TunPort(settings.name, settings.mtu, SOLO_QUEUE_PACKETS, netlink);
    setCarrier(this.tun.fd, false);
    const memory = nativeBuffer(slipLinkMemory(LONGEST_PACKET, LONGEST_PACKET));
    const addressOf = (part: Uint8Array): number =>
      memory.address + (part.byteOffset - memory.octets.byteOffset);
    this.link = new SlipLink(LONGEST_PACKET, memory.octets);
    this.link.mtu = settings.mtu;
    this.#linkAddress = addressOf(this.link.outbox.octets);
    this.#receivedAddress = addressOf(this.link.received);
    this.member = new Member(id, this.name, this.link, new Pacer(settings.rateBps));
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
    return this.#tty !== null;
  }

  /** The tty's descriptor; -1 while it is closed. */
  get fd(): number {
    return this.#tty?.fd ?? -1;
  }

  override get isSilent(): boolean {
    return this.echo?.silent ?? false;
  }

  override get echoMs(): number | null {
    return this.echo?.roundTripMs ?? null;
  }

  /** @throws EqlError as acquireLock and openTty */
  open(now: Instant): void {
    const { device, speedBps, rtscts, lockDirectory } = this.#settings;
    const lock = lockDirectory === null ? null : acquireLock(device, lockDirectory);
    try {
      this.#tty = openTty(device, { speedBps, rtscts });
    } catch (error) {
      lock?.release();
      throw error;
    }
    this.#lock = lock;
    this.link.reset();
    this.member.pacer.reset(now);
    this.member.blocked = false;
    this.#taken = 0;
    this.#tellsQueue = false;
    setCarrier(this.tun.fd, true);
    this.echo?.handleUp(now);
  }

  /**
   * Gives the device back. The port must have been placed nowhere before.
   * @throws EqlError LOCK_FAILED: all is given back but the lock file
   */
  close(): void {
    const lock = this.#lock;
    this.echo?.handleDown();
    this.#tty?.close();
    this.#tty = null;
    this.#lock = null;
    setCarrier(this.tun.fd, false);
    lock?.release();
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.tun.setMtu(mtu);
    this.link.mtu = Math.min(mtu, LONGEST_PACKET);
  }

  /** Packets that the kernel sends to the line's own interface. */
  handleTunReadable(now: Instant): void {
    for (let i = 0; i < PACKET_BATCH; i++) {
      const packet = this.tun.readPacket();
      if (packet === null) break;
      if (this.master === null) this.solo.enqueue(packet, now);
      else this.master.bundle.enqueuePinned(this.member, packet);
    }
    this.#pollSoon(now);
  }

  /** Octets from the line. */
  handleReadable(now: Instant): void {
    const tty = this.#tty;
    const input = this.#input;
    for (let i = 0; i < READ_BATCH && tty !== null && tty === this.#tty; i++) {
      const count = tty.read(input.address, READ_OCTETS);
      if (count === -EAGAIN || count === -EINTR) return;
      if (count <= 0) {
        this.#events.failed(this, count === 0 ? "hung up" : `hung up: ${describeErrno(count)}`);
        return;
      }
      this.lineReceived += count;
      this.#receive(count, now);
      if (count < READ_OCTETS) return;
    }
  }

  /** The driver takes octets again. */
  handleWritable(now: Instant): void {
    this.flush(now);
    this.#pollSoon(now);
  }

  override flush(now: Instant): void {
    const { outbox } = this.link;
    if (this.#tty === null || outbox.length === 0) return;
    const count = this.#tty.write(this.#linkAddress + outbox.from, outbox.length);
    if (count < 0 && count !== -EAGAIN && count !== -EINTR) {
      outbox.clear();
      this.#events.failed(this, `hung up: ${describeErrno(count)}`);
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

  /** Asks the peer, when it is time to. @returns whether it became silent */
  handleEchoTime(now: Instant): boolean {
    const { echo } = this;
    if (echo === null || now < echo.pollTimeout()) return false;
    const wasSilent = echo.silent;
    const packet = this.tun.takePacket();
    if (packet === undefined) return false;
    packet.length = echo.pollRequest(packet.octets, packet.start, now);
    (this.master?.bundle ?? this.solo).enqueuePinned(this.member, packet);
    this.#pollSoon(now);
    return echo.silent && !wasSilent;
  }

  /** It is to carry packets though its peer does not answer: from now on it has as long to answer as any other. */
  forgiveSilence(now: Instant): void {
    this.echo?.handleDown();
    this.echo?.handleUp(now);
  }

  get echoAt(): Instant {
    return this.isOpen && this.up ? (this.echo?.pollTimeout() ?? NEVER) : NEVER;
  }

  protected override drops(): Record<string, number> {
    const queueFull = this.solo.drops.queueFull + this.tun.crowdedOut;
    return { ...super.drops(), queueFull, undelivered: this.tun.undelivered };
  }

  protected override hints(): string[] {
    if (this.link.drops.vjCompressed === 0) return [];
    return [
      "the peer compresses TCP headers (CSLIP, VJ), which cannot work when packets of one connection take several lines: turn it off there (`slattach -p slip`, `novj`)",
    ];
  }

  #pollSoon(now: Instant): void {
    if (this.master === null) this.pollAt = now;
    else this.master.pollAt = now;
  }

  #setBlocked(blocked: boolean, now: Instant): void {
    if (blocked === this.member.blocked) return;
    this.member.blocked = blocked;
    if (blocked) this.member.pacer.handleBlocked(this.#taken, now);
    else this.member.pacer.handleUnblocked(now);
    this.#events.interest(this, blocked);
  }

  #receive(count: number, now: Instant): void {
    const { link } = this;
    for (let at = 0; at < count; ) {
      at = link.handleReceive(this.#input.octets, at, count, now);
      if (link.receivedLength > 0) this.#deliver(link.receivedLength, now);
    }
  }

  #deliver(length: number, now: Instant): void {
    const { echo, master } = this;
    const { received } = this.link;
    this.receivedPackets++;
    this.receivedOctets += length;
    if (echo !== null) {
      echo.handleReceived(now);
      if (this.#isEchoReply(length, now)) return;
    }
    if (master === null) {
      this.tun.writePacket(this.#receivedAddress, length);
      return;
    }
    master.receivedPackets++;
    master.receivedOctets += length;
    master.bundle.handleInbound(received, 0, length, now);
    master.tun.writePacket(this.#receivedAddress, length);
  }

  /** The answer to a request may come by any line: each line's echo knows its own. */
  #isEchoReply(length: number, now: Instant): boolean {
    return this.#events.echoReply(this.link.received, length, now);
  }
}

function makeEcho({ echo }: LineSettings, cookie: number): Echo | null {
  if (echo === null) return null;
  const local = parseIpAddress(echo.local);
  const peer = parseIpAddress(echo.peer);
  if (local === null || peer === null || local.length !== peer.length) return null;
  return new Echo({ local, peer, intervalMs: echo.intervalMs, failures: echo.failures, cookie });
}
