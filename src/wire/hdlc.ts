import { FCS16_GOOD, FCS16_INITIAL, fcs16, fcs16Octet } from "./fcs16.ts";

/** Frame delimiter (RFC 1662); one between two frames is enough. */
export const HDLC_FLAG = 0x7e;
/** The Async-Control-Character-Map before LCP agrees on another: all 32 control octets, bit n for octet n. */
export const DEFAULT_ASYNC_MAP = 0xffffffff;
const ESCAPE = 0x7d;
const TOGGLE = 0x20;
const FCS_OCTETS = 2;
/** Address, control or protocol, and the check: a frame of fewer octets is none. */
const LEAST_OCTETS = 4;

/** Why a frame was given up; the decoder counts each. Only `oversize` and `badCheck` are errors of the line (RFC 1662, section 4.3). */
export type HdlcDrop = "oversize" | "badCheck" | "aborted" | "short";

/** What the decoder does with an octet. */
const PLAIN = 0;
const END = 1;
const ESCAPES_NEXT = 2;
const STRAY = 3;

/**
 * Streaming decoder of octet-stuffed HDLC frames with FCS-16 (RFC 1662): any split of the octet stream, no allocation, no callback.
 *
 * Feed it until its input is used up, as a `SlipDecoder`.
 */
export class HdlcDecoder {
  /** Where frames are decoded into; valid up to `frameLength` until the next `decode`. */
  readonly frame: Uint8Array;
  /** Length of the frame that the last `decode` completed, in octets, without its check; 0: none. */
  frameLength = 0;
  readonly drops: Record<HdlcDrop, number> = { oversize: 0, badCheck: 0, aborted: 0, short: 0 };
  readonly #kinds = new Uint8Array(256);
  #asyncMap = 0;
  #length = 0;
  /** What the next octet is toggled by. */
  #toggle = 0;
  #oversize = false;

  /** @param frame room for one decoded frame and its check of 2 octets; its length says which the longest one accepted is */
  constructor(frame: Uint8Array) {
    this.frame = frame;
    this.#kinds[HDLC_FLAG] = END;
    this.#kinds[ESCAPE] = ESCAPES_NEXT;
    this.asyncMap = DEFAULT_ASYNC_MAP;
  }

  /** Control octets that the peer escapes, bit n for octet n: one that comes as it is was put in on the way, and is dropped. */
  get asyncMap(): number {
    return this.#asyncMap;
  }

  set asyncMap(map: number) {
    this.#asyncMap = map >>> 0;
    for (let octet = 0; octet < 32; octet++) this.#kinds[octet] = ((map >>> octet) & 1) === 0 ? PLAIN : STRAY;
  }

  /** Forgets an unfinished frame, as after a hang-up. */
  reset(): void {
    this.#restart();
    this.frameLength = 0;
  }

  /** Decodes `octets[from, to)` up to the end of the first good frame. @returns the position after the last octet used */
  decode(octets: Uint8Array, from: number, to: number): number {
    const frame = this.frame;
    const kinds = this.#kinds;
    const room = frame.length;
    let length = this.#length;
    let toggle = this.#toggle;
    this.frameLength = 0;
    for (let at = from; at < to; at++) {
      const octet = octets[at] as number;
      const kind = kinds[octet];
      if (kind !== PLAIN) {
        if (kind === STRAY) continue;
        if (kind === END) {
          this.#length = length;
          this.#toggle = toggle;
          if (this.#endFrame()) return at + 1;
          length = 0;
          toggle = 0;
          continue;
        }
        if (toggle === 0) {
          toggle = TOGGLE;
          continue;
        }
      }
      if (length < room) frame[length++] = octet ^ toggle;
      else this.#oversize = true;
      toggle = 0;
    }
    this.#length = length;
    this.#toggle = toggle;
    return to;
  }

  #restart(): void {
    this.#length = 0;
    this.#toggle = 0;
    this.#oversize = false;
  }

  /** @returns whether a good frame is complete; empty ones are shared or repeated flags */
  #endFrame(): boolean {
    const length = this.#length;
    if (this.#toggle !== 0) this.drops.aborted++;
    else if (this.#oversize) this.drops.oversize++;
    else if (length >= LEAST_OCTETS) {
      if (fcs16(FCS16_INITIAL, this.frame, 0, length) === FCS16_GOOD) this.frameLength = length - FCS_OCTETS;
      else this.drops.badCheck++;
    } else if (length > 0) this.drops.short++;
    this.#restart();
    return this.frameLength > 0;
  }
}

/**
 * Writes one frame after the other in pieces, without their flags, under one running check:
 *
 *     encoder.begin(into, at);
 *     encoder.octet(0x21);
 *     encoder.octets(packet, from, to);
 *     at = encoder.finish();
 */
export class HdlcEncoder {
  /** 1 for each octet that is sent escaped, 0 for the others. */
  readonly escapes: Uint8Array = new Uint8Array(256);
  #asyncMap = 0;
  #into: Uint8Array = new Uint8Array(0);
  #at = 0;
  #check = FCS16_INITIAL;

  constructor() {
    this.escapes[HDLC_FLAG] = 1;
    this.escapes[ESCAPE] = 1;
    this.asyncMap = DEFAULT_ASYNC_MAP;
  }

  /** Control octets that are sent escaped, bit n for octet n. */
  get asyncMap(): number {
    return this.#asyncMap;
  }

  set asyncMap(map: number) {
    this.#asyncMap = map >>> 0;
    for (let octet = 0; octet < 32; octet++) this.escapes[octet] = (map >>> octet) & 1;
  }

  /** @param into at least {@link hdlcBodyBound} octets for the whole frame from `at` on */
  begin(into: Uint8Array, at: number): void {
    this.#into = into;
    this.#at = at;
    this.#check = FCS16_INITIAL;
  }

  octet(octet: number): void {
    this.#check = fcs16Octet(this.#check, octet);
    this.#put(octet);
  }

  octets(octets: Uint8Array, from: number, to: number): void {
    const { escapes } = this;
    const into = this.#into;
    let out = this.#at;
    for (let i = from; i < to; i++) {
      const octet = octets[i] as number;
      if (escapes[octet] === 0) into[out++] = octet;
      else {
        into[out++] = ESCAPE;
        into[out++] = octet ^ TOGGLE;
      }
    }
    this.#at = out;
    this.#check = fcs16(this.#check, octets, from, to);
  }

  /** Writes the check, but no flag. @returns the position after the last octet written */
  finish(): number {
    const check = this.#check ^ 0xffff;
    this.#put(check & 0xff);
    this.#put(check >>> 8);
    return this.#at;
  }

  #put(octet: number): void {
    if (this.escapes[octet] === 1) {
      this.#into[this.#at++] = ESCAPE;
      this.#into[this.#at++] = octet ^ TOGGLE;
    } else this.#into[this.#at++] = octet;
  }
}

/** Octets that `octets[from, to)` take as a part of a frame: as many, and one more for each octet to be escaped. */
export function hdlcBodyLength(encoder: HdlcEncoder, octets: Uint8Array, from: number, to: number): number {
  const { escapes } = encoder;
  let length = to - from;
  for (let at = from; at < to; at++) length += escapes[octets[at] as number] as number;
  return length;
}

/** Octets that an {@link HdlcEncoder} may write for a frame of `length` octets without its check: all escaped, and the check too. */
export const hdlcBodyBound = (length: number): number => 2 * (length + FCS_OCTETS);
