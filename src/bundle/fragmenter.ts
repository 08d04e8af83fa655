import type { Member } from "./member.ts";

/** A part takes at least as long on its line as this many octets on the fastest one: less would be header more than gain. */
const USEFUL_OCTETS = 100;
/** And a part is no shorter than this, however slow its line. */
const LEAST_OCTETS = 16;

/**
 * Cuts packets over the links of a bundle so that all parts of one arrive together: each link that takes part gets what it can carry
 * until then, `rate · (t − start − delay) − overhead` octets, and t is what makes the sum the packet.
 *
 * A link whose part would be too small to be useful is left out. On equal lines that leaves some of them to the next packet; a slow
 * line's part may be as much smaller as the line is slower, since there is nothing better to do with it.
 */
export class Fragmenter {
  /** For each link, by its index, how many octets of the packet it is to carry; 0: none. */
  shares: Int32Array = new Int32Array(16);
  #exact = new Float64Array(16);
  #usable = new Uint8Array(16);
  /** When all parts arrive; by which link the packet would arrive first if it stayed whole (-1: there is none), and when. */
  #arrival = 0;
  #whole = -1;
  #wholeArrival = 0;

  /**
   * Writes the shares of a packet, or of what is left of one, to `shares`: together all of it, or as much as frames can be long.
   * @returns octets divided; 0: no link can take anything
   */
  divide(length: number, members: readonly Member[]): number {
    this.#select(length, members);
    let count = this.#fill(length, members);
    for (let worst = this.#worst(members, count); worst >= 0; worst = this.#worst(members, count)) {
      this.#usable[worst] = 0;
      count = this.#fill(length, members);
    }
    // A way that was left out may be the one for all of it.
    return this.#arrival > this.#wholeArrival ? this.#assign(length, members) : this.#round(length, members);
  }

  /** As `divide`, but all to the one link where it arrives first. */
  assign(length: number, members: readonly Member[]): number {
    this.#select(length, members);
    return this.#assign(length, members);
  }

  #assign(length: number, members: readonly Member[]): number {
    for (let i = 0; i < members.length; i++) {
      this.#usable[i] = i === this.#whole ? 1 : 0;
      this.#exact[i] = i === this.#whole ? length : 0;
    }
    return this.#round(length, members);
  }

  /** Finds the links that can take something, and which of them would bring all of it first. */
  #select(length: number, members: readonly Member[]): void {
    const count = members.length;
    if (count > this.shares.length) {
      this.shares = new Int32Array(2 * count);
      this.#exact = new Float64Array(2 * count);
      this.#usable = new Uint8Array(2 * count);
    }
    this.#whole = -1;
    this.#wholeArrival = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const member = members[i] as Member;
      const { link, blocked } = member;
      const isUsable = link.fragmenting !== null && !blocked && link.hasRoom;
      this.#usable[i] = isUsable ? 1 : 0;
      const arrival = member.startAt + member.delayMs + (length + overhead(member)) / member.rate;
      if (!isUsable || arrival >= this.#wholeArrival) continue;
      this.#wholeArrival = arrival;
      this.#whole = i;
    }
  }

  /** Divides among the usable links, where some may get less than nothing. @returns how many links are usable */
  #fill(length: number, members: readonly Member[]): number {
    let count = 0;
    let rates = 0;
    let octets = length;
    for (let i = 0; i < members.length; i++) {
      if (this.#usable[i] === 0) continue;
      const member = members[i] as Member;
      const { rate } = member;
      count++;
      rates += rate;
      octets += rate * (member.startAt + member.delayMs) + overhead(member);
    }
    const arrival = octets / rates;
    this.#arrival = arrival;
    for (let i = 0; i < members.length; i++) {
      const member = members[i] as Member;
      this.#exact[i] =
        this.#usable[i] === 0
          ? 0
          : member.rate * (arrival - member.startAt - member.delayMs) - overhead(member);
    }
    return count;
  }

  /** The link whose share is the furthest below a useful one, among equals the last; -1: all are useful, or it is the only one. */
  #worst(members: readonly Member[], count: number): number {
    if (count < 2) return -1;
    let fastest = 0;
    for (let i = 0; i < members.length; i++) {
      if (this.#usable[i] === 1) fastest = Math.max(fastest, (members[i] as Member).rate);
    }
    let worst = -1;
    let least = 1;
    for (let i = 0; i < members.length; i++) {
      if (this.#usable[i] === 0) continue;
      const useful = Math.max(LEAST_OCTETS, (USEFUL_OCTETS * (members[i] as Member).rate) / fastest);
      const share = (this.#exact[i] as number) / useful;
      if (share < 1 && share <= least) {
        least = share;
        worst = i;
      }
    }
    return worst;
  }

  /** Makes whole octets of the shares; what rounding leaves over goes to the first that can take it. */
  #round(length: number, members: readonly Member[]): number {
    let divided = 0;
    for (let i = 0; i < members.length; i++) {
      const most = (members[i] as Member).link.fragmenting?.fragmentMax ?? 0;
      const share = this.#usable[i] === 0 ? 0 : Math.min(most, Math.floor(this.#exact[i] as number));
      this.shares[i] = share;
      divided += share;
    }
    for (let i = 0; i < members.length && divided < length; i++) {
      if (this.#usable[i] === 0) continue;
      const most = (members[i] as Member).link.fragmenting?.fragmentMax ?? 0;
      const more = Math.min(length - divided, most - (this.shares[i] as number));
      this.shares[i] = (this.shares[i] as number) + more;
      divided += more;
    }
    return divided;
  }
}

const overhead = (member: Member): number => member.link.fragmenting?.fragmentOverhead ?? 0;
