import { pppCrypto } from "../../src/host/ppp-crypto.ts";
import { type NetworkEvent, NetworkLayer } from "../../src/ppp/network-layer.ts";
import type { NetworkSettings, Secret } from "../../src/ppp/settings.ts";
import { type Instant, instant } from "../../src/time.ts";
import { parseIpAddress } from "../../src/wire/ip-address.ts";

export const ip = (text: string): Uint8Array => parseIpAddress(text) as Uint8Array;

const restart = { restartMs: 3000, maxConfigure: 10, maxTerminate: 2, maxFailure: 5 };

type Ipv4 = NonNullable<NetworkSettings["ipv4"]>;
type Ipv6 = NonNullable<NetworkSettings["ipv6"]>;

/** Settings with IPv4 alone: one that asks for everything, but for the changes. */
export const ipv4 = (changes: Partial<Ipv4>): NetworkSettings => ({
  ...restart,
  ipv4: {
    local: null,
    remote: null,
    acceptLocal: false,
    acceptRemote: false,
    askDns: false,
    dns: [],
    ...changes,
  },
  ipv6: null,
});

export const ipv6 = (changes: Partial<Ipv6>): NetworkSettings => ({
  ...restart,
  ipv4: null,
  ipv6: { local: null, remote: null, ...changes },
});

/** One end: a layer, and what it has told. */
export class NetworkEnd {
  readonly layer: NetworkLayer;
  readonly events: NetworkEvent[] = [];
  readonly sent: string[] = [];

  constructor(settings: NetworkSettings, peerEntry: Secret | null = null) {
    this.layer = new NetworkLayer(settings, peerEntry, pppCrypto);
  }

  /** Takes a packet as hexadecimal digits, from its protocol number on. */
  take(packet: string, now: Instant = instant(0)): boolean {
    const octets = Uint8Array.from(Buffer.from(packet.replaceAll(" ", ""), "hex"));
    const protocol = ((octets[0] as number) << 8) | (octets[1] as number);
    return this.layer.handlePacket(protocol, octets, 2, octets.length, now);
  }

  /** The packets since the last call, as {@link NetworkEnd.take} takes them. */
  drain(): string[] {
    const packets: string[] = [];
    for (let packet = this.layer.pollPacket(); packet; packet = this.layer.pollPacket()) {
      packets.push(packet.protocol.toString(16) + Buffer.from(packet.octets).toString("hex"));
    }
    for (let event = this.layer.pollEvent(); event; event = this.layer.pollEvent()) this.events.push(event);
    this.sent.push(...packets);
    return packets;
  }
}

/** Two ends on virtual time with a line between them, which may do things to packets. */
export class NetworkPair {
  readonly a: NetworkEnd;
  readonly b: NetworkEnd;
  now: Instant = instant(0);
  /** What becomes of a packet on the way: none, one or more. */
  line: (packet: string) => readonly string[] = (packet) => [packet];

  constructor(a: NetworkEnd, b: NetworkEnd) {
    this.a = a;
    this.b = b;
  }

  up(): this {
    this.a.layer.lowerUp(this.now);
    this.b.layer.lowerUp(this.now);
    this.drain();
    return this;
  }

  /** @throws when packets go to and fro without end */
  drain(): void {
    for (let round = 0; round < 1000; round++) {
      const toB = this.a.drain().flatMap(this.line);
      const toA = this.b.drain().flatMap(this.line);
      if (toA.length + toB.length === 0) return;
      for (const packet of toB) this.b.take(packet, this.now);
      for (const packet of toA) this.a.take(packet, this.now);
    }
    throw new Error("no end of packets");
  }

  runUntil(end: number): void {
    for (;;) {
      const next = Math.min(this.a.layer.pollTimeout(), this.b.layer.pollTimeout());
      if (next > end) return;
      this.now = instant(next);
      this.a.layer.handleTimeout(this.now);
      this.b.layer.handleTimeout(this.now);
      this.drain();
    }
  }
}
