import { earlier, type Instant } from "../time.ts";
import { OctetQueue } from "./octet-queue.ts";
import { SerialLine } from "./serial-line.ts";

/** The modem's end of the cable to its host. */
interface ModemEnd {
  /** CTS: it has room for an octet. */
  readonly clearToSend: boolean;
  /** @param at when its last bit came */
  handleOctet(octet: number, at: Instant): void;
  readonly hasOctet: boolean;
  nextOctet(): number;
}

/** What a host's serial port keeps for its program, and for the modem. */
const HOST_OCTETS = 4096;

/**
 * The cable between a host and its modem, 8N1 at the port's speed, with RTS/CTS: an octet waits where the other side
 * has no room, and none is lost. A side that stops the other does so between two octets.
 */
export class ModemPort {
  readonly #toModem = new OctetQueue(HOST_OCTETS);
  readonly #toHost = new OctetQueue(HOST_OCTETS);
  readonly #in: SerialLine;
  readonly #out: SerialLine;

  constructor(bps: number) {
    this.#in = new SerialLine(bps);
    this.#out = new SerialLine(bps);
  }

  /** Octets that the host may send before it has to wait. */
  get room(): number {
    return this.#toModem.room;
  }

  /** Octets that have come to the host. */
  get received(): number {
    return this.#toHost.length;
  }

  send(octets: Uint8Array, from: number, to: number): number {
    return this.#toModem.give(octets, from, to);
  }

  receive(into: Uint8Array, from: number, to: number): number {
    return this.#toHost.take(into, from, to);
  }

  /** Moves what has had its time, and lets begin what can. */
  advance(now: Instant, modem: ModemEnd): void {
    while (this.#begins(this.#in, this.#toModem.length > 0 && modem.clearToSend, now)) {
      const at = this.#in.passesAt(1);
      this.#in.handlePassed(1, false);
      modem.handleOctet(this.#toModem.shift(), at);
    }
    while (this.#begins(this.#out, modem.hasOctet && this.#toHost.room > 0, now)) {
      this.#out.handlePassed(1, false);
      this.#toHost.push(modem.nextOctet());
    }
  }

  pollTimeout(): Instant {
    return earlier(this.#in.pollTimeout(), this.#out.pollTimeout());
  }

  /** @returns whether an octet has passed that is not taken yet */
  #begins(line: SerialLine, waiting: boolean, now: Instant): boolean {
    if (waiting) line.handleWaiting(now);
    else if (line.busy) line.handlePassed(0, true);
    return waiting && line.allowance(now) > 0;
  }
}
