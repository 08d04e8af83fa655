import type { Segments } from "../wire/segments.ts";
import type { Memory } from "./memory.ts";
import type { Path } from "./path.ts";
import type { RunTable } from "./run-table.ts";
import type { SlotPools } from "./slots.ts";

/** What bundles of one tunnel share. */
export interface BundleShare {
  readonly memory: Memory;
  readonly slots: SlotPools;
  readonly runs: RunTable;
  readonly segments: Segments;
  /** Where in the memory `SCRATCH_OCTETS` are for headers that are being made; all zero at first. */
  readonly scratch: number;
  fillRandom(into: Uint8Array): void;
}

/** What a bundle tells its host. */
export interface BundleEvents {
  /** The state of a path, or its route, has changed; or there is a new one. */
  pathChanged(path: Path): void;
}

/** Offsets in the scratch: heads of datagrams first, then padding that stays zero, then a packet that is put together. */
export const PADDING_SCRATCH = 512;
export const PACKET_SCRATCH = 4096;
export const SCRATCH_OCTETS: number = PACKET_SCRATCH + 65_536;
