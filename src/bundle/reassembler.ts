/** Parts that were lost; parts for which others were, since there was no room; packets too long; parts too late or twice; out of place. */
export interface ReceiveDrops {
  fragmentLost: number;
  resequencerFull: number;
  reassembledTooLong: number;
  fragmentLate: number;
  badSequence: number;
}

/** A PPP packet's protocol field. */
export const PROTOCOL_OCTETS = 2;

/** Puts a packet together of its parts, which come in order. */
export class Reassembler {
  /** The packet, its protocol field first: `packet[0, length)`. */
  readonly packet: Uint8Array;
  length = 0;
  /** The packet is whole: take no part until it has been taken away. */
  isComplete = false;
  /** Longest packet, octets, its protocol field not counted. */
  mrru: number;
  readonly #drops: ReceiveDrops;
  /** A packet has begun, and its end has not come. */
  #isOpen = false;
  /** What comes before the next first part belongs to a packet that was given up. */
  #isSkipping = true;

  /** @param packet room for the longest packet with its protocol field */
  constructor(packet: Uint8Array, drops: ReceiveDrops) {
    this.packet = packet;
    this.mrru = packet.length - PROTOCOL_OCTETS;
    this.#drops = drops;
  }

  /** Takes the next part, `octets[from, to)`. A part of more octets than the longest packet may come with them left out. */
  handlePart(octets: Uint8Array, from: number, to: number, first: boolean, last: boolean): void {
    if (first) {
      // The packet before has not ended, and no number is missing: the peer's fault.
      if (this.#isOpen) this.#drops.badSequence++;
      this.#isOpen = true;
      this.#isSkipping = false;
      this.length = 0;
    } else if (!this.#isOpen) {
      if (!this.#isSkipping) this.#drops.badSequence++;
      return;
    }
    const length = this.length + to - from;
    if (length > this.packet.length) return this.#dropTooLong();
    for (let i = from; i < to; i++) this.packet[this.length + i - from] = octets[i] as number;
    this.length = length;
    if (!last) return;
    this.#isOpen = false;
    const isCompressed = ((this.packet[0] as number) & 1) === 1;
    if (length > this.mrru + (isCompressed ? 1 : PROTOCOL_OCTETS)) return this.#dropTooLong();
    // A part without octets is a number and no packet (RFC 1990, section 4.1).
    this.isComplete = length > 0;
  }

  /** A part is missing here. */
  handleMissing(): void {
    this.#isOpen = false;
    this.#isSkipping = true;
  }

  /** The next part may be any, and nothing of what came is wanted. */
  reset(): void {
    this.handleMissing();
    this.isComplete = false;
  }

  #dropTooLong(): void {
    this.#drops.reassembledTooLong++;
    this.handleMissing();
  }
}
