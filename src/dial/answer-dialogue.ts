import { after, type Instant, NEVER } from "../time.ts";
import { HDLC_FLAG } from "../wire/hdlc.ts";
import { SLIP_END } from "../wire/slip.ts";
import { AnswerModem, type AnswerModemSettings } from "./answer-modem.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { DialogueOutput } from "./dialogue-output.ts";
import {
  LoginPrompt,
  type LoginPromptSettings,
  type LoginVerdict,
  type VerifyEvent,
} from "./login-prompt.ts";
import { PppDetector } from "./ppp-detector.ts";
import { StringWatch } from "./string-watch.ts";

export interface AnswerSettings {
  /** Null: a direct line. */
  readonly modem: AnswerModemSettings | null;
  /** Of a direct line: nothing is said before the peer has said something. */
  readonly waitsForPeer: boolean;
  /** Null: nobody is asked for a name. */
  readonly login: LoginPromptSettings | null;
  /** Whether PPP may begin without a login. */
  readonly ppp: boolean;
  /** Quiet after the carrier: scripts of callers swallow a prompt that comes together with CONNECT. */
  readonly pauseMs: number;
  /** Longest time from the carrier, or from the first octet on a direct line, to the end of the login. */
  readonly loginLimitMs: number;
}

/** Who is there, once the dialogue has ended well. */
export type AnswerResult =
  | { readonly kind: "login"; readonly user: string; readonly protocol: "slip" | "ppp" }
  /** PPP began before anybody had logged in; its first frame is in `takeUnread`. */
  | { readonly kind: "ppp" };

const LF = 0x0a;
const NO_CARRIER = Uint8Array.from("\r\nNO CARRIER\r\n", (character) => character.charCodeAt(0));
/** How long a caller who may speak either protocol is waited for: who speaks PPP begins, and with SLIP there may be nothing to send. */
const CHOICE_MS = 30_000;
/** Parity, or noise. */
const SEVEN_BITS = 0x7f;

/**
 * A line on which callers are waited for, up to where packets begin.
 *
 * 1. a modem is made ready, rings, is answered, connects; then a pause. A direct line begins here
 * 2. a prompt is shown; name and password come, and an event asks whether they are right: `handleVerdict`
 * 3. a caller who may speak either protocol chooses by its first octet
 * 4. or PPP's first frame comes before a login, instead of a name
 */
export class AnswerDialogue implements Dialogue<DialogueEvent | VerifyEvent> {
  readonly #settings: AnswerSettings;
  readonly #output = new DialogueOutput<VerifyEvent>();
  readonly #modem: AnswerModem | null;
  readonly #prompt: LoginPrompt | null;
  readonly #detector = new PppDetector();
  readonly #hangUp = new StringWatch([NO_CARRIER]);
  #connected = false;
  #promptAt: Instant = NEVER;
  #limitAt: Instant = NEVER;
  #choiceAt: Instant = NEVER;
  #result: AnswerResult | null = null;

  constructor(settings: AnswerSettings) {
    this.#settings = settings;
    this.#modem = settings.modem === null ? null : new AnswerModem(settings.modem, this.#output);
    this.#prompt = settings.login === null ? null : new LoginPrompt(settings.login, this.#output);
  }

  get end(): DialogueEnd | null {
    return this.#output.end;
  }

  /** Null: nobody, or not yet. */
  get result(): AnswerResult | null {
    return this.#result;
  }

  /** The number of who calls; null: the modem does not tell. */
  get callerId(): string | null {
    return this.#modem?.callerId ?? null;
  }

  /** Octets that came at a time when nobody reads them, and found no room. */
  get dropped(): number {
    return this.#output.dropped;
  }

