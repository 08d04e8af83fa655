import { ChatDialogue } from "../../src/dial/chat-dialogue.ts";
import type { ChatEnd, ChatEvent } from "../../src/dial/chat-events.ts";
import { parseChat, parseSendFile } from "../../src/dial/chat-script.ts";
import type { ChatWords } from "../../src/dial/chat-text.ts";
import { type Instant, instant, NEVER } from "../../src/time.ts";

/** A peer's answer: when what was sent so far ends with `after`, it says `text` `delayMs` later. */
export interface Answer {
  readonly after: string;
  readonly text: string;
  readonly delayMs?: number;
}

export interface Spoken {
  readonly end: ChatEnd | null;
  /** What the line got; a break is `<break>`. */
  readonly sent: string;
  /** What is received together, by turns of the echo, is one event. */
  readonly events: readonly ChatEvent[];
  /** When it ended, or when nothing could happen any more. */
  readonly endedAt: Instant;
  readonly unread: string;
}

export interface SpeakOptions {
  readonly answers?: readonly Answer[];
  readonly words?: Partial<ChatWords>;
  readonly files?: Readonly<Record<string, string>>;
  readonly typingMs?: number;
  readonly timeoutSeconds?: number;
  readonly echo?: boolean;
  /** Octets of an answer that arrive together. */
  readonly split?: number;
}

export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const asText = (octets: Uint8Array): string => String.fromCharCode(...octets);
export const WORDS: ChatWords = { phone: null, phone2: null, variable: null };

/** Speaks a script with a peer, on virtual time. An answer whose `after` is "" comes by itself. */
export function speak(script: readonly string[], options: SpeakOptions = {}): Spoken {
  const words = { ...WORDS, ...options.words };
  const { typingMs = 0, timeoutSeconds = 45, echo = false, split = 1 } = options;
  const dialogue = new ChatDialogue({ steps: parseChat(script, words), timeoutSeconds, typingMs, echo });
  const answers = [...(options.answers ?? [])];
  const arriving: { readonly at: Instant; readonly octets: Uint8Array }[] = [];
  const events: ChatEvent[] = [];
  let now = instant(0);
  let sent = "";
  let heard = 0;
  const drain = (): void => {
    for (let out = dialogue.pollTransmit(); out !== undefined; out = dialogue.pollTransmit())
      sent += out === "break" ? "<break>" : asText(out);
    for (let event = dialogue.pollEvent(); event !== undefined; event = dialogue.pollEvent()) {
      const last = events.at(-1);
      const same = event.type === "received" && last?.type === "received" && last.echo === event.echo;
      if (same) last.text += event.text;
      else events.push(event);
    }
    for (let next = answers[0]; next !== undefined; next = answers[0]) {
      const at = sent.indexOf(next.after, heard);
      if (at < 0) break;
      heard = at + next.after.length;
      answers.shift();
      const octets = latin1(next.text);
      const before = arriving.at(-1)?.at ?? now;
      const due = instant(Math.max(before, now + (next.delayMs ?? 0)));
      for (let i = 0; i < octets.length; i += split)
        arriving.push({ at: due, octets: octets.subarray(i, i + split) });
    }
    const { wantsFile } = dialogue;
    if (wantsFile === null) return;
    const contents = options.files?.[wantsFile];
    if (contents === undefined) dialogue.fail({ type: "unfit", reason: `no ${wantsFile}` });
    else dialogue.handleFile(parseSendFile(contents, words), now);
    drain();
  };
  dialogue.start(now);
  drain();
  while (dialogue.end === null) {
    const next = arriving[0];
    const due = dialogue.pollTimeout();
    if (next !== undefined && next.at <= due) {
      arriving.shift();
      now = next.at;
      dialogue.handleOctets(next.octets, 0, next.octets.length, now);
    } else {
      if (due === NEVER) break;
      now = due;
      dialogue.handleTimeout(now);
    }
    drain();
  }
  for (const { octets } of arriving) dialogue.handleOctets(octets, 0, octets.length, now);
  return { end: dialogue.end, sent, events, endedAt: now, unread: asText(dialogue.takeUnread()) };
}

/** The lines of its log. */
export const logOf = (spoken: Spoken): string[] =>
  spoken.events.flatMap((event) => (event.type === "log" || event.type === "error" ? [event.text] : []));
