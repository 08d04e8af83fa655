import { after, type Instant, NEVER } from "../time.ts";

const SIGNS = 3;

/** Looks for silence, three escape characters, silence: the way back to commands (Hayes, `+++`). */
export class EscapeWatch {
  #lastAt: Instant = NEVER;
  #signs = 0;

  /** Data begins: there was silence before it. */
  begin(now: Instant): void {
    this.#lastAt = now;
    this.#signs = 0;
  }

  /** @param escape above 127: there is no escape @param guardMs silence before and after, and most between signs */
  handleOctet(octet: number, at: Instant, escape: number, guardMs: number): void {
    const silentMs = at - this.#lastAt;
    this.#lastAt = at;
    if (octet !== escape || escape > 127) this.#signs = 0;
    else if (silentMs >= guardMs && (this.#signs === 0 || guardMs > 0)) this.#signs = 1;
    else if (this.#signs > 0) this.#signs += 1;
  }

  /** When it is an escape unless something comes before; NEVER: it is none. */
  dueAt(guardMs: number): Instant {
    return this.#signs === SIGNS ? after(this.#lastAt, guardMs) : NEVER;
  }
}
