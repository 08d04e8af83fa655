import { after, type Instant, NEVER } from "../time.ts";
import type { SendAction } from "./chat-text.ts";

const SECOND_MS = 1000;
const TENTH_MS = 100;

/** Sends strings of a script as a person would type them: octet by octet, with pauses. */
export class Typist {
  readonly #typingMs: number;
  readonly #outbox: (number[] | "break")[] = [];
  #actions: readonly SendAction[] = [];
  #at = 0;
  /** Whether the pause before the octet that is next is over once it is due. */
  #paused = false;
  #dueAt: Instant = NEVER;

  /** @param typingMs before each octet: modems of the time miss what comes faster */
  constructor(typingMs: number) {
    this.#typingMs = typingMs;
  }

  /** When it wants to go on; NEVER: it has sent everything. */
  get dueAt(): Instant {
    return this.#dueAt;
  }

  begin(actions: readonly SendAction[], now: Instant): void {
    this.#actions = actions;
    this.#at = 0;
    this.#paused = false;
    this.#dueAt = now;
  }

  /** Sends what is due. @returns whether all is sent, and every pause over */
  run(now: Instant): boolean {
    while (now >= this.#dueAt) {
      const action = this.#actions[this.#at];
      if (action === undefined) this.#dueAt = NEVER;
      else if (typeof action === "number" && !this.#paused) {
        this.#paused = true;
        this.#dueAt = after(now, this.#typingMs);
      } else {
        this.#act(action, now);
        this.#paused = false;
        this.#at += 1;
      }
    }
    return this.#dueAt === NEVER;
  }

  /** Octets for the line, or a break. */
  pollTransmit(): Uint8Array | "break" | undefined {
    const first = this.#outbox.shift();
    return first === undefined || first === "break" ? first : Uint8Array.from(first);
  }

  #act(action: SendAction, now: Instant): void {
    if (action === "second") this.#dueAt = after(now, SECOND_MS);
    else if (action === "tenth") this.#dueAt = after(now, TENTH_MS);
    else if (action === "break") this.#outbox.push(action);
    else {
      const last = this.#outbox.at(-1);
      if (Array.isArray(last)) last.push(action);
      else this.#outbox.push([action]);
    }
  }
}
