import type { LifeState, LifeTransition, LineStatus, Status } from "../control/messages.ts";
import { monotonicNow } from "../host/clock.ts";
import type { PhoneEvent } from "../sim/phone-network.ts";
import { farLine, nearLine } from "./dial-config.ts";
import { type DialWorld, farModem, nearModem } from "./dial-scenario.ts";

/** Rates are means over so many looks. */
const WINDOW_LOOKS = 6;
const COMING_UP: ReadonlySet<LifeState> = new Set(["dialing", "login", "negotiating"]);

export interface DialedLine {
  readonly name: string;
  /** The fastest carrier of its modem. */
  readonly bps: number;
  readonly state: LifeState;
  readonly number: string | null;
  /** The last that was said on it, while it is being brought up; otherwise empty. */
  readonly said: string;
  /** What the far modem hands over now, framing included. */
  readonly octetsPerSecond: number;
}

export interface DialProgress {
  /** Since this began. */
  readonly seconds: number;
  readonly lines: readonly DialedLine[];
  readonly octets: number;
  readonly bytes: number;
  /** Since the transfer began; null: it has not yet. */
  readonly transferSeconds: number | null;
  /** For how long nothing has come that could be handed on in order. */
  readonly stalledSeconds: number;
}

/** Something that happened; times are milliseconds of CLOCK_MONOTONIC. */
export type DialNote =
  | {
      readonly type: "line";
      readonly at: number;
      readonly line: string;
      readonly from: LifeState;
      readonly to: LifeState;
      readonly reason: string;
      readonly number: string | null;
    }
  | { readonly type: "ringing"; readonly at: number; readonly line: string; readonly modem: string }
  | { readonly type: "cut"; readonly at: number; readonly line: string }
  | { readonly type: "transfer"; readonly at: number; readonly what: "begins" | "ends" };

/** A line came into a state. */
export interface DialStep {
  readonly at: number;
  readonly from: LifeState;
  readonly to: LifeState;
}

/** What is known of one of the home's lines. */
interface Followed {
  readonly bps: number;
  status: LineStatus | null;
  /** The last transition that is in `steps`, as the daemon tells it. */
  last: LifeTransition | null;
  readonly steps: DialStep[];
  /** The provider's line that its call is on. */
  far: string | null;
  /** Octets that came there at the last looks, and when. */
  looks: { readonly at: number; readonly octets: number }[];
}

/** Follows the lines of a {@link DialWorld}, by what its daemons tell, and a transfer over them. */
export class DialWatch {
  readonly #startedAt = monotonicNow();
  readonly #bytes: number;
  readonly #lines: readonly Followed[];
  /** What was received of the transfer by when, in order. */
  readonly #received: { readonly at: number; readonly octets: number }[] = [];
  readonly #notes: DialNote[] = [];
  /** From the daemons' wall clock to the monotonic one. */
  readonly #clockOffset = monotonicNow() - Date.now();
  #transferAt: number | null = null;

  constructor(carriers: readonly number[], bytes: number) {
    this.#bytes = bytes;
    this.#lines = carriers.map((bps) => ({ bps, status: null, last: null, steps: [], far: null, looks: [] }));
  }

  handlePhone(event: PhoneEvent): void {
    const index = this.#lines.findIndex((_, line) => nearModem(line) === event.modem);
    const line = this.#lines[index];
    if (line === undefined) return;
    const { type, at } = event;
    const name = nearLine(index);
    if (type === "ringing") this.#notes.push({ type, at, line: name, modem: event.to });
    if (type === "ended" && event.why === "dropped") this.#notes.push({ type: "cut", at, line: name });
    if (type !== "connected" && type !== "ended") return;
    const far = this.#lines.findIndex((_, other) => farModem(other) === event.to);
    line.far = type === "connected" ? farLine(far) : null;
    line.looks = [];
  }

  handleTransferBegun(): void {
    this.#transferAt = monotonicNow();
    this.#notes.push({ type: "transfer", at: this.#transferAt, what: "begins" });
  }

