import type { Bundle } from "../../src/bundle/bundle.ts";
import { ClassicBundle } from "../../src/bundle/classic-bundle.ts";
import { Member } from "../../src/bundle/member.ts";
import { NumberedBundle } from "../../src/bundle/numbered-bundle.ts";
import { resequencerMemory } from "../../src/bundle/resequencer.ts";
import type { LinkId } from "../../src/link/link.ts";
import { Pacer } from "../../src/link/pacer.ts";
import { PacketPool } from "../../src/link/packet.ts";
import { PppLink, pppLinkMemory } from "../../src/link/ppp-link.ts";
import { NetworkLayer } from "../../src/ppp/network-layer.ts";
import { PppSession, type PppEnd as SessionEnd } from "../../src/ppp/session.ts";
import type { AuthSettings, LcpSettings, NetworkSettings } from "../../src/ppp/settings.ts";
import { EarliestArrival } from "../../src/scheduler/earliest-arrival.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";
import { PPP_IP, PPP_IPV6, PPP_MULTILINK, PppHeader } from "../../src/wire/ppp-packet.ts";
import { seededCrypto } from "../ppp/pair.ts";

const LONGEST = 2000;
const MTU = 1500;
const QUEUE_PACKETS = 32;
/** From here on, protocols are a link's own (RFC 1661, section 2). */
const LINK_PROTOCOLS = 0xc000;
/** A line that was closed is opened again after so long. */
const PAUSE_MS = 500;
/** The control plane has a link join its bundle so long after it was established; what its session had to say is gone by then. */
const JOIN_MS = 100;
const MOST_EARLY = 32;
const NOTHING = new Uint8Array(0);

export interface PppEndOptions {
  readonly lines: number;
  readonly bps: number;
  readonly lcp: LcpSettings;
  readonly auth: AuthSettings;
  readonly network: NetworkSettings;
  readonly seed: number;
  /** Lines are open only from `open` to their end; otherwise from the beginning, and again after each end. */
  readonly told?: boolean;
}

export interface LineEnd {
  readonly line: number;
  readonly end: SessionEnd;
  readonly reason: string;
}

interface Port {
  readonly link: PppLink;
  readonly member: Member;
  readonly solo: ClassicBundle;
  session: PppSession;
  /** Of this link alone. */
  network: NetworkLayer | null;
  /** It is a link of the numbered bundle. */
  isLink: boolean;
  openAt: Instant;
  joinAt: Instant;
  /** Parts of the bundle's packets that came before it joined. */
  readonly early: Early[];
}

interface Early {
  readonly octets: Uint8Array;
  readonly number: number;
  readonly first: boolean;
  readonly last: boolean;
}

interface NumberedPart {
  readonly bundle: NumberedBundle;
  readonly network: NetworkLayer;
}

/** All of PPP at one end of some lines, as the engine's ports and its numbered bundle join it, but without I/O. */
export class PppEnd {
  readonly pool: PacketPool;
  /** IP packets that came out, with the line of those that came outside of the bundle. */
  readonly delivered: Uint8Array[] = [];
  /** How many times a link was established. */
  established = 0;
  readonly phases: Set<string> = new Set();
  /** How lines ended, until somebody takes it from here. */
  readonly ends: LineEnd[] = [];
  readonly #options: PppEndOptions;
  readonly #ports: readonly Port[];
  readonly #header = new PppHeader();
  #numbered: NumberedPart | null = null;
  #wake: Instant = instant(0);

  constructor(options: PppEndOptions) {
    this.#options = options;
    const slots = 4 * QUEUE_PACKETS;
    this.pool = new PacketPool(new Uint8Array(slots * LONGEST), 0, slots, LONGEST);
    this.#ports = Array.from({ length: options.lines }, (_, index) => this.#makePort(index));
  }

  get slots(): number {
    return 4 * QUEUE_PACKETS;
  }

  /** Whether IPv4 packets can be sent: by the bundle if lines of it are there, or by all lines. */
  get isUp(): boolean {
    const { multilink } = this.#options.lcp;
    if (multilink === null) return this.#ports.every(({ network }) => network?.ip4Open === true);
    return this.#numbered?.network.ip4Open === true && this.#ports.every(({ isLink }) => isLink);
  }

