import { after, type Instant, instant, NEVER } from "../time.ts";

/** Bits that an asynchronous line spends on one octet: start, eight data, stop. */
const BITS_PER_OCTET = 10;

/**
 * One direction of an asynchronous 8N1 serial line: when which octet has passed. It carries no octets itself and owns
 * no clock; whoever moves the octets (`sim` on virtual time, `lab` between ptys) asks it how many may go.
 *
 * What holds at any time:
 * 1. Since the line last became busy at t0, no more than (now - t0) · bps / 10 octets have passed; an octet has passed
 *    when its last bit has. The bound is met to the octet as long as octets wait, however late the caller asks.
 * 2. So a caller held up by its processor catches up afterwards: its lateness is not the line's.
 * 3. An idle line saves nothing: when the sender had nothing left, the next octet takes its full time from the
 *    moment at which it is seen waiting.
 *
 * A caller that polls cannot see a gap between two of its visits that both found octets; such a gap, shorter than one
 * visit, counts as busy. That moves octets forward by less than one visit's worth and never breaks 1.
 */
export class SerialLine {
  readonly rateBps: number;
  /** The cable is pulled: octets leave the sender at the usual pace and arrive nowhere. */
  cut = false;

  readonly #octetsPerMs: number;
  readonly #msPerOctet: number;
  /** When the line last became busy; NEVER while it is idle. */
  #busySince: Instant = NEVER;
  /** Octets passed since then. */
  #passed = 0;

  constructor(rateBps: number) {
    if (!(rateBps > 0 && Number.isFinite(rateBps)))
      throw new RangeError(`rateBps must be positive: ${rateBps}`);
    this.rateBps = rateBps;
    this.#octetsPerMs = rateBps / BITS_PER_OCTET / 1000;
    this.#msPerOctet = (1000 * BITS_PER_OCTET) / rateBps;
  }

  get busy(): boolean {
    return this.#busySince !== NEVER;
  }

  /** Octets wait at the sending end: an idle line starts with the first of them now; a busy one is not disturbed. */
  handleWaiting(now: Instant): void {
    if (this.busy) return;
    this.#busySince = now;
    this.#passed = 0;
  }

  /** How many octets the line has had time for by now and has not yet been given; 0 while it is idle. */
  allowance(now: Instant): number {
    if (!this.busy) return 0;
    // Rounding must agree with passesAt(), or a caller that wakes exactly then would find nothing to do.
    let octets = Math.floor((now - this.#busySince) * this.#octetsPerMs) - this.#passed;
    if (this.passesAt(octets + 1) <= now) octets += 1;
    else if (this.passesAt(octets) > now) octets -= 1;
    return Math.max(0, octets);
  }

  /**
   * The sender gave `octets`, at most the allowance, and they have passed.
   * @param drained the sender had less than it was allowed, so the line is idle from now on
   * @returns how many of them arrive at the far end
   */
  handlePassed(octets: number, drained: boolean): number {
    this.#passed += octets;
    if (drained) this.#busySince = NEVER;
    return this.cut ? 0 : octets;
  }

  /** When the `octets`-th further octet will have passed if the sender does not run dry; NEVER while idle. */
  passesAt(octets: number): Instant {
    if (!this.busy) return NEVER;
    return after(this.#busySince, (this.#passed + octets) * this.#msPerOctet);
  }

  /** When the allowance becomes at least 1; NEVER while idle. A caller may come later: nothing is lost by that. */
  pollTimeout(): Instant {
    return instant(this.passesAt(1));
  }
}
