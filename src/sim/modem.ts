import { after, earlier, type Instant, instant, NEVER } from "../time.ts";
import { CommandLine } from "./command-line.ts";
import { parseDialString } from "./dial-string.ts";
import { EscapeWatch } from "./escape-watch.ts";
import { type CallTone, ModemCall, type PhoneLine } from "./modem-call.ts";
import { type ModemCommand, parseCommands } from "./modem-commands.ts";
import { ModemPort } from "./modem-port.ts";
import { ModemProfile, S } from "./modem-registers.ts";
import { connectResult, type ModemResult, plainResult } from "./modem-results.ts";
import { OctetQueue } from "./octet-queue.ts";

export interface ModemSettings {
  readonly name: string;
  /** Bits per second between host and modem. */
  readonly portBps: number;
  /** The fastest carrier it can make. */
  readonly carrierBps: number;
}

/** Each way; about what a modem of the time had. */
const BUFFER_OCTETS = 2048;
const RESULT_OCTETS = 4096;
/** What the host sends this soon after a command line belongs to the line, such as a line feed. */
const LINE_END_MS = 100;
const STORED_NUMBERS = 4;

/**
 * A Hayes modem between its host's port and a telephone line, on virtual time.
 *
 * The carrier is that of a modem without error correction (&Q6, \N0): 8N1 at the carrier's rate, so bps / 10 octets
 * a second, and noise on the line reaches the host. What comes faster from the host waits in the modem, and the host
 * waits by CTS; what the host does not take waits too, and stops the far modem. Only a buffer that its call outlived
 * is lost.
 */
export class Modem {
  readonly settings: ModemSettings;
  /** Octets for the carrier, and from it: whoever moves them is the line's exchange. */
  readonly outgoing: OctetQueue = new OctetQueue(BUFFER_OCTETS);
  readonly incoming: OctetQueue = new OctetQueue(BUFFER_OCTETS);

  readonly #port: ModemPort;
  readonly #call: ModemCall;
  readonly #profile = new ModemProfile();
  readonly #stored = new ModemProfile();
  readonly #commandLine = new CommandLine();
  readonly #escape = new EscapeWatch();
  /** Results and echo, before any data. */
  readonly #results = new OctetQueue(RESULT_OCTETS);
  readonly #numbers: string[] = Array.from({ length: STORED_NUMBERS }, () => "");
  /** Octets from the host are data. */
  #online = false;
  #dtr = true;
  #pulse = false;
  #register = 0;
  #bps = 0;
  #lastDialed = "";
  /** From here on any octet of the host ends a call that has no carrier yet. */
  #hostMayEndAt: Instant = instant(0);
  #dtrAt: Instant = NEVER;

  constructor(settings: ModemSettings, line: PhoneLine) {
    this.settings = settings;
    this.#call = new ModemCall(this.#profile, line);
    this.#port = new ModemPort(settings.portBps);
  }

  get phase(): ModemCall["phase"] {
    return this.#call.phase;
  }

  /** Carrier detect, as the host sees it (&C). */
  get dcd(): boolean {
    return this.#profile.carrierDetect === 0 || this.phase === "connected" || this.phase === "losing";
  }

  /** Octets that {@link send} takes now. */
  get room(): number {
    return this.#port.room;
  }

  /** @returns how many of them the host's port took; the others are still the caller's */
  send(octets: Uint8Array, from: number, to: number, now: Instant): number {
    const took = this.#port.send(octets, from, to);
    this.advance(now);
    return took;
  }

  /** Octets that {@link receive} gives now. */
  get received(): number {
    return this.#port.received;
  }

  /** @returns how many octets came to the host */
  receive(into: Uint8Array, from: number, to: number, now: Instant): number {
    const took = this.#port.receive(into, from, to);
    this.advance(now);
    return took;
  }

