import { earlier, type Instant, instant, NEVER } from "../time.ts";
import { LANES, numbersAhead } from "../wire/tunnel-content.ts";
import type { Inlet, Memory } from "./memory.ts";
import type { SlotPools } from "./slots.ts";

const MOST_HELD = 16_384;
const FAR = 2 ** 22;

class Lane {
  next = 0;
  held = 0;
  /** When the oldest hole is given up. */
  dueAt: Instant = NEVER;
  mask = 63;
  slots = new Int32Array(64).fill(-1);
  froms = new Int32Array(64);
  lengths = new Int32Array(64);
  vouched = new Uint8Array(64);
  cameAt = new Float64Array(64);

  grow(): void {
    const size = 2 * (this.mask + 1);
    const before = { ...this } as Lane;
    const mask = this.mask;
    this.slots = new Int32Array(size).fill(-1);
    this.froms = new Int32Array(size);
    this.lengths = new Int32Array(size);
    this.vouched = new Uint8Array(size);
    this.cameAt = new Float64Array(size);
    this.mask = size - 1;
    for (let i = 0; i <= mask; i++) {
      const from = (this.next + i) & mask;
      const to = (this.next + i) & this.mask;
      this.slots[to] = before.slots[from] as number;
      this.froms[to] = before.froms[from] as number;
      this.lengths[to] = before.lengths[from] as number;
      this.vouched[to] = before.vouched[from] as number;
      this.cameAt[to] = before.cameAt[from] as number;
    }
  }
}

/** Puts packets in the order of their lanes' numbers. */
export class LanesIn {
  patienceMs = 200;
  readonly drops = { late: 0, repeated: 0, full: 0, far: 0, lost: 0 };
  heldPackets = 0;
  readonly #slots: SlotPools;
  readonly #memory: Memory;
  readonly #inlet: Inlet;
  readonly #lanes: (Lane | null)[] = Array.from({ length: LANES }, () => null);
  #dueAt: Instant = NEVER;

  constructor(slots: SlotPools, memory: Memory, inlet: Inlet) {
    this.#slots = slots;
    this.#memory = memory;
    this.#inlet = inlet;
  }

  handle(
    slot: number,
    from: number,
    length: number,
    laneNumber: number,
    number: number,
    vouched: boolean,
    isCrowded: boolean,
    now: Instant,
  ): void {
    const lane = this.#lane(laneNumber);
    const ahead = numbersAhead(number, lane.next);
    if (ahead < 0) {
      this.drops.late++;
      return;
    }
    if (ahead === 0) {
      this.#inlet.deliver(slot, from, length, vouched, now);
      lane.next = (lane.next + 1) & 0xffffff;
      if (lane.held > 0) this.#advance(lane, now);
      return;
    }
    if (ahead > FAR) {
      this.drops.far++;
      return;
    }
    if (ahead >= MOST_HELD) {
      this.drops.full++;
      return;
    }
    while (ahead > lane.mask) lane.grow();
    const at = number & lane.mask;
    if (lane.slots[at] !== -1) {
      this.drops.repeated++;
      return;
    }
    this.#hold(lane, at, slot, from, length, isCrowded);
    lane.vouched[at] = vouched ? 1 : 0;
    lane.cameAt[at] = now;
    lane.held++;
    this.heldPackets++;
    if (lane.dueAt === NEVER) this.#setDue(lane, instant(now + this.patienceMs));
  }

  handlePart(
    _slot: number,
    _from: number,
    _length: number,
    _lane: number,
    _number: number,
    _offset: number,
    _isFirst: boolean,
    _isLast: boolean,
    _vouched: boolean,
    _isCrowded: boolean,
    _now: Instant,
  ): void {}

  handleSkip(laneNumber: number, number: number, count: number, now: Instant): void {
    const lane = this.#lane(laneNumber);
    if (number !== lane.next) return;
    for (let i = 0; i < count && lane.slots[lane.next & lane.mask] === -1; i++) {
      lane.next = (lane.next + 1) & 0xffffff;
      this.drops.lost++;
    }
    if (lane.held > 0) this.#advance(lane, now);
  }

  pollTimeout(): Instant {
    return this.#dueAt;
  }

  handleTimeout(now: Instant): void {
    if (now < this.#dueAt) return;
    this.#dueAt = NEVER;
    for (const lane of this.#lanes) {
      if (lane === null) continue;
      while (lane.dueAt <= now) {
        while (lane.slots[lane.next & lane.mask] === -1) {
          lane.next = (lane.next + 1) & 0xffffff;
          this.drops.lost++;
        }
        this.#advance(lane, now);
      }
      this.#dueAt = earlier(this.#dueAt, lane.dueAt);
    }
  }

  reset(): void {
    for (const [i, lane] of this.#lanes.entries()) {
      if (lane === null) continue;
      for (const slot of lane.slots) if (slot !== -1) this.#slots.release(slot);
      this.#lanes[i] = null;
    }
    this.heldPackets = 0;
    this.#dueAt = NEVER;
  }

  #lane(number: number): Lane {
    const known = this.#lanes[number];
    if (known !== null && known !== undefined) return known;
    const lane = new Lane();
    this.#lanes[number] = lane;
    return lane;
  }

  #hold(lane: Lane, at: number, slot: number, from: number, length: number, isCrowded: boolean): void {
    let kept = -1;
    if (!isCrowded && length + 32 <= this.#slots.small.size) kept = this.#slots.small.take();
    if (kept >= 0) {
      const to = this.#slots.offsetOf(kept) + 16;
      this.#memory.octets.copyWithin(to, from, from + length);
      lane.slots[at] = kept;
      lane.froms[at] = to;
    } else {
      this.#slots.hold(slot);
      lane.slots[at] = slot;
      lane.froms[at] = from;
    }
    lane.lengths[at] = length;
  }

  #advance(lane: Lane, now: Instant): void {
    for (;;) {
      const at = lane.next & lane.mask;
      const slot = lane.slots[at] as number;
      if (slot === -1) break;
      this.#inlet.deliver(slot, lane.froms[at] as number, lane.lengths[at] as number, lane.vouched[at] === 1, now);
      this.#slots.release(slot);
      lane.slots[at] = -1;
      lane.held--;
      this.heldPackets--;
      lane.next = (lane.next + 1) & 0xffffff;
    }
    if (lane.held === 0) {
      lane.dueAt = NEVER;
      return;
    }
    let at = lane.next;
    while (lane.slots[at & lane.mask] === -1) at++;
    this.#setDue(lane, instant(Math.max(now, (lane.cameAt[at & lane.mask] as number) + this.patienceMs)));
  }

  #setDue(lane: Lane, at: Instant): void {
    lane.dueAt = at;
    if (at < this.#dueAt) this.#dueAt = at;
  }
}
