import type { Flow, Packet } from "../link/packet.ts";
import { type Instant, instant } from "../time.ts";

/** More than lines that are given little ahead have on them; of more, the oldest are forgotten. */
const SEGMENTS = 32;

class Sent {
  flow: Flow | null = null;
  sequence = 0;
  payload = 0;
  until: Instant = instant(0);
}

/** TCP segments that were sent and cannot be acknowledged yet; their packets are gone already. */
export class SentSegments {
  readonly #segments: readonly Sent[] = Array.from({ length: SEGMENTS }, () => new Sent());
  #next = 0;

  /** Takes note of a packet of a flow. @param until when its acknowledgement can be here */
  add({ flow, sequence, payload }: Packet, until: Instant): void {
    if (flow === null || payload === 0) return;
    const sent = this.#segments[this.#next] as Sent;
    this.#next = (this.#next + 1) % SEGMENTS;
    sent.flow = flow;
    sent.sequence = sequence;
    sent.payload = payload;
    sent.until = until;
  }

  has({ flow, sequence, payload }: Packet, now: Instant): boolean {
    for (const sent of this.#segments) {
      if (sent.until > now && sent.flow === flow && sent.sequence === sequence && sent.payload === payload)
        return true;
    }
    return false;
  }

  clear(): void {
    for (const sent of this.#segments) sent.flow = null;
  }
}
