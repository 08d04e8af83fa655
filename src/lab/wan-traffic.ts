import type { Host } from "./namespace.ts";
import { withEnds } from "./transfer.ts";

/** One TCP stream (cubic) between two hosts for a given time. */

const PORT = 10_500;
const PATIENCE_MS = 60_000;

export interface StreamOptions {
  /** The receiver's address. */
  readonly address: string;
  readonly seconds: number;
  /** Which of several streams at once this is. */
  readonly index?: number;
  /** Called when the stream begins. */
  readonly onStart?: () => void;
  /** @param octets received so far @param atMs CLOCK_MONOTONIC */
  readonly onProgress?: (octets: number, atMs: number) => void;
}

export interface StreamResult {
  /** CLOCK_MONOTONIC, ms: the receiver accepted it. */
  readonly startedAt: number;
  readonly seconds: number;
  /** Payload that the receiver got in that time. */
  readonly octets: number;
  readonly goodputBps: number;
  /** Each octet was the one that was sent. */
  readonly intact: boolean;
  /** Bits per second in each tenth of a second. */
  readonly tenthsBps: readonly number[];
  /** The longest time without any octet that ended in each of these tenths, in milliseconds. */
  readonly stallsMs: readonly number[];
  /** The longest of them, and when after the start it began. */
  readonly longestStallMs: number;
  readonly longestStallAt: number;
  /** Name of the congestion control that was in force. */
  readonly congestion: string;
}

/** @throws EqlError TRANSFER_FAILED when it does not begin, or breaks; damaged data is a result */
export async function streamTcp(from: Host, to: Host, options: StreamOptions): Promise<StreamResult> {
  const { address, seconds, index = 0, onStart, onProgress } = options;
  const port = PORT + index;
  return withEnds(
    { host: to, role: { role: "stream-receive", port, seconds }, onProgress },
    { host: from, role: { role: "stream-send", address, port } },
    async (receiver, _sender, { congestion }) => {
      onStart?.();
      const streamed = await receiver.event("streamed", seconds * 1000 + PATIENCE_MS);
      const { at, octets, intact, tenths, stalls, longestStallMs, longestStallAt } = streamed;
      return {
        startedAt: at,
        seconds,
        octets,
        goodputBps: (octets * 8) / seconds,
        intact,
        tenthsBps: tenths.map((inTenth) => inTenth * 80),
        stallsMs: stalls,
        longestStallMs,
        longestStallAt,
        congestion,
      };
    },
  );
}
