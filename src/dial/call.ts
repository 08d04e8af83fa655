import { type Instant, NEVER } from "../time.ts";
import { CallChat, type CallChatSettings, chatSecrets } from "./call-chat.ts";
import { type DialScript, scriptSecrets } from "./dial-script.ts";
import type { DialFailure, Dialogue, DialogueEnd, DialogueEvent } from "./dialogue.ts";
import { DialogueOutput } from "./dialogue-output.ts";
import { LoginDialogue, type LoginSettings } from "./login-dialogue.ts";
import { ModemDialogue, type ModemSettings } from "./modem-dialogue.ts";
import { ScriptDialogue } from "./script-dialogue.ts";

/** How somebody is called. */
export interface CallSettings {
  /** Null: the line leads to the far side, or what follows dials. */
  readonly modem: ModemSettings | null;
  readonly login: LoginSettings | null;
  /** Instead of the login; without a modem, it may dial. Absent: none. */
  readonly script?: DialScript | null | undefined;
  /** Instead of all others. */
  readonly chat: CallChatSettings | null;
}

/**
 * All that is said on a line until the link begins there.
 * @param number null: what dials knows it, or nothing dials
 */
export function makeCall(settings: CallSettings, number: string | null): Dialogue {
  const { modem, login, script = null, chat } = settings;
  if (chat !== null) return new CallChat(chat, number);
  const parts: Dialogue[] = [];
  if (modem !== null) parts.push(new ModemDialogue(modem, number ?? ""));
  if (script !== null) parts.push(new ScriptDialogue(script, number ?? "", modem === null));
  else if (login !== null) parts.push(new LoginDialogue(login, modem !== null));
  return new Call(parts, modem === null && script === null);
}

/** What a transcript of such calls has to mask. */
export function callSecrets({ login, script = null, chat }: CallSettings): string[] {
  return [
    ...(login === null ? [] : [login.password]),
    ...(script === null ? [] : scriptSecrets(script)),
    ...(chat === null ? [] : chatSecrets(chat)),
  ];
}

/** Dialogues one after the other; what one has not read is the next one's. */
class Call implements Dialogue {
  readonly #output = new DialogueOutput();
  readonly #parts: readonly Dialogue[];
  #at = 0;

  /** @param isConnected nobody has to dial */
  constructor(parts: readonly Dialogue[], isConnected: boolean) {
    this.#parts = parts;
    if (isConnected) this.#output.tell({ type: "connected", carrierBps: null });
  }

  get end(): DialogueEnd | null {
    return this.#output.end;
  }

  start(now: Instant): void {
    this.#part?.start(now);
    this.#follow(now);
  }

  handleOctets(octets: Uint8Array, from: number, to: number, now: Instant): void {
    if (this.end === null) this.#part?.handleOctets(octets, from, to, now);
    else for (let i = from; i < to; i++) this.#output.leave(octets[i] as number);
    this.#follow(now);
  }

  handleTimeout(now: Instant): void {
    this.#part?.handleTimeout(now);
    this.#follow(now);
  }

  fail(failure: DialFailure, reason: string): void {
    this.#part?.fail(failure, reason);
    this.#output.fail(failure, reason);
  }

  pollTimeout(): Instant {
    return this.end === null ? (this.#part?.pollTimeout() ?? NEVER) : NEVER;
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return first(this.#parts, (part) => part.pollTransmit());
  }

  pollEvent(): DialogueEvent | undefined {
    return this.#output.pollEvent() ?? first(this.#parts, (part) => part.pollEvent());
  }

  takeUnread(): Uint8Array {
    return this.#output.takeUnread();
  }

  get #part(): Dialogue | undefined {
    return this.#parts[this.#at];
  }

  /** Goes on to the next part when one is over. */
  #follow(now: Instant): void {
    while (this.end === null) {
      const part = this.#part;
      if (part === undefined) return this.#output.succeed();
      if (part.end === null) return;
      const unread = part.takeUnread();
      if (!part.end.ok) this.#output.fail(part.end.failure, part.end.reason);
      else this.#at += 1;
      const next = part.end.ok ? this.#part : undefined;
      if (next === undefined) for (const octet of unread) this.#output.leave(octet);
      else {
        next.start(now);
        next.handleOctets(unread, 0, unread.length, now);
      }
    }
  }
}

/** Those of the parts in their order. */
function first<T>(parts: readonly Dialogue[], poll: (part: Dialogue) => T | undefined): T | undefined {
  for (const part of parts) {
    const found = poll(part);
    if (found !== undefined) return found;
  }
  return undefined;
}