  phase(line: number): string {
    return (this.#ports[line] as Port).session.phase;
  }

  /** Whether IPv4 packets can go by this line. */
  isLineUp(line: number): boolean {
    const port = this.#ports[line] as Port;
    return this.#layerOf(port)?.ip4Open === true;
  }

  /** The line carries octets. */
  open(line: number, bps: number, now: Instant): void {
    const port = this.#ports[line] as Port;
    this.#open(port, now);
    port.member.pacer.setGiven(bps, now);
    this.#drain(port, now);
  }

  /** The line carries nothing any more. */
  hangUp(line: number, now: Instant): void {
    const port = this.#ports[line] as Port;
    port.session.handleDown(now);
    this.#drain(port, now);
  }

  /** Ends a line's session properly. */
  closeLine(line: number, now: Instant): void {
    const port = this.#ports[line] as Port;
    port.session.close("enough", now);
    this.#drain(port, now);
  }

  /** Packets that no queue holds any more come back to the pool: none may get lost. */
  get isDrained(): boolean {
    return this.pool.available === this.slots;
  }

  /** Sends an IP packet, by the bundle or by the first line. @returns whether it was taken */
  send(octets: Uint8Array, now: Instant): boolean {
    const packet = this.pool.take();
    if (packet === undefined) return false;
    packet.octets.set(octets, packet.start);
    packet.length = octets.length;
    const [port] = this.#ports as [Port];
    if (this.#numbered?.network.ip4Open === true) this.#numbered.bundle.enqueue(packet, now);
    else if (port.network?.ip4Open === true) port.solo.enqueue(packet, now);
    else packet.release();
    this.#wake = now;
    return true;
  }

  close(now: Instant): void {
    for (const port of this.#ports) {
      port.session.close("enough", now);
      this.#drain(port, now);
    }
  }

  handleOctets(line: number, octets: Uint8Array, now: Instant): void {
    const port = this.#ports[line] as Port;
    const { link } = port;
    for (let at = 0; at < octets.length; ) {
      at = link.handleReceive(octets, at, octets.length, now);
      if (link.receivedLength > 0) this.#receive(port, now);
    }
  }

  pollTimeout(): Instant {
    let at: number = Math.min(this.#wake, this.#numbered?.network.pollTimeout() ?? NEVER);
    for (const { openAt, joinAt, session, network } of this.#ports) {
      at = Math.min(at, openAt, joinAt, session.pollTimeout(), network?.pollTimeout() ?? NEVER);
    }
    return instant(at);
  }

  handleTimeout(now: Instant): void {
    for (const port of this.#ports) {
      if (now >= port.openAt) this.#open(port, now);
      if (now >= port.joinAt) this.#join(port, now);
      if (now >= port.session.pollTimeout()) port.session.handleTimeout(now);
      this.#drain(port, now);
      port.network?.handleTimeout(now);
      if (port.network !== null) this.#drainNetwork(port.network, port, now);
    }
    if (this.#numbered !== null) {
      this.#numbered.network.handleTimeout(now);
      this.#drainNetwork(this.#numbered.network, null, now);
    }
    if (now >= this.#wake) this.#poll(now);
  }

  /** Takes what a line has to send. The view is good until the end is called again. */
  pollOctets(line: number): Uint8Array {
    const { outbox } = (this.#ports[line] as Port).link;
    if (outbox.to === outbox.from) return NOTHING;
    const octets = outbox.octets.subarray(outbox.from, outbox.to);
    outbox.clear();
    return octets;
  }

  #makePort(index: number): Port {
    const link = new PppLink(LONGEST, new Uint8Array(pppLinkMemory(LONGEST, LONGEST)));
    link.mtu = MTU;
    const pacer = new Pacer(this.#options.bps);
    return {
      link,
      member: new Member(index as LinkId, `ppp${index}`, link, pacer),
      solo: new ClassicBundle(new EarliestArrival(), MTU, QUEUE_PACKETS, 1),
      session: this.#makeSession(index),
      network: null,
      isLink: false,
      openAt: this.#options.told === true ? NEVER : instant(0),
      joinAt: NEVER,
      early: [],
    };
  }

  #makeSession(index: number): PppSession {
    const { lcp, auth, seed } = this.#options;
    return new PppSession(lcp, auth, seededCrypto(seed + 100 * index + this.established));
  }

  #open(port: Port, now: Instant): void {
    port.openAt = NEVER;
    port.link.reset();
    port.member.pacer.reset(now);
    port.solo.join(port.member);
    port.session = this.#makeSession(port.member.id);
    port.session.handleUp(now);
  }

  #poll(now: Instant): void {
    let wake: number = this.#numbered?.bundle.poll(now) ?? NEVER;
    this.#deliverWhole(now);
    for (const { solo } of this.#ports) wake = Math.min(wake, solo.poll(now));
    this.#wake = instant(wake);
  }

  #receive(port: Port, now: Instant): void {
    const { link } = port;
    const { received, receivedFrom: from, receivedProtocol: protocol } = link;
    const to = from + link.receivedLength;
    if (protocol === PPP_IP || protocol === PPP_IPV6) this.#deliver(protocol, port, received, from, to);
    else if (protocol === PPP_MULTILINK && port.isLink && this.#numbered !== null) {
      const { number, first, last } = link.fragment;
      this.#numbered.bundle.handleFragment(port.member, received, from, to, number, first, last, now);
      this.#deliverWhole(now);
      this.#wake = now;
    } else if (protocol === PPP_MULTILINK && port.joinAt !== NEVER) {
      const { number, first, last } = link.fragment;
      if (port.early.length < MOST_EARLY)
        port.early.push({ octets: received.slice(from, to), number, first, last });
    } else this.#receiveControl(port, protocol, received, from, to, now);
  }

  #deliver(protocol: number, port: Port, octets: Uint8Array, from: number, to: number): void {
    const layer = this.#layerOf(port);
    if (protocol === PPP_IP ? layer?.ip4Open : layer?.ip6Open) this.delivered.push(octets.slice(from, to));
  }

  #deliverWhole(now: Instant): void {
    const { bundle } = this.#numbered ?? {};
    while (bundle?.pollPacket() === true) {
      const { received, receivedFrom: from, receivedLength } = bundle;
      const header = this.#header;
      if (!header.read(received, from, from + receivedLength)) continue;
      const { protocol, dataFrom } = header;
      if (protocol >= LINK_PROTOCOLS) continue;
      const port = this.#ports.find(({ isLink }) => isLink);
      if (port === undefined) return;
      const to = from + receivedLength;
      if (protocol === PPP_IP || protocol === PPP_IPV6) this.#deliver(protocol, port, received, dataFrom, to);
      else this.#receiveControl(port, protocol, received.slice(0, to), dataFrom, to, now);
    }
  }

