import { createHash } from "node:crypto";
import { EqlError } from "../errors.ts";
import { LabProcess } from "./lab-process.ts";
import type { Host } from "./namespace.ts";
import { forEachPiece } from "./transfer-data.ts";
import type { EchoEvent, LabEvent, LabEventOf, LabRole } from "./transfer-roles.ts";

/** Transfers between two hosts: a process on each, timed on the clock that both share, hashed on both ends. */

/** Neither these ports nor 10.77.0.x hold an octet that SLIP escapes. */
export const FIRST_PORT = 10_000;
const FIRST_SOURCE_PORT = 20_000;
const STALL_SECONDS = 120;
const START_MS = 60_000;
const DATAGRAM_IDLE_SECONDS = 5;
const PING_OCTETS = 64;

export interface TcpTransferOptions {
  /** The receiver's address. */
  readonly address: string;
  readonly bytes: number;
  readonly seed: number;
  /** Which of several transfers at once this is: each has ports of its own. */
  readonly index?: number;
  readonly deadlineMs: number;
  /** @param octets received so far */
  readonly onProgress?: (octets: number, atMs: number) => void;
}

export interface TcpTransferResult {
  /** Octets received. */
  readonly octets: number;
  /** Of what was received. */
  readonly sha256: string;
  /** All of it, and the sender's hash is the same. */
  readonly intact: boolean;
  /** CLOCK_MONOTONIC, ms: before the connect, and when the last octet was received. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly seconds: number;
  readonly octetsPerSecond: number;
  /** Name of the congestion control that was in force. */
  readonly congestion: string;
}

/** One end of a transfer. */
interface End {
  readonly host: Host;
  readonly role: LabRole;
  /** @param octets received so far */
  readonly onProgress?: ((octets: number, atMs: number) => void) | undefined;
}

/**
 * Starts a receiver, and a sender when that listens; both are gone when the work is done.
 * @throws EqlError TRANSFER_FAILED
 */
export async function withEnds<T>(
  { host, role, onProgress }: End,
  from: End,
  work: (receiver: LabProcess, sender: LabProcess, connecting: LabEventOf<"connecting">) => Promise<T>,
): Promise<T> {
  const receiver = new LabProcess(host, role, (event) => {
    if (event.event === "progress") onProgress?.(event.octets, event.at);
  });
  let sender: LabProcess | null = null;
  try {
    await receiver.event("listening", START_MS);
    sender = new LabProcess(from.host, from.role);
    return await work(receiver, sender, await sender.event("connecting", START_MS));
  } finally {
    await Promise.all([sender?.stop(), receiver.stop()]);
  }
}

export function transferHash(bytes: number, seed: number): string {
  const hash = createHash("sha256");
  forEachPiece(bytes, seed, (piece) => hash.update(piece));
  return hash.digest("hex");
}

/**
 * Moves seeded random data from one host to another by their kernels' TCP (cubic).
 * @throws EqlError TRANSFER_FAILED when it does not come to an end; data that arrives damaged is a result
 */
export async function transferTcp(
  from: Host,
  to: Host,
  options: TcpTransferOptions,
): Promise<TcpTransferResult> {
  const { address, bytes, seed, index = 0, deadlineMs, onProgress } = options;
  const [port, sourcePort] = [FIRST_PORT + index, FIRST_SOURCE_PORT + index];
  const shared = { port, bytes, stallSeconds: STALL_SECONDS };
  return withEnds(
    { host: to, role: { role: "tcp-receive", ...shared }, onProgress },
    { host: from, role: { role: "tcp-send", ...shared, address, sourcePort, seed } },
    async (receiver, sender, connecting) => {
      const [received, sent] = await Promise.all([
        receiver.event("received", deadlineMs),
        sender.event("sent", deadlineMs),
      ]);
      onProgress?.(received.octets, received.at);
      const seconds = (received.at - connecting.at) / 1000;
      return {
        octets: received.octets,
        sha256: received.sha256,
        intact: received.octets === bytes && received.sha256 === sent.sha256,
        startedAt: connecting.at,
        endedAt: received.at,
        seconds,
        octetsPerSecond: received.octets / seconds,
        congestion: connecting.congestion,
      };
    },
  );
}

