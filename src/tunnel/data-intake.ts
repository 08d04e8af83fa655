import type { Instant } from "../time.ts";
import {
  DATA_HEADER,
  isFirstPart,
  isLastPart,
  isVouched,
  isWhole,
  laneOf,
  numberOf,
  PART_HEADER,
  partOffset,
} from "../wire/tunnel-content.ts";
import type { LanesIn } from "./lanes-in.ts";

/**
 * Gives a packet, or a part of one, to the lanes: `octets[from, from + length)`, its header first.
 * @param isCrowded most of the slot is in use
 * @returns false: it is malformed
 */
export function handleData(
  lanesIn: LanesIn,
  octets: Uint8Array,
  slot: number,
  from: number,
  length: number,
  isCrowded: boolean,
  now: Instant,
): boolean {
  if (length > DATA_HEADER && isWhole(octets, from)) {
    const lane = laneOf(octets, from);
    const number = numberOf(octets, from);
    const vouched = isVouched(octets, from);
    lanesIn.handle(slot, from + DATA_HEADER, length - DATA_HEADER, lane, number, vouched, isCrowded, now);
    return true;
  }
  if (length <= PART_HEADER || isWhole(octets, from)) return false;
  lanesIn.handlePart(
    slot,
    from + PART_HEADER,
    length - PART_HEADER,
    laneOf(octets, from),
    numberOf(octets, from),
    partOffset(octets, from),
    isFirstPart(octets, from),
    isLastPart(octets, from),
    isVouched(octets, from),
    isCrowded,
    now,
  );
  return true;
}
