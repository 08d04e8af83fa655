import { type Instant, instant } from "../../time.ts";
import type { Outlet } from "../../tunnel/memory.ts";
import { DueHeap } from "./due-heap.ts";
import type { TunnelPeer } from "./tunnel-peer.ts";

/** How long nothing is missed of peers while what has come is still being read. */
const MOST_BEHIND_MS = 500;

/** When each peer of a tunnel wants to be turned: most of many are silent. */
export class TunnelTurns {
  readonly #due = new DueHeap<TunnelPeer>();
  readonly #turning: TunnelPeer[] = [];
  /** When all that had come was read. */
  #readAt: Instant = instant(0);

  get dueAt(): Instant {
    return this.#due.dueAt;
  }

  /** Something has happened to a peer: it is turned at the end of this turn. */
  mark(peer: TunnelPeer): void {
    this.#due.set(peer, instant(0));
  }

  remove(peer: TunnelPeer): void {
    this.#due.remove(peer);
  }

  /** @param isBehind more has come than was read. @param readUntil otherwise all that had come by then was */
  turn(outlet: Outlet, isBehind: boolean, now: Instant, readUntil: Instant): void {
    if (!isBehind) this.#readAt = readUntil;
    // What is missing of a peer may have come, and not been read.
    const until = isBehind && now - this.#readAt <= MOST_BEHIND_MS ? instant(0) : readUntil;
    const turning = this.#turning;
    // First all of them: one that is due again at once is for the next turn.
    for (let peer = this.#due.takeDue(until); peer !== undefined; peer = this.#due.takeDue(until))
      turning.push(peer);
    for (let i = 0; i < turning.length; i++) {
      const peer = turning[i] as TunnelPeer;
      peer.turn(outlet, now, until);
      this.#due.set(peer, peer.dueAt);
    }
    turning.length = 0;
  }
}