  /** The host raises or drops DTR. */
  setDtr(on: boolean, now: Instant): void {
    if (on === this.#dtr) return;
    this.#dtr = on;
    this.#dtrAt = on ? NEVER : after(now, this.#profile.get(S.dtrDelay) * 10);
  }

  /** The line begins to ring; comes again for each ring. */
  handleRing(now: Instant): void {
    const answers = this.#dtr || this.#profile.dtr < 2;
    if (this.#call.handleRing(answers, now)) this.#say("ring");
    this.advance(now);
  }

  /** The caller gave up. */
  handleRingStopped(): void {
    this.#call.handleRingStopped();
  }

  /** What the caller hears. */
  handleTone(tone: CallTone, now: Instant): void {
    this.#call.handleTone(tone, now);
  }

  /** Both modems are trained. */
  handleCarrier(bps: number, now: Instant): void {
    this.#call.handleCarrier();
    this.#bps = bps;
    this.#sayText(connectResult(bps, this.#profile.x, this.#profile.verbose));
    this.#goOnline(now);
    this.advance(now);
  }

  /** The far side has hung up, or the call was cut. */
  handleCarrierLost(now: Instant): void {
    this.#call.handleCarrierLost(now);
  }

  handleTimeout(now: Instant): void {
    this.advance(now);
    if (now >= this.#dtrAt) this.#handleDtrOff();
    if (now >= this.#escapeAt) this.#leaveData();
    const result = this.#call.handleTimeout(now);
    if (result !== null) {
      if (this.phase === "onHook") this.#leaveCall();
      this.#say(result);
    }
    this.advance(now);
  }

  /** Moves octets between host and modem; changes what is due. */
  advance(now: Instant): void {
    this.#port.advance(now, this);
  }

  pollTimeout(): Instant {
    const due = earlier(this.#port.pollTimeout(), this.#call.pollTimeout());
    return earlier(due, earlier(this.#dtrAt, this.#escapeAt));
  }

  // The end of the cable: ModemPort asks.

  get clearToSend(): boolean {
    if (!this.#online) return this.#results.room > BUFFER_OCTETS;
    return this.phase === "losing" || this.outgoing.room > 0;
  }

  get hasOctet(): boolean {
    return this.#results.length > 0 || (this.#online && this.incoming.length > 0);
  }

  nextOctet(): number {
    return this.#results.length > 0 ? this.#results.shift() : this.incoming.shift();
  }

  handleOctet(octet: number, at: Instant): void {
    if (this.phase === "dialing" || this.phase === "waiting") {
      if (at > this.#hostMayEndAt) this.#endCall("noCarrier", at);
      return;
    }
    if (this.#online) {
      if (this.phase === "connected") this.outgoing.push(octet);
      this.#escape.handleOctet(octet, at, this.#profile.get(S.escape), this.#guardMs);
      return;
    }
    const line = this.#commandLine.handleOctet(octet, this.#profile, (echoed) => this.#results.push(echoed));
    if (line === "\0") this.#say("error");
    else if (line !== null) this.#execute(parseCommands(line), at);
  }

  get #guardMs(): number {
    return this.#profile.get(S.guard) * 20;
  }

  get #escapeAt(): Instant {
    return this.#online ? this.#escape.dueAt(this.#guardMs) : NEVER;
  }

  #execute(commands: readonly ModemCommand[], now: Instant): void {
    for (const command of commands) {
      const result = this.#executeOne(command, now);
      if (result === "done") continue;
      if (result !== null) this.#say(result);
      return;
    }
    this.#say("ok");
  }

  /** @returns what ends the line; null: it ends without a word for now */
  #executeOne(command: ModemCommand, now: Instant): ModemResult | "done" | null {
    const profile = this.#profile;
    switch (command.kind) {
      case "error":
        return "error";
      case "dial":
        return this.#dial(command.text, now);
      case "store":
        this.#numbers[command.slot] = command.text;
        return "done";
      case "select":
        this.#register = command.register;
        return "done";
      case "set":
        this.#register = command.register ?? this.#register;
        profile.registers[this.#register] = command.value;
        return "done";
      case "show":
        this.#register = command.register ?? this.#register;
        this.#sayText(String(profile.get(this.#register)).padStart(3, "0"));
        return "done";
      case "plain":
        return this.#executePlain(command.name, command.value, now);
    }
  }

  #executePlain(name: string, value: number, now: Instant): ModemResult | "done" | null {
    const profile = this.#profile;
    if (name === "A") {
      if (this.phase !== "onHook" && this.phase !== "offHook") return "error";
      this.#answer(now);
      return null;
    }
    if (name === "O") {
      if (this.phase !== "connected") return "noCarrier";
      this.#sayText(connectResult(this.#bps, profile.x, profile.verbose));
      this.#goOnline(now);
      return null;
    }
    if (name === "Z") {
      this.#hangUp(now);
      profile.copyFrom(this.#stored);
      return "ok"; // what follows is not obeyed
    }
    if (name === "H" && value === 0) this.#hangUp(now);
    else if (name === "H") this.#call.offHook();
    else if (name === "I") this.#sayText(`EQL ${this.settings.carrierBps}`);
    else if (name === "E") profile.echo = value === 1;
    else if (name === "V") profile.verbose = value === 1;
    else if (name === "Q") profile.quiet = value === 1;
    else if (name === "X") profile.x = value;
    else if (name === "P" || name === "T") this.#pulse = name === "P";
    else if (name === "&C") profile.carrierDetect = value;
    else if (name === "&D") profile.dtr = value;
    else if (name === "&F") profile.copyFrom(new ModemProfile());
    else if (name === "&W") this.#stored.copyFrom(profile);
    return "done";
  }

  #dial(text: string, now: Instant): ModemResult | null {
    if (this.phase !== "onHook" && this.phase !== "offHook") return "error";
    const slot = /^[TP]?S=?([0-3]?)/.exec(text);
    let said = slot === null ? text : (this.#numbers[Number(slot[1])] ?? "");
    if (/^[TP]?L$/.test(text)) said = this.#lastDialed;
    this.#lastDialed = said;
    const dialing = parseDialString(said, this.#profile, this.#pulse);
    this.#pulse = dialing.pulse;
    this.#hostMayEndAt = after(now, LINE_END_MS);
    this.#call.dial(dialing, now);
    return null;
  }

  #answer(now: Instant): void {
    this.#hostMayEndAt = after(now, LINE_END_MS);
    this.#call.answer(now);
  }

  #endCall(result: ModemResult, now: Instant): void {
    this.#hangUp(now);
    this.#say(result);
  }

  #handleDtrOff(): void {
    const now = this.#dtrAt;
    this.#dtrAt = NEVER;
    if (this.#profile.dtr === 1 && this.#online) return this.#leaveData();
    if (this.#profile.dtr < 2) return;
    if (this.phase !== "onHook") this.#endCall("noCarrier", now);
    if (this.#profile.dtr === 3) this.#profile.copyFrom(this.#stored);
  }

  #hangUp(now: Instant): void {
    this.#call.hangUp(now);
    this.#leaveCall();
  }

  #leaveCall(): void {
    this.#online = false;
    this.outgoing.clear();
    // What came before the carrier went is the host's, before the result.
    while (this.incoming.length > 0 && this.#results.push(this.incoming.shift()));
    this.incoming.clear();
  }

  #goOnline(now: Instant): void {
    this.#online = true;
    this.#escape.begin(now);
  }

  #leaveData(): void {
    this.#online = false;
    this.#commandLine.clear();
    this.#say("ok");
  }

  #say(result: ModemResult): void {
    this.#sayText(plainResult(result, this.#profile.verbose));
  }

  #sayText(text: string): void {
    const { quiet, verbose } = this.#profile;
    if (quiet) return;
    const cr = this.#profile.get(S.carriageReturn);
    const lf = this.#profile.get(S.lineFeed);
    if (verbose) this.#results.give(Uint8Array.of(cr, lf), 0, 2);
    for (let i = 0; i < text.length; i++) this.#results.push(text.charCodeAt(i));
    this.#results.push(cr);
    if (verbose) this.#results.push(lf);
  }
}
