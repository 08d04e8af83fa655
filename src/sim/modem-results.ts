/** What a modem tells its host: Hayes result codes. */
export type ModemResult =
  | "ok"
  | "connect"
  | "ring"
  | "noCarrier"
  | "error"
  | "noDialtone"
  | "busy"
  | "noAnswer"
  | "voice";

const RESULTS: Readonly<Record<ModemResult, readonly [digits: number, words: string]>> = {
  ok: [0, "OK"],
  connect: [1, "CONNECT"],
  ring: [2, "RING"],
  noCarrier: [3, "NO CARRIER"],
  error: [4, "ERROR"],
  noDialtone: [6, "NO DIALTONE"],
  busy: [7, "BUSY"],
  noAnswer: [8, "NO ANSWER"],
  voice: [9, "VOICE"],
};

/** Digits for a speed. Above 8 vendors differ; these are what chips of the Rockwell family say. */
const CONNECT_DIGITS: Readonly<Record<number, number>> = {
  300: 1,
  1200: 5,
  2400: 10,
  4800: 11,
  9600: 12,
  7200: 13,
  12000: 14,
  14400: 15,
  19200: 16,
  16800: 59,
  21600: 61,
  24000: 62,
  26400: 63,
  28800: 64,
  33600: 84,
  31200: 91,
};

/** From which X on the modem listens to the tone in question. */
const BUSY_FROM = 3;

/** Whether it listens for the dial tone instead of dialing into the dark. */
export const waitsForDialTone = (x: number): boolean => x === 2 || x === 4;
/** Whether it knows a busy tone, a ringing one and a voice from silence. */
export const knowsTones = (x: number): boolean => x >= BUSY_FROM;

/** `CONNECT 28800`, or its digits. @param x with 0, speeds are not told */
export function connectResult(bps: number, x: number, verbose: boolean): string {
  if (verbose) return x === 0 ? RESULTS.connect[1] : `${RESULTS.connect[1]} ${bps}`;
  return String(x === 0 ? RESULTS.connect[0] : (CONNECT_DIGITS[bps] ?? RESULTS.connect[0]));
}

export const plainResult = (result: ModemResult, verbose: boolean): string =>
  verbose ? RESULTS[result][1] : String(RESULTS[result][0]);
