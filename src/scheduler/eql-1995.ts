import type { LinkId } from "../link/link.ts";
import type { Instant } from "../time.ts";
import type { BindingScheduler, LinkView } from "./scheduler.ts";

const SECOND_MS = 1000;

/**
 * The formula of the Linux driver of 1995, as it was: for each link `load = bytes_queued · 8 − priority_Bps` (and a constant), where
 * priority_Bps is an eighth of the bits per second; the smallest load wins, the link enslaved last among equals. Each packet's octets
 * are added to `bytes_queued` as it is bound, and once a second priority_Bps is taken off again, down to 0.
 */
export class Eql1995 implements BindingScheduler {
  readonly kind = "binding";
  readonly #queued = new Map<number, number>();
  #tickAt: number | null = null;

  bind(length: number, links: readonly LinkView[], now: Instant): number {
    this.#tick(links, now);
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = links.length - 1; i >= 0; i--) {
      const link = links[i] as LinkView;
      const load = (this.#queued.get(link.id) ?? 0) * 8 - bytesPerSecond(link);
      if (load < least) {
        least = load;
        best = i;
      }
    }
    const chosen = (links[best] as LinkView).id;
    this.#queued.set(chosen, (this.#queued.get(chosen) ?? 0) + length);
    return best;
  }

  /** A slave enslaved again started at 0. */
  forget(link: LinkId): void {
    this.#queued.delete(link);
  }

  /** The driver's timer, caught up: it ran each second since the master came up, whatever was sent. */
  #tick(links: readonly LinkView[], now: Instant): void {
    if (this.#tickAt === null) this.#tickAt = now + SECOND_MS;
    const ticks = Math.floor((now - this.#tickAt) / SECOND_MS) + 1;
    if (ticks < 1) return;
    this.#tickAt += ticks * SECOND_MS;
    for (const link of links) {
      const queued = this.#queued.get(link.id) ?? 0;
      this.#queued.set(link.id, Math.max(0, queued - ticks * bytesPerSecond(link)));
    }
  }
}

const bytesPerSecond = (link: LinkView): number => Math.floor(link.givenBps / 8);
