import { after, type Instant, NEVER } from "../time.ts";
import type { Dialing } from "./dial-string.ts";
import { type ModemProfile, S } from "./modem-registers.ts";
import { knowsTones, type ModemResult, waitsForDialTone } from "./modem-results.ts";

/** The telephone line of a modem, as it sees it. */
export interface PhoneLine {
  readonly hasDialTone: boolean;
  dial(number: string, now: Instant): void;
  /** Takes a call that rings, if one does. */
  answer(now: Instant): void;
  /** Ends whatever there is. */
  hangUp(now: Instant): void;
}

export type CallTone = "ringing" | "busy" | "voice";

/**
 * - onHook: the line is free, or rings
 * - offHook: a line taken, without a call (H1, or `;` after a number)
 * - dialing: until the last digit
 * - waiting: for the other modem's carrier, as caller or called
 * - connected: a carrier
 * - losing: the carrier is gone, and may not be missed yet (S10)
 */
type ModemPhase = "onHook" | "offHook" | "dialing" | "waiting" | "connected" | "losing";

const DIAL_TONE_WAIT_MS = 1000;
const NO_DIAL_TONE_MS = 5000;
/** How long a busy tone or a voice takes to be known for one. */
const TONE_WAIT_MS = 2000;
/** A ring is heard this long before a modem takes the call by itself. */
const RING_HEARD_MS = 2000;

/** What a modem does with its telephone line: where the call is, and what it waits for. */
export class ModemCall {
  readonly #profile: ModemProfile;
  readonly #line: PhoneLine;
  #phase: ModemPhase = "onHook";
  #dialing: Dialing | null = null;
  #tone: CallTone | null = null;
  #phaseAt: Instant = NEVER;
  #toneAt: Instant = NEVER;
  #answerAt: Instant = NEVER;

  /** @param profile the modem's, which its commands change */
  constructor(profile: ModemProfile, line: PhoneLine) {
    this.#profile = profile;
    this.#line = line;
  }

  get phase(): ModemPhase {
    return this.#phase;
  }

  /** Takes the line, and no call. */
  offHook(): void {
    if (this.#phase === "onHook") this.#enter("offHook", NEVER);
  }

  dial(dialing: Dialing, now: Instant): void {
    const listens = waitsForDialTone(this.#profile.x);
    this.#dialing = listens && !this.#line.hasDialTone ? null : dialing;
    const pauseMs = listens ? DIAL_TONE_WAIT_MS : this.#profile.get(S.blindWait) * 1000;
    const takesMs = this.#dialing === null ? NO_DIAL_TONE_MS : pauseMs + dialing.durationMs;
    this.#enter("dialing", after(now, takesMs));
  }

  answer(now: Instant): void {
    this.#wait(now);
    this.#line.answer(now);
  }

  hangUp(now: Instant): void {
    if (this.#phase !== "onHook") this.#line.hangUp(now);
    this.#enter("onHook", NEVER);
  }

  /** @param answers whether it may take the call by itself @returns false: it does not hear it */
  handleRing(answers: boolean, now: Instant): boolean {
    if (this.#phase !== "onHook") return false;
    const { registers } = this.#profile;
    registers[S.rings] = Math.min(255, this.#profile.get(S.rings) + 1);
    const wanted = this.#profile.get(S.autoAnswer);
    if (answers && wanted > 0 && this.#profile.get(S.rings) >= wanted) {
      this.#answerAt = after(now, RING_HEARD_MS);
    }
    return true;
  }

  handleRingStopped(): void {
    this.#profile.registers[S.rings] = 0;
    this.#answerAt = NEVER;
  }

  handleTone(tone: CallTone, now: Instant): void {
    if (this.#phase !== "waiting") return;
    this.#tone = tone;
    if (tone !== "ringing" && knowsTones(this.#profile.x)) this.#toneAt = after(now, TONE_WAIT_MS);
  }

  handleCarrier(): void {
    this.#enter("connected", NEVER);
  }

  handleCarrierLost(now: Instant): void {
    if (this.#phase === "connected") this.#enter("losing", after(now, this.#profile.get(S.lossDelay) * 100));
  }

  /** @returns what has come of it, if anything has: but for `ok`, the line is hung up then */
  handleTimeout(now: Instant): ModemResult | null {
    if (now >= this.#answerAt) this.answer(now);
    if (now >= this.#toneAt) return this.#end(this.#tone === "busy" ? "busy" : "voice", now);
    return now >= this.#phaseAt ? this.#endPhase(now) : null;
  }

  pollTimeout(): Instant {
    const tone = this.#toneAt < this.#answerAt ? this.#toneAt : this.#answerAt;
    return this.#phaseAt < tone ? this.#phaseAt : tone;
  }

  #endPhase(now: Instant): ModemResult | null {
    if (this.#phase !== "dialing") {
      // "No answer" says that it rang, which only who listens can know.
      const rang = this.#tone === "ringing" && knowsTones(this.#profile.x);
      return this.#end(rang ? "noAnswer" : "noCarrier", now);
    }
    const dialing = this.#dialing;
    if (dialing === null) return this.#end("noDialtone", now);
    if (dialing.staysInCommands) {
      this.#enter("offHook", NEVER);
      return "ok";
    }
    this.#wait(now);
    this.#line.dial(dialing.number, now);
    return null;
  }

  #wait(now: Instant): void {
    this.#enter("waiting", after(now, this.#profile.get(S.carrierWait) * 1000));
  }

  #end(result: ModemResult, now: Instant): ModemResult {
    this.hangUp(now);
    return result;
  }

  #enter(phase: ModemPhase, until: Instant): void {
    this.#phase = phase;
    this.#phaseAt = until;
    this.#toneAt = NEVER;
    this.#answerAt = NEVER;
    this.#tone = null;
    this.#profile.registers[S.rings] = 0;
  }
}
