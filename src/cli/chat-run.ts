import { execFile } from "node:child_process";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ChatDialogue } from "../dial/chat-dialogue.ts";
import type { ChatEnd } from "../dial/chat-events.ts";
import { parseSendFile } from "../dial/chat-script.ts";
import type { ChatWords } from "../dial/chat-text.ts";
import { monotonicNow } from "../host/clock.ts";
import { after, type Instant, instant } from "../time.ts";
import { type ChatLine, ENDED, NOTHING } from "./chat-line.ts";
import type { ChatView } from "./chat-view.ts";

/** A signal that comes between two looks at what there is to do waits no longer. */
const LONGEST_WAIT_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** It would start Node's inspector. */
const IGNORED = "SIGUSR1";

/** A dialogue on the line that is standard input and output: one mutation, then all that there is to do. */
export class ChatRun {
  readonly #dialogue: ChatDialogue;
  readonly #words: ChatWords;
  readonly #line: ChatLine;
  readonly #view: ChatView;
  readonly #octet = new Uint8Array(1);
  readonly #interrupted = new AbortController();
  /** The end, when it did not come from the script. */
  #failure: ChatEnd | null = null;

  constructor(dialogue: ChatDialogue, words: ChatWords, line: ChatLine, view: ChatView) {
    this.#dialogue = dialogue;
    this.#words = words;
    this.#line = line;
    this.#view = view;
  }

  async run(): Promise<ChatEnd> {
    for (const signal of SIGNALS) process.on(signal, this.#interrupt);
    process.on(IGNORED, ignore);
    try {
      this.#dialogue.start(monotonicNow());
      for (;;) {
        await this.#transmit();
        this.#show();
        const { end, wantsFile } = this.#dialogue;
        if (end !== null) return this.#failure ?? end;
        if (wantsFile === null) this.#wait();
        else await this.#readFile(wantsFile);
        await nextTurn(); // signals are told between turns
      }
    } finally {
      for (const signal of SIGNALS) process.off(signal, this.#interrupt);
      process.off(IGNORED, ignore);
    }
  }

  readonly #interrupt = (signal: NodeJS.Signals): void => {
    if (signal === "SIGHUP" && !this.#dialogue.mindsHangUp) return;
    this.#fail({ type: "broken", reason: signal });
    this.#interrupted.abort();
  };

  #fail(end: Extract<ChatEnd, { readonly reason: string }>): void {
    this.#failure ??= end;
    this.#dialogue.fail(end);
  }

  #show(): void {
    for (let event = this.#dialogue.pollEvent(); event !== undefined; event = this.#dialogue.pollEvent()) {
      this.#view.show(event);
    }
  }

  #wait(): void {
    const now = monotonicNow();
    const until = earlier(this.#dialogue.pollTimeout(), after(now, LONGEST_WAIT_MS));
    if (!this.#dialogue.listens) this.#line.pause(until, now);
    else {
      const octet = this.#line.read(until, now);
      if (octet === ENDED) this.#fail({ type: "broken", reason: "the line has ended" });
      else if (octet !== NOTHING) {
        this.#octet[0] = octet;
        this.#dialogue.handleOctets(this.#octet, 0, 1, monotonicNow());
      }
    }
    this.#dialogue.handleTimeout(monotonicNow());
  }

  async #transmit(): Promise<void> {
    for (let out = this.#dialogue.pollTransmit(); out !== undefined; out = this.#dialogue.pollTransmit()) {
      if (this.#failure !== null) continue;
      if (out === "break") this.#line.sendBreak();
      else for (const octet of out) await this.#write(octet);
    }
  }

  async #write(octet: number): Promise<void> {
    const deadline = after(monotonicNow(), this.#dialogue.timeoutMs);
    while (this.#failure === null) {
      const now = monotonicNow();
      const result = this.#line.write(octet, earlier(deadline, after(now, LONGEST_WAIT_MS)), now);
      if (result === ENDED) this.#fail({ type: "broken", reason: "the line has ended" });
      else if (result !== NOTHING) return;
      else if (monotonicNow() >= deadline) {
        this.#fail({ type: "unfit", reason: "the line takes nothing (flow control?)" });
      }
      await nextTurn();
    }
  }

  /** By a process of its own: the file may be a pipe that nobody writes to yet, and a signal has to end even that. */
  async #readFile(path: string): Promise<void> {
    const { signal } = this.#interrupted;
    const contents = await new Promise<string | Error>((resolve) => {
      execFile("cat", ["--", path], { encoding: "latin1", signal }, (error, stdout) =>
        resolve(error ?? stdout),
      );
    });
    if (typeof contents === "string") {
      this.#dialogue.handleFile(parseSendFile(contents, this.#words), monotonicNow());
      return;
    }
    const reason = contents.message.trim().split("\n").at(-1) ?? "";
    this.#fail({ type: "unfit", reason: `${path} cannot be read: ${reason}` });
  }
}

const ignore = (): void => {};
const earlier = (a: Instant, b: Instant): Instant => instant(Math.min(a, b));
