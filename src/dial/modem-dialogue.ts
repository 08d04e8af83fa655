import { after, type Instant, NEVER } from "../time.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { DialogueOutput } from "./dialogue-output.ts";
import { LineReader, type ModemWord, readModemWord } from "./result-words.ts";

export interface ModemSettings {
  /** Commands before it dials, from their AT on, such as ATZ. */
  readonly init: readonly string[];
  /** What comes before the number, such as ATDT. */
  readonly dial: string;
  /** From the number to CONNECT. */
  readonly carrierWaitMs: number;
  /** For the answer to a command. */
  readonly commandWaitMs: number;
  /** Silence around `+++`: more than the modem's S12. */
  readonly guardMs: number;
}

/** Something to say, and how long its OK is waited for. */
interface Turn {
  readonly send: string;
  /** Silence before. */
  readonly quietMs: number;
  readonly waitMs: number;
  /** Null: without OK it fails. */
  readonly otherwise: readonly Turn[] | null;
  /** How often it is said again when the answer is another one than OK. */
  readonly repeats: number;
}

/** Modems pass over a command that comes at once after a result. */
const PAUSE_MS = 100;
/** ATZ may take a modem long. */
const RESET = /^AT\s*Z/i;
const RESET_WAIT_MS = 30_000;
/** A modem that still dials, or reads half a command, says something else first. */
const WAKE_REPEATS = 2;
/** The line feed after CONNECT is not waited for longer: in digits there is none. */
const LINE_FEED_MS = 100;
const LF = 0x0a;
const ASCII = 0x7f;

type Work =
  /** Null: to dial. */
  | { readonly type: "pause"; readonly turn: Turn | null }
  | { readonly type: "wait"; readonly turn: Turn }
  | { readonly type: "dialing" | "connected" };

/**
 * Makes a call with a Hayes modem.
 *
 * 1. wakes it with AT. One that does not answer may be on a call still: `+++` between silences, ATH, and AT again
 * 2. the init strings, each of which has to be answered OK
 * 3. the number, and whatever the modem says of it
 *
 * Echo and noise are passed over. What follows the line of CONNECT is left in `takeUnread`.
 */
export class ModemDialogue implements Dialogue {
  readonly #settings: ModemSettings;
  readonly #number: string;
  readonly #output = new DialogueOutput();
  readonly #lines = new LineReader();
  readonly #turns: Turn[];
  #work: Work = { type: "pause", turn: null };
  #repeated = 0;
  /** The modem answers in digits, which do not tell speeds. */
  #digits = false;
  #hasAskedForWords = false;
  #carrierBps: number | null = null;
  #dueAt: Instant = NEVER;

