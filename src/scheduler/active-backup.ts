import { type Instant, NEVER } from "../time.ts";
import type { Choice, LinkView, PlanningScheduler, QueueView } from "./scheduler.ts";

/** One link carries everything: the one given the most bits per second, among equals the one that joined first. */
export class ActiveBackup implements PlanningScheduler {
  readonly kind = "planning";
  readonly mayCut = false;

  choose(
    queue: QueueView,
    links: readonly LinkView[],
    _guardMs: number,
    _now: Instant,
    into: Choice,
  ): boolean {
    into.notBefore = NEVER;
    let active = -1;
    let bps = -1;
    for (let i = 0; i < links.length; i++) {
      const link = links[i] as LinkView;
      if (link.givenBps > bps) {
        bps = link.givenBps;
        active = i;
      }
    }
    if (active < 0 || queue.count === 0 || !(links[active] as LinkView).ready) return false;
    into.packet = 0;
    into.link = active;
    return true;
  }
}