  start(now: Instant): void {
    if (this.#modem !== null) this.#modem.start(now);
    else {
      this.#connected = true;
      if (!this.#settings.waitsForPeer) this.#prompt?.start();
    }
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let at = from; at < to; at++) this.#handleOctet(octets[at] as number, now);
  }

  /** Whether the name and the password of the last `verify` are right. */
  handleVerdict(verdict: LoginVerdict, now: Instant): void {
    if (this.end !== null) return;
    this.#prompt?.handleVerdict(verdict, now);
    // What came meanwhile was meant for a session that there is not.
    if (this.#prompt?.state === "refusing") this.#output.takeUnread();
    if (this.#prompt?.state === "granted") this.#grant(this.#prompt, now);
  }

  handleTimeout(now: Instant): void {
    if (this.end !== null) return;
    if (now >= this.#choiceAt && this.#prompt !== null) return this.#choose(this.#prompt, "slip");
    if (now >= this.#limitAt) return this.fail("timeout", "nobody has logged in in time");
    if (now >= this.#promptAt) {
      this.#promptAt = NEVER;
      this.#prompt?.start();
    }
    this.#prompt?.handleTimeout(now);
    if (!this.#connected) this.#modem?.handleTimeout(now);
    this.#look();
  }

  fail(failure: DialFailure, reason: string): void {
    this.#output.fail(failure, reason);
  }

  pollTimeout(): Instant {
    if (this.end !== null) return NEVER;
    const line = this.#connected ? this.#prompt?.pollTimeout() : this.#modem?.pollTimeout();
    return [this.#promptAt, this.#limitAt, this.#choiceAt].reduce((a, b) => (a < b ? a : b), line ?? NEVER);
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#output.pollTransmit();
  }

  pollEvent(): DialogueEvent | VerifyEvent | undefined {
    return this.#output.pollEvent();
  }

  takeUnread(): Uint8Array {
    const octets = this.#output.takeUnread();
    // The second half of the password's line end is nobody's.
    const from = octets.findIndex((octet) => octet !== LF);
    return octets.subarray(from < 0 ? octets.length : from);
  }

  #handleOctet(octet: number, now: Instant): void {
    if (this.end !== null) return this.#keep(octet);
    if (this.#choiceAt !== NEVER) return this.#hearChoice(octet);
    if (!this.#connected) {
      this.#modem?.handleOctet(octet, now);
      if (this.#modem?.state === "connected") this.#handleCarrier(now);
      return this.#look();
    }
    if (this.#modem !== null && this.#hangUp.handleOctet(octet & SEVEN_BITS) >= 0) {
      return this.fail("no-carrier", "the caller has hung up");
    }
    if (this.#prompt?.state === "verifying") return this.#keep(octet);
    if (this.#limitAt === NEVER) this.#limitAt = after(now, this.#settings.loginLimitMs);
    if (!this.#settings.ppp) return this.#read(octet, now);
    for (const typed of this.#detector.handleOctet(octet)) this.#read(typed, now);
    if (!this.#detector.found) return;
    for (const held of this.#detector.held) this.#keep(held);
    this.#succeed({ kind: "ppp" });
  }

  #handleCarrier(now: Instant): void {
    this.#connected = true;
    this.#output.tell({ type: "connected", carrierBps: this.#modem?.carrierBps ?? null });
    this.#promptAt = after(now, this.#settings.pauseMs);
    this.#limitAt = after(now, this.#settings.loginLimitMs);
  }

  #read(octet: number, now: Instant): void {
    if (this.#promptAt === NEVER) this.#prompt?.handleOctet(octet, now);
    this.#look();
  }

  #keep(octet: number): void {
    this.#output.leave(octet);
  }

  /** Sees what has become of modem and prompt. */
  #look(): void {
    if (this.#modem?.state === "failed") this.fail("modem", this.#modem.reason);
    else if (this.#prompt?.state === "refused") this.fail("refused", "too many attempts to log in");
  }

  #grant(prompt: LoginPrompt, now: Instant): void {
    if (prompt.protocol !== "any") return this.#choose(prompt, prompt.protocol);
    this.#choiceAt = after(now, CHOICE_MS);
    this.#limitAt = NEVER;
    for (const octet of this.#output.takeUnread()) this.#handleOctet(octet, now);
  }

  /** PPP begins with a flag; SLIP with its own, or with a header of IP. Line ends, and whatever else is typed, are no choice. */
  #hearChoice(octet: number): void {
    const isPpp = (octet & SEVEN_BITS) === HDLC_FLAG;
    const isSlip = octet === SLIP_END || octet >> 4 === 4 || octet >> 4 === 6;
    if (this.#prompt === null || !(isPpp || isSlip)) return;
    this.#choose(this.#prompt, isPpp ? "ppp" : "slip");
    this.#keep(octet);
  }

  #choose({ user }: LoginPrompt, protocol: "slip" | "ppp"): void {
    this.#succeed({ kind: "login", user, protocol });
  }

  #succeed(result: AnswerResult): void {
    this.#result = result;
    this.#output.succeed();
  }
}
