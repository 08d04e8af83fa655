import { after, earlier, type Instant, NEVER } from "../time.ts";
import { Modem, type ModemSettings } from "./modem.ts";
import type { PhoneLine } from "./modem-call.ts";
import { type CallEnd, PhoneCall, type PhoneSocket } from "./phone-call.ts";
import { Random } from "./random.ts";

/** What a number does that no modem answers. */
type NumberFate = "busy" | "no-answer" | "voice" | "no-carrier";

export interface NumberSettings {
  /** Digits. */
  readonly number: string;
  /** Names of modems, the first free one of which rings (a hunt group); or what becomes of all calls. */
  readonly answers: readonly string[] | NumberFate;
  /** How many of the calls, from 0 to 1, meet a busy tone though a modem is free. */
  readonly busyShare?: number;
  /** And how many of the others are answered by no modem. */
  readonly noCarrierShare?: number;
}

export interface PhoneNetworkSettings {
  readonly modems: readonly ModemSettings[];
  readonly numbers: readonly NumberSettings[];
  /** An unsigned 32-bit number; the same one makes the same network. */
  readonly seed: number;
  /** From the last digit to the first ring. */
  readonly setupMs: number;
  /** From the answer to the carrier. */
  readonly trainingMs: number;
  /** How long calls live on average, exponentially; null: until somebody hangs up. */
  readonly meanCallMs: number | null;
  /** One octet of this many is spoiled, each way; null: none. */
  readonly noiseOneIn: number | null;
}

export type PhoneEvent =
  | { readonly type: "dialed"; readonly at: Instant; readonly modem: string; readonly number: string }
  | {
      readonly type: "failed";
      readonly at: Instant;
      readonly modem: string;
      readonly why: NumberFate | "unknown";
    }
  | { readonly type: "ringing"; readonly at: Instant; readonly modem: string; readonly to: string }
  | {
      readonly type: "connected";
      readonly at: Instant;
      readonly modem: string;
      readonly to: string;
      readonly bps: number;
    }
  | {
      readonly type: "ended";
      readonly at: Instant;
      readonly modem: string;
      readonly to: string | null;
      readonly why: CallEnd;
    };

/** A voice is heard after this much ringing. */
const PICKED_UP_MS = 4000;
/** Nobody asks for older ones. */
const EVENTS_KEPT = 1000;

/** A modem's socket in the wall. */
class Line implements PhoneLine, PhoneSocket {
  readonly modem: Modem;
  call: PhoneCall | null = null;
  plugged = true;
  noiseOneIn: number | null;
  readonly #network: PhoneNetwork;

  constructor(settings: ModemSettings, noiseOneIn: number | null, network: PhoneNetwork) {
    this.modem = new Modem(settings, this);
    this.noiseOneIn = noiseOneIn;
    this.#network = network;
  }

  get free(): boolean {
    return this.plugged && this.call === null && this.modem.phase === "onHook";
  }

  /** Not while a call rings here: who takes the line then has its caller on it. */
  get hasDialTone(): boolean {
    return this.plugged && this.call === null;
  }

  dial(number: string, now: Instant): void {
    if (this.hasDialTone) this.#network.handleDialed(this, number, now);
  }

  answer(now: Instant): void {
    this.call?.handleAnswer(now);
  }

  hangUp(now: Instant): void {
    this.call?.end(this, now);
  }
}

/**
 * Telephone lines with a modem on each, numbers, and calls between them, on virtual time and without I/O. Hosts hand
 * octets to a modem and take octets from it; whoever drives the network calls `handleTimeout` when `pollTimeout` says.
 * It may come late: an octet is then handed on late, and nothing else changes.
 */
export class PhoneNetwork {
  readonly #lines: readonly Line[];
  readonly #numbers: ReadonlyMap<string, NumberSettings>;
  readonly #settings: PhoneNetworkSettings;
  readonly #random: Random;
  readonly #calls = new Set<PhoneCall>();
  readonly #events: PhoneEvent[] = [];

  constructor(settings: PhoneNetworkSettings) {
    this.#settings = settings;
    this.#random = new Random(settings.seed);
    this.#lines = settings.modems.map((modem) => new Line(modem, settings.noiseOneIn, this));
    this.#numbers = new Map(settings.numbers.map((entry) => [entry.number, entry]));
  }

