/**
 * The order at the receiving end, of each lane by itself.
 *
 * 1. `handle`: a packet that is next in its lane is delivered at once, and all that is in order behind it.
 * 2. What comes before its turn is held: its slot if most of that is needed anyway, else a copy in a small slot, so that a trickle does not keep big ones.
 * 3. `handleTimeout`: what is missing is given up when it has not come for `patienceMs` since the first packet behind it came. It is also given up when
 *    there is no room to wait.
 *
 * Numbers that are behind each other began to be missed in that order, so the next number of a lane is always the first to be given up.
 */
import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { LANES, numbersAhead } from "../wire/tunnel-content.ts";
import { Assemblies, HEADROOM } from "./assemblies.ts";
import { Holding } from "./holding.ts";
import { ASSEMBLING, Lane, MISSING, MOST_ROOM, SKIPPED } from "./lane.ts";
import type { Inlet, Memory } from "./memory.ts";
import type { SlotPools } from "./slots.ts";

/** Numbers further ahead are of somebody who does not count as we do. */
const FAR = 2 ** 22;

/** Between two reviews of the lanes' memory. */
const REVIEW_MS = 10_000;

/** Numbers that may be gone through for each message, on average, and in one go: who lies about them is not to cost more. */
const STEPS = 64;
const MOST_STEPS = 16 * MOST_ROOM;

export class LanesIn {
  /** How long what is missing is waited for. */
  patienceMs = 200;
  heldPackets = 0;
  /**
   * `late`: already delivered or given up. `repeated`: held already. `full`: no room for a part. `far`: too far ahead. `badParts`: they contradict
   * each other. `lost`: numbers that were given up.
   */
  readonly drops = { late: 0, repeated: 0, full: 0, far: 0, badParts: 0, lost: 0 };
  readonly #slots: SlotPools;
  readonly #memory: Memory;
  readonly #inlet: Inlet;
  /** Null: no packet has come in parts so far. */
  #assemblies: Assemblies | null = null;
  readonly #lanes: Lane[] = Array.from({ length: LANES }, () => new Lane());
  /** A bit for each lane in which something is waited for. */
  #waiting = 0;
  readonly #holding: Holding;
  /** A bit for each lane in which something was waited for since the review before. */
  #used = 0;
  /** When lanes are reviewed that may have memory to give back. */
  #reviewAt: Instant = instant(0);
  /** Messages since steps were last counted, and the steps that were left then. */
  #messages = 0;
  #steps = MOST_STEPS;

  constructor(slots: SlotPools, memory: Memory, inlet: Inlet) {
    this.#slots = slots;
    this.#memory = memory;
    this.#inlet = inlet;
    this.#holding = new Holding(slots);
  }

  /** The peer counts from 0 again. What is held is dropped. */
  reset(): void {
    for (const lane of this.#lanes) {
      for (; lane.known > 0; lane.advance()) this.#forget(lane, lane.next);
      lane.next = 0;
    }
    this.#waiting = 0;
  }

