/**
 * The octets of a transfer: pseudo-random, and the same for the same seed, so that what arrives can be hashed
 * against what was meant and the limit can be computed before anything is sent. The generator is sfc32 of PractRand,
 * whose first twelve steps are discarded to mix in a 32-bit seed.
 */
export class TransferData {
  #a = 0;
  #b: number;
  #c = 0;
  #counter = 1;
  #word = 0;
  #octetsLeft = 0;

  constructor(seed: number) {
    this.#b = seed | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** Writes the next `into.length` octets; any split of the stream gives the same octets. */
  fill(into: Uint8Array): void {
    const { length } = into;
    let i = 0;
    while (i < length && this.#octetsLeft > 0) into[i++] = this.#nextOctet();
    const view = new DataView(into.buffer, into.byteOffset, length);
    for (; i + 4 <= length; i += 4) view.setInt32(i, this.#next(), true);
    while (i < length) into[i++] = this.#nextOctet();
  }

  #nextOctet(): number {
    if (this.#octetsLeft === 0) {
      this.#word = this.#next();
      this.#octetsLeft = 4;
    }
    const octet = this.#word & 0xff;
    this.#word >>>= 8;
    this.#octetsLeft--;
    return octet;
  }

  #next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result;
  }
}

const PIECE = 65_536;

/** Hands out `bytes` octets of the stream of `seed` in pieces; a piece is valid until the next call. */
export function forEachPiece(bytes: number, seed: number, onPiece: (piece: Uint8Array) => void): void {
  const data = new TransferData(seed);
  const buffer = new Uint8Array(PIECE);
  for (let left = bytes; left > 0; left -= buffer.length) {
    const piece = buffer.subarray(0, Math.min(left, buffer.length));
    data.fill(piece);
    onPiece(piece);
  }
}
