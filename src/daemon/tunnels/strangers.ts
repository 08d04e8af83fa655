import type { Instant } from "../../time.ts";

const AGAIN_MS = 60_000;
const MOST_A_MINUTE = 10;

/** Which strangers are worth a line of the log: each once a minute, and not too many. */
export class Strangers {
  /** When each was told of; at most as many as are told in a minute. */
  readonly #told = new Map<string, Instant>();

  isNews(publicKey: string, now: Instant): boolean {
    for (const [key, at] of this.#told) if (now - at >= AGAIN_MS) this.#told.delete(key);
    if (this.#told.has(publicKey) || this.#told.size >= MOST_A_MINUTE) return false;
    this.#told.set(publicKey, now);
    return true;
  }
}
