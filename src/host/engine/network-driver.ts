import type { NetworkAgreement } from "../../control/messages.ts";
import type { NetworkEvent, NetworkLayer } from "../../ppp/network-layer.ts";
import { type Instant, NEVER } from "../../time.ts";
import { formatIpAddress } from "../../wire/ip-address.ts";
import type { NetworkLineEvent, TrafficOctets } from "./messages.ts";

/** Turns a network layer for a PPP line or a bundle: its packets out, its events in words. */
export class NetworkDriver {
  ipv4: NetworkAgreement | null = null;
  ipv6: NetworkAgreement | null = null;
  readonly layer: NetworkLayer;
  readonly #send: (protocol: number, octets: Uint8Array, now: Instant) => void;
  readonly #tell: (event: NetworkLineEvent) => void;
  readonly #mtu: () => number;
  readonly #counts: () => TrafficOctets;
  #countsBefore: TrafficOctets = { sent: 0, received: 0 };

  /**
   * @param send takes a control packet for the peer
   * @param mtu largest packet that the peer takes
   * @param counts octets of packets that were ever sent and received
   */
  constructor(
    layer: NetworkLayer,
    send: (protocol: number, octets: Uint8Array, now: Instant) => void,
    tell: (event: NetworkLineEvent) => void,
    mtu: () => number,
    counts: () => TrafficOctets,
  ) {
    this.layer = layer;
    this.#send = send;
    this.#tell = tell;
    this.#mtu = mtu;
    this.#counts = counts;
  }

  get timeoutAt(): Instant {
    return this.layer.pollTimeout();
  }

  /** Whether IP packets of a version may pass. */
  isOpen(version: number): boolean {
    return version === 4 ? this.layer.ip4Open : version === 6 && this.layer.ip6Open;
  }

  get isUp(): boolean {
    return this.layer.ip4Open || this.layer.ip6Open;
  }

  handleTimeout(now: Instant): void {
    if (now < this.timeoutAt) return;
    this.layer.handleTimeout(now);
    this.drain(now);
  }

  /** After each call of the layer. */
  drain(now: Instant): void {
    for (let packet = this.layer.pollPacket(); packet !== undefined; packet = this.layer.pollPacket()) {
      this.#send(packet.protocol, packet.octets, now);
    }
    for (let event = this.layer.pollEvent(); event !== undefined; event = this.layer.pollEvent()) {
      this.#handle(event);
    }
  }

  #handle(event: NetworkEvent): void {
    const { family } = event;
    if (event.type === "failed") {
      this.#tell({ kind: "failed", family, reason: event.reason });
      return;
    }
    const agreement = event.type === "up" ? agreementOf(event) : null;
    if (family === 4) this.ipv4 = agreement;
    else this.ipv6 = agreement;
    if (agreement !== null && !(family === 4 ? this.ipv6 : this.ipv4)) this.#countsBefore = this.#counts();
    if (agreement === null)
      this.#tell({ kind: "down", family, traffic: since(this.#countsBefore, this.#counts()) });
    else this.#tell({ kind: "up", family, agreement, mtu: this.#mtu() });
  }
}

function agreementOf(event: Extract<NetworkEvent, { readonly type: "up" }>): NetworkAgreement {
  const { local, remote } = event;
  if (event.family === 6) return { local: linkLocal(local), remote: linkLocal(remote), dns: [] };
  return {
    local: formatIpAddress(local),
    remote: formatIpAddress(remote),
    dns: event.dns.map(formatIpAddress),
  };
}

/** RFC 5072, section 5. */
function linkLocal(identifier: Uint8Array): string {
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set(identifier, 8);
  return formatIpAddress(address);
}

export const since = (before: TrafficOctets, now: TrafficOctets): TrafficOctets => ({
  sent: now.sent - before.sent,
  received: now.received - before.received,
});

/** No deadline but those of an object that may not be there. */
export const timeoutOf = (driver: NetworkDriver | null): Instant => driver?.timeoutAt ?? NEVER;
