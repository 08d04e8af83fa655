import type { Primitives } from "../../crypto/primitives.ts";
import { RunTable } from "../../tunnel/run-table.ts";
import { type BundleShare, SCRATCH_OCTETS } from "../../tunnel/share.ts";
import { SlotPools, Slots } from "../../tunnel/slots.ts";
import { Segments } from "../../wire/segments.ts";
import { type NativeBuffer, nativeBuffer } from "../libc.ts";
import { tunnelCrypto } from "../tunnel-crypto.ts";

const BIG_SLOTS = 768;
const BIG_SLOT = 65_536 + 256;
const SMALL_SLOTS = 4096;
const SMALL_SLOT = 2048;

/** Where datagrams are made that are to be sent, and how many octets that is. */
export const STAGING_FROM: number = SCRATCH_OCTETS;
export const STAGING = 4 << 20;

/** The memory of a tunnel: scratch, staging, slots; and what its bundles share. */
export class TunnelSpace {
  readonly memory: NativeBuffer;
  readonly slots: SlotPools;
  /** Those that are fast in this memory. */
  readonly primitives: Primitives;
  readonly share: BundleShare;

  constructor() {
    const bigFrom = STAGING_FROM + STAGING;
    const smallFrom = bigFrom + BIG_SLOTS * BIG_SLOT;
    const memory = nativeBuffer(smallFrom + SMALL_SLOTS * SMALL_SLOT);
    const slots = new SlotPools(
      new Slots(0, bigFrom, BIG_SLOT, BIG_SLOTS),
      new Slots(BIG_SLOTS, smallFrom, SMALL_SLOT, SMALL_SLOTS),
    );
    const primitives = tunnelCrypto(memory);
    this.memory = memory;
    this.slots = slots;
    this.primitives = primitives;
    this.share = {
      memory,
      slots,
      runs: new RunTable(slots),
      segments: new Segments(),
      scratch: 0,
      fillRandom: (into) => primitives.fillRandom(into),
    };
  }
}
