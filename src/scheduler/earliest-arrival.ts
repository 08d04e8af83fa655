import type { Flow, Packet } from "../link/packet.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import type { Choice, LinkView, PlanningScheduler, QueueView } from "./scheduler.ts";

/** Two moments closer than this are the same, milliseconds: more than rounding does to a clock that has run for years. */
const SAME_MS = 1e-3;

/**
 * The default: arrival order is send order, and a slow link is used where that helps only.
 *
 * It plans the whole queue, in the order in which it would be served: each packet goes to the link by which it arrives first, and not before its
 * predecessor in the flow has arrived. The first packet that falls to a link that is ready begins there; a ready link to which nothing
 * falls stays idle. So a slow link takes a packet from deep in the queue, one that arrives when its turn comes (earliest delivery path
 * first, Chebrolu and Rao, IEEE TMC 2006, decided as late as possible).
 */
export class EarliestArrival implements PlanningScheduler {
  readonly kind = "planning";
  readonly mayCut = true;
  /** When each link can begin its next frame, as the plan goes on. */
  #next = new Float64Array(16);
  #round = 0;

  choose(queue: QueueView, links: readonly LinkView[], guardMs: number, now: Instant, into: Choice): boolean {
    if (links.length > this.#next.length) this.#next = new Float64Array(2 * links.length);
    const next = this.#next;
    into.notBefore = NEVER;
    let unclaimed = 0;
    for (let i = 0; i < links.length; i++) {
      const link = links[i] as LinkView;
      next[i] = link.startAt;
      if (link.ready) unclaimed++;
    }
    const round = ++this.#round;
    for (let k = 0; k < queue.count && unclaimed > 0; k++) {
      const packet = queue.packets[k] as Packet;
      const flow = packet.flow as Flow;
      const due = predecessorArrival(packet, flow, links, round) + guardMs;
      let best = -1;
      let arrival = Number.POSITIVE_INFINITY;
      for (let i = 0; i < links.length; i++) {
        const link = links[i] as LinkView;
        const natural = (next[i] as number) + packet.frameLength / link.rate + link.delayMs;
        const at = natural < due ? due : natural;
        if (at < arrival - SAME_MS) {
          arrival = at;
          best = i;
        }
      }
      if (best < 0) return false;
      flow.plannedAt = arrival;
      flow.plannedRound = round;
      const link = links[best] as LinkView;
      if (link.ready && next[best] === link.startAt) {
        const beginAt = link.canHold ? now : arrival - link.delayMs - packet.frameLength / link.rate;
        if (beginAt <= link.startAt + SAME_MS) {
          into.packet = k;
          into.link = best;
          return true;
        }
        into.notBefore = instant(Math.min(into.notBefore, beginAt));
        unclaimed--;
      }
      next[best] = arrival - link.delayMs;
    }
    return false;
  }
}

/** When the packet before this one in its flow arrives: planned, on a line with its frame open, or gone. */
function predecessorArrival(packet: Packet, flow: Flow, links: readonly LinkView[], round: number): number {
  let at = flow.arrivedOrder < packet.order ? flow.arrivedAt : Number.NEGATIVE_INFINITY;
  if (flow.plannedRound === round && flow.plannedAt > at) at = flow.plannedAt;
  for (const link of links) {
    const open = link.open;
    if (open !== null && open.flow === flow && open.order < packet.order && link.openArrival > at)
      at = link.openArrival;
  }
  return at;
}
