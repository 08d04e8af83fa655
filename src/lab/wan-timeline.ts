import type { EchoEvent } from "./transfer-roles.ts";
import type { WanEmulator } from "./wan-emulator.ts";
import type { WanCounts } from "./wan-emulator-roles.ts";
import type { StreamResult } from "./wan-traffic.ts";

/** What went on during a measurement; times are milliseconds since the links' changes are timed from. */
export interface WanTimeline {
  /** What the server was given of each link until `atMs` since the one before, in bits per second, headers included. */
  readonly carried: readonly { readonly atMs: number; readonly bps: readonly number[] }[];
  /** Payload in spans of a tenth of a second, `atMs` their beginnings; none of datagrams. */
  readonly payload: readonly { readonly atMs: number; readonly bps: number }[];
  /** When each was sent; null: it was not answered. */
  readonly pings: readonly { readonly atMs: number; readonly rttMs: number | null }[];
}

const LOOK_MS = 100;
const TENTH_MS = 100;

/** Collects a {@link WanTimeline}. */
export class WanRecorder {
  readonly #counts: WanCounts[] = [];
  readonly #echoes: EchoEvent[] = [];
  #stream: StreamResult | null = null;
  #timer: NodeJS.Timeout | undefined;
  #latestMs = 0;

  /** How late the emulator was at worst by what it told so far: it tells each time since the time before. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** @param first the counts when the changes begin */
  begin(emulator: WanEmulator, first: WanCounts): void {
    this.#counts.push(first);
    const look = (): void => {
      emulator.counts().then(
        (counts) => {
          this.#latestMs = Math.max(this.#latestMs, counts.latestMs);
          if (this.#timer !== undefined) this.#counts.push(counts);
        },
        () => {}, // one that has ended is noticed by the transfer
      );
    };
    this.#timer = setInterval(look, LOOK_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  handleEcho(echo: EchoEvent): void {
    this.#echoes.push(echo);
  }

  handleStream(stream: StreamResult): void {
    this.#stream = stream;
  }

  /** @param pingIntervalMs between two pings */
  timeline(pingIntervalMs: number): WanTimeline {
    const zero = this.#counts[0]?.at ?? this.#stream?.startedAt ?? 0;
    const { startedAt = 0, tenthsBps = [] } = this.#stream ?? {};
    return {
      carried: carriedOf(this.#counts, zero),
      payload: tenthsBps.map((bps, tenth) => ({ atMs: startedAt - zero + tenth * TENTH_MS, bps })),
      pings: pingsOf(this.#echoes, zero, pingIntervalMs),
    };
  }
}

const carriedOf = (counts: readonly WanCounts[], zero: number): WanTimeline["carried"] =>
  counts.slice(1).flatMap(({ at, links }, index) => {
    const before = counts[index];
    if (before === undefined || at <= before.at) return [];
    const bps = links.map(
      ({ up }, link) => (8000 * (up.octets - (before.links[link]?.up.octets ?? 0))) / (at - before.at),
    );
    return [{ atMs: at - zero, bps }];
  });

/** In the order in which they were sent, from the first that was answered to the last. */
export function pingsOf(
  echoes: readonly EchoEvent[],
  zero: number,
  intervalMs: number,
): WanTimeline["pings"] {
  const answers = new Map(echoes.map((echo) => [echo.sequence, echo]));
  const first = Math.min(...answers.keys());
  const last = Math.max(...answers.keys());
  const begin = answers.get(first);
  if (begin === undefined) return [];
  const sentAt = begin.at - begin.rttMs - zero;
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    atMs: sentAt + index * intervalMs,
    rttMs: answers.get(first + index)?.rttMs ?? null,
  }));
}
