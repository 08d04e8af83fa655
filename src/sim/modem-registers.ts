/** S-registers that matter, by their numbers. */
export const S = {
  /** Answer by itself at this ring; 0: never. */
  autoAnswer: 0,
  /** Rings of the call that comes in. */
  rings: 1,
  /** The escape character; above 127 there is none. */
  escape: 2,
  carriageReturn: 3,
  lineFeed: 4,
  backspace: 5,
  /** Seconds before dialing into the dark. */
  blindWait: 6,
  /** Seconds from the last digit, or from answering, within which there must be a carrier. */
  carrierWait: 7,
  /** Seconds of a comma. */
  comma: 8,
  /** Tenths of a second for which a carrier may be gone. */
  lossDelay: 10,
  /** Milliseconds of a dialed tone, and of the silence after it. */
  tone: 11,
  /** Fiftieths of a second of silence around an escape. */
  guard: 12,
  /** Hundredths of a second for which DTR may be off. */
  dtrDelay: 25,
} as const;

const FACTORY: readonly (readonly [register: number, value: number])[] = [
  [S.escape, 43],
  [S.carriageReturn, 13],
  [S.lineFeed, 10],
  [S.backspace, 8],
  [S.blindWait, 2],
  [S.carrierWait, 50],
  [S.comma, 2],
  [S.lossDelay, 14],
  [S.tone, 95],
  [S.guard, 50],
  [S.dtrDelay, 5],
];

/** Registers that there are, S0 to S99. */
export const REGISTERS = 100;

/** Everything that commands set, &W stores and Z restores. */
export class ModemProfile {
  readonly registers: Uint8Array = new Uint8Array(REGISTERS);
  echo = true;
  verbose = true;
  quiet = false;
  /** X */
  x = 4;
  /** &C: 0 carrier detect is always on, 1 it is the carrier. */
  carrierDetect = 1;
  /** &D: what happens when DTR goes off: 0 nothing, 1 command mode, 2 hang up, 3 hang up and Z. */
  dtr = 2;

  constructor() {
    for (const [register, value] of FACTORY) this.registers[register] = value;
  }

  get(register: number): number {
    return this.registers[register] as number;
  }

  copyFrom(other: ModemProfile): void {
    this.registers.set(other.registers);
    this.echo = other.echo;
    this.verbose = other.verbose;
    this.quiet = other.quiet;
    this.x = other.x;
    this.carrierDetect = other.carrierDetect;
    this.dtr = other.dtr;
  }
}
