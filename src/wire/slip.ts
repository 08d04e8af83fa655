/** Frame delimiter (RFC 1055). */
export const SLIP_END = 0xc0;
const ESC = 0xdb;
const ESC_END = 0xdc;
const ESC_ESC = 0xdd;

/** Why a frame was given up; the decoder counts each. */
export type SlipDrop = "oversize" | "badEscape";

/**
 * Streaming SLIP decoder (RFC 1055): any split of the octet stream, no allocation, no callback.
 *
 * Feed it until its input is used up:
 *
 *     for (let at = from; at < to; ) {
 *       at = decoder.decode(octets, at, to);
 *       if (decoder.frameLength > 0) take(decoder.frame, decoder.frameLength);
 *     }
 */
export class SlipDecoder {
  /** Where frames are decoded into; valid up to `frameLength` until the next `decode`. */
  readonly frame: Uint8Array;
  /** Length of the frame that the last `decode` completed, in octets; 0: none. */
  frameLength = 0;
  readonly drops: Record<SlipDrop, number> = { oversize: 0, badEscape: 0 };
  #length = 0;
  #escaped = false;
  #fault: SlipDrop | null = null;

  /** @param frame room for one decoded frame; its length is the longest frame accepted */
  constructor(frame: Uint8Array) {
    this.frame = frame;
  }

  /** Forgets an unfinished frame, as after a hang-up. */
  reset(): void {
    this.#length = 0;
    this.#escaped = false;
    this.#fault = null;
    this.frameLength = 0;
  }

  /** Decodes `octets[from, to)` up to the end of the first frame. @returns the position after the last octet used */
  decode(octets: Uint8Array, from: number, to: number): number {
    const frame = this.frame;
    const room = frame.length;
    let length = this.#length;
    let escaped = this.#escaped;
    this.frameLength = 0;
    for (let at = from; at < to; at++) {
      let octet = octets[at] as number;
      if (octet === SLIP_END) {
        if (escaped) this.#fault ??= "badEscape";
        this.#length = length;
        if (this.#endFrame()) return at + 1;
        length = 0;
        escaped = false;
        continue;
      }
      if (escaped) {
        escaped = false;
        if (octet === ESC_END) octet = SLIP_END;
        else if (octet === ESC_ESC) octet = ESC;
        else {
          this.#fault ??= "badEscape";
          continue;
        }
      } else if (octet === ESC) {
        escaped = true;
        continue;
      }
      if (length < room) frame[length++] = octet;
      else this.#fault ??= "oversize";
    }
    this.#length = length;
    this.#escaped = escaped;
    return to;
  }

  /** @returns whether a good frame is complete; empty ones are line noise flushed by a leading END */
  #endFrame(): boolean {
    const fault = this.#fault;
    if (fault !== null) this.drops[fault]++;
    else this.frameLength = this.#length;
    this.#length = 0;
    this.#escaped = false;
    this.#fault = null;
    return this.frameLength > 0;
  }
}

/** Octets that a packet takes between two ENDs: its length and one more for each octet to be escaped. */
export function slipBodyLength(packet: Uint8Array, from: number, to: number): number {
  let length = to - from;
  for (let at = from; at < to; at++) {
    const octet = packet[at] as number;
    if (octet === SLIP_END || octet === ESC) length++;
  }
  return length;
}

/** Octets that {@link encodeSlipBody} may write for a packet of `length` octets: all escaped. */
export const slipBodyBound = (length: number): number => 2 * length;

/**
 * Writes `packet[from, to)` without any END to `into` from `at` on.
 * @param into at least `slipBodyBound(to - from)` octets from `at` on
 * @returns the position after the last octet written
 */
export function encodeSlipBody(
  packet: Uint8Array,
  from: number,
  to: number,
  into: Uint8Array,
  at: number,
): number {
  let out = at;
  for (let i = from; i < to; i++) {
    const octet = packet[i] as number;
    if (octet === SLIP_END) {
      into[out++] = ESC;
      into[out++] = ESC_END;
    } else if (octet === ESC) {
      into[out++] = ESC;
      into[out++] = ESC_ESC;
    } else into[out++] = octet;
  }
  return out;
}