  /** @throws RangeError: there is none of this name */
  modem(name: string): Modem {
    return this.#line(name).modem;
  }

  /** Cuts the call of a modem, if it has one: both modems lose the carrier. */
  drop(name: string, now: Instant): void {
    this.#line(name).call?.end(null, now);
  }

  /** Noise on a modem's line: one octet of so many is spoiled, each way; null: none. */
  setNoise(name: string, oneIn: number | null): void {
    this.#line(name).noiseOneIn = oneIn;
  }

  /** Pulls the telephone cable of a modem, or plugs it in. */
  setPlugged(name: string, plugged: boolean, now: Instant): void {
    if (!plugged) this.drop(name, now);
    this.#line(name).plugged = plugged;
  }

  handleTimeout(now: Instant): void {
    for (const { modem } of this.#lines) modem.handleTimeout(now);
    for (const call of this.#calls) call.handleTimeout(now);
    for (const { modem } of this.#lines) modem.advance(now); // what calls have brought or taken
  }

  pollTimeout(): Instant {
    let next = NEVER;
    for (const { modem } of this.#lines) next = earlier(next, modem.pollTimeout());
    for (const call of this.#calls) next = earlier(next, call.pollTimeout());
    return next;
  }

  /** What happened, oldest first. Of what nobody takes, the last thousand are kept. */
  pollEvent(): PhoneEvent | undefined {
    return this.#events.shift();
  }

  /** For the line of a modem that has dialed its last digit. */
  handleDialed(caller: PhoneSocket, number: string, now: Instant): void {
    const call = new PhoneCall(caller, this.#settings, this.#random, {
      route: (at) => this.#route(call, number, at),
      connected: (bps, at) => this.#tell({ type: "connected", at, ...names(call), bps }),
      ended: (why, at) => {
        this.#calls.delete(call);
        this.#tell({ type: "ended", at, modem: names(call).modem, to: call.calleeName, why });
      },
    });
    call.start(after(now, this.#settings.setupMs));
    this.#calls.add(call);
    this.#tell({ type: "dialed", at: now, modem: caller.modem.settings.name, number });
  }

  #route(call: PhoneCall, number: string, now: Instant): void {
    const entry = this.#numbers.get(number);
    const modem = call.caller.modem.settings.name;
    // Both are drawn each time, so that one call's fate does not shift those of all later ones.
    const [busy, noCarrier] = [this.#random.next(), this.#random.next()];
    if (entry === undefined) {
      this.#tell({ type: "failed", at: now, modem, why: "unknown" });
      return; // a recorded voice tells a person about it
    }
    const { answers } = entry;
    const fate = typeof answers === "string" ? answers : null;
    const free = fate !== null || busy < (entry.busyShare ?? 0) ? undefined : this.#freeOf(answers);
    const dead = noCarrier < (entry.noCarrierShare ?? 0);
    if (free !== undefined && !dead) {
      call.ring(free, now);
      this.#tell({ type: "ringing", at: now, modem, to: free.modem.settings.name });
      return;
    }
    const why = fate ?? (free === undefined ? "busy" : "no-carrier");
    this.#tell({ type: "failed", at: now, modem, why });
    if (why === "busy") call.caller.modem.handleTone("busy", now);
    else if (why !== "no-carrier") call.caller.modem.handleTone("ringing", now);
    if (why === "voice") call.pickUp(after(now, PICKED_UP_MS));
  }

  #freeOf(group: NumberSettings["answers"]): Line | undefined {
    return this.#lines
      .filter((line) => group.includes(line.modem.settings.name) && line.free)
      .toSorted((a, b) => group.indexOf(a.modem.settings.name) - group.indexOf(b.modem.settings.name))[0];
  }

  #line(name: string): Line {
    const line = this.#lines.find(({ modem }) => modem.settings.name === name);
    if (line === undefined) throw new RangeError(`there is no modem ${name}`);
    return line;
  }

  #tell(event: PhoneEvent): void {
    if (this.#events.push(event) > EVENTS_KEPT) this.#events.shift();
  }
}

const names = (call: PhoneCall): { modem: string; to: string } => ({
  modem: call.caller.modem.settings.name,
  to: call.calleeName ?? "",
});
