import type { Instant } from "../time.ts";
import { visible } from "./chat-text.ts";
import type { DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { SecretMask } from "./secret-mask.ts";

export interface TranscriptLine {
  readonly at: Instant;
  /** `> ` and what was sent, `< ` and what came, or `* ` and what happened; printable ASCII. */
  readonly text: string;
}

/** A longer line is continued in the next one. */
const LONGEST = 200;
const CR = "\r";
const LF = "\n";

/** What was said on a line, as people read it: the last lines of it, without secrets. */
export class Transcript {
  readonly #kept: number;
  readonly #lines: TranscriptLine[] = [];
  readonly #fresh: TranscriptLine[] = [];
  readonly #received: SecretMask;
  readonly #told: SecretMask;
  #line = "";
  #lineAt: Instant | null = null;

  /**
   * @param secrets what is masked wherever it occurs, also when the far side echoes it
   * @param kept lines that are kept; older ones are forgotten
   */
  constructor(secrets: readonly string[], kept: number) {
    this.#kept = kept;
    this.#received = new SecretMask(secrets);
    this.#told = new SecretMask(secrets);
  }

  /** What is kept, oldest first, with the line that is still coming. */
  get lines(): TranscriptLine[] {
    if (this.#lineAt === null) return [...this.#lines];
    const text = this.#received.mask(this.#line);
    return [...this.#lines, { at: this.#lineAt, text: `< ${visible(text)}` }];
  }

  handleEvent(event: DialogueEvent, now: Instant): void {
    if (event.type === "received") return this.#handleReceived(event.text, now);
    this.#endLine(false);
    if (event.type === "sent") this.#add(`> ${this.#shown(event.text.replace(/\r$/, ""))}`, now);
    else if (event.type === "note") this.#add(`* ${this.#shown(event.text)}`, now);
    else if (event.carrierBps === null) this.#add("* connected", now);
    else this.#add(`* connected at ${event.carrierBps} bit/s`, now);
  }

  /** The dialogue is over. */
  handleEnd(end: DialogueEnd, now: Instant): void {
    this.#endLine(false);
    this.#add(end.ok ? "* done" : `* ${end.failure}: ${this.#shown(end.reason)}`, now);
  }

  /** A complete line that was not told yet, oldest first; of what nobody asks for, those that are kept. */
  pollLine(): TranscriptLine | undefined {
    return this.#fresh.shift();
  }

  #handleReceived(text: string, now: Instant): void {
    for (const letter of text) {
      if (letter === CR || letter === LF) this.#endLine(true);
      else {
        this.#lineAt ??= now;
        this.#line += letter;
        if (this.#line.length >= LONGEST) this.#endLine(false);
      }
    }
  }

  /** @param isOver false: what follows may belong together with it */
  #endLine(isOver: boolean): void {
    const at = this.#lineAt;
    const line = this.#line;
    this.#lineAt = null;
    this.#line = "";
    if (at !== null) this.#add(`< ${visible(this.#received.mask(line, isOver))}`, at);
    this.#received.finish(isOver ? `${line}${LF}` : line);
  }

  #shown(text: string): string {
    return visible(this.#told.mask(text, true));
  }

  #add(text: string, at: Instant): void {
    for (const lines of [this.#lines, this.#fresh]) {
      lines.push({ at, text });
      if (lines.length > this.#kept) lines.shift();
    }
  }
}
