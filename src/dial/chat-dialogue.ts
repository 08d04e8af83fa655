import { after, type Instant, NEVER } from "../time.ts";
import type { ChatEnd, ChatEvent } from "./chat-events.ts";
import { ChatReport } from "./chat-report.ts";
import type { ChatSend, ChatSendText, ChatSetting, ChatStep, ChatTry } from "./chat-script.ts";
import { StringWatch } from "./string-watch.ts";
import { Typist } from "./typist.ts";

export interface ChatSettings {
  readonly steps: readonly ChatStep[];
  /** What an expect waits until TIMEOUT says something else. */
  readonly timeoutSeconds: number;
  /** Before each octet that is sent: modems of the time miss what comes faster than a person types. */
  readonly typingMs: number;
  readonly echo: boolean;
}

/** What a terminal's driver keeps for a program that does not read. */
const MAX_UNREAD = 4096;
const SECOND_MS = 1000;
/** How long the rest of a report is waited for when all else is over. */
const REPORT_MS = 1000;
/** The eighth bit of an octet may be one of parity. */
const ASCII = 0x7f;

/** What it does now; `others` are the tries of an expect that are left. */
type Work =
  | { readonly type: "next" }
  | {
      readonly type: "expect";
      readonly attempt: ChatTry;
      readonly others: readonly ChatTry[];
      readonly watch: StringWatch;
    }
  | { readonly type: "send"; readonly others: readonly ChatTry[] }
  | { readonly type: "file"; readonly path: string; readonly others: readonly ChatTry[] }
  | { readonly type: "report"; readonly end: ChatEnd };

const NEXT: Work = { type: "next" };

/**
 * A script of chat(8) as it is spoken on a line.
 *
 * 1. `start`; after that and after each `handle*`, `pollTransmit` and `pollEvent` until there is nothing, and `wantsFile`
 * 2. what the line brings goes to `handleOctets`, whenever it comes; the time at `pollTimeout` goes to `handleTimeout`
 * 3. `end` says how it ended; octets that the script had no use for are in `takeUnread`
 */
export class ChatDialogue {
  readonly #settings: ChatSettings;
  readonly #typist: Typist;
  readonly #report = new ChatReport();
  readonly #aborts: { readonly pattern: Uint8Array; readonly shown: string }[] = [];
  readonly #unread: number[] = [];
  readonly #events: ChatEvent[] = [];
  #step = 0;
  #work: Work = NEXT;
  #waitsUntil: Instant = NEVER;
  #timeoutMs: number;
  #echo: boolean;
  #mindsHangUp = true;
  #dropped = 0;
  #end: ChatEnd | null = null;

  constructor(settings: ChatSettings) {
    this.#settings = settings;
    this.#typist = new Typist(settings.typingMs);
    this.#timeoutMs = settings.timeoutSeconds * SECOND_MS;
    this.#echo = settings.echo;
  }

  /** null: it is not over. */
  get end(): ChatEnd | null {
    return this.#end;
  }

  /** Whether octets are read now; others are kept until they are. */
  get listens(): boolean {
    return this.#end === null && (this.#work.type === "expect" || this.#work.type === "report");
  }

  /** The file whose contents it waits for, by `handleFile`; null: none. */
  get wantsFile(): string | null {
    return this.#end === null && this.#work.type === "file" ? this.#work.path : null;
  }

  /** Whether a line that is hung up ends it: HANGUP. */
  get mindsHangUp(): boolean {
    return this.#mindsHangUp;
  }