  /**
   * Takes a whole packet, `octets[from, from + length)` of the memory, with 14 free octets before it. The slot stays the caller's.
   * @param isCrowded most of the slot is in use
   */
  handle(
    slot: number,
    from: number,
    length: number,
    laneIndex: number,
    number: number,
    vouched: boolean,
    isCrowded: boolean,
    now: Instant,
  ): void {
    const lane = this.#lanes[laneIndex] as Lane;
    this.#messages++;
    if (number === lane.next) {
      if (lane.known === 0) {
        lane.advance();
        this.#inlet.deliver(slot, from, length, vouched, now);
        return;
      }
      this.#forget(lane, number);
      lane.advance();
      this.#inlet.deliver(slot, from, length, vouched, now);
      this.#drain(lane, laneIndex, now);
      return;
    }
    if (!this.#reach(lane, laneIndex, number, now)) return;
    if (lane.slotOf(number) >= 0) {
      this.drops.repeated++;
      return;
    }
    this.#forget(lane, number);
    this.#hold(lane, number, slot, from, length, vouched, isCrowded);
    this.#drain(lane, laneIndex, now);
    this.#relieve(now);
  }

  /** Takes a part of a packet, which belongs `offset` octets behind its beginning. */
  handlePart(
    slot: number,
    from: number,
    length: number,
    laneIndex: number,
    number: number,
    offset: number,
    isFirst: boolean,
    isLast: boolean,
    vouched: boolean,
    isCrowded: boolean,
    now: Instant,
  ): void {
    this.#messages++;
    if (isFirst !== (offset === 0) || length === 0) {
      this.drops.badParts++;
      return;
    }
    if (isFirst && isLast) {
      this.handle(slot, from, length, laneIndex, number, vouched, isCrowded, now);
      return;
    }
    const lane = this.#lanes[laneIndex] as Lane;
    if (!this.#reach(lane, laneIndex, number, now)) return;
    const mark = lane.slotOf(number);
    if (mark >= 0) this.drops.repeated++;
    else if (mark === SKIPPED) this.drops.late++;
    else this.#assemble(lane, number, from, length, offset, isLast, vouched);
    this.#drain(lane, laneIndex, now);
    this.#relieve(now);
  }

  /** The peer says that `count` numbers, from `first` on, will not come. */
  handleSkip(laneIndex: number, first: number, count: number, now: Instant): void {
    const lane = this.#lanes[laneIndex] as Lane;
    const begin = numbersAhead(first, lane.next);
    if (begin > FAR) {
      this.drops.far++;
      return;
    }
    // What is skipped beyond the room is given up like anything else.
    const end = Math.min(begin + count, MOST_ROOM);
    if (end <= 0 || begin >= end) return;
    this.#messages++;
    if (!this.#maySpend(end - Math.max(begin, 0) + Math.max(end - lane.known, 0))) return;
    const base = lane.next;
    this.#waiting |= 1 << laneIndex;
    this.#used |= 1 << laneIndex;
    lane.extend(base + end - 1, now);
    for (let ahead = begin > 0 ? begin : 0; ahead < end; ahead++) {
      const number = base + ahead;
      if (lane.slotOf(number) >= 0) continue;
      this.#forget(lane, number);
      lane.setMark(number, SKIPPED);
    }
    this.#drain(lane, laneIndex, now);
  }

  pollTimeout(): Instant {
    let at: Instant = NEVER;
    for (let i = 0, rest = this.#waiting; rest !== 0; i++, rest >>>= 1) {
      if ((rest & 1) === 0) continue;
      const lane = this.#lanes[i] as Lane;
      at = earlier(at, after(instant(lane.sinceOf(lane.next)), this.patienceMs));
    }
    return at;
  }

  /** Numbers that there is memory for. */
  get room(): number {
    let room = 0;
    for (const lane of this.#lanes) room += lane.room;
    return room;
  }

  handleTimeout(now: Instant): void {
    for (let i = 0, rest = this.#waiting; rest !== 0; i++, rest >>>= 1) {
      if ((rest & 1) === 0) continue;
      const lane = this.#lanes[i] as Lane;
      while (lane.known > 0 && lane.sinceOf(lane.next) + this.patienceMs <= now) {
        this.#pass(lane, now);
        this.#drain(lane, i, now);
      }
    }
    if (now >= this.#reviewAt) this.#review(now);
  }

  /** Lanes in which nothing was waited for in the meantime need little memory. */
  #review(now: Instant): void {
    this.#reviewAt = after(now, REVIEW_MS);
    for (let i = 0; i < LANES; i++) if ((this.#used & (1 << i)) === 0) this.#lanes[i]?.shrink();
    this.#used = this.#waiting;
  }

  /** Makes a number known. @returns false: its packet is refused, and counted */
  #reach(lane: Lane, laneIndex: number, number: number, now: Instant): boolean {
    const ahead = numbersAhead(number, lane.next);
    if (ahead < 0) {
      this.drops.late++;
      return false;
    }
    if (ahead > FAR) {
      this.drops.far++;
      return false;
    }
    if (ahead >= lane.known && !this.#maySpend(Math.min(ahead - lane.known, MOST_ROOM))) return false;
    if (ahead >= MOST_ROOM) this.#slide(lane, ahead - MOST_ROOM + 1, now);
    lane.extend(number, now);
    this.#waiting |= 1 << laneIndex;
    this.#used |= 1 << laneIndex;
    return true;
  }

  /** @returns false: that is too much work, and counted */
  #maySpend(steps: number): boolean {
    this.#steps = Math.min(MOST_STEPS, this.#steps + STEPS * this.#messages);
    this.#messages = 0;
    if (steps > this.#steps) {
      this.drops.far++;
      return false;
    }
    this.#steps -= steps;
    return true;
  }

  /** Gives up as many numbers, so that one further ahead can be waited for. */
  #slide(lane: Lane, numbers: number, now: Instant): void {
    let left = numbers;
    for (; left > 0 && lane.known > 0; left--) this.#pass(lane, now);
    this.drops.lost += left;
    lane.advance(left);
  }

  #hold(
    lane: Lane,
    number: number,
    slot: number,
    from: number,
    length: number,
    vouched: boolean,
    isCrowded: boolean,
  ): void {
    this.heldPackets++;
    const { small } = this.#slots;
    const copy = isCrowded || HEADROOM + length > small.size ? -1 : this.#holding.takeSmall();
    if (copy >= 0) {
      const to = small.offsetOf(copy) + HEADROOM;
      this.#memory.octets.copyWithin(to, from, from + length);
      lane.set(number, copy, to, length, vouched);
      return;
    }
    this.#holding.hold(slot);
    lane.set(number, slot, from, length, vouched);
  }

  #assemble(
    lane: Lane,
    number: number,
    from: number,
    length: number,
    offset: number,
    isLast: boolean,
    vouched: boolean,
  ): void {
    this.#assemblies ??= new Assemblies(this.#slots, this.#memory, this.#holding);
    const assemblies = this.#assemblies;
    const mark = lane.slotOf(number);
    const assembly = mark === MISSING ? assemblies.begin() : ASSEMBLING - mark;
    if (assembly < 0) {
      this.drops.full++;
      return;
    }
    lane.setMark(number, ASSEMBLING - assembly);
    const outcome = assemblies.add(assembly, from, length, offset, isLast);
    if (outcome === "bad") this.drops.badParts++;
    else if (outcome === "full") this.drops.full++;
    else if (outcome === "completed") {
      const slot = assemblies.slotOf(assembly);
      lane.set(number, slot, this.#slots.offsetOf(slot) + HEADROOM, assemblies.lengthOf(assembly), vouched);
      assemblies.leave(assembly);
      this.heldPackets++;
    }
  }

  /** Delivers what is in order. */
  #drain(lane: Lane, laneIndex: number, now: Instant): void {
    while (lane.known > 0) {
      const mark = lane.slotOf(lane.next);
      if (mark === MISSING || mark <= ASSEMBLING) return;
      this.#pass(lane, now);
    }
    this.#waiting &= ~(1 << laneIndex);
  }

  /** Delivers the packet with the next number of a lane, or gives it up. */
  #pass(lane: Lane, now: Instant): void {
    const number = lane.next;
    const slot = lane.slotOf(number);
    if (slot >= 0) {
      this.#inlet.deliver(slot, lane.fromOf(number), lane.lengthOf(number), lane.isVouched(number), now);
    } else this.drops.lost++;
    this.#forget(lane, number);
    lane.advance();
  }

  /** Lets go of what there is of a number. */
  #forget(lane: Lane, number: number): void {
    const slot = lane.slotOf(number);
    if (slot >= 0) {
      this.heldPackets--;
      this.#holding.release(slot);
    } else if (slot <= ASSEMBLING) this.#assemblies?.giveUp(ASSEMBLING - slot);
  }

  /** When there is hardly a big slot for what comes, or this has too many, gives up what has been waited for longest. */
  #relieve(now: Instant): void {
    while (this.#waiting !== 0 && this.#holding.isTooBig) {
      let oldest = -1;
      let since = Number.POSITIVE_INFINITY;
      for (let i = 0; i < LANES; i++) {
        const lane = this.#lanes[i] as Lane;
        if (lane.known === 0 || lane.sinceOf(lane.next) >= since) continue;
        since = lane.sinceOf(lane.next);
        oldest = i;
      }
      const lane = this.#lanes[oldest];
      if (lane === undefined) return;
      this.#pass(lane, now);
      this.#drain(lane, oldest, now);
    }
  }
}
