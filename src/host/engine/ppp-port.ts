import { Member } from "../../bundle/member.ts";
import type { LineState, PppStatus } from "../../control/messages.ts";
import type { LinkId } from "../../link/link.ts";
import { Pacer } from "../../link/pacer.ts";
import { PppLink, pppLinkMemory } from "../../link/ppp-link.ts";
import { describeControlPacket } from "../../ppp/describe.ts";
import { endpointText } from "../../ppp/endpoint.ts";
import { NetworkLayer } from "../../ppp/network-layer.ts";
import type { Verdict } from "../../ppp/proof.ts";
import { type Agreement, PppSession, type SessionEvent } from "../../ppp/session.ts";
import { type Instant, instant, NEVER } from "../../time.ts";
import { PPP_IP, PPP_IPV6, PPP_MULTILINK } from "../../wire/ppp-packet.ts";
import { nativeBuffer } from "../libc.ts";
import type { Netlink } from "../netlink.ts";
import { pppCrypto } from "../ppp-crypto.ts";
import { setCarrier } from "../tun.ts";
import type { MasterPort } from "./master-port.ts";
import type { LineSettings, PppLineSettings, TrafficOctets } from "./messages.ts";
import { NetworkDriver, since, timeoutOf } from "./network-driver.ts";
import { LINK_PROTOCOLS, type PppBundle } from "./ppp-bundle.ts";
import { LONGEST_PACKET, type PortEvents } from "./slave-port.ts";
import { type Takeover, TtyPort } from "./tty-port.ts";

/** A link rests for so long, milliseconds, when it joins: pppd opens LCP before it has put the link into its bundle, and parts that come between are lost. */
const SETTLE_MS = 250;
/** Parts that may come by a link before it has joined, and for how long they are of use, milliseconds. */
const MOST_EARLY = 32;
const EARLY_MS = 1000;

/** A part of a packet whose bundle is not there yet. */
interface EarlyPart {
  readonly at: Instant;
  readonly octets: Uint8Array;
  readonly number: number;
  readonly first: boolean;
  readonly last: boolean;
}

/**
 * A PPP line: its session agrees with the peer, then it carries packets alone, as a classic slave, or as a link of a numbered bundle.
 *
 * A bundle has the network protocols; else the link has its own.
 */
export class PppPort extends TtyPort {
  readonly kind = "ppp";
  readonly link: PppLink;
  readonly member: Member;
  /** Of the connection that there is, or was. */
  session: PppSession;
  readonly ppp: PppLineSettings;
  /** Of this link alone; null: it is in a bundle, or not established. */
  network: NetworkDriver | null = null;
  /** The numbered bundle that it is a link of. */
  bundle: PppBundle | null = null;
  protected readonly outboxAddress: number;
  readonly #receivedAddress: number;
  #startAt: Instant = NEVER;
  #countsBefore: TrafficOctets = { sent: 0, received: 0 };
  /** What a peer has sent that was faster into the bundle than this link. */
  readonly #early: EarlyPart[] = [];
  /** The session has ended: why the line is to be closed. */
  #ended: string | null = null;

  constructor(settings: LineSettings, id: LinkId, netlink: Netlink, events: PortEvents, seed: number) {
    super(settings, netlink, events, seed);
    this.ppp = settings.ppp as PppLineSettings;
    const memory = nativeBuffer(pppLinkMemory(LONGEST_PACKET, LONGEST_PACKET));
    const addressOf = (part: Uint8Array): number =>
      memory.address + (part.byteOffset - memory.octets.byteOffset);
    this.link = new PppLink(LONGEST_PACKET, memory.octets);
    this.link.mtu = settings.mtu;
    this.outboxAddress = addressOf(this.link.outbox.octets);
    this.#receivedAddress = addressOf(this.link.received);
    this.member = new Member(id, this.name, this.link, new Pacer(settings.rateBps));
    this.session = this.#makeSession(true);
  }

