import { after, type Instant, NEVER } from "../time.ts";
import type { DialogueOutput } from "./dialogue-output.ts";
import { LineReader, readModemWord } from "./result-words.ts";

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

type Output = Pick<DialogueOutput, "send" | "received" | "note">;

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
const CHECK = ["AT"];

/**
 * A modem that is to be called: made ready, then waiting for rings for as long as it takes, then answering until there is a carrier.
 * A call that comes to nothing is none.
 */
export class AnswerModem {
  readonly #settings: AnswerModemSettings;
  readonly #output: Output;
  #state: AnswerModemState = "pause";
  #waitsUntil: Instant = NEVER;
  #commands: readonly string[] = [];
  /** Of the command that is said now. */
  #said = 0;
  /** What is said when a pause is over, before the command. */
  #escapes: readonly string[] = [];
  readonly #lines = new LineReader();
  #rings = 0;
  #rangAt: Instant = NEVER;
  #carrierBps: number | null = null;
  #callerId: string | null = null;
  #reason = "";

  constructor(settings: AnswerModemSettings, output: Output) {
    this.#settings = settings;
    this.#output = output;
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
    this.#output.received(octet);
    const line = this.#lines.handleOctet(octet);
    if (line !== null) this.#result(line.trim(), now);
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
      this.#output.send(escape);
      this.#enter("pause", after(now, GUARD_MS));
    } else if (command !== undefined) {
      this.#said += 1;
      this.#output.send(`${command}\r`);
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
    this.#output.note("no carrier in time");
    // Any octet ends the attempt; the result that follows is none of the next command's.
    this.#output.send("\r");
    this.#commands = this.#settings.init;
    this.#said = 0;
    this.#enter("pause", after(now, GUARD_MS));
  }

  #result(line: string, now: Instant): void {
    const number = /^NMBR\s*=\s*([\w*#+-]{1,32})$/.exec(line)?.[1];
    if (number !== undefined) this.#callerId = number;
    const word = readModemWord(line);
    if (word === null) return;
    if (word.type === "carrier") this.#carrierBps = word.bps;
    else if (word.type === "connect") {
      this.#carrierBps ??= word.bps;
      this.#enter("connected", NEVER);
    } else if (word.type === "ring") this.#ring(now);
    else if (this.#state === "carrier") this.#wait(now);
    else if (this.#state === "command") this.#answered(word.type === "ok", line, now);
  }

  #answered(obeyed: boolean, line: string, now: Instant): void {
    if (obeyed) {
      this.#commands = this.#commands.slice(1);
      this.#said = 0;
      this.#enter("pause", after(now, BETWEEN_MS));
    } else if (line === "ERROR" || line === "4") this.#fail(`the modem refuses ${this.#commands[0]}`);
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
    this.#carrierBps = null;
    this.#output.send(`${answer}\r`);
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
