import { after, earlier, type Instant, NEVER } from "../time.ts";
import type { Modem } from "./modem.ts";
import type { Random } from "./random.ts";
import { SerialLine } from "./serial-line.ts";

/** A ring and its pause. */
const RING_EVERY_MS = 6000;

/** Why a call is over: the caller's or the called side's doing, or the network's. */
export type CallEnd = "caller hung up" | "called side hung up" | "dropped";

/** Where a modem is plugged in. */
export interface PhoneSocket {
  readonly modem: Modem;
  call: PhoneCall | null;
  readonly noiseOneIn: number | null;
}

/** What a call tells the network, and asks of it. */
interface Exchange {
  /** The number is through: ring somebody, or let the caller hear why not. */
  route(now: Instant): void;
  connected(bps: number, now: Instant): void;
  ended(why: CallEnd, now: Instant): void;
}

type CallPhase = "setUp" | "unanswered" | "ringing" | "training" | "connected" | "over";

/** One call, from the last digit dialed until both sides are free of it. */
export class PhoneCall {
  readonly caller: PhoneSocket;
  readonly #settings: { readonly trainingMs: number; readonly meanCallMs: number | null };
  readonly #random: Random;
  readonly #exchange: Exchange;
  #callee: PhoneSocket | null = null;
  #phase: CallPhase = "setUp";
  #dueAt: Instant = NEVER;
  #forth: Carrier | null = null;
  #back: Carrier | null = null;

  constructor(
    caller: PhoneSocket,
    settings: { readonly trainingMs: number; readonly meanCallMs: number | null },
    random: Random,
    exchange: Exchange,
  ) {
    this.caller = caller;
    this.#settings = settings;
    this.#random = random;
    this.#exchange = exchange;
    caller.call = this;
  }

  get calleeName(): string | null {
    return this.#callee?.modem.settings.name ?? null;
  }

  start(routedAt: Instant): void {
    this.#dueAt = routedAt;
  }

  /** Rings there, and the caller hears it. */
  ring(callee: PhoneSocket, now: Instant): void {
    this.#callee = callee;
    callee.call = this;
    this.#phase = "ringing";
    this.#dueAt = after(now, RING_EVERY_MS);
    this.caller.modem.handleTone("ringing", now);
    callee.modem.handleRing(now);
  }

  /** A person will answer. */
  pickUp(at: Instant): void {
    this.#dueAt = at;
  }

  handleAnswer(now: Instant): void {
    if (this.#phase !== "ringing") return;
    this.#phase = "training";
    this.#dueAt = after(now, this.#settings.trainingMs);
  }

  /** @param by who hangs up; null: the network */
  end(by: PhoneSocket | null, now: Instant): void {
    if (this.#phase === "over") return;
    const callee = this.#callee;
    if (this.#phase === "ringing") callee?.modem.handleRingStopped();
    this.#phase = "over";
    this.#dueAt = NEVER;
    for (const side of [this.caller, callee]) {
      if (side === null) continue;
      side.call = null;
      if (side !== by) side.modem.handleCarrierLost(now);
    }
    this.#exchange.ended(
      by === null ? "dropped" : by === callee ? "called side hung up" : "caller hung up",
      now,
    );
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#dueAt) this.#handleDue(now);
    if (this.#phase !== "connected") return;
    this.#forth?.advance(now, this.#random);
    this.#back?.advance(now, this.#random);
  }

  pollTimeout(): Instant {
    if (this.#phase !== "connected") return this.#dueAt;
    const forth = this.#forth?.line.pollTimeout() ?? NEVER;
    const back = this.#back?.line.pollTimeout() ?? NEVER;
    return earlier(this.#dueAt, earlier(forth, back));
  }

  #handleDue(now: Instant): void {
    this.#dueAt = NEVER;
    if (this.#phase === "setUp") {
      this.#phase = "unanswered";
      this.#exchange.route(now);
    } else if (this.#phase === "unanswered") this.caller.modem.handleTone("voice", now);
    else if (this.#phase === "ringing") {
      this.#dueAt = after(now, RING_EVERY_MS);
      this.#callee?.modem.handleRing(now);
    } else if (this.#phase === "training") this.#connect(now);
    else if (this.#phase === "connected") this.end(null, now);
  }

  #connect(now: Instant): void {
    const callee = this.#callee as PhoneSocket;
    const bps = Math.min(this.caller.modem.settings.carrierBps, callee.modem.settings.carrierBps);
    this.#phase = "connected";
    this.#forth = new Carrier(bps, this.caller, callee);
    this.#back = new Carrier(bps, callee, this.caller);
    const { meanCallMs } = this.#settings;
    if (meanCallMs !== null) this.#dueAt = after(now, this.#random.exponential(meanCallMs));
    this.#exchange.connected(bps, now);
    this.caller.modem.handleCarrier(bps, now);
    callee.modem.handleCarrier(bps, now);
  }
}

/** One direction of a carrier: from one modem's buffer to the other's as long as there is room. */
class Carrier {
  readonly line: SerialLine;
  readonly #from: PhoneSocket;
  readonly #to: PhoneSocket;

  constructor(bps: number, from: PhoneSocket, to: PhoneSocket) {
    this.line = new SerialLine(bps);
    this.#from = from;
    this.#to = to;
  }

  advance(now: Instant, random: Random): void {
    const [from, to] = [this.#from.modem.outgoing, this.#to.modem.incoming];
    for (;;) {
      if (from.length === 0 || to.room === 0) {
        if (this.line.busy) this.line.handlePassed(0, true);
        return;
      }
      this.line.handleWaiting(now);
      if (this.line.allowance(now) === 0) return;
      this.line.handlePassed(1, false);
      to.push(this.#withNoise(from.shift(), random));
    }
  }

  #withNoise(octet: number, random: Random): number {
    for (const { noiseOneIn } of [this.#from, this.#to]) {
      if (noiseOneIn !== null && random.next() * noiseOneIn < 1) octet ^= 1 << Math.floor(random.next() * 8);
    }
    return octet;
  }
}
