import type { EngineLineStatus } from "../../host/engine/messages.ts";
import { after, type Instant, NEVER } from "../../time.ts";
import type { SessionEnd } from "./radius-accounting.ts";

/** Null: no limit. */
export interface SessionLimits {
  readonly idleMs: number | null;
  readonly sessionMs: number | null;
  /** Until packets may pass. */
  readonly beginMs: number;
}

/** Why a session is to be hung up. */
export interface SessionVerdict {
  readonly why: SessionEnd;
  readonly reason: string;
}

/** A line that is to join its caller's others, and does not in so long, fits none of them. */
const JOIN_MS = 20_000;

type LineFigures = Pick<EngineLineStatus, "name" | "state" | "received">;

/** Sees that a session keeps to its limits. */
export class SessionWatch {
  readonly #startedAt: Instant;
  #upAt: Instant = NEVER;
  #heard = 0;
  #heardAt: Instant = NEVER;
  #aloneAt: Instant = NEVER;

  constructor(now: Instant) {
    this.#startedAt = now;
  }

  /** Since when packets may pass; NEVER: they may not. */
  get upAt(): Instant {
    return this.#upAt;
  }

  handleUp(now: Instant): void {
    this.#upAt = now;
    this.#heardAt = now;
  }

  /**
   * @param line of the session
   * @param all lines of its caller, this one among them: who downloads by one is not idle on the others
   * @param joins whether it is to be a slave
   * @returns null: it keeps to them
   */
  look(
    line: LineFigures,
    all: readonly LineFigures[],
    joins: boolean,
    { idleMs, sessionMs, beginMs }: SessionLimits,
    now: Instant,
  ): SessionVerdict | null {
    const heard = all.reduce((sum, { received }) => sum + received.packets, 0);
    if (heard !== this.#heard) this.#heardAt = now;
    this.#heard = heard;
    if (!joins || line.state !== "alone") this.#aloneAt = NEVER;
    else if (this.#aloneAt === NEVER) this.#aloneAt = now;
    if (this.#upAt === NEVER) {
      if (now < after(this.#startedAt, beginMs)) return null;
      return { why: "error", reason: "it did not begin in time" };
    }
    if (sessionMs !== null && now >= after(this.#upAt, sessionMs)) {
      return { why: "session", reason: "the session has lasted as long as it may" };
    }
    if (idleMs !== null && now >= after(this.#heardAt, idleMs)) {
      return { why: "idle", reason: "no packets came for as long as that may be" };
    }
    if (now < after(this.#aloneAt, JOIN_MS)) return null;
    return { why: "error", reason: "it cannot be bundled with the caller's other lines" };
  }
}
