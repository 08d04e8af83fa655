import { after, type Instant, NEVER } from "../time.ts";
import type { Speech } from "./speech.ts";

export interface AnswerModemSettings {
  /** Commands that make it ready, such as `ATZ`; each is to be answered OK. */
  readonly init: readonly string[];
  /** Takes a call, such as `ATA`; null: the modem does by itself. */
  readonly answer: string | null;
  /** The call is taken at this ring. */
  readonly rings: number;
  readonly commandWaitMs: number;
  /** From the answer to the carrier. */
  readonly carrierWaitMs: number;
  /** While nobody calls: how often it is looked whether the modem is still there. */
  readonly checkMs: number;
}

/** What it waits for. */
type AnswerModemState =
  /** The answer to a command. */
  | "command"
  /** Time, between two commands or around the escape. */
  | "pause"
  | "call"
  | "carrier"
  | "connected"
  | "failed";

/** A modem is given so much time to obey before it hears the next command. */
const BETWEEN_MS = 250;
/** Silence around the escape; a second is what modems ask for. */
const GUARD_MS = 1200;
const ESCAPE = "+++";
/** How often a command is said before the modem counts as dead. */
const MOST_SAID = 3;
/** Rings come every six seconds at most; later, somebody else calls. */
const SAME_CALL_MS = 10_000;
/** Far more than a result has. */
const MOST_LINE = 128;
const CHECK = ["AT"];

/**
 * A modem that is to be called: made ready, then waiting for rings for as long as it takes, then answering until there is a carrier.
 * A call that comes to nothing is none.
 */
export class AnswerModem {
  readonly #settings: AnswerModemSettings;
  readonly #speech: Pick<Speech, "say" | "hear" | "note">;
  #state: AnswerModemState = "pause";
  #waitsUntil: Instant = NEVER;
  #commands: readonly string[] = [];
  /** Of the command that is said now. */
  #said = 0;
  /** What is said when a pause is over, before the command. */
  #escapes: readonly string[] = [];
  #line = "";
  #rings = 0;
  #rangAt: Instant = NEVER;
  #carrierBps: number | null = null;
  #callerId: string | null = null;
  #reason = "";

  constructor(settings: AnswerModemSettings, speech: Pick<Speech, "say" | "hear" | "note">) {
    this.#settings = settings;
    this.#speech = speech;
  }

  get state(): AnswerModemState {
    return this.#state;
  }

  /** Null: the modem does not say. */
  get carrierBps(): number | null {
    return this.#carrierBps;
  }

  /** The number of who calls, where the modem tells it (`NMBR = …`). */
  get callerId(): string | null {
    return this.#callerId;
  }

  /** Why it failed. */
  get reason(): string {
    return this.#reason;
  }

  start(now: Instant): void {
    this.#command(this.#settings.init, now);
  }

  handleOctet(octet: number, now: Instant): void {
    this.#speech.hear(octet);
    const character = String.fromCharCode(octet & 0x7f);
    if (character === "\r" || character === "\n") {
      const line = this.#line.trim();
      this.#line = "";
      if (line !== "") this.#result(line, now);
    } else if (this.#line.length < MOST_LINE) this.#line += character;
  }

  handleTimeout(now: Instant): void {
    if (now < this.#waitsUntil) return;
    if (this.#state === "pause") this.#next(now);
    else if (this.#state === "command") this.#repeat(now);
    else if (this.#state === "call") this.#command(CHECK, now);
    else if (this.#state === "carrier") this.#giveUpCall(now);
  }

  pollTimeout(): Instant {
    return this.#waitsUntil;
  }

  #command(commands: readonly string[], now: Instant): void {
    this.#commands = commands;
    this.#said = 0;
    this.#escapes = [];
    this.#next(now);
  }

  #next(now: Instant): void {
    const [escape, ...escapes] = this.#escapes;
    const command = this.#commands[0];
    if (escape !== undefined) {
      this.#escapes = escapes;
      this.#speech.say(escape);
      this.#enter("pause", after(now, GUARD_MS));
    } else if (command !== undefined) {
      this.#said += 1;
      this.#speech.say(`${command}\r`);
      this.#enter("command", after(now, this.#settings.commandWaitMs));
    } else this.#wait(now);
  }

  /** The modem did not hear, or it is still in a call that nobody needs. */
  #repeat(now: Instant): void {
    if (this.#said === MOST_SAID) return this.#fail(`the modem does not answer ${this.#commands[0]}`);
    this.#escapes = [ESCAPE, "ATH\r"];
    this.#enter("pause", after(now, GUARD_MS));
  }

  #wait(now: Instant): void {
    // A modem that takes a call by itself hangs up when it hears a command in the middle of that.
    const checks = this.#settings.answer !== null;
    this.#enter("call", checks ? after(now, this.#settings.checkMs) : NEVER);
  }

  #giveUpCall(now: Instant): void {
    this.#speech.note("no carrier in time");
    // Any octet ends the attempt; the result that follows is none of the next command's.
    this.#speech.say("\r");
    this.#commands = this.#settings.init;
    this.#said = 0;
    this.#enter("pause", after(now, GUARD_MS));
  }

  #result(line: string, now: Instant): void {
    const connect = /^CONNECT(?:\s+(\d{1,9}))?\b/.exec(line);
    const number = /^NMBR\s*=\s*([\w*#+-]{1,32})$/.exec(line)?.[1];
    if (connect !== null) this.#connect(connect[1]);
    else if (/^RING\b/.test(line)) this.#ring(now);
    else if (number !== undefined) this.#callerId = number;
    else if (this.#state === "carrier" && isEnd(line)) this.#wait(now);
    else if (this.#state === "command" && line === "OK") {
      this.#commands = this.#commands.slice(1);
      this.#said = 0;
      this.#enter("pause", after(now, BETWEEN_MS));
    } else if (this.#state === "command" && line === "ERROR") {
      this.#fail(`the modem refuses ${this.#commands[0]}`);
    }
  }

  #connect(digits: string | undefined): void {
    this.#carrierBps = digits === undefined ? null : Number(digits);
    this.#enter("connected", NEVER);
  }

  #ring(now: Instant): void {
    if (this.#state !== "call") return;
    if (this.#rings === 0 || now > after(this.#rangAt, SAME_CALL_MS)) {
      this.#rings = 0;
      this.#callerId = null;
    }
    this.#rings += 1;
    this.#rangAt = now;
    const { answer, rings, carrierWaitMs } = this.#settings;
    if (answer === null || this.#rings < rings) return;
    this.#rings = 0;
    this.#speech.say(`${answer}\r`);
    this.#enter("carrier", after(now, carrierWaitMs));
  }

  #fail(reason: string): void {
    this.#reason = reason;
    this.#enter("failed", NEVER);
  }

  #enter(state: AnswerModemState, until: Instant): void {
    this.#state = state;
    this.#waitsUntil = until;
  }
}

/** What a modem says when there will be no carrier. */
const isEnd = (line: string): boolean => /^(NO CARRIER|NO ANSWER|BUSY|ERROR|OK|VOICE)\b/.test(line);