  /** TIMEOUT as it is now. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** Octets that came while nothing was expected, and found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  start(now: Instant): void {
    this.#run(now);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let i = from; i < to; i++) {
      if (this.#unread.length < MAX_UNREAD) this.#unread.push(octets[i] as number);
      else this.#dropped += 1;
      if (this.listens) this.#run(now);
    }
  }

  handleTimeout(now: Instant): void {
    if (now >= this.#waitsUntil && this.#end === null) {
      if (this.#work.type === "report") this.#finish(this.#work.end);
      else if (this.#work.type === "expect") this.#miss(this.#work.attempt, this.#work.others, now);
    }
    this.#run(now);
  }

  /** What the file that it wants has to send. */
  handleFile(send: ChatSendText, now: Instant): void {
    if (this.#end !== null || this.#work.type !== "file") return;
    this.#send(send, this.#work.others, now);
    this.#run(now);
  }

  /** Its owner ends it, as when the line was hung up. */
  fail(end: Extract<ChatEnd, { readonly reason: string }>): void {
    if (this.#end !== null) return;
    this.#events.push({ type: "error", text: end.reason });
    this.#finish(end);
  }

  pollTimeout(): Instant {
    if (this.#end !== null) return NEVER;
    return this.#work.type === "send" ? this.#typist.dueAt : this.#waitsUntil;
  }

  /** Octets for the line, or a break. */
  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#typist.pollTransmit();
  }

  pollEvent(): ChatEvent | undefined {
    return this.#events.shift();
  }

  /** Octets that came and were not read: they belong to whoever uses the line next. */
  takeUnread(): Uint8Array {
    return Uint8Array.from(this.#unread.splice(0));
  }

  /** Goes on until it has to wait. */
  #run(now: Instant): void {
    while (this.#end === null) {
      if (this.#work.type === "next") this.#begin(now);
      else if (this.#work.type === "send") {
        if (!this.#typist.run(now)) return;
        this.#expect(this.#work.others, now);
      } else {
        const octet = this.listens ? this.#unread.shift() : undefined;
        if (octet === undefined) return;
        this.#read(octet & ASCII, now);
      }
    }
  }

  #begin(now: Instant): void {
    const step = this.#settings.steps[this.#step];
    this.#step += 1;
    if (step === undefined) this.#close({ type: "done" }, now);
    else if (step.type === "expect") this.#expect(step.tries, now);
    else if (step.type === "send") this.#send(step.send, [], now);
    else this.#set(step);
  }

  #set(step: ChatSetting): void {
    switch (step.type) {
      case "abort":
        this.#aborts.push(step);
        return this.#log(`abort on (${step.shown})`);
      case "clearAbort": {
        const index = this.#aborts.findIndex(({ pattern }) => pattern.join() === step.pattern.join());
        if (index >= 0) this.#aborts.splice(index, 1);
        return this.#log(`clear abort on (${step.shown})`);
      }
      case "report":
        this.#report.add(step.pattern, step.shown);
        return this.#log(`report (${step.shown})`);
      case "clearReport":
        this.#report.remove(step.pattern);
        return this.#log(`clear report (${step.shown})`);
      case "timeout":
        this.#timeoutMs = step.seconds * SECOND_MS;
        return this.#log(`timeout set to ${step.seconds} seconds`);
      case "echo":
        this.#echo = step.on;
        return;
      case "hangup":
        this.#mindsHangUp = step.on;
        return;
      case "say":
        this.#events.push(step);
    }
  }

  #expect(tries: readonly ChatTry[], now: Instant): void {
    const [attempt, ...others] = tries;
    this.#pass();
    if (attempt === undefined || attempt.pattern.length === 0) return;
    this.#log(`expect (${attempt.shown})`);
    // What an earlier string left half matched is past.
    this.#report.restart();
    const watch = new StringWatch([attempt.pattern, ...this.#aborts.map(({ pattern }) => pattern)]);
    this.#work = { type: "expect", attempt, others, watch };
    this.#waitsUntil = after(now, this.#timeoutMs);
  }

  #miss(attempt: ChatTry, others: readonly ChatTry[], now: Instant): void {
    this.#log("alarm");
    if (attempt.otherwise === null) this.#close({ type: "timeout" }, now);
    else this.#send(attempt.otherwise, others, now);
  }

  #send(send: ChatSend, others: readonly ChatTry[], now: Instant): void {
    this.#waitsUntil = NEVER;
    if (send.type === "file") {
      this.#work = { type: "file", path: send.path, others };
      return;
    }
    this.#log(`send (${send.shown})`);
    this.#typist.begin(send.actions, now);
    this.#work = { type: "send", others };
  }

  #read(octet: number, now: Instant): void {
    this.#received(octet);
    const report = this.#report.handleOctet(octet);
    if (report !== null) this.#events.push({ type: "report", text: report });
    if (this.#work.type === "report" && !this.#report.collects) this.#finish(this.#work.end);
    if (this.#work.type !== "expect") return;
    const found = this.#work.watch.handleOctet(octet);
    if (found === 0) {
      this.#log(" -- got it");
      this.#pass();
    } else if (found > 0) {
      this.#log(" -- failed");
      this.#close({ type: "aborted", index: found - 1, string: this.#aborts[found - 1]?.shown ?? "" }, now);
    }
  }

  #received(octet: number): void {
    const text = String.fromCharCode(octet);
    const last = this.#events.at(-1);
    if (last?.type === "received" && last.echo === this.#echo) last.text += text;
    else this.#events.push({ type: "received", text, echo: this.#echo });
  }

  #pass(): void {
    this.#work = NEXT;
    this.#waitsUntil = NEVER;
  }

  /** The script is over; a report that has begun may still be completed. */
  #close(end: ChatEnd, now: Instant): void {
    if (end.type === "aborted") this.#events.push({ type: "error", text: `Failed (${end.string})` });
    if (end.type === "timeout") this.#events.push({ type: "error", text: "Failed" });
    if (!this.#report.collects) return this.#finish(end);
    this.#work = { type: "report", end };
    this.#waitsUntil = after(now, REPORT_MS);
  }

  #finish(end: ChatEnd): void {
    const report = this.#report.finish();
    if (report !== null) this.#events.push({ type: "report", text: report });
    this.#end = end;
  }

  #log(text: string): void {
    this.#events.push({ type: "log", text });
  }
}
