import { monotonicNow } from "../host/clock.ts";
import { nativeBuffer, read, write } from "../host/libc.ts";
import { WanPath, type WanSettings } from "../sim/wan-path.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import type { WanCount } from "./wan-emulator-roles.ts";

const SLOT_OCTETS = 2048;
/** Packets on all links together. */
const SLOTS = 32_768;
/** One direction's turn, so that the others are not kept waiting. */
const READS_A_TURN = 128;
/** Later than this is the processor's fault, which the links make up for, up to a limit. */
const LATE_MS = 2;
const CATCH_UP_MS = 20;

/** Touched from one end only as far as packets are many, so that the memory in use stays small. */
export class SlotStack {
  readonly #memory = nativeBuffer(SLOTS * SLOT_OCTETS);
  readonly #free = Int32Array.from({ length: SLOTS }, (_, i) => SLOTS - 1 - i);
  #count = SLOTS;
  readonly lengths = new Uint16Array(SLOTS);

  /** -1: none is left. */
  take(): number {
    return this.#count === 0 ? -1 : (this.#free[--this.#count] as number);
  }

  release(slot: number): void {
    this.#free[this.#count++] = slot;
  }

  addressOf(slot: number): number {
    return this.#memory.address + slot * SLOT_OCTETS;
  }
}

/** One direction of one link. */
export class WanDevicePath {
  readonly path: WanPath;
  /** The device that is read. */
  readonly from: number;
  readonly #slots: SlotStack;
  readonly #to: number;
  #refused = 0;
  /** When nothing waited in the device, by the last look. */
  #emptyAt: Instant = NEVER;

  constructor(slots: SlotStack, from: number, to: number, settings: Partial<WanSettings>, seed: number) {
    this.#slots = slots;
    this.from = from;
    this.#to = to;
    this.path = new WanPath(settings, seed);
  }

  /**
   * Takes what has come.
   * @param busy there have been turns all the time, unless the loop was held up
   * @returns how many packets
   */
  handleTurn(now: Instant, busy: boolean): number {
    const late = busy && now - this.#emptyAt > LATE_MS;
    const since = instant(Math.max(this.#emptyAt, now - CATCH_UP_MS));
    for (let got = 0; got < READS_A_TURN; got++) {
      const slot = this.#slots.take();
      if (slot < 0) return got;
      const length = read(this.from, this.#slots.addressOf(slot), SLOT_OCTETS);
      if (length <= 0) {
        this.#slots.release(slot);
        this.#emptyAt = now;
        return got;
      }
      this.#slots.lengths[slot] = length;
      // It may have come since the turn began, and must not be early.
      const at = monotonicNow();
      if (!this.path.handlePacket(slot, length, at, late ? since : at)) this.#slots.release(slot);
    }
    return READS_A_TURN;
  }

  deliver(now: Instant): void {
    for (let slot = this.path.pollDelivered(now); slot >= 0; slot = this.path.pollDelivered(now)) {
      if (write(this.#to, this.#slots.addressOf(slot), this.#slots.lengths[slot] as number) < 0)
        this.#refused++;
      this.#slots.release(slot);
    }
  }

  change(settings: Partial<WanSettings>, now: Instant): void {
    this.path.change(settings, now);
    for (let slot = this.path.pollLost(); slot >= 0; slot = this.path.pollLost()) this.#slots.release(slot);
  }

  count(): WanCount {
    const { drops, deliveredPackets, deliveredOctets } = this.path;
    return { packets: deliveredPackets, octets: deliveredOctets, ...drops, refused: this.#refused };
  }
}