  /** @param octets received so far */
  handleReceived(octets: number, at: number): void {
    if (octets >= this.#bytes && this.octetsAt(at) < octets)
      this.#notes.push({ type: "transfer", at, what: "ends" });
    this.#received.push({ at, octets });
  }

  /** Asks both daemons, one call of this at a time; one that does not answer is passed over. */
  async look({ near, far }: DialWorld): Promise<void> {
    const none = (): null => null;
    const [nearStatus, farStatus] = await Promise.all([
      near.daemon.status().catch(none),
      far.daemon.status().catch(none),
    ]);
    const at = monotonicNow();
    for (const [index, line] of this.#lines.entries()) {
      const status = nearStatus?.lines.find(({ name }) => name === nearLine(index));
      if (status !== undefined) this.#handleStatus(line, status);
      const arrived = farStatus?.lines.find(({ name }) => name === line.far);
      if (arrived !== undefined) handleArrived(line, arrived.lineOctets.received, at);
    }
  }

  progress(): DialProgress {
    const now = monotonicNow();
    const last = this.#received.at(-1) ?? { at: this.#transferAt ?? now, octets: 0 };
    const end = last.octets >= this.#bytes ? last.at : now;
    return {
      seconds: (now - this.#startedAt) / 1000,
      lines: this.#lines.map(dialedLine),
      octets: last.octets,
      bytes: this.#bytes,
      transferSeconds: this.#transferAt === null ? null : Math.max(end - this.#transferAt, 0) / 1000,
      stalledSeconds: Math.max(end - last.at, 0) / 1000,
    };
  }

  /** What has happened and was not taken yet, oldest first. */
  takeNotes(): readonly DialNote[] {
    return this.#notes.splice(0).toSorted((a, b) => a.at - b.at);
  }

  steps(line: number): readonly DialStep[] {
    return this.#lines[line]?.steps ?? [];
  }

  /** What of the transfer had been received. */
  octetsAt(at: number): number {
    return this.#received.findLast((sample) => sample.at <= at)?.octets ?? 0;
  }

  #handleStatus(line: Followed, status: LineStatus): void {
    line.status = status;
    const history = status.life?.history ?? [];
    const { last } = line;
    const known = last === null ? -1 : history.findLastIndex((step) => isSame(step, last));
    for (const step of history.slice(known + 1)) {
      const at = step.at + this.#clockOffset;
      line.steps.push({ at, from: step.from, to: step.to });
      const { from, to, reason } = step;
      const number = status.life?.number ?? null;
      this.#notes.push({ type: "line", at, line: status.name, from, to, reason, number });
      line.last = step;
    }
  }
}

const isSame = (a: LifeTransition, b: LifeTransition): boolean =>
  a.at === b.at && a.from === b.from && a.to === b.to;

function handleArrived(line: Followed, octets: number, at: number): void {
  if (octets < (line.looks.at(-1)?.octets ?? 0)) line.looks = []; // it is another call
  line.looks.push({ at, octets });
  if (line.looks.length > WINDOW_LOOKS + 1) line.looks.shift();
}

function dialedLine({ bps, status, looks }: Followed, index: number): DialedLine {
  const life = status?.life;
  const state = life?.state ?? "idle";
  const [first, last] = [looks[0], looks.at(-1)];
  const spanMs = first === undefined || last === undefined ? 0 : last.at - first.at;
  const passed = (last?.octets ?? 0) - (first?.octets ?? 0);
  return {
    name: nearLine(index),
    bps,
    state,
    number: life?.number ?? null,
    said: COMING_UP.has(state) ? (life?.transcript.at(-1) ?? "") : "",
    octetsPerSecond: spanMs === 0 ? 0 : (1000 * passed) / spanMs,
  };
}

/** All lines carry packets of a master that has its addresses. */
export const isBundled = ({ lines, masters }: Status, count: number): boolean =>
  lines.filter(({ state }) => state === "enslaved").length === count &&
  masters.some(({ multilink }) => (multilink?.ipv4 ?? null) !== null);
