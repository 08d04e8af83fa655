import type { DialFailure, DialogueEnd, DialogueEvent } from "./dialogue.ts";

/** Far more than comes between the end of a dialogue and the start of a link. */
const MAX_UNREAD = 4096;
/** More text than this in one event is not for people. */
const MAX_TEXT = 4096;

/**
 * What a dialogue keeps for its owner: octets to send, events, its end, and what it did not read. `Event` is what it tells beyond what
 * all dialogues tell.
 */
export class DialogueOutput<Event = never> {
  /** Octets that were not read and found no room. */
  dropped = 0;
  readonly #transmits: (Uint8Array | "break")[] = [];
  readonly #events: (DialogueEvent | Event)[] = [];
  readonly #unread: number[] = [];
  #end: DialogueEnd | null = null;

  get end(): DialogueEnd | null {
    return this.#end;
  }

  /** @param text latin1 @param shown for people, when it is not the text */
  send(text: string, shown: string = text): void {
    this.echo(text);
    this.tell({ type: "sent", text: shown });
  }

  /** Sends back what somebody types: people have seen it come. */
  echo(text: string): void {
    if (text !== "") this.#transmits.push(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  }

  sendBreak(): void {
    this.#transmits.push("break");
    this.note("break");
  }

  note(text: string): void {
    this.tell({ type: "note", text });
  }

  tell(event: DialogueEvent | Event): void {
    this.#events.push(event);
  }

  /** An octet was read. What is read together is one event. */
  received(octet: number): void {
    const last = this.#events.at(-1);
    const text = String.fromCharCode(octet);
    if (!isReceived(last)) this.tell({ type: "received", text });
    else if (last.text.length < MAX_TEXT) {
      this.#events[this.#events.length - 1] = { type: "received", text: last.text + text };
    }
  }

  /** An octet is left to whoever uses the line next, or to what is read next. */
  leave(octet: number): void {
    if (this.#unread.length < MAX_UNREAD) this.#unread.push(octet);
    else this.dropped += 1;
  }

  /** The first of what was left. */
  takeOctet(): number | undefined {
    return this.#unread.shift();
  }

  succeed(): void {
    this.#end ??= { ok: true };
  }

  fail(failure: DialFailure, reason: string): void {
    this.#end ??= { ok: false, failure, reason };
  }

  pollTransmit(): Uint8Array | "break" | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): DialogueEvent | Event | undefined {
    return this.#events.shift();
  }

  takeUnread(): Uint8Array {
    return Uint8Array.from(this.#unread.splice(0));
  }
}

const isReceived = (event: unknown): event is Extract<DialogueEvent, { readonly type: "received" }> =>
  (event as DialogueEvent | undefined)?.type === "received";
