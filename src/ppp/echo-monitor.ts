import { after, type Instant, NEVER } from "../time.ts";

/**
 * Asks the peer by LCP whether it is there (RFC 1661, section 5.8), as pppd does: at once when LCP opens, then at each interval;
 * silence is as many requests in a row without any answer as may fail, and one interval more.
 */
export class EchoMonitor {
  /** Round trip of the last request that was answered. */
  roundTripMs: number | null = null;
  readonly #intervalMs: number;
  readonly #failures: number;
  #nextAt: Instant = NEVER;
  #sentAt: Instant | null = null;
  #id = 0xff;
  #unanswered = 0;

  /** @param failures 0: silence is endured */
  constructor({ intervalMs, failures }: { readonly intervalMs: number; readonly failures: number }) {
    this.#intervalMs = intervalMs;
    this.#failures = failures;
  }

  handleUp(now: Instant): void {
    this.#nextAt = now;
    this.#unanswered = 0;
    this.#sentAt = null;
  }

  handleDown(): void {
    this.#nextAt = NEVER;
    this.roundTripMs = null;
  }

  /** Any answer shows that the peer is there; only that to the last request tells the time. */
  handleReply(id: number, now: Instant): void {
    this.#unanswered = 0;
    if (this.#sentAt === null || id !== this.#id) return;
    this.roundTripMs = now - this.#sentAt;
    this.#sentAt = null;
  }

  pollTimeout(): Instant {
    return this.#nextAt;
  }

  /** @returns Identifier of the request to send now; null: none; "silent": the peer does not answer */
  handleTimeout(now: Instant): number | "silent" | null {
    if (now < this.#nextAt) return null;
    if (this.#failures > 0 && this.#unanswered >= this.#failures) return "silent";
    this.#nextAt = after(now, this.#intervalMs);
    this.#unanswered++;
    this.#sentAt = now;
    this.#id = (this.#id + 1) & 0xff;
    return this.#id;
  }
}
