import type { Link, LinkId } from "../link/link.ts";
import type { Pacer } from "../link/pacer.ts";
import type { Packet } from "../link/packet.ts";
import type { LinkView } from "../scheduler/scheduler.ts";
import { type Instant, instant, NEVER } from "../time.ts";
import { FragmentSource } from "./resequencer.ts";

/** Packets that wait for one link alone: bound to it by a scheduler, or sent to its own interface. As SLIP's queue of the time. */
export const BOUND_LIMIT = 10;

/** A link in a bundle, with what is planned for it. At most one frame of it is open at a time. */
export class Member implements LinkView {
  readonly id: LinkId;
  readonly name: string;
  readonly link: Link;
  readonly pacer: Pacer;
  delayMs = 0;
  startAt: Instant = instant(0);
  ready = false;
  /** The packet whose frame is open, kept until it is closed: if the line dies first, the packet is sent elsewhere. */
  open: Packet | null = null;
  openArrival: Instant = instant(0);
  /** When the open frame's octets, all but its closing, have been sent. */
  bodyEnd: Instant = instant(0);
  /** Packets for this link and no other, first come first served. */
  readonly bound: Packet[] = [];
  /** Whether the last packet begun came from `bound`: they take turns with the queue's. */
  servedBound = false;
  /** The line's driver takes nothing more for now: set and cleared by whoever writes the outbox. */
  blocked = false;
  /** Since when it is, as the bundle has seen; null: it is not. */
  blockedAt: Instant | null = null;
  sentPackets = 0;
  sentOctets = 0;
  /** Parts of packets, in a numbered bundle. A packet counts where its first part goes. */
  sentFragments = 0;
  /** What came by this link in a numbered bundle. */
  readonly source: FragmentSource = new FragmentSource();
  /** The numbers of the last part given to it, and of the one before: that one has left its line, or nearly so. */
  lastNumber = 0;
  numberBefore = 0;
  /** Since when other links have carried numbers and it has not; NEVER: it carried the last one. */
  passedSince: Instant = NEVER;

  constructor(id: LinkId, name: string, link: Link, pacer: Pacer) {
    this.id = id;
    this.name = name;
    this.link = link;
    this.pacer = pacer;
  }

  /** Takes out the control packets that wait for it: they go by its link, whichever bundle that is in. */
  takeControl(): Packet[] {
    const control = this.bound.filter(({ protocol }) => protocol !== 0);
    if (control.length > 0) {
      const others = this.bound.filter(({ protocol }) => protocol === 0);
      this.bound.splice(0, this.bound.length, ...others);
    }
    return control;
  }

  get givenBps(): number {
    return this.pacer.givenBps;
  }

  get rate(): number {
    return this.pacer.rate;
  }

  get canHold(): boolean {
    return this.link.canHold;
  }
}
