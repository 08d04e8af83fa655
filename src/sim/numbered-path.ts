import { Member } from "../bundle/member.ts";
import { NumberedBundle } from "../bundle/numbered-bundle.ts";
import { resequencerMemory } from "../bundle/resequencer.ts";
import type { LinkId } from "../link/link.ts";
import { Pacer } from "../link/pacer.ts";
import { PacketPool } from "../link/packet.ts";
import { PppLink, pppLinkMemory } from "../link/ppp-link.ts";
import { EarliestArrival } from "../scheduler/earliest-arrival.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import { HDLC_FLAG } from "../wire/hdlc.ts";
import { PPP_MULTILINK, PppHeader } from "../wire/ppp-packet.ts";

/** One line of a {@link NumberedPath}, the same both ways: as it is, and as its owners believe it to be. */
export interface NumberedLine {
  readonly bps: number;
  /** What the bundles are told; by default the truth. */
  readonly givenBps?: number;
  /** From the last bit of an octet sent to its arrival, milliseconds. */
  readonly delayMs?: number;
  /** What the bundles are told of that; by default the truth. */
  readonly givenDelayMs?: number;
}

export interface NumberedPathOptions {
  readonly lines: readonly NumberedLine[];
  /** MTU, MRU and MRRU. */
  readonly mtu: number;
  readonly scheduler?: () => Scheduler;
  readonly short?: boolean;
  readonly queuePackets?: number;
  readonly seed?: number;
  /** Whether a frame gets lost on this line. */
  readonly lose?: (line: number) => boolean;
}

/** A packet as it came out. */
export interface NumberedArrival {
  readonly at: Instant;
  /** At which end. */
  readonly end: 0 | 1;
  /** Without the protocol field. */
  readonly packet: Uint8Array;
  /** It was no part of the bundle: the line by which it came; null: it was. */
  readonly line: number | null;
}

interface Chunk {
  readonly at: number;
  readonly octets: Uint8Array;
}

/** One line's way out of an end, and the machine there. */
interface Port {
  readonly link: PppLink;
  readonly member: Member;
  readonly rate: number;
  readonly delayMs: number;
  readonly chunks: Chunk[];
  freeAt: number;
  cut: boolean;
}

interface End {
  readonly bundle: NumberedBundle;
  readonly ports: readonly Port[];
  readonly pool: PacketPool;
  readonly arrivals: NumberedArrival[];
}

/** Two numbered bundles joined by PPP lines, on virtual time: packets in at either end, packets out at the other. */
export class NumberedPath {
  now: Instant = instant(0);
  /** Packet slots of each end. */
  readonly slots: number;
  readonly #ends: readonly [End, End];
  readonly #options: NumberedPathOptions;
  readonly #header = new PppHeader();

  constructor(options: NumberedPathOptions) {
    this.#options = options;
    this.slots = (options.queuePackets ?? 64) + 16 * options.lines.length;
    this.#ends = [this.#makeEnd(), this.#makeEnd()];
    for (let line = 0; line < options.lines.length; line++) this.rejoin(line);
  }

  get bundle(): NumberedBundle {
    return this.bundleAt(0);
  }

  bundleAt(end: 0 | 1): NumberedBundle {
    return this.#ends[end].bundle;
  }

  member(line: number, end: 0 | 1 = 0): Member {
    return this.#port(line, end).member;
  }

  /** Slots that are in nobody's hands. */
  available(end: 0 | 1): number {
    return this.#ends[end].pool.available;
  }

  /** Copies a packet into the bundle at one end. @returns false: no slot is free */
  send(octets: Uint8Array, end: 0 | 1 = 0): boolean {
    const packet = this.#packet(octets, end);
    if (packet === undefined) return false;
    this.#ends[end].bundle.enqueue(packet, this.now);
    return true;
  }

  /** Sends a packet by one line alone, or as control packet of the bundle. @returns false: no slot is free */
  sendBeside(octets: Uint8Array, how: { line: number } | { protocol: number }): boolean {
    const packet = this.#packet(octets, 0);
    if (packet === undefined) return false;
    if ("line" in how) this.bundle.enqueuePinned(this.member(how.line), packet);
    else {
      packet.protocol = how.protocol;
      this.bundle.enqueueControl(packet, this.now);
    }
    return true;
  }

  /** From now on octets of this line vanish both ways, and nobody is told. */
  setCut(line: number, cut: boolean): void {
    for (const end of [0, 1] as const) this.#port(line, end).cut = cut;
  }

  /** Both ends see that the line is dead: what is on it is gone. */
  kill(line: number): void {
    for (const end of [0, 1] as const) {
      const port = this.#port(line, end);
      this.#ends[end].bundle.leave(port.member, false, this.now);
      port.link.reset();
      port.chunks.length = 0;
      port.freeAt = this.now;
      this.#collect(end);
    }
  }

  /** The line is up, and joins at both ends. */
  rejoin(line: number): void {
    for (const end of [0, 1] as const) {
      const port = this.#port(line, end);
      const isShort = this.#options.short ?? false;
      port.link.framing = {
        sendAsyncMap: 0,
        receiveAsyncMap: 0,
        sendProtocolCompression: true,
        sendAddressCompression: true,
        peerMru: this.#options.mtu,
      };
      port.link.numbering = { sendShort: isShort, receiveShort: isShort };
      port.member.pacer.reset(this.now);
      this.#ends[end].bundle.join(port.member);
    }
  }

