import type { WanSettings } from "../sim/wan-path.ts";

/** What the process of the emulator is told, and what it answers: a line of JSON each. */

/** `up` goes from client to server. */
export type WanDirection = "up" | "down";

/** An end of a link: an interface of a host, which is known by a process in its network namespace. */
export interface WanEnd {
  readonly pid: number;
  readonly device: string;
}

/** Settings as JSON can say them: a rate is finite. */
export interface WanEmulatorLink {
  readonly client: WanEnd;
  readonly server: WanEnd;
  readonly up: Partial<WanSettings>;
  readonly down: Partial<WanSettings>;
  readonly seed: number;
}

export interface WanChange {
  readonly link: number;
  /** Both without it. */
  readonly direction?: WanDirection;
  readonly settings: Partial<WanSettings>;
}

/** A change at so many milliseconds after the schedule begins. */
export interface WanLaterChange extends WanChange {
  readonly atMs: number;
}

/** One direction of a link, since the start. */
export interface WanCount {
  /** Those that the far end was given. */
  readonly packets: number;
  readonly octets: number;
  readonly queueFull: number;
  readonly lost: number;
  readonly outage: number;
  /** The far end's interface did not take them. */
  readonly refused: number;
}

export interface WanCounts {
  /** CLOCK_MONOTONIC, ms. */
  readonly at: number;
  /** How late the emulator woke at worst since it was asked last, in milliseconds: the machine's noise. */
  readonly latestMs: number;
  readonly links: readonly Readonly<Record<WanDirection, WanCount>>[];
}

/** Each is answered by {@link WanCounts}; `schedule` replaces what is left of the one before. */
export type WanRequest =
  | { readonly kind: "counts" }
  | ({ readonly kind: "change" } & WanChange)
  | { readonly kind: "schedule"; readonly changes: readonly WanLaterChange[] };
