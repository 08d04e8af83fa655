import type { LinkId } from "../link/link.ts";
import type { BindingScheduler, LinkView } from "./scheduler.ts";

/** Octets in proportion to the speeds given: each packet to the link whose share would be the least used. */
export class Weighted implements BindingScheduler {
  readonly kind = "binding";
  /** For each link, seconds of its capacity that its packets took. */
  readonly #used = new Map<number, number>();

  bind(length: number, links: readonly LinkView[]): number {
    let newest = 0;
    for (const link of links) newest = Math.max(newest, this.#used.get(link.id) ?? 0);
    // A link that is new starts where the others are: it has no claim on the past, nor has one that was away.
    for (const link of links) if (!this.#used.has(link.id)) this.#used.set(link.id, newest);
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < links.length; i++) {
      const link = links[i] as LinkView;
      const cost = length / link.givenBps;
      const used = Math.max(this.#used.get(link.id) ?? newest, newest - MEMORY * cost);
      if (used + cost < least) {
        least = used + cost;
        best = i;
      }
    }
    this.#used.set((links[best] as LinkView).id, least);
    return best;
  }

  forget(link: LinkId): void {
    this.#used.delete(link);
  }
}

/** How many packets of its own a link may be behind before the rest is forgotten. */
const MEMORY = 64;
