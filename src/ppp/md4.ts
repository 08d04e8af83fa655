/** MD4 (RFC 1320), which MS-CHAPv2 wants and systems leave out by now. Not for anything new. */
export function md4(message: Uint8Array): Uint8Array {
  const words = padded(message);
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  for (let block = 0; block < words.length; block += 16) {
    const before = state.slice();
    for (const round of ROUNDS) mixRound(state, words.subarray(block, block + 16), round);
    for (let i = 0; i < 4; i++) state[i] = (state[i] as number) + (before[i] as number);
  }
  return octetsOf(state);
}

interface Round {
  readonly mix: (x: number, y: number, z: number) => number;
  readonly add: number;
  /** Which word of the block each step takes. */
  readonly order: readonly number[];
  readonly shifts: readonly [number, number, number, number];
}

const ROUNDS: readonly Round[] = [
  {
    mix: (x, y, z) => (x & y) | (~x & z),
    add: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
    add: 0x5a827999,
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    add: 0x6ed9eba1,
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
];

function mixRound(state: Uint32Array, block: Uint32Array, round: Round): void {
  for (let step = 0; step < 16; step++) {
    // The state's words take turns: a, d, c, b.
    const at = (i: number) => ((i - step) & 3) as 0 | 1 | 2 | 3;
    const [b, c, d] = [state[at(1)] as number, state[at(2)] as number, state[at(3)] as number];
    const word = block[round.order[step] as number] as number;
    const sum = ((state[at(0)] as number) + round.mix(b, c, d) + word + round.add) >>> 0;
    const shift = round.shifts[(step & 3) as 0 | 1 | 2 | 3];
    state[at(0)] = (sum << shift) | (sum >>> (32 - shift));
  }
}

/** The message, a one bit, zeros, and its length in bits, as words with the low octet first. */
function padded(message: Uint8Array): Uint32Array {
  const words = new Uint32Array(16 * Math.ceil((message.length + 9) / 64));
  for (let at = 0; at <= message.length; at++) {
    const octet = at < message.length ? (message[at] as number) : 0x80;
    words[at >> 2] = (words[at >> 2] as number) | (octet << (8 * (at & 3)));
  }
  words[words.length - 2] = message.length << 3;
  words[words.length - 1] = message.length >>> 29;
  return words;
}

function octetsOf(words: Uint32Array): Uint8Array {
  const octets = new Uint8Array(4 * words.length);
  for (let at = 0; at < octets.length; at++) octets[at] = (words[at >> 2] as number) >>> (8 * (at & 3));
  return octets;
}
