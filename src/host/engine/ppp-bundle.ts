import { NumberedBundle } from "../../bundle/numbered-bundle.ts";
import { resequencerMemory } from "../../bundle/resequencer.ts";
import type { MultilinkStatus } from "../../control/messages.ts";
import { type Packet, PacketPool } from "../../link/packet.ts";
import { endpointText } from "../../ppp/endpoint.ts";
import { NetworkLayer } from "../../ppp/network-layer.ts";
import type { Agreement } from "../../ppp/session.ts";
import type { Scheduler } from "../../scheduler/scheduler.ts";
import type { Instant } from "../../time.ts";
import type { MultilinkHeader } from "../../wire/multilink-header.ts";
import { PPP_IP, PPP_IPV6, PPP_LCP, PppHeader } from "../../wire/ppp-packet.ts";
import { nativeBuffer } from "../libc.ts";
import { pppCrypto } from "../ppp-crypto.ts";
import type { MasterPort } from "./master-port.ts";
import type { NetworkLineEvent } from "./messages.ts";
import { NetworkDriver } from "./network-driver.ts";
import type { PppPort } from "./ppp-port.ts";

/** From here on, protocols are a link's own (RFC 1661, section 2). */
export const LINK_PROTOCOLS = 0xc000;

/** What both ends of a multilink link agreed on. */
type Multilink = NonNullable<Agreement["multilink"]>;

/** The numbered bundle of a master, and the network protocols of all its links (RFC 1990): from the first link that joins to the last that leaves. */
export class PppBundle {
  readonly bundle: NumberedBundle;
  readonly network: NetworkDriver;
  isStarted = false;
  readonly #master: MasterPort;
  readonly #agreement: Agreement;
  readonly #multilink: Multilink;
  readonly #name: string | null;
  readonly #header = new PppHeader();
  readonly #receivedAddress: number;

  /** @param first the link that it begins with, established, and with multilink agreed on */
  constructor(
    master: MasterPort,
    scheduler: Scheduler,
    queuePackets: number,
    first: PppPort,
    seed: number,
    tell: (event: NetworkLineEvent) => void,
  ) {
    this.#master = master;
    this.#agreement = first.agreement as Agreement;
    this.#multilink = this.#agreement.multilink as Multilink;
    this.#name = first.ppp.bundle;
    const { ourMrru, sendShort, receiveShort } = this.#multilink;
    const memory = nativeBuffer(resequencerMemory(ourMrru));
    this.#receivedAddress = memory.address;
    const mtu = this.mtuFor(master.tun.mtu);
    this.bundle = new NumberedBundle(scheduler, mtu, queuePackets, seed, memory.octets, ourMrru);
    this.bundle.start({ sendShort, receiveShort, mrru: ourMrru });
    this.bundle.filler = discardRequest();
    const layer = new NetworkLayer(first.ppp.network, this.#agreement.peerEntry, pppCrypto);
    this.network = new NetworkDriver(
      layer,
      (protocol, octets, now) => this.#sendControl(protocol, octets, now),
      tell,
      () => this.#multilink.peerMrru,
      () => ({ sent: this.bundle.sentOctets, received: master.receivedOctets }),
    );
  }

  /** The first link has joined. */
  start(now: Instant): void {
    this.isStarted = true;
    this.network.layer.lowerUp(now);
    this.network.drain(now);
  }

  /** The last link has left. */
  stop(now: Instant): void {
    this.network.layer.lowerDown(now);
    this.network.drain(now);
  }

  /** Why a link cannot join: it leads elsewhere than the others, or agreed on something else; null: it can. */
  obstacle({ agreement, ppp }: PppPort): string | null {
    const theirs = agreement?.multilink;
    if (agreement === null || theirs == null) return "it did not agree on multilink";
    if (ppp.bundle !== this.#name) return "it belongs to another bundle";
    const mine = this.#multilink;
    if (
      agreement.peerName !== this.#agreement.peerName ||
      endpointText(theirs.peerEndpoint) !== endpointText(mine.peerEndpoint)
    ) {
      return "it leads to another peer than the links that are in it";
    }
    return theirs.sendShort === mine.sendShort && theirs.receiveShort === mine.receiveShort
      ? null
      : "its sequence numbers are of another length";
  }

  /** Longest packet that it sends when its interface's is as long. */
  mtuFor(mtu: number): number {
    return Math.min(mtu, this.#multilink.peerMrru);
  }

  /** A fragment that a link has received, `octets[from, to)`. */
  handleFragment(
    { member }: PppPort,
    octets: Uint8Array,
    from: number,
    to: number,
    { number, first, last }: Pick<MultilinkHeader, "number" | "first" | "last">,
    now: Instant,
  ): void {
    this.bundle.handleFragment(member, octets, from, to, number, first, last, now);
    this.drain(now);
    this.#master.pollAt = now;
  }

  /** Delivers what has been put together. */
  drain(now: Instant): void {
    const { bundle } = this;
    while (bundle.pollPacket()) this.#deliver(bundle.receivedFrom, bundle.receivedLength, now);
  }

  status(): MultilinkStatus {
    const { peerName } = this.#agreement;
    let sent = 0;
    let received = 0;
    for (const member of this.bundle.members) {
      sent += member.sentFragments;
      received += member.source.fragments;
    }
    return {
      peerName: peerName === "" ? null : peerName,
      peerEndpoint: endpointText(this.#multilink.peerEndpoint),
      ipv4: this.network.ipv4,
      ipv6: this.network.ipv6,
      fragments: { sent, received, lost: this.bundle.drops.fragmentLost },
    };
  }

  #deliver(from: number, length: number, now: Instant): void {
    const { received } = this.bundle;
    const header = this.#header;
    const to = from + length;
    if (!header.read(received, from, to)) return;
    const { protocol, dataFrom } = header;
    // LCP belongs to a link, and so does authentication.
    if (protocol >= LINK_PROTOCOLS) return;
    if (protocol !== PPP_IP && protocol !== PPP_IPV6) {
      const [port] = this.#master.slaves as PppPort[];
      port?.receiveControl(protocol, received.slice(0, to), dataFrom, to, now);
      return;
    }
    if (!this.network.isOpen(protocol === PPP_IP ? 4 : 6)) {
      const [port] = this.#master.slaves as PppPort[];
      if (port !== undefined) port.link.drops.notOpen++;
      return;
    }
    const { tun } = this.#master;
    this.#master.receivedPackets++;
    this.#master.receivedOctets += to - dataFrom;
    tun.writePacket(this.#receivedAddress + dataFrom, to - dataFrom);
  }

  #sendControl(protocol: number, octets: Uint8Array, now: Instant): void {
    const [port] = this.#master.slaves as PppPort[];
    port?.logSent(protocol, octets);
    const packet = this.#master.tun.takeControl(protocol, octets);
    if (packet === null) return;
    this.bundle.enqueueControl(packet, now);
    this.#master.pollAt = now;
  }
}

/** LCP's Discard-Request, without a magic number: which link's would it be? RFC 1990 lets a bundle carry it. */
function discardRequest(): Packet {
  const octets = Uint8Array.of(11, 0, 0, 8, 0, 0, 0, 0);
  const packet = new PacketPool(octets, 0, 1, octets.length).take() as Packet;
  packet.length = octets.length;
  packet.protocol = PPP_LCP;
  return packet;
}
