import { ClassicBundle } from "../bundle/classic-bundle.ts";
import { Member } from "../bundle/member.ts";
import type { LinkId } from "../link/link.ts";
import { Pacer } from "../link/pacer.ts";
import { PacketPool } from "../link/packet.ts";
import { SlipLink, slipLinkMemory } from "../link/slip-link.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import { SLIP_END, SlipDecoder } from "../wire/slip.ts";

/** One line of a {@link ClassicPath}: as it is, and as its owner believes it to be. */
export interface PathLine {
  readonly bps: number;
  /** What the bundle is told; by default the truth. */
  readonly givenBps?: number;
}

interface Chunk {
  readonly at: number;
  readonly octets: Uint8Array;
}

interface Line {
  readonly rate: number;
  freeAt: number;
  busyMs: number;
  cut: boolean;
  readonly chunks: Chunk[];
  readonly decoder: SlipDecoder;
}

/** A packet as it came out at the far side. */
export interface Arrival {
  readonly at: Instant;
  readonly line: number;
  readonly packet: Uint8Array;
}

/** One direction of a classic bundle over SLIP lines, on virtual time: packets in, packets out as the far side gets them. */
export class ClassicPath {
  readonly bundle: ClassicBundle;
  readonly members: readonly Member[];
  now: Instant = instant(0);
  readonly #lines: Line[];
  readonly #pool: PacketPool;
  readonly #mtu: number;

  constructor(scheduler: Scheduler, lines: readonly PathLine[], mtu: number, queuePackets = 64, seed = 1) {
    const slots = queuePackets + 16 * lines.length;
    this.#mtu = mtu;
    this.#pool = new PacketPool(new Uint8Array(slots * mtu), 0, slots, mtu);
    this.bundle = new ClassicBundle(scheduler, mtu, queuePackets, seed);
    this.#lines = lines.map(({ bps }) => ({
      rate: bps / 10_000,
      freeAt: 0,
      busyMs: 0,
      cut: false,
      chunks: [],
      decoder: new SlipDecoder(new Uint8Array(mtu)),
    }));
    this.members = lines.map(({ bps, givenBps }, index) => {
      const link = new SlipLink(mtu, new Uint8Array(slipLinkMemory(mtu, mtu)));
      return new Member(index as LinkId, `sl${index}`, link, new Pacer(givenBps ?? bps));
    });
    for (const member of this.members) this.bundle.join(member);
  }

  /** For each line, the share of the time so far in which it carried octets. */
  get utilisation(): number[] {
    return this.#lines.map((line) => line.busyMs / this.now);
  }

  /** From now on octets of this line vanish, and nobody is told. */
  setCut(line: number, cut: boolean): void {
    (this.#lines[line] as Line).cut = cut;
  }

  /** Copies the packet into the bundle. @returns false: no slot is free */
  send(octets: Uint8Array): boolean {
    const packet = this.#pool.take();
    if (packet === undefined) return false;
    packet.octets.set(octets, packet.start);
    packet.length = octets.length;
    this.bundle.enqueue(packet, this.now);
    return true;
  }

  /** Runs to the next arrival, or to `deadline`. @returns undefined: nothing arrived until then */
  next(deadline: Instant): Arrival | undefined {
    for (;;) {
      const wake = this.bundle.poll(this.now);
      this.#flush();
      const line = this.#earliest();
      const arrivesAt = line?.chunks[0]?.at ?? NEVER;
      const at = Math.min(arrivesAt, wake);
      if (at > deadline) {
        this.now = deadline;
        return undefined;
      }
      this.now = instant(Math.max(this.now, at));
      if (arrivesAt > wake || line === undefined) continue;
      const arrival = this.#deliver(line);
      if (arrival !== undefined) return arrival;
    }
  }

  #earliest(): Line | undefined {
    let earliest: Line | undefined;
    for (const line of this.#lines) {
      const at = line.chunks[0]?.at;
      if (at !== undefined && (earliest === undefined || at < (earliest.chunks[0] as Chunk).at))
        earliest = line;
    }
    return earliest;
  }

  #deliver(line: Line): Arrival | undefined {
    const { at, octets } = line.chunks.shift() as Chunk;
    line.decoder.decode(octets, 0, octets.length);
    const { frame, frameLength } = line.decoder;
    if (frameLength === 0) return undefined;
    const packet = frame.slice(0, Math.min(frameLength, this.#mtu));
    return { at: instant(at), line: this.#lines.indexOf(line), packet };
  }

  /** Puts what the links have written on their lines, cut after each END so that each frame ends at its own time. */
  #flush(): void {
    for (const [index, line] of this.#lines.entries()) {
      const { outbox } = (this.members[index] as Member).link;
      if (outbox.length === 0) continue;
      const octets = outbox.octets.slice(outbox.from, outbox.to);
      outbox.clear();
      if (line.freeAt < this.now) line.freeAt = this.now;
      line.busyMs += octets.length / line.rate;
      for (let from = 0; from < octets.length; ) {
        const end = octets.indexOf(SLIP_END, from);
        const to = end < 0 ? octets.length : end + 1;
        line.freeAt += (to - from) / line.rate;
        if (!line.cut) line.chunks.push({ at: line.freeAt, octets: octets.subarray(from, to) });
        from = to;
      }
    }
  }
}