export interface DatagramResult {
  readonly sent: number;
  readonly received: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly deliveredPercent: number;
  readonly reorderedPercent: number;
}

export interface DatagramOptions {
  readonly address: string;
  readonly datagrams: number;
  /** Octets of payload each. */
  readonly length: number;
  readonly perSecond: number;
  readonly seed: number;
  /** The receiver ends when nothing has come for so long. */
  readonly idleSeconds?: number;
  readonly deadlineMs: number;
  /** Called when the sender begins. */
  readonly onStart?: () => void;
}

/** @throws EqlError TRANSFER_FAILED when an end fails; what is lost is a result */
export async function transferDatagrams(
  from: Host,
  to: Host,
  options: DatagramOptions,
): Promise<DatagramResult> {
  const { deadlineMs, idleSeconds = DATAGRAM_IDLE_SECONDS, onStart, ...offered } = options;
  const { datagrams } = offered;
  const [port, sourcePort] = [FIRST_PORT, FIRST_SOURCE_PORT];
  return withEnds(
    { host: to, role: { role: "udp-receive", port, datagrams, idleSeconds } },
    { host: from, role: { role: "udp-send", port, sourcePort, ...offered } },
    async (receiver, sender) => {
      onStart?.();
      const [{ datagrams: sent }, { datagrams: received, reordered, duplicates }] = await Promise.all([
        sender.event("datagrams-sent", deadlineMs),
        receiver.event("datagrams-received", deadlineMs),
      ]);
      return {
        sent,
        received,
        reordered,
        duplicates,
        deliveredPercent: (100 * received) / sent,
        reorderedPercent: (100 * reordered) / sent,
      };
    },
  );
}

/** Pings at a steady pace until stopped. */
export class Pinger {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  /**
   * @param onEcho called for each answer
   * @throws EqlError TRANSFER_FAILED
   */
  static async start(
    from: Host,
    address: string,
    intervalMs: number,
    onEcho: (echo: EchoEvent) => void = () => {},
  ): Promise<Pinger> {
    const process = new LabProcess(
      from,
      { role: "ping", address, length: PING_OCTETS, intervalMs, count: null },
      (event) => {
        if (event.event === "echo") onEcho(event);
      },
    );
    await process.event("listening", START_MS);
    return new Pinger(process);
  }

  /** @returns the round trips of the answered ones, in milliseconds; what is still under way is not counted */
  async stop(): Promise<readonly number[]> {
    await this.#process.stop();
    return roundTrips(this.#process.events);
  }
}

/**
 * Pings `count` times and waits for the answers.
 * @returns round trips in milliseconds
 * @throws EqlError TRANSFER_FAILED
 */
export async function pingTimes(
  from: Host,
  address: string,
  options: {
    count: number;
    intervalMs: number;
    /** Octets of data. */
    length?: number;
    /** How long the last one waits for its answer. */
    lastWaitMs?: number;
  },
): Promise<readonly number[]> {
  const { count, intervalMs, length = PING_OCTETS, lastWaitMs } = options;
  const wait = lastWaitMs === undefined ? {} : { lastWaitMs };
  const role = { role: "ping", address, length, intervalMs, count, ...wait } as const;
  const process = new LabProcess(from, role);
  try {
    await process.event("pinged", START_MS + count * intervalMs + 10_000);
    return roundTrips(process.events);
  } finally {
    await process.stop();
  }
}

const roundTrips = (events: readonly LabEvent[]): readonly number[] =>
  events.flatMap((event) => (event.event === "echo" ? [event.rttMs] : []));

/** @throws EqlError TRANSFER_FAILED naming what differed */
export function requireIntact(result: TcpTransferResult, bytes: number): void {
  if (result.intact) return;
  throw new EqlError(
    "TRANSFER_FAILED",
    result.octets === bytes
      ? "the octets that arrived are not those that were sent (their SHA-256 differs)"
      : `only ${result.octets} of ${bytes} octets arrived`,
  );
}
