import { nativeBuffer } from "./libc.ts";

/** Octets of a struct iovec: address and length, 64 bits each. */
export const PIECE_OCTETS = 16;

/** Writes an address at a word of native memory and the one after it. Addresses of user space are exact as numbers. */
export function setAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = address / 2 ** 32;
}

export const addressAt = (words: Uint32Array, at: number): number =>
  (words[at] as number) + (words[at + 1] as number) * 2 ** 32;

/** Words of a struct mmsghdr of 64-bit Linux, and what is at which. Upper halves of lengths are always 0. */
const STRIDE = 16;
const NAME = 0;
const NAME_LENGTH = 2;
const PIECES = 4;
const PIECE_COUNT = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const LENGTH = 14;

/** An array of struct mmsghdr, as sendmmsg and recvmmsg take it. What it points to is its owner's. */
export class MessageVector {
  readonly #words: Uint32Array;
  readonly #address: number;

  constructor(count: number) {
    const memory = nativeBuffer(count * STRIDE * 4);
    this.#words = new Uint32Array(memory.octets.buffer, 0, count * STRIDE);
    this.#address = memory.address;
  }

  addressOf(message: number): number {
    return this.#address + message * STRIDE * 4;
  }

  setName(message: number, address: number, length: number): void {
    setAddress(this.#words, message * STRIDE + NAME, address);
    this.#words[message * STRIDE + NAME_LENGTH] = length;
  }

  setPieces(message: number, address: number, count: number): void {
    setAddress(this.#words, message * STRIDE + PIECES, address);
    this.#words[message * STRIDE + PIECE_COUNT] = count;
  }

  setControl(message: number, address: number, length: number): void {
    setAddress(this.#words, message * STRIDE + CONTROL, address);
    this.#words[message * STRIDE + CONTROL_LENGTH] = length;
  }

  /** What the kernel has overwritten: how much room there is again. */
  setRoom(message: number, nameLength: number, controlLength: number): void {
    this.#words[message * STRIDE + NAME_LENGTH] = nameLength;
    this.#words[message * STRIDE + CONTROL_LENGTH] = controlLength;
  }

  controlLengthOf(message: number): number {
    return this.#words[message * STRIDE + CONTROL_LENGTH] as number;
  }

  flagsOf(message: number): number {
    return this.#words[message * STRIDE + FLAGS] as number;
  }

  /** Octets of the message that came. */
  lengthOf(message: number): number {
    return this.#words[message * STRIDE + LENGTH] as number;
  }
}