  #makeSession(multilink: boolean): PppSession {
    const { lcp, auth } = this.ppp;
    return new PppSession(multilink ? lcp : { ...lcp, multilink: null }, auth, pppCrypto);
  }

  override get mayCarry(): boolean {
    return this.isOpen;
  }

  override get state(): LineState {
    if (!this.isOpen) return "closed";
    if (this.bundle !== null) return "enslaved";
    if (this.network === null || !this.network.isUp) return "negotiating";
    return super.state;
  }

  override get echoMs(): number | null {
    return this.session.echoMs;
  }

  /** What the peer agreed to; null: it is not established. */
  get agreement(): Agreement | null {
    return this.session.agreement;
  }

  /** @param multilink whether there is a master to be a link of */
  override open(now: Instant, multilink: boolean, takeover: Takeover | null): void {
    super.open(now, multilink, takeover);
    this.session = this.#makeSession(multilink);
    this.#ended = null;
    // Its first packet goes out when the port has its place.
    this.#startAt = now;
  }

  override handleEarly(now: Instant): void {
    // The peer may have begun: its first packet is to be understood.
    this.handleTimeout(now);
    super.handleEarly(now);
  }

  /** A link that agreed on multilink joins the numbered bundle of its master. */
  override place(master: MasterPort | null, alive: boolean, now: Instant): void {
    const left = this.bundle === null ? null : this.master;
    if (left !== null) {
      super.place(null, alive, now);
      this.bundle = null;
      left.handleLinksChanged(now);
    }
    if (master === null || this.agreement?.multilink == null) {
      if (left === null || master !== null) super.place(master, alive, now);
      return;
    }
    this.bundle = master.numberedFor(this);
    super.place(master, alive, now);
    const { pacer } = this.member;
    pacer.freeAt = instant(Math.max(pacer.freeAt, now + SETTLE_MS));
    master.handleLinksChanged(now);
    this.#takeEarly(this.bundle, now);
  }

  override close(now: Instant): void {
    this.session.handleDown(now);
    this.#drain(now);
    this.#dropNetwork(now);
    this.#startAt = NEVER;
    super.close(now);
  }

  override setMtu(mtu: number): void {
    super.setMtu(mtu);
    this.link.mtu = Math.min(mtu, LONGEST_PACKET);
  }

  /** Ends the link properly; it fails when the peer has agreed or does not answer. */
  hangUp(reason: string, now: Instant): void {
    if (this.session.phase !== "dead") {
      this.session.close(reason, now);
      this.#drain(now);
    } else if (this.#ended === null) {
      // Nothing has been said to the peer yet, nor will be.
      this.#startAt = NEVER;
      this.#end({ type: "ended", end: "asked", reason });
    }
  }

  /** What was found of the peer's proof. */
  handleVerdict(id: number, verdict: Verdict, now: Instant): void {
    this.session.handleVerdict(id, verdict, now);
    this.#drain(now);
  }

  get timeoutAt(): Instant {
    return instant(Math.min(this.#startAt, this.session.pollTimeout(), timeoutOf(this.network)));
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#startAt) {
      this.#startAt = NEVER;
      this.session.handleUp(now);
    }
    if (now >= this.session.pollTimeout()) this.session.handleTimeout(now);
    this.#drain(now);
    this.network?.handleTimeout(now);
  }

  protected override takes(version: number): boolean {
    return this.network?.isOpen(version) ?? false;
  }

  protected handleInput(count: number, now: Instant): void {
    const { link } = this;
    for (let at = 0; at < count; ) {
      at = link.handleReceive(this.input.octets, at, count, now);
      if (link.receivedLength > 0) this.#receive(now);
    }
  }

  override pppStatus(): PppStatus {
    const { ours, theirs } = this.session.describe();
    const peerName = this.agreement?.peerName ?? "";
    return {
      phase: this.session.phase,
      ours,
      theirs,
      peerName: peerName === "" ? null : peerName,
      multilink: this.agreement?.multilink != null,
      ipv4: this.network?.ipv4 ?? null,
      ipv6: this.network?.ipv6 ?? null,
      fragments:
        this.bundle === null
          ? null
          : { sent: this.member.sentFragments, received: this.member.source.fragments },
    };
  }

  #receive(now: Instant): void {
    const { link } = this;
    switch (link.receivedProtocol) {
      case PPP_IP:
      case PPP_IPV6:
        this.#receivePacket(now);
        return;
      case PPP_MULTILINK:
        if (this.agreement?.multilink != null) {
          this.#receiveFragment(now);
          return;
        }
    }
    this.#receiveControl(link.receivedProtocol, now);
  }

  #receiveFragment(now: Instant): void {
    const { received, receivedFrom, receivedLength, fragment } = this.link;
    const to = receivedFrom + receivedLength;
    // As of what is sent: octets of parts, and packets by their first ones.
    this.receivedOctets += receivedLength;
    if (fragment.first) this.receivedPackets++;
    if (this.bundle !== null) this.bundle.handleFragment(this, received, receivedFrom, to, fragment, now);
    else {
      const { number, first, last } = fragment;
      this.#early.push({ at: now, octets: received.slice(receivedFrom, to), number, first, last });
      if (this.#early.length <= MOST_EARLY) return;
      this.#early.shift();
      this.link.drops.notOpen++;
    }
  }

  #takeEarly(bundle: PppBundle, now: Instant): void {
    for (const part of this.#early.splice(0)) {
      const { at, octets } = part;
      if (now - at <= EARLY_MS) bundle.handleFragment(this, octets, 0, octets.length, part, now);
    }
  }

  #receivePacket(now: Instant): void {
    const { receivedProtocol, receivedFrom, receivedLength } = this.link;
    const version = receivedProtocol === PPP_IP ? 4 : 6;
    const driver = this.bundle?.network ?? this.network;
    if (!driver?.isOpen(version)) {
      // Before its protocol is up a packet is dropped in silence, unless the protocol was refused.
      this.link.drops.notOpen++;
      return;
    }
    this.deliver(this.#receivedAddress + receivedFrom, receivedFrom, receivedLength, now);
  }

  #receiveControl(protocol: number, now: Instant): void {
    const { received, receivedFrom, receivedLength } = this.link;
    this.receiveControl(protocol, received, receivedFrom, receivedFrom + receivedLength, now);
  }

  /** A packet that is not IP, from this link or, put together again, from its bundle. */
  receiveControl(protocol: number, octets: Uint8Array, from: number, to: number, now: Instant): void {
    if (this.ppp.debug) this.#log(false, protocol, octets, from, to);
    if (this.agreement?.multilink != null && this.bundle === null && protocol < LINK_PROTOCOLS) {
      // It is on its way into its bundle, where somebody takes it: the peer will send it again.
      this.link.drops.notOpen++;
      return;
    }
    const driver = this.bundle?.network ?? this.network;
    if (driver?.layer.handlePacket(protocol, octets, from, to, now)) driver.drain(now);
    else this.session.handlePacket(protocol, octets, from, to, now);
    this.#drain(now);
  }

  /** After each call of the session. */
  #drain(now: Instant): void {
    const { session } = this;
    if (this.master !== null && session.phase !== "network") {
      const isAnew = session.phase === "establish" || session.phase === "authenticate";
      this.events.unsettled(this, isAnew ? "the peer negotiates anew" : "its link has ended", now);
    }
    for (let packet = session.pollPacket(); packet !== undefined; packet = session.pollPacket()) {
      this.sendControl(packet.protocol, packet.octets, now);
    }
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      this.#handle(event, now);
    }
    if (session.framing !== this.link.framing) this.link.framing = session.framing;
    this.link.numbering = this.agreement?.multilink ?? null;
    if (this.agreement === null) this.#early.length = 0;
  }

  /** Sends a control packet on this link, as it is. */
  sendControl(protocol: number, octets: Uint8Array, now: Instant): void {
    if (!this.isOpen) return;
    this.logSent(protocol, octets);
    const packet = this.tun.takeControl(protocol, octets);
    if (packet === null) return;
    (this.master?.bundle ?? this.solo).enqueuePinned(this.member, packet);
    this.pollSoon(now);
  }

  /** @param octets a control packet from its code on */
  logSent(protocol: number, octets: Uint8Array): void {
    if (this.ppp.debug) this.#log(true, protocol, octets, 0, octets.length);
  }

  #handle(event: SessionEvent, now: Instant): void {
    switch (event.type) {
      case "phase":
        if (event.phase !== "network") this.#dropNetwork(now);
        this.events.ppp(this, { kind: "phase", phase: event.phase });
        break;
      case "established": {
        const { multilink, peerName } = event.agreement;
        this.link.framing = this.session.framing;
        this.#countsBefore = this.#counts();
        if (multilink === null) this.#startNetwork(event.agreement, now);
        const bundleKey = JSON.stringify([
          peerName,
          endpointText(multilink?.peerEndpoint ?? null),
          this.ppp.bundle,
        ]);
        this.events.ppp(this, {
          kind: "established",
          multilink: multilink !== null,
          peerName,
          bundleKey,
        });
        break;
      }
      case "protocolRejected": {
        const driver = this.bundle?.network ?? this.network;
        driver?.layer.handleProtocolReject(event.protocol, now);
        driver?.drain(now);
        break;
      }
      case "proof":
        this.events.ppp(this, { kind: "proof", proof: event.proof });
        break;
      case "log":
        this.events.ppp(this, { kind: "log", level: "info", text: event.text });
        break;
      case "ended":
        this.#end(event);
        break;
    }
  }

  #end({ end, reason }: Extract<SessionEvent, { readonly type: "ended" }>): void {
    const traffic = since(this.#countsBefore, this.#counts());
    this.events.ppp(this, { kind: "ended", end, reason, traffic });
    if (!this.isOpen || this.#ended !== null) return;
    this.#ended = reason;
    this.events.failed(this, reason);
  }

  #startNetwork(agreement: Agreement, now: Instant): void {
    this.#dropNetwork(now);
    const layer = new NetworkLayer(this.ppp.network, agreement.peerEntry, pppCrypto);
    this.network = new NetworkDriver(
      layer,
      (protocol, octets, at) => this.sendControl(protocol, octets, at),
      (event) => {
        setCarrier(this.tun.fd, this.network?.isUp ?? false);
        this.events.network(this, event);
      },
      () => this.link.framing.peerMru,
      () => this.#counts(),
    );
    layer.lowerUp(now);
    this.network.drain(now);
  }

  #counts(): TrafficOctets {
    return { sent: this.member.sentOctets, received: this.receivedOctets };
  }

  #dropNetwork(now: Instant): void {
    const driver = this.network;
    if (driver === null) return;
    driver.layer.lowerDown(now);
    driver.drain(now);
    this.network = null;
    // What waits would go out between the packets of the next negotiation, to a peer that has not proved itself.
    this.solo.clear();
    setCarrier(this.tun.fd, false);
  }

  #log(sent: boolean, protocol: number, octets: Uint8Array, from: number, to: number): void {
    const text = describeControlPacket(sent, protocol, octets, from, to);
    this.events.ppp(this, { kind: "log", level: "debug", text });
  }
}
