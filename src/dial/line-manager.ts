import { after, type Instant, instant, NEVER } from "../time.ts";
import type { DialFailure } from "./dialogue.ts";
import { type LineFailure, LineRedial, type RedialSettings } from "./line-redial.ts";
import { LINE_STEPS, type LineActionType, type LineInput, type LineState } from "./line-states.ts";

export interface LineManagerSettings extends RedialSettings {
  /** False: a direct line, that negotiates as soon as it is open. */
  readonly dials: boolean;
  /** The longest time in a state; after that it hangs up and tries again. */
  readonly dialLimitMs: number;
  readonly loginLimitMs: number;
  readonly linkLimitMs: number;
  readonly hangUpLimitMs: number;
  /** The longest connection; null: no limit. */
  readonly sessionLimitMs: number | null;
  /** Without traffic for so long it hangs up, and is idle until wanted again; null: never. */
  readonly idleLimitMs: number | null;
}

export type LineAction =
  | { readonly type: "open" }
  | { readonly type: "dial"; readonly number: string | null }
  /** The link begins. */
  | { readonly type: "carry" }
  /** Ends the link properly, then closes the device. */
  | { readonly type: "hangUp"; readonly reason: string }
  /** Closes the device at once, also when it is still being opened. */
  | { readonly type: "close" };

export interface Transition {
  readonly at: Instant;
  readonly from: LineState;
  readonly to: LineState;
  readonly reason: string;
}

/** A modem takes a shorter one for none. */
const DTR_DOWN_MS = 1000;
const LOCK_LIMIT_MS = 30_000;
/** A link that was up for so long, or for as long as the longest pause if that is shorter, was no failure. */
const STEADY_MS = 60_000;

/**
 * Brings a line up, and keeps it up while it is wanted. It decides; its owner acts, and tells what came of it.
 *
 * 1. after each `handle*`, `pollAction` and `pollEvent` until there is nothing; the time at `pollTimeout` goes to `handleTimeout`
 * 2. `open` is answered by `handleOpened` or `handleOpenFailed`
 * 3. `dial` by `handleDialed` or `handleDialFailed`; `carry` by `handleUp` or `handleEnslaved`, or by `handleLost` or `handleRefused`
 * 4. `hangUp` and `close` by `handleClosed`
 *
 * An answer that never comes, or comes late, is no harm: each state has a limit, and `LINE_STEPS` has all that can happen.
 */
export class LineManager {
  readonly #settings: LineManagerSettings;
  readonly #redial: LineRedial;
  /** The longest time in each state. */
  readonly #limitsMs: Readonly<Record<LineState, number>>;
  readonly #actions: LineAction[] = [];
  readonly #events: Transition[] = [];
  #state: LineState = "idle";
  #since: Instant = instant(0);
  #reason = "";
  #wanted = false;
  #number: string | null = null;
  #carrierBps: number | null = null;
  /** End of the pause, or the longest time of the state. */
  #deadline: Instant = NEVER;
  /** The device is to be closed at once, no longer properly. */
  #closing = false;
  /** A pause lasts although nobody wants the line: who wants it again finds it as it is. */
  #pauseEnd: Instant = instant(0);
  #dtrDownEnd: Instant = instant(0);
  /** NEVER: not in this session. */
  #upAt: Instant = NEVER;
  #trafficAt: Instant = NEVER;