  #layerOf(port: Port): NetworkLayer | null {
    return port.isLink ? (this.#numbered?.network ?? null) : port.network;
  }

  #receiveControl(
    port: Port,
    protocol: number,
    octets: Uint8Array,
    from: number,
    to: number,
    now: Instant,
  ): void {
    const layer = this.#layerOf(port);
    if (layer?.handlePacket(protocol, octets, from, to, now) === true)
      this.#drainNetwork(layer, port.isLink ? null : port, now);
    else port.session.handlePacket(protocol, octets, from, to, now);
    this.#drain(port, now);
  }

  #drain(port: Port, now: Instant): void {
    const { session, link } = port;
    if (session.phase !== "network") {
      port.joinAt = NEVER;
      port.early.length = 0;
      if (port.isLink) this.#leave(port, now);
    }
    for (let packet = session.pollPacket(); packet !== undefined; packet = session.pollPacket()) {
      this.#send(port, packet.protocol, packet.octets, now);
    }
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      if (event.type === "phase") {
        this.phases.add(event.phase);
        if (event.phase !== "network") this.#dropNetwork(port, now);
      } else if (event.type === "established") {
        this.established++;
        this.#establish(port, now);
      } else if (event.type === "protocolRejected") {
        const layer = this.#layerOf(port);
        layer?.handleProtocolReject(event.protocol, now);
        if (layer !== null) this.#drainNetwork(layer, port.isLink ? null : port, now);
      } else if (event.type === "ended") {
        port.solo.leave(port.member, false, now);
        port.openAt = this.#options.told === true ? NEVER : instant(now + PAUSE_MS);
        this.ends.push({ line: port.member.id, end: event.end, reason: event.reason });
      }
    }
    if (session.framing !== link.framing) link.framing = session.framing;
  }

  #establish(port: Port, now: Instant): void {
    const { agreement } = port.session;
    port.link.framing = port.session.framing;
    if (agreement === null) return;
    const { multilink, peerEntry } = agreement;
    const { network: settings, seed } = this.#options;
    port.link.numbering = multilink;
    if (multilink === null) {
      port.network = new NetworkLayer(settings, peerEntry, seededCrypto(seed));
      port.network.lowerUp(now);
      this.#drainNetwork(port.network, port, now);
      return;
    }
    port.joinAt = this.#options.told === true ? instant(now + JOIN_MS) : now;
    if (now >= port.joinAt) this.#join(port, now);
  }

  #join(port: Port, now: Instant): void {
    const { agreement } = port.session;
    port.joinAt = NEVER;
    if (agreement === null || agreement.multilink === null) return;
    const { multilink, peerEntry } = agreement;
    const { network: settings, seed } = this.#options;
    const isFirst = this.#numbered === null;
    if (this.#numbered === null) {
      const memory = new Uint8Array(resequencerMemory(multilink.ourMrru));
      const mtu = Math.min(MTU, multilink.peerMrru);
      const scheduler = new EarliestArrival();
      const bundle = new NumberedBundle(scheduler, mtu, QUEUE_PACKETS, seed, memory, multilink.ourMrru);
      bundle.start({ ...multilink, mrru: multilink.ourMrru });
      this.#numbered = { bundle, network: new NetworkLayer(settings, peerEntry, seededCrypto(seed)) };
    }
    this.#move(port, port.solo, this.#numbered.bundle, now);
    port.isLink = true;
    if (isFirst) this.#numbered.network.lowerUp(now);
    this.#drainNetwork(this.#numbered.network, null, now);
    for (const { octets, number, first, last } of port.early.splice(0)) {
      this.#numbered?.bundle.handleFragment(port.member, octets, 0, octets.length, number, first, last, now);
      this.#deliverWhole(now);
    }
  }

  #leave(port: Port, now: Instant): void {
    const numbered = this.#numbered as NumberedPart;
    port.isLink = false;
    port.link.numbering = null;
    this.#move(port, numbered.bundle, port.solo, now);
    if (this.#ports.some(({ isLink }) => isLink)) this.#deliverWhole(now);
    else {
      numbered.network.lowerDown(now);
      numbered.bundle.clear();
      this.#numbered = null;
    }
  }

  /** Its control packets go by its link still. */
  #move({ member }: Port, from: Bundle, to: Bundle, now: Instant): void {
    const control = member.takeControl();
    from.leave(member, true, now);
    to.join(member);
    for (const packet of control) to.enqueuePinned(member, packet);
  }

  #dropNetwork(port: Port, now: Instant): void {
    port.network?.lowerDown(now);
    if (port.network !== null) this.#drainNetwork(port.network, port, now);
    port.network = null;
  }

  /** @param port null: of the bundle */
  #drainNetwork(layer: NetworkLayer, port: Port | null, now: Instant): void {
    for (let packet = layer.pollPacket(); packet !== undefined; packet = layer.pollPacket()) {
      if (port !== null) this.#send(port, packet.protocol, packet.octets, now);
      else this.#sendInBundle(packet.protocol, packet.octets, now);
    }
    for (let event = layer.pollEvent(); event !== undefined; event = layer.pollEvent()) {
      if (event.type === "failed" && event.family === 4) this.#endNetwork(port, now);
    }
  }

  /** @param port null: all links of the bundle */
  #endNetwork(port: Port | null, now: Instant): void {
    for (const each of port === null ? this.#ports.filter(({ isLink }) => isLink) : [port]) {
      each.session.close("no network", now);
      this.#drain(each, now);
    }
  }

  #take(protocol: number, octets: Uint8Array): ReturnType<PacketPool["take"]> {
    const packet = this.pool.take();
    if (packet === undefined) return undefined;
    packet.octets.set(octets, packet.start);
    packet.length = octets.length;
    packet.protocol = protocol;
    return packet;
  }

  #send(port: Port, protocol: number, octets: Uint8Array, now: Instant): void {
    const packet = this.#take(protocol, octets);
    if (packet === undefined) return;
    const bundle = port.isLink ? (this.#numbered?.bundle ?? port.solo) : port.solo;
    bundle.enqueuePinned(port.member, packet);
    this.#wake = now;
  }

  #sendInBundle(protocol: number, octets: Uint8Array, now: Instant): void {
    const packet = this.#take(protocol, octets);
    if (packet !== undefined) this.#numbered?.bundle.enqueueControl(packet, now);
    this.#wake = now;
  }
}
