import type { DialogueEvent } from "./dialogue.ts";

/** What a dialogue has to say, to the line and of itself, until it is asked for. */
export class Speech<Event = never> {
  readonly #outbox: Uint8Array[] = [];
  readonly #events: (Event | DialogueEvent)[] = [];
  #heard = "";

  /** @param text latin1 */
  say(text: string): void {
    if (text === "") return;
    this.#outbox.push(toOctets(text));
    this.tell({ type: "sent", text });
  }

  /** What somebody types comes back to them; people who watch have seen it. */
  echo(text: string): void {
    if (text !== "") this.#outbox.push(toOctets(text));
  }

  /** An octet that came, for people. */
  hear(octet: number): void {
    this.#heard += String.fromCharCode(octet);
  }

  note(text: string): void {
    this.tell({ type: "note", text });
  }

  tell(event: Event | DialogueEvent): void {
    this.#flush();
    this.#events.push(event);
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#outbox.shift();
  }

  pollEvent(): Event | DialogueEvent | undefined {
    this.#flush();
    return this.#events.shift();
  }

  #flush(): void {
    if (this.#heard === "") return;
    this.#events.push({ type: "received", text: this.#heard });
    this.#heard = "";
  }
}

const toOctets = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