  /** @param random from 0 up to, but not, 1 */
  constructor(settings: LineManagerSettings, random: () => number) {
    this.#settings = settings;
    this.#redial = new LineRedial(settings, random);
    this.#limitsMs = {
      idle: NEVER,
      waiting: NEVER,
      locking: LOCK_LIMIT_MS,
      dialing: settings.dialLimitMs,
      login: settings.loginLimitMs,
      negotiating: settings.linkLimitMs,
      up: NEVER,
      enslaved: NEVER,
      hangingUp: settings.hangUpLimitMs,
      givenUp: NEVER,
    };
  }

  get state(): LineState {
    return this.#state;
  }

  /** When its state began. */
  get since(): Instant {
    return this.#since;
  }

  /** Why it is in its state. */
  get reason(): string {
    return this.#reason;
  }

  /** The number of this call or the last one; null: none was dialed. */
  get number(): string | null {
    return this.#number;
  }

  /** Which attempt since the last success this is, or was, or will be, from 1; 0: it is idle. */
  get attempt(): number {
    return this.#state === "idle" ? 0 : this.#redial.failures + (this.#state === "givenUp" ? 0 : 1);
  }

  /** NEVER: no attempt waits. */
  get retryAt(): Instant {
    return this.#state === "waiting" ? this.#deadline : NEVER;
  }

  /** Of this call; null: there is none, or the modem did not say. */
  get carrierBps(): number | null {
    return this.#carrierBps;
  }

  /** @param atOnce a person asks: no pause is kept, and failures are forgotten */
  handleWanted(reason: string, now: Instant, atOnce: boolean = false): void {
    this.#wanted = true;
    if (this.#state === "givenUp") this.#redial.forgiveAttempts();
    if (atOnce) {
      this.#redial.forgive();
      this.#pauseEnd = now;
    }
    this.#take(atOnce ? "told" : "wanted", reason, now);
  }

  handleUnwanted(reason: string, now: Instant): void {
    this.#wanted = false;
    if (this.#state === "givenUp") this.#redial.forgiveAttempts();
    if (this.#state === "hangingUp") this.#reason = reason;
    else this.#settle(now);
    this.#take("unwanted", reason, now);
  }

  handleOpened(now: Instant): void {
    this.#take(this.#settings.dials ? "opened" : "openedDirect", "the device is open", now);
  }

  handleOpenFailed(reason: string, now: Instant): void {
    this.#fail("openFailed", "open", reason, now);
  }

  /** The modem is connected; login begins. */
  handleCarrier(bps: number | null, now: Instant): void {
    if (LINE_STEPS.carrier[this.#state] === null) return;
    this.#carrierBps = bps;
    this.#take("carrier", bps === null ? "connected" : `connected at ${bps} bit/s`, now);
  }

  /** The dialogue is done. */
  handleDialed(now: Instant): void {
    this.#take("dialed", "the dialogue is done", now);
  }

  handleDialFailed(failure: DialFailure, reason: string, now: Instant): void {
    this.#fail("dialFailed", failure, reason, now);
  }

  handleUp(now: Instant): void {
    this.#take("up", "the link is up", now);
  }

  handleEnslaved(master: string, now: Instant): void {
    this.#take("enslaved", `a slave of ${master}`, now);
  }

  handleFreed(reason: string, now: Instant): void {
    this.#take("freed", reason, now);
  }

  /** A link that was up is being negotiated anew. */
  handleRenegotiation(reason: string, now: Instant): void {
    this.#take("renegotiates", reason, now);
  }

  /** The link is over: carrier loss, no echo, the peer's end. */
  handleLost(reason: string, now: Instant): void {
    this.#fail("lost", "lost", reason, now);
  }

  /** The link failed in a way that will not be better soon, such as a proof that is not accepted. */
  handleRefused(reason: string, now: Instant): void {
    this.#fail("refused", "refused", reason, now);
  }

  /** The device is closed, because it was to be closed or by itself. */
  handleClosed(now: Instant, reason: string = "the device was closed"): void {
    this.#fail("closed", "lost", reason, now);
  }

  /** There were packets since the last call. */
  handleTraffic(now: Instant): void {
    this.#trafficAt = now;
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#deadline) {
      if (this.#state === "hangingUp") {
        this.#take(this.#closing ? "closeLimit" : "limit", this.#reason, now);
      } else this.#fail("limit", "limit", this.#limitText, now);
    } else if (now >= this.#sessionEnd) {
      this.#settle(now);
      this.#take("sessionLimit", "the session has lasted as long as it may", now);
    } else if (now >= this.#idleEnd) {
      this.#wanted = false;
      this.#settle(now);
      this.#take("idleLimit", "no traffic", now);
    }
  }

  pollTimeout(): Instant {
    return instant(Math.min(this.#deadline, this.#sessionEnd, this.#idleEnd));
  }

  pollAction(): LineAction | undefined {
    return this.#actions.shift();
  }

  pollEvent(): Transition | undefined {
    return this.#events.shift();
  }

  get #isUp(): boolean {
    return this.#state === "up" || this.#state === "enslaved";
  }

  get #sessionEnd(): Instant {
    const { sessionLimitMs } = this.#settings;
    return this.#isUp && sessionLimitMs !== null ? after(this.#upAt, sessionLimitMs) : NEVER;
  }

  get #idleEnd(): Instant {
    const { idleLimitMs } = this.#settings;
    return this.#isUp && idleLimitMs !== null ? after(this.#trafficAt, idleLimitMs) : NEVER;
  }

  get #limitText(): string {
    return this.#state === "waiting" ? "the pause is over" : `${this.#state} took too long`;
  }

  /** A link that was up for a while is a success, however it ends. */
  #settle(now: Instant): boolean {
    const isSteady = now - this.#upAt >= Math.min(STEADY_MS, this.#settings.longestPauseMs);
    if (isSteady) this.#redial.forgive();
    return isSteady;
  }

  /** What happens ends an attempt or a link, unless that was the intention. */
  #fail(input: LineInput, failure: LineFailure, reason: string, now: Instant): void {
    if (LINE_STEPS[input][this.#state] === null) return;
    const isOver = this.#state === "hangingUp";
    if (!isOver && this.#state !== "waiting") {
      const wasSteady = this.#settle(now);
      this.#redial.fail(failure);
      if (wasSteady) this.#redial.forgiveAttempts();
    }
    // Why it hung up says more than that it has.
    this.#take(input, isOver ? this.#reason : reason, now);
  }

  #take(input: LineInput, reason: string, now: Instant): void {
    const step = LINE_STEPS[input][this.#state];
    if (step === null) return;
    let { next } = step;
    if (next === "rest") next = this.#rest(now);
    if (next === "begin") next = this.#pauseOver > now ? "waiting" : "locking";
    this.#enter(next, step.action ?? (next === "locking" ? "open" : null), reason, now);
  }

  get #pauseOver(): Instant {
    return this.#pauseEnd > this.#dtrDownEnd ? this.#pauseEnd : this.#dtrDownEnd;
  }

  /** The device is closed. */
  #rest(now: Instant): "idle" | "givenUp" | "begin" {
    const pauseMs = this.#redial.takePause();
    if (pauseMs > 0) this.#pauseEnd = after(now, pauseMs);
    if (this.#settings.dials) this.#dtrDownEnd = after(now, DTR_DOWN_MS);
    this.#carrierBps = null;
    this.#upAt = NEVER;
    if (!this.#wanted) return "idle";
    return this.#redial.isSpent ? "givenUp" : "begin";
  }

  #enter(next: LineState, action: LineActionType | null, reason: string, now: Instant): void {
    this.#events.push({ at: now, from: this.#state, to: next, reason });
    this.#state = next;
    this.#since = now;
    this.#reason = reason;
    this.#deadline = next === "waiting" ? this.#pauseOver : after(now, this.#limitsMs[next]);
    this.#closing = action === "close";
    if (this.#isUp && this.#upAt === NEVER) {
      this.#upAt = now;
      this.#trafficAt = now;
    }
    if (action !== null) this.#actions.push(this.#action(action, reason));
  }

  #action(type: LineActionType, reason: string): LineAction {
    if (type === "hangUp") return { type, reason };
    if (type !== "dial") return { type };
    this.#number = this.#redial.number;
    return { type, number: this.#number };
  }
}
