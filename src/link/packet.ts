/**
 * What a bundle remembers of one flow while packets of it wait or are under way: its place in the fair order, and when its last
 * packet arrives at the far side. Written by the queue and the bundle, read by schedulers.
 */
export class Flow {
  /** Finish tag of its newest packet, in octets of virtual time. */
  lastTag = 0;
  packets = 0;
  octets = 0;
  /** The order of the last packet whose frame was closed, and when it arrives, by estimate. */
  arrivedOrder = -1;
  arrivedAt = 0;
  /** Id of the link by which it does; -1: none yet. */
  arrivedBy = -1;
  /** Scratch of a plan: the arrival planned for its last packet, in the round with that number. */
  plannedAt = 0;
  plannedRound = 0;
  /** End of the furthest TCP segment that was queued; null before the first. */
  sequenceEnd: number | null = null;
  /** CoDel (RFC 8289): when the sojourn time has been above target long enough; 0 when it is not above. */
  aboveUntil = 0;
  dropping = false;
  dropNext = 0;
  dropCount = 0;
}

/** One IP packet in a slot of a pool. Whoever holds it passes it on or releases it; nobody keeps a reference after that. */
export class Packet {
  /** The whole slot; the packet is `octets[start, start + length)`. */
  readonly octets: Uint8Array;
  /** Where the slot begins in native memory; 0 on virtual time. */
  readonly address: number;
  readonly #pool: PacketPool;
  start = 0;
  length = 0;
  /** PPP protocol number of a packet that is not IP, and goes by a PPP link only; 0: IP, of the version in its first octet. */
  protocol = 0;
  /** Octets it will take on a line, framing included. */
  frameLength = 0;
  flow: Flow | null = null;
  /** Its place in its flow: later packets have higher numbers. */
  order = 0;
  enqueuedAt = 0;
  /** Finish tag in the fair order of the queue. */
  tag = 0;
  /** First octet of a TCP segment with payload, and how many there are; 0 octets: no such segment. */
  sequence = 0;
  payload = 0;

  constructor(octets: Uint8Array, address: number, pool: PacketPool) {
    this.octets = octets;
    this.address = address;
    this.#pool = pool;
  }

  release(): void {
    this.#pool.give(this);
  }
}

/** Packets that are allocated once. Each slot has room for headers in front of the packet. */
export class PacketPool {
  /** Longest packet that fits, in octets. */
  readonly room: number;
  readonly #free: Packet[] = [];
  readonly #headroom: number;

  /** @param memory `count * (headroom + room)` octets or more, cut into slots @param address of `memory`, 0 if unknown */
  constructor(memory: Uint8Array, address: number, count: number, room: number, headroom = 0) {
    this.room = room;
    this.#headroom = headroom;
    const size = headroom + room;
    for (let i = 0; i < count; i++) {
      const base = address === 0 ? 0 : address + i * size;
      const packet = new Packet(memory.subarray(i * size, (i + 1) * size), base, this);
      this.#free.push(packet);
    }
  }

  get available(): number {
    return this.#free.length;
  }

  /** An unused packet, its length 0; undefined when all are in use. */
  take(): Packet | undefined {
    const packet = this.#free.pop();
    if (packet !== undefined) {
      packet.start = this.#headroom;
      packet.length = 0;
      packet.protocol = 0;
      packet.flow = null;
    }
    return packet;
  }

  give(packet: Packet): void {
    this.#free.push(packet);
  }
}
