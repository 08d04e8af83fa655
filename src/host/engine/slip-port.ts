import { Member } from "../../bundle/member.ts";
import { Echo } from "../../link/echo.ts";
import type { LinkId } from "../../link/link.ts";
import { Pacer } from "../../link/pacer.ts";
import { SlipLink, slipLinkMemory } from "../../link/slip-link.ts";
import { type Instant, NEVER } from "../../time.ts";
import { parseIpAddress } from "../../wire/ip-address.ts";
import { nativeBuffer } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { setCarrier } from "../tun.ts";
import type { LineSettings } from "./messages.ts";
import { LONGEST_PACKET, type PortEvents } from "./slave-port.ts";
import { type Takeover, TtyPort } from "./tty-port.ts";

/** A SLIP line: up as long as its device is open. */
export class SlipPort extends TtyPort {
  readonly kind = "slip";
  readonly echo: Echo | null;
  readonly link: SlipLink;
  readonly member: Member;
  protected readonly outboxAddress: number;
  readonly #receivedAddress: number;

  constructor(settings: LineSettings, id: LinkId, netlink: Netlink, events: PortEvents, seed: number) {
    super(settings, netlink, events, seed);
    this.echo = makeEcho(settings, seed);
    const memory = nativeBuffer(slipLinkMemory(LONGEST_PACKET, LONGEST_PACKET));
    const addressOf = (part: Uint8Array): number =>
      memory.address + (part.byteOffset - memory.octets.byteOffset);
    this.link = new SlipLink(LONGEST_PACKET, memory.octets);
    this.link.mtu = settings.mtu;
    this.outboxAddress = addressOf(this.link.outbox.octets);
    this.#receivedAddress = addressOf(this.link.received);
    this.member = new Member(id, this.name, this.link, new Pacer(settings.rateBps));
  }

  override get isSilent(): boolean {
    return this.echo?.silent ?? false;
  }

  override get echoMs(): number | null {
    return this.echo?.roundTripMs ?? null;
  }

  override open(now: Instant, multilink: boolean, takeover: Takeover | null): void {
    super.open(now, multilink, takeover);
    setCarrier(this.tun.fd, true);
    this.echo?.handleUp(now);
  }

  override close(now: Instant): void {
    this.echo?.handleDown();
    super.close(now);
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.link.mtu = Math.min(mtu, LONGEST_PACKET);
  }

  get timeoutAt(): Instant {
    return this.isOpen && this.up ? (this.echo?.pollTimeout() ?? NEVER) : NEVER;
  }

  /** Asks the peer, when it is time to. */
  handleTimeout(now: Instant): void {
    const { echo } = this;
    if (echo === null || now < echo.pollTimeout()) return;
    const wasSilent = echo.silent;
    const packet = this.tun.takePacket();
    if (packet === undefined) return;
    packet.length = echo.pollRequest(packet.octets, packet.start, now);
    (this.master?.bundle ?? this.solo).enqueuePinned(this.member, packet);
    this.pollSoon(now);
    if (echo.silent && !wasSilent) this.events.silent(this, now);
  }

  handleInterfaceUp(now: Instant): void {
    if (this.isOpen) this.echo?.handleUp(now);
  }

  /** It is to carry packets though its peer does not answer: from now on it has as long to answer as any other. */
  forgiveSilence(now: Instant): void {
    this.echo?.handleDown();
    this.echo?.handleUp(now);
  }

  protected override hints(): string[] {
    if (this.link.drops.vjCompressed === 0) return [];
    return [
      "the peer compresses TCP headers (CSLIP, VJ), which cannot work when packets of one connection take several lines: turn it off there (`slattach -p slip`, `novj`)",
    ];
  }

  protected handleInput(count: number, now: Instant): void {
    const { link } = this;
    for (let at = 0; at < count; ) {
      at = link.handleReceive(this.input.octets, at, count, now);
      if (link.receivedLength > 0 && !this.#isEcho(link.receivedLength, now)) {
        this.deliver(this.#receivedAddress, 0, link.receivedLength, now);
      }
    }
  }

  /** The answer to a request may come by any line: each line's echo knows its own. */
  #isEcho(length: number, now: Instant): boolean {
    if (this.echo === null) return false;
    this.echo.handleReceived(now);
    if (!this.events.echoReply(this.link.received, length, now)) return false;
    this.receivedPackets++;
    this.receivedOctets += length;
    return true;
  }
}

function makeEcho({ echo }: LineSettings, cookie: number): Echo | null {
  if (echo === null) return null;
  const local = parseIpAddress(echo.local);
  const peer = parseIpAddress(echo.peer);
  if (local === null || peer === null || local.length !== peer.length) return null;
  return new Echo({ local, peer, intervalMs: echo.intervalMs, failures: echo.failures, cookie });
}
