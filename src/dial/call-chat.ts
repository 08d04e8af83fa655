import type { Instant } from "../time.ts";
import { ChatDialogue } from "./chat-dialogue.ts";
import type { ChatEnd, ChatEvent } from "./chat-events.ts";
import { type ChatSend, type ChatSendText, type ChatStep, parseChat, parseSendFile } from "./chat-script.ts";
import type { ChatWords } from "./chat-text.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { readModemWord } from "./result-words.ts";

/** A script of chat(8) that makes a call. */
export interface CallChatSettings {
  /** As splitChatFile gives them; `\T` is the number. */
  readonly words: readonly string[];
  /** Contents of the files that are to be sent (`@FILE`), latin1, by their paths as the script has them. */
  readonly files: Readonly<Record<string, string>>;
}

/** As chat(8) does. */
const TIMEOUT_S = 45;
const TYPING_MS = 10;

const wordsFor = (number: string | null): ChatWords => ({ phone: number, phone2: null, variable: null });

/** The script hears the words after which modems tell a speed, and ends no sooner than such a line. */
const TELLS_SPEED = parseChat(["REPORT", "CARRIER", "REPORT", "CONNECT"], wordsFor(null));

/** Files that a script of chat(8) sends. */
export function chatFiles(words: readonly string[]): string[] {
  const sends = parseChat(words, wordsFor(null)).flatMap(sendsOf);
  return [...new Set(sends.flatMap((send) => (send.type === "file" ? [send.path] : [])))];
}

/** What a script of chat(8) marks as secret (`\q`), or has from files. */
export function chatSecrets({ words, files }: CallChatSettings): string[] {
  const fromFiles = Object.values(files).map((contents) => parseSendFile(contents, wordsFor(null)));
  const sends = [...parseChat(words, wordsFor(null)).flatMap(sendsOf), ...fromFiles];
  return sends.flatMap((send) => (send.type === "text" && send.secret ? [lineOf(send)] : []));
}

/** The octets that it sends, without what ends a line. */
const lineOf = ({ actions }: ChatSendText): string =>
  String.fromCharCode(...actions.filter((action) => typeof action === "number")).replace(/[\r\n]+$/, "");

function sendsOf(step: ChatStep): readonly ChatSend[] {
  if (step.type === "send") return [step.send];
  if (step.type !== "expect") return [];
  return step.tries.flatMap(({ otherwise }) => (otherwise === null ? [] : [otherwise]));
}

/** A dialogue of chat(8) as one of ours. */
export class CallChat implements Dialogue {
  readonly #settings: CallChatSettings;
  readonly #words: ChatWords;
  readonly #chat: ChatDialogue;
  /** Told before CONNECT. */
  #carrierBps: number | null = null;
  /** Of its owner; null: the script ends it. */
  #failed: Extract<DialogueEnd, { readonly ok: false }> | null = null;

  constructor(settings: CallChatSettings, number: string | null) {
    this.#settings = settings;
    this.#words = wordsFor(number);
    const steps = [...TELLS_SPEED, ...parseChat(settings.words, this.#words)];
    this.#chat = new ChatDialogue({ steps, timeoutSeconds: TIMEOUT_S, typingMs: TYPING_MS, echo: false });
  }

  get end(): DialogueEnd | null {
    const { end } = this.#chat;
    return end === null ? null : (this.#failed ?? dialogueEnd(end));
  }

  start(now: Instant): void {
    this.#chat.start(now);
    this.#giveFile(now);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    for (let i = from; i < to; i++) {
      this.#chat.handleOctets(octets, i, i + 1, now);
      this.#giveFile(now);
    }
  }

  handleTimeout(now: Instant): void {
    this.#chat.handleTimeout(now);
    this.#giveFile(now);
  }

  fail(failure: DialFailure, reason: string): void {
    if (this.#chat.end !== null) return;
    this.#failed = { ok: false, failure, reason };
    this.#chat.fail({ type: "broken", reason });
  }

  pollTimeout(): Instant {
    return this.#chat.pollTimeout();
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#chat.pollTransmit();
  }

  pollEvent(): DialogueEvent | undefined {
    for (let event = this.#chat.pollEvent(); event !== undefined; event = this.#chat.pollEvent()) {
      const told = this.#dialogueEvent(event);
      if (told !== null) return told;
    }
    return undefined;
  }

  takeUnread(): Uint8Array {
    return this.#chat.takeUnread();
  }

  /** @returns null: of no interest to people */
  #dialogueEvent(event: ChatEvent): DialogueEvent | null {
    if (event.type === "received") return { type: "received", text: event.text };
    if (event.type === "report") return this.#handleReport(event.text);
    if (event.type !== "log") return { type: "note", text: event.text };
    if (event.text === "send ()") return null;
    const [, sent] = /^send \(([^]*?)(?:\^M)?\)$/.exec(event.text) ?? [];
    if (sent === undefined) return null;
    return { type: "sent", text: sent.replaceAll("\\T", this.#words.phone ?? "T") };
  }

  #handleReport(text: string): DialogueEvent | null {
    const word = readModemWord(text);
    if (word?.type === "carrier") this.#carrierBps = word.bps;
    if (word?.type === "connect") return { type: "connected", carrierBps: this.#carrierBps ?? word.bps };
    return word === null ? { type: "note", text } : null;
  }

  #giveFile(now: Instant): void {
    for (let path = this.#chat.wantsFile; path !== null; path = this.#chat.wantsFile) {
      const contents = Object.hasOwn(this.#settings.files, path) ? this.#settings.files[path] : undefined;
      if (contents === undefined)
        return this.fail("command", `the script wants a file that is not there: ${path}`);
      this.#chat.handleFile(parseSendFile(contents, this.#words), now);
    }
  }
}

function dialogueEnd(end: ChatEnd): DialogueEnd {
  switch (end.type) {
    case "done":
      return { ok: true };
    case "timeout":
      return { ok: false, failure: "timeout", reason: "what the script expects did not come" };
    case "aborted": {
      const word = readModemWord(end.string);
      const failure = word?.type === "failure" ? word.failure : "aborted";
      return { ok: false, failure, reason: `${end.string} came` };
    }
    case "unfit":
      return { ok: false, failure: "command", reason: end.reason };
    case "broken":
      return { ok: false, failure: "broken", reason: end.reason };
  }
}