  /** @param number "": the dial command says it all */
  constructor(settings: ModemSettings, number: string) {
    this.#settings = settings;
    this.#number = number;
    const { init, guardMs } = settings;
    const wake = { ...this.#command("AT"), repeats: WAKE_REPEATS };
    const escape = { ...wake, send: "+++", quietMs: guardMs, waitMs: 2 * guardMs, otherwise: [], repeats: 0 };
    const recovery = [escape, { ...this.#command("ATH"), otherwise: [] }, wake];
    this.#turns = [{ ...wake, otherwise: recovery }, ...init.map((text) => this.#command(text))];
  }

  get end(): DialogueEnd | null {
    return this.#output.end;
  }

  /** Octets that came after CONNECT and found no room. */
  get dropped(): number {
    return this.#output.dropped;
  }

  start(now: Instant): void {
    this.#next(now);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let i = from; i < to; i++) this.#handleOctet(octets[i] as number, now);
  }

  handleTimeout(now: Instant): void {
    if (this.end !== null || now < this.#dueAt) return;
    const work = this.#work;
    if (work.type === "pause") this.#say(work.turn, now);
    else if (work.type === "wait") this.#miss(work.turn, now);
    else if (work.type === "connected") this.#output.succeed();
    else this.fail("timeout", `the modem said nothing for ${this.#settings.carrierWaitMs / 1000} s`);
  }

  fail(failure: DialFailure, reason: string): void {
    this.#output.fail(failure, reason);
  }

  pollTimeout(): Instant {
    return this.end === null ? this.#dueAt : NEVER;
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#output.pollTransmit();
  }

  pollEvent(): DialogueEvent | undefined {
    return this.#output.pollEvent();
  }

  takeUnread(): Uint8Array {
    return this.#output.takeUnread();
  }

  #next(now: Instant): void {
    this.#repeated = 0;
    const turn = this.#turns.shift();
    if (turn !== undefined || !this.#digits || this.#hasAskedForWords) return this.#pause(turn ?? null, now);
    this.#hasAskedForWords = true;
    this.#pause({ ...this.#command("ATV1"), otherwise: [] }, now);
  }

  /** @param turn null: it is time to dial */
  #pause(turn: Turn | null, now: Instant): void {
    this.#work = { type: "pause", turn };
    this.#dueAt = after(now, turn?.quietMs ?? PAUSE_MS);
  }

  #say(turn: Turn | null, now: Instant): void {
    const { dial, carrierWaitMs } = this.#settings;
    this.#output.send(turn?.send ?? `${dial}${this.#number}\r`);
    this.#work = turn === null ? { type: "dialing" } : { type: "wait", turn };
    this.#dueAt = after(now, turn?.waitMs ?? carrierWaitMs);
  }

  #command(text: string): Turn {
    const { commandWaitMs } = this.#settings;
    const waitMs = RESET.test(text) ? Math.max(RESET_WAIT_MS, commandWaitMs) : commandWaitMs;
    return { send: `${text}\r`, quietMs: PAUSE_MS, waitMs, otherwise: null, repeats: 0 };
  }

  /** There was no OK. */
  #miss(turn: Turn, now: Instant): void {
    if (turn.otherwise === null) {
      this.fail("modem", `the modem does not answer ${turn.send.trimEnd()}`);
      return;
    }
    this.#turns.unshift(...turn.otherwise);
    this.#next(now);
  }

  #handleOctet(octet: number, now: Instant): void {
    if (this.#work.type === "connected" || this.end !== null) {
      const endsLine = this.end === null && (octet & ASCII) === LF;
      this.#output.succeed();
      if (endsLine) this.#output.received(octet);
      else this.#output.leave(octet);
      return;
    }
    this.#output.received(octet);
    const line = this.#lines.handleOctet(octet);
    const word = line === null ? null : readModemWord(line);
    if (line === null || word === null) return;
    if (this.#work.type === "wait") this.#handleAnswer(this.#work.turn, line, word, now);
    else if (this.#work.type === "dialing") this.#handleProgress(line, word, now);
  }

  #handleAnswer(turn: Turn, line: string, word: ModemWord, now: Instant): void {
    if (word.type === "ok") {
      this.#digits = line.trim() === "0";
      return this.#next(now);
    }
    if (word.type !== "failure") return;
    if (this.#repeated < turn.repeats) {
      this.#repeated += 1;
      this.#pause(turn, now);
    } else if (word.failure === "modem") {
      if (turn.otherwise !== null) this.#miss(turn, now);
      else this.fail("modem", `the modem answers ${turn.send.trimEnd()} with ${line.trim()}`);
    }
  }

  #handleProgress(line: string, word: ModemWord, now: Instant): void {
    if (word.type === "failure") this.fail(word.failure, `the modem says ${line.trim()}`);
    else if (word.type === "carrier") this.#carrierBps = word.bps;
    else if (word.type === "connect") {
      this.#output.tell({ type: "connected", carrierBps: this.#carrierBps ?? word.bps });
      this.#work = { type: "connected" };
      this.#dueAt = after(now, LINE_FEED_MS);
    }
  }
}