  /** Runs to the next arrival at either end, or to `deadline`. @returns undefined: nothing arrived until then */
  next(deadline: Instant): NumberedArrival | undefined {
    for (;;) {
      const arrival = this.#ends[0].arrivals.shift() ?? this.#ends[1].arrivals.shift();
      if (arrival !== undefined) return arrival;
      const wake = Math.min(this.#poll(0), this.#poll(1));
      if (this.#ends[0].arrivals.length + this.#ends[1].arrivals.length > 0) continue;
      const [port, end] = this.#earliest();
      const at = Math.min(port?.chunks[0]?.at ?? NEVER, wake);
      if (at > deadline) {
        this.now = deadline;
        return undefined;
      }
      this.now = instant(Math.max(this.now, at));
      if (port?.chunks[0]?.at === at) this.#deliver(port, end);
    }
  }

  #port(line: number, end: 0 | 1): Port {
    return this.#ends[end].ports[line] as Port;
  }

  #packet(octets: Uint8Array, end: 0 | 1): ReturnType<PacketPool["take"]> {
    const packet = this.#ends[end].pool.take();
    if (packet === undefined) return undefined;
    packet.octets.set(octets, packet.start);
    packet.length = octets.length;
    return packet;
  }

  #poll(end: 0 | 1): Instant {
    const { bundle, ports } = this.#ends[end];
    const wake = bundle.poll(this.now);
    for (const [line, port] of ports.entries()) this.#flush(port, line);
    return this.#collect(end) ? this.now : wake;
  }

  /** @returns whether there was a packet */
  #collect(end: 0 | 1): boolean {
    const { bundle, arrivals } = this.#ends[end];
    const header = this.#header;
    let any = false;
    while (bundle.pollPacket()) {
      any = true;
      const { received, receivedFrom } = bundle;
      const to = receivedFrom + bundle.receivedLength;
      if (!header.read(received, receivedFrom, to)) continue;
      arrivals.push({ at: this.now, end, packet: received.slice(header.dataFrom, to), line: null });
    }
    return any;
  }

  /** @returns the way on which something arrives next, and the end that it leaves */
  #earliest(): [Port | undefined, 0 | 1] {
    let earliest: Port | undefined;
    let from: 0 | 1 = 0;
    for (const end of [0, 1] as const) {
      for (const port of this.#ends[end].ports) {
        const at = port.chunks[0]?.at;
        if (at === undefined || (earliest !== undefined && at >= (earliest.chunks[0] as Chunk).at)) continue;
        earliest = port;
        from = end;
      }
    }
    return [earliest, from];
  }

  #deliver(way: Port, from: 0 | 1): void {
    const { octets } = way.chunks.shift() as Chunk;
    const end = from === 0 ? 1 : 0;
    const line = this.#ends[from].ports.indexOf(way);
    const { link, member } = this.#port(line, end);
    const { bundle, arrivals } = this.#ends[end];
    for (let at = 0; at < octets.length; ) {
      at = link.handleReceive(octets, at, octets.length, this.now);
      if (link.receivedLength === 0) continue;
      const { received, receivedFrom, fragment } = link;
      const to = receivedFrom + link.receivedLength;
      if (link.receivedProtocol !== PPP_MULTILINK) {
        arrivals.push({ at: this.now, end, packet: received.slice(receivedFrom, to), line });
        continue;
      }
      const { number, first, last } = fragment;
      bundle.handleFragment(member, received, receivedFrom, to, number, first, last, this.now);
      this.#collect(end);
    }
  }

  /** Puts what a link has written on its line, cut after each flag so that each frame ends at its own time. */
  #flush(port: Port, line: number): void {
    const { outbox } = port.link;
    if (outbox.length === 0) return;
    const octets = outbox.octets.slice(outbox.from, outbox.to);
    outbox.clear();
    if (port.freeAt < this.now) port.freeAt = this.now;
    for (let from = 0; from < octets.length; ) {
      const end = octets.indexOf(HDLC_FLAG, from);
      const to = end < 0 ? octets.length : end + 1;
      port.freeAt += (to - from) / port.rate;
      const isLost = port.cut || (to - from > 1 && (this.#options.lose?.(line) ?? false));
      if (!isLost) port.chunks.push({ at: port.freeAt + port.delayMs, octets: octets.subarray(from, to) });
      from = to;
    }
  }

  #makeEnd(): End {
    const { lines, mtu, queuePackets = 64, seed = 1, short = false } = this.#options;
    const scheduler = this.#options.scheduler?.() ?? new EarliestArrival();
    const memory = new Uint8Array(resequencerMemory(mtu));
    const bundle = new NumberedBundle(scheduler, mtu, queuePackets, seed, memory, mtu);
    bundle.start({ sendShort: short, receiveShort: short, mrru: mtu });
    const ports = lines.map(({ bps, givenBps = bps, delayMs = 0, givenDelayMs = delayMs }, index) => {
      const link = new PppLink(mtu, new Uint8Array(pppLinkMemory(mtu, mtu)));
      const member = new Member(index as LinkId, `ppp${index}`, link, new Pacer(givenBps));
      member.delayMs = givenDelayMs;
      return { link, member, rate: bps / 10_000, delayMs, chunks: [], freeAt: 0, cut: false };
    });
    const pool = new PacketPool(new Uint8Array(this.slots * mtu), 0, this.slots, mtu);
    return { bundle, ports, pool, arrivals: [] };
  }
}
