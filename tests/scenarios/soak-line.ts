import type { Dialogue } from "../../src/dial/dialogue.ts";
import type { Modem } from "../../src/sim/modem.ts";
import { type Instant, NEVER } from "../../src/time.ts";
import type { PppEnd } from "../link/ppp-end.ts";

const CHUNK = 512;
const NOTHING = new Uint8Array(0);

/** What is done with a line's octets. */
type Use = "nothing" | "dialogue" | "ppp";

/** A serial port with a modem, and what a host does on it: nothing, a dialogue, or PPP. */
export class SoakLine {
  readonly modem: Modem;
  readonly index: number;
  readonly ppp: PppEnd;
  dialogue: Dialogue<{ readonly type: string }> | null = null;
  #use: Use = "nothing";
  readonly #into = new Uint8Array(CHUNK);
  /** What the port did not take yet. */
  #unsent: Uint8Array = NOTHING;

  constructor(modem: Modem, index: number, ppp: PppEnd) {
    this.modem = modem;
    this.index = index;
    this.ppp = ppp;
  }

  get use(): Use {
    return this.#use;
  }

  /** The modem has something for the line, or there is room for what waits. */
  get isReady(): boolean {
    return this.modem.received > 0 || (this.#unsent.length > 0 && this.modem.room > 0);
  }

  /** A carrier that there was is there no longer. */
  get isCut(): boolean {
    return this.#use === "ppp" && !this.modem.dcd;
  }

  talk(dialogue: SoakLine["dialogue"], now: Instant): void {
    this.dialogue = dialogue;
    this.#use = "dialogue";
    dialogue?.start(now);
  }

  /** PPP takes over from the dialogue, with what that has not read. */
  carry(bps: number, now: Instant): void {
    const early = this.dialogue?.takeUnread() ?? new Uint8Array(0);
    this.dialogue = null;
    this.#use = "ppp";
    this.ppp.open(this.index, bps, now);
    this.ppp.handleOctets(this.index, early, now);
  }

  open(now: Instant): void {
    this.modem.setDtr(true, now);
  }

  /** DTR falls, and nobody reads any more. */
  close(now: Instant): void {
    if (this.#use === "ppp") this.ppp.hangUp(this.index, now);
    this.#use = "nothing";
    this.dialogue = null;
    this.#unsent = NOTHING;
    this.modem.setDtr(false, now);
  }

  pollTimeout(): Instant {
    return this.dialogue?.pollTimeout() ?? NEVER;
  }

  handleTimeout(now: Instant): void {
    if (this.dialogue !== null && now >= this.dialogue.pollTimeout()) this.dialogue.handleTimeout(now);
  }

  /** @returns whether anything went by */
  exchange(now: Instant): boolean {
    let isBusy = this.#receive(now);
    while (this.#unsent.length > 0 || this.#fetch()) {
      const took = this.modem.send(this.#unsent, 0, this.#unsent.length, now);
      this.#unsent = this.#unsent.subarray(took);
      isBusy = true;
      if (this.#unsent.length > 0) break;
    }
    return isBusy;
  }

  #receive(now: Instant): boolean {
    let isBusy = false;
    while (this.modem.received > 0) {
      const count = this.modem.receive(this.#into, 0, CHUNK, now);
      isBusy = true;
      if (this.#use === "dialogue") this.dialogue?.handleOctets(this.#into, 0, count, now);
      else if (this.#use === "ppp") this.ppp.handleOctets(this.index, this.#into.subarray(0, count), now);
    }
    return isBusy;
  }

  #fetch(): boolean {
    if (this.#use === "ppp") {
      const octets = this.ppp.pollOctets(this.index);
      if (octets.length > 0) this.#unsent = octets.slice();
    } else {
      const out = this.dialogue?.pollTransmit();
      if (out !== undefined && out !== "break") this.#unsent = out;
    }
    return this.#unsent.length > 0;
  }
}
